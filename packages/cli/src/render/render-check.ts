/** `mmun check` and `mmun races` for eyes, from their JSON documents. */
import type { CheckReport } from '@mmun/races';
import type { RaceRow, RacesReport } from '../check/check-report.js';
import { renderFinding } from './render-finding.js';
import type { Screen } from './screen.js';
import { grouped, plural, textTable, wrap } from './text-table.js';
import type { Cell, Column } from './text-table.js';

export function renderCheck(report: CheckReport, screen: Screen, asked?: Asked): string[] {
  const { paint } = screen;
  const { arch, design, build } = report.config;
  return [
    `${paint.bold(report.race)}, ${report.variant}  ${paint.dim(arch === 'none' ? 'primitives only, no kernel' : `${arch}, notifier ${design}, ${build} build`)}${settings(report)}`,
    ...report.findings.flatMap((finding) => ['', ...renderFinding(finding, screen), ...howToRepeat(report, finding.replay, screen, asked)]),
    '',
    (report.ok ? paint.green : report.interrupted && report.findings.length === 0 ? paint.yellow : paint.red)(checkVerdict(report)),
    ...worth(report).flatMap((note) => wrap(note, screen.width - 2).map((line) => paint.dim(`  ${line}`))),
  ];
}

function settings({ config: { parameters } }: CheckReport): string {
  const all = Object.entries(parameters);
  return all.length === 0 ? '' : `  ${all.map(([name, value]) => `${name}=${value}`).join(' ')}`;
}

/** What the search says of itself; of a finding nothing needs to be said. */
function worth({ notes, estimate, findings, exhaustive }: CheckReport): string[] {
  if (findings.length > 0) return notes.filter((note) => note.includes('replay'));
  const size = exhaustive || estimate === null ? [] : [`about ${estimate.schedules.toExponential(0)} schedules of ${Math.round(estimate.steps)} steps, by a sample`];
  return [...notes, ...size];
}

/** What was asked for: a race of one's own is known by its file, and parameters that were not given need not be again. */
export interface Asked {
  readonly name: string;
  readonly set: Readonly<Record<string, string | number>>;
}

/** What shows it again, in two parts. */
export function againLine({ race, variant }: CheckReport, replay: string, { name, set }: Asked = { name: race, set: {} }): [string, string] {
  const given = Object.entries(set).map(([parameter, value]) => ` --set ${parameter}=${value}`).join('');
  return [`mmun check ${name} --variant ${variant}${given}`, `--replay '${replay}'`];
}

/** A line to copy; two where one would be too wide. */
function howToRepeat(report: CheckReport, replay: string, { paint, width }: Screen, asked?: Asked): string[] {
  if (replay === '') return [];
  const [start, end] = againLine(report, replay, asked).map((part, i) => (i === 0 ? `  again: ${part}` : part)) as [string, string];
  return ['', ...(start.length + end.length < width ? [`${start} ${end}`] : [`${start} \\`, `    ${end}`]).map((line) => paint.dim(line))];
}

/** Never more than was proved: what was covered, within which bound. */
function checkVerdict({ findings, exhaustive, strategy, preemptions, executions, blocked, states, elapsedMs, interrupted }: CheckReport): string {
  const bound = preemptions === null ? '' : ` up to ${plural(preemptions, 'preemption')}`;
  const coverage = `${interrupted ? 'interrupted, ' : ''}${coverageOf(exhaustive, preemptions, bound)}`;
  const word = findings.length > 0 ? `${plural(findings.length, 'finding')}` : exhaustive ? 'clean' : 'nothing found';
  const work = [plural(executions, 'execution'), ...(blocked > 0 ? [`${grouped(blocked)} blocked`] : []), ...(states > 0 ? [plural(states, 'state')] : [])];
  return `${word}: ${coverage}; ${strategy}, ${work.join(', ')} (${seconds(elapsedMs)})`;
}

function coverageOf(exhaustive: boolean, preemptions: number | null, bound: string): string {
  if (exhaustive) return `every interleaving${bound}`;
  return preemptions === null ? 'not exhaustive' : `every interleaving${bound}, and not all beyond`;
}

const COLUMNS: readonly Column[] = [
  { title: 'race', align: 'left' },
  { title: 'buggy', align: 'left', shrinks: true },
  { title: 'preempt', align: 'right' },
  { title: 'runs', align: 'right' },
  { title: 'time', align: 'right' },
  { title: 'fixed', align: 'left' },
  { title: 'runs', align: 'right' },
  { title: 'time', align: 'right' },
];

export function renderRaces(report: RacesReport, { paint, width }: Screen): string[] {
  const { races, ok } = report;
  const verdict = racesVerdict(report);
  return [
    ...textTable(COLUMNS, races.map((race) => raceRow(race, paint)), { width, title: paint.dim }),
    '',
    (ok ? paint.green : paint.red)(verdict),
  ];
}

function racesVerdict({ races, asked, interrupted, ok }: RacesReport): string {
  if (ok) return `settled: ${plural(races.length, 'race')}, each found and each twin clean`;
  const wrong = races.filter((race) => !isSettled(race)).length;
  const sofar = wrong === 0 ? 'all as expected' : `${grouped(wrong)} not as expected`;
  return interrupted ? `interrupted: ${grouped(races.length)} of ${plural(asked, 'race')} checked, ${sofar}` : `${grouped(wrong)} of ${plural(races.length, 'race')} not as expected`;
}

function raceRow({ id, buggy, fixed }: RaceRow, paint: Screen['paint']): Cell[] {
  return [
    { text: id, paint: paint.bold },
    buggy.found ? { text: buggy.code } : { text: 'not found', paint: paint.red },
    { text: buggy.found ? String(buggy.preemptions) : '-' },
    { text: grouped(buggy.executions) },
    { text: seconds(buggy.elapsedMs), paint: paint.dim },
    fixed.clean ? { text: fixed.exhaustive ? 'clean' : 'nothing found', paint: fixed.exhaustive ? paint.green : paint.yellow } : { text: 'not clean', paint: paint.red },
    { text: grouped(fixed.executions) },
    { text: seconds(fixed.elapsedMs), paint: paint.dim },
  ];
}

function isSettled({ buggy, fixed }: RaceRow): boolean {
  return buggy.found && fixed.clean && fixed.exhaustive;
}

function seconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
