/**
 * Tries to break a secondary MMU.
 *
 *   rules      what a driver must do when it is alone                                    one run each
 *   programs   calls drawn at random, one thread                                         one run each
 *   scenarios  each operation of mm against each way in which a device meets its page    every interleaving, or as many as the effort allows
 *
 * In a test file `torture(plugin)` at the top level declares the tests; called inside of a test, or where there is no test
 * framework, it only runs, and answers with the report.
 */
import type { SecondaryMmu } from '@mmun/include';
import { rulesOf } from './conduct.js';
import type { Rule } from './conduct.js';
import { checkShape } from './guard.js';
import { aTurn, randomPrograms, replayProgram, isProgram } from './random-programs.js';
import { findingIn, findingText } from './report.js';
import type { TortureFinding, TortureReport, TortureRow } from './report.js';
import { scenariosOf } from './scenarios.js';
import type { DesignName, DeviceCall, Scenario } from './scenarios.js';
import { FULL, QUICK, replay, search } from './search.js';
import { findingOf, runSequence } from './sequential.js';

export interface TortureOptions {
  /** Left out: full where the environment variable MMUN_EFFORT says so. */
  readonly effort?: 'quick' | 'full';
  readonly seed?: number;
  /** Only what has this in its name: `v5-munmap`. */
  readonly filter?: string;
  /** Only these designs of the plugin's. */
  readonly designs?: readonly DesignName[];
  /** Calls that only this driver has, besides those that it names itself; each is made beside the rest. */
  readonly calls?: readonly DeviceCall[];
  /** Go on after the first finding. */
  readonly findsAll?: boolean;
  /** Who runs the tests, where it is not found in the global scope: `{ describe, it, afterAll: after }` of node:test. */
  readonly tests?: TestFramework;
  readonly signal?: AbortSignal;
  readonly onProgress?: (scenario: string, fraction: number) => void;
}

const PROGRAMS = { quick: 60, full: 1000 } as const;

/** Everything that is tried, in the order in which it is. */
interface Trial {
  readonly id: string;
  readonly design: DesignName;
  run(): Promise<TortureRow>;
}

export interface TestFramework {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>, timeoutMs?: number) => unknown;
  readonly afterAll: (body: () => void) => unknown;
}

/** As jest has it. */
interface GlobalTests extends Partial<TestFramework> {
  readonly expect?: { getState?(): { readonly currentTestName?: string | undefined } };
}

/** @returns what it came to; in a test file, when the last test has run */
export function torture(plugin: SecondaryMmu, options: TortureOptions = {}): Promise<TortureReport> {
  const { describe, it, afterAll, expect }: GlobalTests = options.tests ?? (globalThis as unknown as GlobalTests);
  const isInTest = expect?.getState?.().currentTestName !== undefined;
  if (describe === undefined || it === undefined || afterAll === undefined || isInTest) return runTorture(plugin, options);
  return new Promise((resolve) => { declare({ describe, it, afterAll }, plugin, options, resolve); });
}

function declare({ describe, it, afterAll }: TestFramework, plugin: SecondaryMmu, options: TortureOptions, done: (report: TortureReport) => void): void {
  const started = performance.now();
  const rows: TortureRow[] = [];
  describe(`torture of ${String((plugin as Partial<SecondaryMmu> | null)?.name)}`, () => {
    const refused = shapeFinding(plugin);
    if (refused !== null) it('is a secondary MMU', () => Promise.reject(new Error(findingText(refused))));
    for (const { id, run } of refused === null ? trialsOf(plugin, options) : []) {
      it(id, async () => {
        const row = await run();
        rows.push(row);
        if (row.findings.length > 0) throw new Error(row.findings.map((finding) => findingText(finding)).join('\n\n'));
      }, TEST_MILLIS);
    }
    afterAll(() => { done(reportOf(plugin, options, rows, refused === null ? [] : [refused], started)); });
  });
}

/** For a machine that does other work too. */
const TEST_MILLIS = 300_000;

/** The same without a test framework. Stops at the first finding unless told to go on. */
export async function runTorture(plugin: SecondaryMmu, options: TortureOptions = {}): Promise<TortureReport> {
  const started = performance.now();
  const refused = shapeFinding(plugin);
  if (refused !== null) return reportOf(plugin, options, [], [refused], started);
  const trials = trialsOf(plugin, options);
  const rows: TortureRow[] = [];
  for (const [i, trial] of trials.entries()) {
    if (options.signal !== undefined) await aTurn();
    if (options.signal?.aborted === true) break;
    options.onProgress?.(trial.id, i / trials.length);
    const row = await trial.run();
    rows.push(row);
    if (row.findings.length > 0 && options.findsAll !== true) break;
  }
  return reportOf(plugin, options, rows, [], started);
}

/** One scenario once more, as a finding of it was found. @throws RangeError where no scenario has this name */
export async function replayTorture(plugin: SecondaryMmu, scenarioId: string, text: string, options: TortureOptions = {}): Promise<TortureReport> {
  const started = performance.now();
  const design: DesignName = scenarioId.startsWith('range-') ? 'range' : 'v5';
  if (isProgram(text)) {
    const finding = await replayProgram(plugin, design, text, callsOf(plugin, options));
    const row = rowOf(scenarioId, design, started, 1, finding === null ? [] : [findingIn(scenarioId, design, finding)]);
    return reportOf(plugin, options, [row], [], started);
  }
  const scenario = scenariosOf(plugin, callsOf(plugin, options)).find(({ id }) => id === scenarioId);
  if (scenario === undefined) throw new RangeError(`--scenario ${scenarioId}: plugin \`${plugin.name}\` is put through ${trialsOf(plugin, { ...options, effort: 'full' }).map(({ id }) => id).join(', ')}`);
  return reportOf(plugin, options, [rowOfCheck(scenario, await replay(scenario, plugin, text), started)], [], started);
}

