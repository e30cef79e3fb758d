/** What a torture came to. */
import type { Finding } from '@mmun/include';
import { CODES, isCode } from '@mmun/oracle';
import type { CheckFinding } from '@mmun/races';

/** One thing that was tried. */
export interface TortureRow {
  /** Name of a scenario, a rule, or `random-programs`. */
  readonly scenario: string;
  readonly design: string;
  /** What ran: `dpor`, `sequential` ... */
  readonly strategy: string;
  readonly executions: number;
  readonly blocked: number;
  /** Every interleaving was looked at. */
  readonly exhaustive: boolean;
  /** Every interleaving with at most so many preemptions was; null where no bound was proved. */
  readonly preemptions: number | null;
  readonly elapsedMs: number;
  readonly findings: readonly TortureFinding[];
}

export interface TortureFinding extends Finding {
  readonly scenario: string;
  readonly design: string;
  /** One sentence on the cause; empty where nothing is known beyond the message. */
  readonly why: string;
  readonly preemptions: number;
  readonly minimal: boolean;
}

export interface TortureReport {
  readonly plugin: string;
  readonly effort: string;
  readonly seed: number;
  readonly designs: readonly string[];
  readonly rows: readonly TortureRow[];
  /** Of all rows, the first of each first. */
  readonly findings: readonly TortureFinding[];
  readonly executions: number;
  readonly elapsedMs: number;
  readonly ok: boolean;
}

export function findingIn(scenario: string, design: string, finding: Finding & Partial<Pick<CheckFinding, 'why' | 'preemptions' | 'minimal'>>): TortureFinding {
  const { why: known = '', preemptions = 0, minimal = false } = finding;
  return { ...finding, scenario, design, why: known === '' ? meaningOf(finding.code) : known, preemptions, minimal };
}

/** Where nobody else was at work, the code says what there is to say; a broken rule of the interface says it in its message. */
function meaningOf(code: string): string {
  return isCode(code) && code !== 'bad-plugin' ? CODES[code] : '';
}

/** A finding in plain text: what, why, the steps as one column per actor, and how to see it again. For tests; `mmun check` has colour. */
export function findingText(finding: TortureFinding, module = 'PLUGIN.ts'): string {
  const { code, message, why, steps, replay, scenario } = finding;
  const again = `mmun check ${module} --scenario ${scenario}${replay === '' ? '' : ` --replay '${replay}'`}`;
  return [`${scenario}: ${code}`, `  ${message}`, ...(why === '' ? [] : [`  why: ${why}`]), ...(steps.length === 0 ? [] : ['', ...columns(steps), '']), `  again: ${again}`].join('\n');
}

const WIDTH = 46;

function columns(steps: Finding['steps']): string[] {
  const actors = [...new Set(steps.map(({ actor }) => actor))];
  const lines = [`      ${actors.map((actor) => actor.padEnd(WIDTH)).join('').trimEnd()}`];
  for (const [i, { actor, text, file, line }] of steps.entries()) {
    const indent = ' '.repeat(WIDTH * actors.indexOf(actor));
    const place = file === undefined ? [] : [`${file.split('/').slice(-1)[0]}${line === undefined ? '' : `:${line}`}`];
    const cell = [...folded(text, WIDTH - 2), ...place];
    cell.forEach((row, at) => lines.push(`${(at === 0 ? String(i + 1) : '').padStart(4)}  ${indent}${row}`));
  }
  return lines;
}

function folded(text: string, width: number): string[] {
  const rows: string[] = [''];
  for (const word of text.split(' ')) {
    const last = rows.at(-1) as string;
    if (last !== '' && last.length + word.length >= width) rows.push(word);
    else rows[rows.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return rows;
}
