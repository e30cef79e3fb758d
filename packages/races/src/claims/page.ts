/** docs/claims.md, from what was run. */
import type { Compiled, Counterexample, Evidence, Measured } from './claim.js';
import type { ClaimRow, ClaimsReport } from './report.js';
import { TABLE_CALLS } from './v5-table.js';
import type { Cell } from './v5-table.js';

/** What a reader wants to know first; the others follow in their order. */
const FIRST: readonly string[] = ['C9', 'C10', 'C14', 'C17', 'C18', 'C20', 'C4b'];

export function claimsPage(report: ClaimsReport): string {
  const { claims, table } = report;
  const first = FIRST.flatMap((id) => claims.filter((row) => row.id === id));
  const rest = claims.filter(({ id }) => !FIRST.includes(id));
  return [
    ...HEAD, '',
    ...overview(claims), '',
    ...tableOf(table), '',
    '## The ones to know', '', ...first.flatMap(claimSection),
    '## The others', '', ...rest.flatMap(claimSection),
    ...convictions(table),
  ].join('\n').trimEnd() + '\n';
}

const HEAD: readonly string[] = [
  '# The claims of the mail, settled',
  '',
  '<!-- Written by `npx mmun claims --markdown`, with --deep where there is time for three CPUs. Do not edit. -->',
  '',
  'On 1 February 2008 Andrea Arcangeli defended "[PATCH] mmu notifiers #v5" against the review of Christoph Lameter',
  '(20080131232842.GQ7185@v2.random). Each sentence of that mail that can be true or false is run here, on the patch as it was posted, over the mm of',
  '2.6.24: on images for x86, s390 and the generic arch where it is about numbers, and in every interleaving of a machine of a few pages where it is about',
  'order. *Holds* means that no interleaving says otherwise and that a mutant of the code, where the claim is false, is caught by the same run. *Refuted*',
  'comes with the shortest schedule that shows it, less what does not matter; `npx mmun check RACE --replay STRING` plays all of it again, with lines of the source.',
];

function overview(rows: readonly ClaimRow[]): string[] {
  return [
    '| claim | the mail | | verdict |', '|---|---|---|---|',
    ...rows.map(({ id, text, means, verdict }) => `| [${id}](#${id.toLowerCase()}) | ${cell(text)} | ${cell(means)} | ${verdict === 'refuted' ? '**refuted**' : verdict} |`),
  ];
}

function tableOf(cells: readonly Cell[]): string[] {
  if (cells.length === 0) return [];
  const plugins = [...new Set(cells.map(({ plugin }) => plugin))];
  const columns = (['v5', 'range'] as const).flatMap((design) => plugins.filter((plugin) => cells.some((one) => one.design === design && one.plugin === plugin)).flatMap((plugin) => (['read', 'write'] as const).map((access) => ({ design, plugin, access }))));
  return [
    '## Each call against a device',
    '',
    'Each design with right drivers: KVM makes entries under the PT lock of their ptes (v5), or counts and retries (range); the GRU has hardware that drops what an',
    'invalidation overtook; XPMEM, for range alone, pins and recalls under mutexes. One CPU makes the call while the',
    'device faults and accesses; where "3" stands another CPU of the process writes to the page as well. *clean*: every interleaving was covered; a dash: too many, not covered.',
    '',
    `| call | ${columns.map(({ design, plugin, access }) => `${design}, ${plugin} ${access}s`).join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...TABLE_CALLS.map((call) => `| ${call} | ${columns.map((column) => outcome(cells.filter((one) => one.call === call && one.design === column.design && one.plugin === column.plugin && one.access === column.access))).join(' | ')} |`),
  ];
}

function outcome(cells: readonly Cell[]): string {
  const wrong = cells.find(({ explored }) => (explored?.counterexample ?? null) !== null);
  if (wrong !== undefined) return `**${wrong.explored?.counterexample?.code}**`;
  if (cells.some(({ open }) => open !== '')) return 'open';
  const done = cells.filter(({ explored }) => explored !== null).map(({ cpus }) => cpus);
  return done.length === 0 ? '-' : `clean, ${done.join(' and ')}`;
}

function claimSection({ id, text, means, verdict, by, evidence }: ClaimRow): string[] {
  const counterexample = verdict === 'refuted' ? evidence.flatMap((one) => (one.kind === 'explored' && one.counterexample !== null ? [one.counterexample] : []))[0] : undefined;
  return [
    `### ${id}`, '',
    `${text}: *${means}*`, '',
    `**${verdict}.** ${by}`, '',
    ...(counterexample === undefined ? [] : schedule(counterexample)),
    ...explorations(evidence),
    ...evidence.flatMap((one) => (one.kind === 'measured' ? measured(one) : one.kind === 'compiled' ? compiled(one) : [])),
  ];
}

