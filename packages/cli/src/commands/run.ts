import pc from 'picocolors';
import type { Command, ExitCode } from '../command.js';
import { renderRun } from '../render/render-run.js';
import { ARCHS, BUILDS, DESIGNS, loadImage } from '../run/images.js';
import { parseFrames, parseRate, parseSeed } from '../run/numbers.js';
import { loadPlugins, parsePluginNames } from '../run/plugins.js';
import { recordingsOf } from '../run/shipped.js';
import { runRecordings } from '../run/run-recordings.js';
import { runVerdict } from '../render/run-verdict.js';
import type { RunLog } from '../report/run-log.js';
import { runPage } from '../report/run-page.js';
import { traceEvents } from '../report/trace-events.js';
import { mustBeWritable, writeOut, writePage } from '../report/write-page.js';
import type { RunWatcher } from '../run/run-recordings.js';
import type { RunReport } from '../run/run-report.js';
import { startProgress } from '../progress.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

interface RunOptions {
  readonly arch: (typeof ARCHS)[number];
  readonly design: (typeof DESIGNS)[number];
  readonly build: (typeof BUILDS)[number];
  readonly plugin?: readonly string[];
  readonly deviceRate?: number;
  readonly frames?: number;
  readonly seed: number;
  readonly trace?: string;
  readonly report?: string;
  readonly json?: boolean;
}

const DEFAULT_DEVICE_RATE = 0.5;

export const run: Command = {
  name: 'run',
  summary: 'replay recordings of real programs and compare with what the kernel did',
  args: '<recording...>',
  options: [
    { flags: '--arch <arch>', description: 'architecture', choices: ARCHS },
    { flags: '--design <design>', description: 'notifier: as in January 2008, with ranges, or none', choices: DESIGNS },
    { flags: '--build <build>', description: 'with assertions, or without', choices: BUILDS },
    {
      flags: '--plugin <names>', description: 'secondary MMUs to attach, separated by commas: kvm, gru, xpmem; kvm:pinned and such for other ways of one',
      parse: (text, previous) => parsePluginNames(text, (previous as string[] | undefined) ?? []),
    },
    { flags: '--device-rate <rate>', description: `their accesses per recorded event (default: ${DEFAULT_DEVICE_RATE})`, parse: parseRate },
    { flags: '--frames <number>', description: 'page frames of the machine: the rest is swapped out, and what comes back is compared with a replay that has room', parse: parseFrames },
    { flags: '--seed <number>', description: 'what random choices are made from', defaultValue: 1, parse: parseSeed },
    { flags: '--trace <file>', description: 'write what happened as Chrome trace events, for Perfetto' },
    { flags: '--report <file>', description: 'write what happened as one HTML page' },
    { flags: '--json', description: 'print one JSON document, schema mmun.run/1' },
  ],
  examples: [
    { line: 'mmun run samples/demo', shows: 'a recording that ships with mmun' },
    { line: 'mmun run samples/demo --plugin kvm', shows: 'with a virtual machine over the same memory' },
    { line: 'mmun run samples/demo --design off', shows: 'without notifiers: the same answers' },
    { line: 'mmun run samples/demo --plugin kvm --report run.html', shows: 'the run as a page: timeline and address space' },
    { line: 'mmun run samples/demo --plugin kvm --frames 300', shows: 'in less memory than it wants: pages leave and come again the same' },
    { line: 'mmun run trace.log --json | jq .recordings', shows: 'a strace log alone, for a script' },
  ],

  async run(given: readonly string[], options: RunOptions, terminal: Terminal): Promise<ExitCode> {
    if (options.deviceRate !== undefined && options.plugin === undefined) throw new UsageError('--device-rate needs a --plugin whose accesses it counts');
    const sources = recordingsOf(given);
    mustBeWritable('--trace', options.trace);
    mustBeWritable('--report', options.report);
    const image = await loadImage(options);
    const plugins = await loadPlugins(options.plugin ?? [], image);
    const deviceRate = options.deviceRate ?? DEFAULT_DEVICE_RATE;
    const progress = startProgress(terminal);
    const logs: Logged[] = [];
    const watcher: RunWatcher = { signal: terminal.interrupt, onProgress: progress.update, onLog: (recording, log) => { logs.push({ ...recording, log }); } };
    const log = options.report !== undefined ? 'events and vmas' : options.trace !== undefined ? 'events' : null;
    const request = { sources, image, plugins, deviceRate, seed: options.seed, ...(options.frames === undefined ? {} : { frames: options.frames }), ...(log === null ? {} : { log } as const) };
    const report = await runRecordings(request, watcher).finally(() => progress.stop());
    if (options.trace !== undefined) writeTrace(options.trace, logs, terminal);
    if (options.report !== undefined) writeRunPage(options.report, logs, report, terminal);
    if (options.json === true) terminal.out(JSON.stringify(report));
    else for (const line of renderRun(report, { deviceRate, ...terminal })) terminal.out(line);
    if (report.interrupted) terminal.note(`${terminal.notePaint.yellow('interrupted')}: the result holds what was replayed so far`);
    return report.ok ? 0 : 1;
  },
};

/** What one recording's replay left to be drawn. */
interface Logged {
  readonly name: string;
  readonly command: string;
  readonly log: RunLog;
}

function writeTrace(path: string, logs: readonly Logged[], terminal: Terminal): void {
  const traceEventsOfAll = logs.flatMap(({ name, log }, i) => traceEvents(log, name, i));
  writeOut('--trace', path, `{"displayTimeUnit":"ns","traceEvents":[\n${traceEventsOfAll.map((event) => JSON.stringify(event)).join(',\n')}\n]}\n`);
  terminal.note(`wrote ${path}: ${traceEventsOfAll.length.toLocaleString('en')} trace events`);
}

/** A page shows one recording: the first. */
function writeRunPage(path: string, logs: readonly Logged[], report: RunReport, terminal: Terminal): void {
  const [first] = logs;
  if (first === undefined) {
    terminal.note(`--report ${path}: nothing was replayed to its end, so there is nothing to draw`);
    return;
  }
  const plain = pc.createColors(false);
  const { arch, design, build } = report.config;
  const processes = report.recordings.find(({ name }) => name === first.name)?.processes ?? [];
  writePage(path, runPage(first.log, { name: first.name, command: first.command, config: `${arch}, notifier ${design}, ${build} build`, verdict: runVerdict(report, { paint: plain, width: Infinity }).join(' '), processes }));
  terminal.note(`wrote ${path}${logs.length > 1 ? `: ${first.name}, the first of ${logs.length} recordings` : ''}`);
}
