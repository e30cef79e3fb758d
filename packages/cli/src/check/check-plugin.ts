/** A plugin module put through the kit, and what that came to. */
import { readFileSync } from 'node:fs';
import { replayTorture, runTorture, scenarioNames } from '@mmun/plugin-kit';
import type { TortureFinding, TortureReport, TortureRow } from '@mmun/plugin-kit';
import { UsageError } from '../usage-error.js';
import type { CheckFinding, CheckReport } from '@mmun/races';
import { openPlugin } from './plugin-module.js';
import { shortPath } from './short-path.js';
import type { PluginModule } from './plugin-module.js';

export interface PluginCheckOptions {
  readonly scenario?: string;
  readonly effort: 'quick' | 'full';
  readonly seed: number;
  readonly replay?: string;
  readonly signal: AbortSignal;
  readonly onProgress: (scenario: string, fraction: number) => void;
}

/** The document of a plugin: that of its first finding, or of all that was tried, with a row for each. */
export interface PluginCheckReport extends CheckReport {
  readonly plugin: string;
  readonly scenarios: readonly TortureRow[];
}

/** @throws UsageError in one line */
export async function checkPlugin(name: string, options: PluginCheckOptions): Promise<PluginCheckReport> {
  const module = await openPlugin(name);
  const { plugin, calls, dropped } = module;
  const { scenario, effort, seed, replay, signal, onProgress } = options;
  const found = dropped.map(({ place, text }): TortureFinding => ({
    code: 'bad-plugin', message: `floating task: \`${text}\` without \`yield*\` does nothing (${place})`, scenario: 'source', design: '', why: '', replay: '', steps: [], preemptions: 0, minimal: false,
  }));
  const before = performance.now();
  if (found.length > 0) return documentOf(module, { plugin: plugin.name, effort, seed, designs: [], rows: [], findings: found, executions: 0, elapsedMs: performance.now() - before, ok: false }, options);
  try {
    if (replay !== undefined) {
      if (scenario === undefined) throw new UsageError('--replay: a finding of a plugin names its scenario too: --scenario NAME');
      return documentOf(module, await replayTorture(plugin, scenario, replay, { calls, effort, seed }), options);
    }
    if (scenario !== undefined) mustBeKnown(module, scenario);
    const report = await runTorture(plugin, { calls, effort, seed, signal, onProgress, ...(scenario === undefined ? {} : { filter: scenario }) });
    return documentOf(module, report, options);
  } catch (error) {
    if (error instanceof RangeError || (error as Error).constructor.name === 'ReplaySyntax') throw new UsageError((error as Error).message);
    throw error;
  }
}

function mustBeKnown({ plugin, calls }: PluginModule, scenario: string): void {
  let names: string[] = [];
  try {
    names = scenarioNames(plugin, { effort: 'full', calls });
  } catch {
    return; // it is no plugin at all: that is said better by the kit
  }
  if (!names.some((name) => name.includes(scenario))) throw new UsageError(`--scenario ${scenario}: plugin \`${plugin.name}\` is put through ${names.join(', ')}`);
}

function documentOf(module: PluginModule, report: TortureReport, { signal }: PluginCheckOptions): PluginCheckReport {
  const { plugin, rows, findings, executions, elapsedMs } = report;
  const searched = rows.filter(({ strategy }) => strategy !== 'sequential');
  const [first] = findings;
  return {
    schema: 'mmun.check/1', plugin, title: `plugin ${plugin}`, race: first?.scenario ?? (rows.length === 1 ? (rows[0] as TortureRow).scenario : 'torture'), variant: plugin,
    config: { arch: 'toy', design: first?.design === '' ? 'none' : first?.design ?? report.designs.join(','), build: 'checked', parameters: {} },
    strategy: [...new Set(rows.map(({ strategy }) => strategy))].join('; '), preemptions: null, executions, blocked: rows.reduce((sum, { blocked }) => sum + blocked, 0), states: 0,
    exhaustive: searched.length > 0 && searched.every(({ exhaustive }) => exhaustive), elapsedMs: Math.round(elapsedMs * 10) / 10,
    findings: findings.map((finding) => located(module, finding)), notes: [], estimate: null, interrupted: signal.aborted, scenarios: rows, ok: report.ok,
  };
}

/** What concerns the object as a whole has no line of its own: the first one that has the word in question. */
function located({ name }: PluginModule, finding: TortureFinding): CheckFinding {
  const { code, message, replay, why, preemptions, minimal } = finding;
  const steps = finding.steps.map((step) => (step.file === undefined ? step : { ...step, file: shortPath(step.file) }));
  if (code !== 'bad-plugin' || /:\d+\)$/.test(message)) return { code, message, replay, steps, why, preemptions, minimal };
  const rows = readFileSync(name, 'utf8').split('\n');
  const words = [...message.matchAll(/`([A-Za-z]+)[^`]*`|\bpromises (\w+)/g)].map(([, quoted, promised]) => promised ?? quoted ?? '').filter((word) => word !== '');
  const line = words.map((word) => rows.findIndex((row) => new RegExp(`\\b${word}\\b`).test(row))).find((at) => at >= 0) ?? 0;
  return { code, message: `${message} (${name}:${line + 1})`, replay, steps, why, preemptions, minimal };
}
