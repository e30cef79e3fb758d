import type { Command, ExitCode } from '../command.js';
import { compareDesigns } from '../compare/compare-designs.js';
import { startProgress } from '../progress.js';
import { renderCompare } from '../render/render-compare.js';
import { comparisonPage } from '../report/comparison-page.js';
import { mustBeWritable, writePage } from '../report/write-page.js';
import { ARCHS } from '../run/images.js';
import { parseRate, parseSeed } from '../run/numbers.js';
import { parsePluginNames } from '../run/plugins.js';
import { recordingsOf } from '../run/shipped.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

interface CompareOptions {
  readonly arch: (typeof ARCHS)[number];
  readonly plugin: readonly string[];
  readonly deviceRate: number;
  readonly seed: number;
  readonly report?: string;
  readonly json?: boolean;
}

export const compare: Command = {
  name: 'compare',
  summary: 'replay the same recording under each notifier design',
  args: '<recording...>',
  options: [
    { flags: '--arch <arch>', description: 'architecture', choices: ARCHS },
    { flags: '--plugin <name>', description: 'the secondary MMU that is told (default: kvm)', parse: parsePlugin },
    { flags: '--device-rate <rate>', description: 'its accesses per recorded event', defaultValue: 0.5, parse: parseRate },
    { flags: '--seed <number>', description: 'what random choices are made from', defaultValue: 1, parse: parseSeed },
    { flags: '--report <file>', description: 'write the comparison as one HTML page' },
    { flags: '--json', description: 'print one JSON document, schema mmun.compare/1' },
  ],
  examples: [
    { line: 'mmun compare samples/demo', shows: 'calls, refaults and locks under v5, range and off' },
    { line: 'mmun compare samples/demo --arch s390', shows: 'the same where flushes come with the change' },
  ],

  async run(given: readonly string[], options: CompareOptions, terminal: Terminal): Promise<ExitCode> {
    const [plugin = 'kvm'] = options.plugin ?? [];
    const progress = startProgress(terminal);
    const watcher = { signal: terminal.interrupt, onProgress: progress.update };
    const { arch, deviceRate, seed } = options;
    const sources = recordingsOf(given);
    mustBeWritable('--report', options.report);
    const report = await compareDesigns({ sources, arch, plugin, deviceRate, seed }, watcher).finally(() => progress.stop());
    if (options.report !== undefined) {
      writePage(options.report, comparisonPage(report));
      terminal.note(`wrote ${options.report}`);
    }
    if (options.json === true) terminal.out(JSON.stringify(report));
    else for (const line of renderCompare(report, terminal)) terminal.out(line);
    if (report.interrupted) terminal.note(`${terminal.notePaint.yellow('interrupted')}: the result holds what was replayed so far`);
    return report.ok ? 0 : 1;
  },
};

function parsePlugin(text: string): string[] {
  const names = parsePluginNames(text, []);
  if (names.length > 1) throw new UsageError(`--plugin ${text}: expected one secondary MMU`);
  return names;
}