/** What would be tried, by name. */
export function scenarioNames(plugin: SecondaryMmu, options: TortureOptions = {}): string[] {
  return trialsOf(plugin, options).map(({ id }) => id);
}

function shapeFinding(plugin: SecondaryMmu): TortureFinding | null {
  try {
    checkShape(plugin);
    return null;
  } catch (error) {
    return findingIn('shape', '', findingOf(error));
  }
}

function trialsOf(plugin: SecondaryMmu, options: TortureOptions): Trial[] {
  const { filter = '', designs, seed = 1, signal } = options;
  const calls = callsOf(plugin, options);
  const effort = effortOf(options);
  const known = (['v5', 'range'] as const).filter((design) => plugin.designs[design] !== undefined && designs?.includes(design) !== false);
  const rules = known.flatMap((design) => [...rulesOf(design, plugin, calls).filter(({ isLong }) => effort === 'full' || isLong !== true || filter !== '').map((rule) => ruleTrial(plugin, design, rule)), programsTrial(plugin, design, { count: PROGRAMS[effort], seed, calls, signal })]);
  const scenarios = scenariosOf(plugin, calls).filter(({ design, isQuick }) => known.includes(design) && (effort === 'full' || isQuick || filter !== ''));
  return [...rules, ...scenarios.map((scenario) => scenarioTrial(plugin, scenario, options))].filter(({ id }) => id.includes(filter));
}

/** What only this driver can do: it says so itself, or whoever tests it does. */
function callsOf({ calls: own = [] }: SecondaryMmu, { calls = [] }: TortureOptions): readonly DeviceCall[] {
  return [...own, ...calls.filter(({ name }) => !own.some((call) => call.name === name))];
}

function ruleTrial(plugin: SecondaryMmu, design: DesignName, rule: Rule): Trial {
  const id = `${design}-rule-${rule.name.replace(/\W+/g, '-')}`;
  return {
    id, design,
    run: async () => {
      const started = performance.now();
      const finding = await runSequence(plugin, design, rule);
      return rowOf(id, design, started, 1, finding === null ? [] : [findingIn(id, design, finding)]);
    },
  };
}

interface Programs {
  readonly count: number;
  readonly seed: number;
  readonly calls: readonly DeviceCall[];
  readonly signal: AbortSignal | undefined;
}

function programsTrial(plugin: SecondaryMmu, design: DesignName, { count, seed, calls, signal }: Programs): Trial {
  const id = `${design}-random-programs`;
  return {
    id, design,
    run: async () => {
      const started = performance.now();
      const { played, found } = await randomPrograms(plugin, design, count, seed, calls, signal);
      return rowOf(id, design, started, played, found === null ? [] : [findingIn(id, design, found.finding)]);
    },
  };
}

function scenarioTrial(plugin: SecondaryMmu, scenario: Scenario, options: TortureOptions): Trial {
  const { id, design } = scenario;
  return {
    id, design,
    run: async () => {
      const started = performance.now();
      try {
        return rowOfCheck(scenario, await search(scenario, plugin, effortOf(options) === 'full' ? FULL : QUICK, options.seed ?? 1, options.signal), started);
      } catch (error) {
        // already the set-up fails: the error is the finding
        return rowOf(id, design, started, 1, [findingIn(id, design, findingOf(error))]);
      }
    },
  };
}

function rowOfCheck({ id, design }: Scenario, report: Awaited<ReturnType<typeof search>>, started: number): TortureRow {
  const { strategy, executions, blocked, exhaustive, preemptions, findings } = report;
  return { scenario: id, design, strategy, executions, blocked, exhaustive, preemptions, elapsedMs: since(started), findings: findings.map((finding) => findingIn(id, design, finding)) };
}

function rowOf(scenario: string, design: string, started: number, executions: number, findings: readonly TortureFinding[]): TortureRow {
  return { scenario, design, strategy: 'sequential', executions, blocked: 0, exhaustive: false, preemptions: null, elapsedMs: since(started), findings };
}

function reportOf(plugin: SecondaryMmu, options: TortureOptions, rows: readonly TortureRow[], refused: readonly TortureFinding[], started: number): TortureReport {
  const findings = [...refused, ...rows.flatMap((row) => row.findings)];
  return {
    plugin: String((plugin as Partial<SecondaryMmu> | null)?.name), effort: effortOf(options), seed: options.seed ?? 1,
    designs: refused.length > 0 ? [] : [...new Set(rows.map(({ design }) => design))], rows, findings,
    executions: rows.reduce((sum, { executions }) => sum + executions, 0), elapsedMs: since(started),
    ok: findings.length === 0 && options.signal?.aborted !== true,
  };
}

function effortOf({ effort }: TortureOptions): 'quick' | 'full' {
  return effort ?? (process.env['MMUN_EFFORT'] === 'full' || process.env['MMUN_EFFORT'] === 'night' ? 'full' : 'quick');
}

function since(started: number): number {
  return Math.round((performance.now() - started) * 10) / 10;
}
