/** A finding: what, why, how to see it again, and the steps as one column per actor with time downwards. */
import type { Finding, FindingStep } from '@mmun/include';
import type { Screen } from './screen.js';
import { grouped, wrap } from './text-table.js';

const NUMBER_WIDTH = 4;
const MIN_COLUMN = 14;
/** A livelock is as long as it was let run, and says the same again and again: its beginning and its end are read. */
const MOST_STEPS = 400;
const FIRST_STEPS = 120;
const LAST_STEPS = 60;

/** `why` is one sentence more, where there is one. */
export function renderFinding(finding: Finding & { readonly why?: string }, screen: Screen): string[] {
  const { paint, width } = screen;
  return [
    `${paint.red(paint.bold(finding.code))}`,
    ...wrap(finding.message, width - 2).map((line) => `  ${line}`),
    ...wrap(finding.why ?? '', width - 2).map((line) => paint.bold(`  ${line}`)),
    ...(finding.replay === '' ? [] : [paint.dim(`  replay: ${finding.replay}`)]),
    ...(finding.steps.length === 0 ? [] : ['', ...renderSteps(finding.steps, screen)]),
  ];
}

/** A step that says more than the JSON contract asks for. */
interface LockedStep extends FindingStep {
  readonly held?: readonly string[];
}

/** Actors in the order of their first step; a cell is wrapped inside its column. Locks are named where they change. */
export function renderSteps(steps: readonly LockedStep[], { paint, width }: Screen): string[] {
  const actors = [...new Set(steps.map(({ actor }) => actor))];
  const columnWidth = Math.max(MIN_COLUMN, Math.floor((width - NUMBER_WIDTH - 2) / actors.length) - 2);
  const at = (column: number, text: string, painter: (text: string) => string): string => ' '.repeat(column * (columnWidth + 2)) + painter(text);
  const header = actors.map((actor) => actor.padEnd(columnWidth + 2)).join('').trimEnd();
  const lines = [`${' '.repeat(NUMBER_WIDTH + 2)}${paint.bold(header)}`];
  const held = new Map<string, string>();
  const nrLeftOut = steps.length > MOST_STEPS ? steps.length - FIRST_STEPS - LAST_STEPS : 0;
  for (const [index, step] of steps.entries()) {
    if (nrLeftOut > 0 && index === FIRST_STEPS) lines.push('', paint.dim(`${' '.repeat(NUMBER_WIDTH + 2)}.. ${grouped(nrLeftOut)} steps are left out here: --json has them`), '');
    const locks = (step.held ?? []).join(', ');
    const isOther = locks !== (held.get(step.actor) ?? '');
    held.set(step.actor, locks);
    if (nrLeftOut > 0 && index >= FIRST_STEPS && index < FIRST_STEPS + nrLeftOut) continue;
    const column = actors.indexOf(step.actor);
    const place = step.file === undefined ? [] : wrap(`${step.file.replace(/^(?:.*[\\/])?(?:packages|@mmun)[\\/]/, '').replace('/src/', '/')}${step.line === undefined ? '' : `:${step.line}`}`, columnWidth);
    const number = String(index + 1).padStart(NUMBER_WIDTH);
    const cells = [...wrap(step.text, columnWidth).map((text) => at(column, text, String)), ...place.map((text) => at(column, text, paint.dim)),
      ...(isOther ? wrap(locks === '' ? 'holds nothing' : `holds ${locks}`, columnWidth).map((text) => at(column, text, paint.yellow)) : [])];
    cells.forEach((cell, i) => lines.push(`${i === 0 ? paint.dim(number) : ' '.repeat(NUMBER_WIDTH)}  ${cell}`));
  }
  return lines;
}
