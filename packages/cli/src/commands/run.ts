import type { Command, ExitCode } from '../command.js';
import { renderRun } from '../render/render-run.js';
import { ARCHS, BUILDS, DESIGNS, loadImage } from '../run/images.js';
import { parseRate, parseSeed } from '../run/numbers.js';
import { loadPlugins, parsePluginNames } from '../run/plugins.js';
import { runRecordings } from '../run/run-recordings.js';
import { startProgress } from '../progress.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

interface RunOptions {
  readonly arch: (typeof ARCHS)[number];
  readonly design: (typeof DESIGNS)[number];
  readonly build: (typeof BUILDS)[number];
  readonly plugin?: readonly string[];
  readonly deviceRate?: number;
  readonly seed: number;
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
      flags: '--plugin <names>', description: 'secondary MMUs to attach, separated by commas: kvm',
      parse: (text, previous) => parsePluginNames(text, (previous as string[] | undefined) ?? []),
    },
    { flags: '--device-rate <rate>', description: `their accesses per recorded event (default: ${DEFAULT_DEVICE_RATE})`, parse: parseRate },
    { flags: '--seed <number>', description: 'what random choices are made from', defaultValue: 1, parse: parseSeed },
    { flags: '--json', description: 'print one JSON document, schema mmun.run/1' },
  ],
  examples: [
    { line: 'mmun run samples/demo', shows: 'a recording that ships with mmun' },
    { line: 'mmun run samples/demo --plugin kvm', shows: 'with a virtual machine over the same memory' },
    { line: 'mmun run samples/demo --design off', shows: 'without notifiers: the same answers' },
    { line: 'mmun run trace.log --json | jq .recordings', shows: 'a strace log alone, for a script' },
  ],

  async run(sources: readonly string[], options: RunOptions, terminal: Terminal): Promise<ExitCode> {
    if (options.deviceRate !== undefined && options.plugin === undefined) throw new UsageError('--device-rate needs a --plugin whose accesses it counts');
    const image = await loadImage(options);
    const plugins = await loadPlugins(options.plugin ?? [], image);
    const deviceRate = options.deviceRate ?? DEFAULT_DEVICE_RATE;
    const progress = startProgress(terminal);
    const watcher = { signal: terminal.interrupt, onProgress: progress.update };
    const report = await runRecordings({ sources, image, plugins, deviceRate, seed: options.seed }, watcher).finally(() => progress.stop());
    if (options.json === true) terminal.out(JSON.stringify(report));
    else for (const line of renderRun(report, { deviceRate, ...terminal })) terminal.out(line);
    if (report.interrupted) terminal.note(`${terminal.notePaint.yellow('interrupted')}: the result covers what was replayed so far`);
    return report.ok ? 0 : 1;
  },
};
