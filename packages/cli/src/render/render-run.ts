/** `mmun run` for eyes: what was replayed, what differs, what the notifier said, what the secondary MMU saw, a verdict. */
import type { RecordingReport, RunReport } from '../run/run-report.js';
import type { MemoryReport } from '../run/short-memory.js';
import { NOTIFIER_CALLS } from './notifier-calls.js';
import { renderFinding } from './render-finding.js';
import { renderProcesses } from './render-processes.js';
import type { Screen } from './screen.js';
import { beside, ellipsis, grouped, plural, wrap } from './text-table.js';
import { runVerdict } from './run-verdict.js';

interface RunScreen extends Screen {
  readonly deviceRate: number;
}

/** What a reader gets before being pointed at --json. */
const MAX_SKIPPED = 12;

export function renderRun(report: RunReport, screen: RunScreen): string[] {
  return [
    heading(report, screen),
    ...report.recordings.flatMap((recording) => ['', ...renderRecording(recording, screen)]),
    ...renderTraffic(report, screen),
    ...renderSkipped(report, screen),
    ...renderFindings(report, screen),
    '',
    ...runVerdict(report, screen),
  ];
}

function heading({ config, recordings, secondary, seed }: RunReport, { paint, deviceRate }: RunScreen): string {
  const devices = secondary.map(({ plugin }) => plugin).join(', ');
  const traffic = devices === '' ? '' : `; ${devices} at ${deviceRate} accesses an event, seed ${seed}`;
  const folded = recordings.some((recording) => recording.folded) ? '; addresses without their upper bits' : '';
  return paint.dim(`${config.arch}, notifier ${config.design}, ${config.build} build${traffic}${folded}`);
}

function renderRecording(recording: RecordingReport, screen: Screen): string[] {
  const { paint, width } = screen;
  const command = recording.command === '' ? '' : `  ${paint.dim(ellipsis(recording.command, width - recording.name.length - 2))}`;
  return [
    `${paint.bold(recording.name)}${command}`,
    ...(recording.processes.length === 0 ? ['  no process was replayed'] : renderProcesses(recording, screen)),
    ...(recording.memory === undefined ? [] : wrap(memoryLine(recording.memory), width - 4).map((line, i) => `  ${i === 0 ? '' : '  '}${line}`)),
    ...recording.missing.flatMap((text) => wrap(`missing: ${text}`, width - 4).map((line, i) => `  ${i === 0 ? '' : '  '}${paint.yellow(line)}`)),
  ];
}

function memoryLine({ frames, wanted, swapped, words: { checked, equal } }: MemoryReport): string {
  const words = `${plural(checked, 'word')} read again, ${equal === checked ? 'all the same' : `${grouped(checked - equal)} of them others`}`;
  return `memory: ${plural(frames, 'frame')} of the ${grouped(wanted)} it wants, ${swapped === 0 ? 'nothing had to leave' : `${plural(swapped, 'page')} out at once`}; ${words}`;
}

/** The notifier's calls beside what each secondary MMU saw. */
function renderTraffic({ config, notifier, secondary }: RunReport, { paint }: Screen): string[] {
  if (notifier === undefined) return [];
  const kinds = NOTIFIER_CALLS.filter(([kind]) => notifier[kind] > 0 || (kind !== 'changePte' && kind.startsWith('invalidateRange') === (config.design === 'range')));
  if (secondary.length === 0 && kinds.every(([kind]) => notifier[kind] === 0)) return [];
  const left = block(kinds.map(([kind, name]) => [name, notifier[kind]]));
  const right = secondary.flatMap(({ plugin, faults, accesses, hits, invalidations, pins }) => [
    paint.bold(plugin), ...block([['faults', faults], ['accesses', accesses], ['hits', hits], ['invalidations', invalidations], ['pins', pins]]),
  ]);
  return ['', ...beside([{ text: 'notifier calls', paint: paint.bold }, ...left.map((text) => ({ text }))], right, 38)];
}

function block(rows: readonly (readonly [string, number])[]): string[] {
  const names = Math.max(...rows.map(([name]) => name.length));
  const numbers = Math.max(...rows.map(([, value]) => grouped(value).length));
  return rows.map(([name, value]) => `  ${name.padEnd(names)}  ${grouped(value).padStart(numbers)}`);
}

/** What a recording's own table says already is not said twice. */
function renderSkipped({ skipped, recordings }: RunReport, { paint, width }: Screen): string[] {
  const told = new Set(recordings.flatMap(({ name, missing }) => missing.map((text) => `${name}/${text}`)));
  const untold = skipped.filter(({ file, reason }) => !told.has(`${file}: ${reason.replace(/^missing: /, '')}`));
  if (untold.length === 0) return [];
  const shown = untold.slice(0, MAX_SKIPPED).flatMap(({ file, line, reason }) =>
    wrap(`${file}${line === 0 ? '' : `:${line}`}: ${reason}`, width - 6).map((text, i) => `  ${i === 0 ? '' : '    '}${text}`));
  const more = untold.length - MAX_SKIPPED;
  return ['', paint.bold('skipped'), ...shown, ...(more > 0 ? [paint.dim(`  and ${plural(more, 'more', 'more')}: --json lists all`)] : [])];
}

/** The first of each code; a broken hook is met a hundred times. */
function renderFindings({ findings }: RunReport, screen: Screen): string[] {
  const first = findings.filter(({ code }, i) => findings.findIndex((other) => other.code === code) === i);
  return first.flatMap((finding) => {
    const more = findings.filter(({ code }) => code === finding.code).length - 1;
    return ['', ...renderFinding(finding, screen), ...(more > 0 ? [screen.paint.dim(`  and ${grouped(more)} more of this kind: --json lists all`)] : [])];
  });
}