function schedule({ race, variant, message, why, replay, preemptions, steps }: Counterexample): string[] {
  const actors = [...new Set(steps.map(({ actor }) => actor))];
  const width = Math.max(...actors.map((actor) => actor.length));
  return [
    '```',
    ...told(steps).map((step) => (step === null ? `${' '.repeat(width)}  ...` : `${step.actor.padEnd(width)}  ${step.text}`)),
    '```', '',
    `${sentence(message)}${why === '' ? '' : `: ${why}`}. ${preemptions === 0 ? 'No preemption is needed' : preemptions === 1 ? 'One preemption is enough' : `${preemptions} preemptions are enough`}:`, '',
    `    npx mmun check ${race} --variant ${variant} --replay '${replay}'`, '',
  ];
}

/** What a reader follows: where a turn begins, locks over the pte and the entry, and everything that changes a pte, an entry or a frame. */
const MATTERS = /the call begins|the pte of|page\.ptl|mmu_lock|\.lock\[|mmap_sem|: calls |; |here: |mm_users|list/;

/** Null stands for steps that are left out. */
function told(steps: Counterexample['steps']): (Counterexample['steps'][number] | null)[] {
  const out: (Counterexample['steps'][number] | null)[] = [];
  steps.forEach((step, i) => {
    const isTurn = steps[i - 1]?.actor !== step.actor || i === steps.length - 1 || steps[i + 1]?.actor !== step.actor;
    if (isTurn || MATTERS.test(step.text)) out.push(step);
    else if (out.at(-1) !== null) out.push(null);
  });
  return out;
}

function explorations(evidence: readonly Evidence[]): string[] {
  const rows = evidence.flatMap((one) => (one.kind === 'explored' ? [one] : []));
  if (rows.length === 0) return [];
  return [
    '| race | | every interleaving |', '|---|---|---|',
    ...rows.map(({ race, variant, says, counterexample }) => `| \`${race}\`, ${variant} | ${cell(says)} | ${counterexample === null ? 'clean' : `${counterexample.code}, ${counterexample.preemptions} ${counterexample.preemptions === 1 ? 'preemption' : 'preemptions'}`} |`),
    '',
  ];
}

function measured({ says, columns, rows }: Measured): string[] {
  return [`${sentence(says)}:`, '', `| ${columns.join(' | ')} |`, `|${columns.map(() => '---|').join('')}`, ...rows.map((row) => `| ${row.join(' | ')} |`), ''];
}

function compiled({ says, rows }: Compiled): string[] {
  const sources = [...new Set(rows.map(({ source }) => source))];
  return [
    `${sentence(says)}:`, '', '| | says the compiler |', '|---|---|',
    ...sources.map((source) => {
      const of = rows.filter((row) => row.source === source);
      const words = [...new Set(of.map(({ errors }) => errors[0] ?? 'nothing'))];
      return `| \`${source}\` (${of.map(({ design }) => design).join(', ')}) | ${cell(words.join('; '))} |`;
    }),
    '',
  ];
}

/** Below everything: what the table convicts, step by step. */
function convictions(cells: readonly Cell[]): string[] {
  const wrong = cells.flatMap(({ call, access, design, plugin, cpus, explored }) => (cpus === 2 && explored !== null && explored.counterexample !== null ? [{ call, access, design, plugin, counterexample: explored.counterexample }] : []));
  if (wrong.length === 0) return [];
  return ['## What the table convicts', '', ...wrong.flatMap(({ call, access, design, plugin, counterexample }) => [`### ${call} under ${design}, ${plugin} ${access}s`, '', ...schedule(counterexample)])];
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
