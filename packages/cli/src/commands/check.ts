import type { ExploreProgress } from '../check/search-progress.js';
import { searchLine } from '../check/search-progress.js';
import { checkInParts } from '../check/check-in-parts.js';
import { checkPlugin } from '../check/check-plugin.js';
import { CHECK_OPTIONS, refuseForPlugin, refuseForRace } from '../check/check-options.js';
import type { Given, Settings } from '../check/check-options.js';
import type { CheckReport } from '@mmun/races';
import { openRace } from '../check/open-race.js';
import { looksLikePlugin } from '../check/plugin-module.js';
import type { Command, ExitCode } from '../command.js';
import { withPool } from '../jobs.js';
import { startProgress, startStatus } from '../progress.js';
import { renderTorture } from '../render/render-torture.js';
import { againLine, renderCheck } from '../render/render-check.js';
import type { Asked } from '../render/render-check.js';
import { counterexamplePage } from '../report/counterexample-page.js';
import { mustBeWritable, writePage } from '../report/write-page.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

interface CheckOptions {
  readonly variant: string;
  readonly set?: Settings;
  readonly strategy: 'auto' | 'dpor' | 'stateful' | 'bounded' | 'pct' | 'random';
  readonly preemptions?: number;
  readonly maxExecutions?: number;
  readonly replay?: string;
  readonly seed: number;
  readonly report?: string;
  readonly json?: boolean;
  readonly scenario?: string;
  readonly effort: 'quick' | 'full';
  readonly jobs?: number;
}

export const check: Command = {
  name: 'check',
  summary: 'explore every interleaving of a race, or put a plugin through the kit, and explain what goes wrong',
  args: '<race-or-file>',
  options: CHECK_OPTIONS,
  examples: [
    { line: 'mmun check munmap-read', shows: 'the wrong variant: a counterexample' },
    { line: 'mmun check munmap-read --variant fixed', shows: 'the right one: every interleaving is clean' },
    { line: 'mmun check unmap-fault --set protocol=A --strategy dpor', shows: 'with a parameter of the race' },
    { line: 'mmun check munmap-read --strategy random --max-executions 1000000', shows: 'random schedules, on all cores' },
    { line: 'mmun check munmap-read --report race.html', shows: 'the counterexample as a page' },
    { line: 'mmun check my.race.ts', shows: 'a race of your own: docs/writing-a-race.md' },
    { line: 'mmun check my-plugin.ts', shows: 'a secondary MMU of your own: docs/adding-a-plugin.md' },
  ],

  async run([name]: readonly [string], { json = false, report: page, variant, set = {}, scenario, effort, jobs, ...search }: CheckOptions, terminal: Terminal): Promise<ExitCode> {
    const given = { variant, set, scenario, effort, report: page, ...search } as Given;
    const isPlugin = looksLikePlugin(name);
    (isPlugin ? refuseForPlugin : refuseForRace)(name, given);
    mustBeWritable('--report', page);
    const isSampled = search.replay === undefined && (search.strategy === 'pct' || search.strategy === 'random');
    if (jobs !== undefined && !isSampled) throw new UsageError(`--jobs ${jobs}: expected --strategy pct or random with it: what another search does next depends on what it has seen`);
    if (isPlugin) return pluginVerdict(name, { json, effort, seed: search.seed, scenario, replay: search.replay }, terminal);
    const status = startStatus(terminal);
    try {
      const onProgress = (progress: ExploreProgress): void => { status.update(searchLine(name, progress)); };
      const options = { ...search, strategy: strategyOf(search), variant, set, wantsScenes: page !== undefined, signal: terminal.interrupt, onProgress, ...patience(search) };
      const report = await withPool(isSampled ? jobs : 1, async (pool) => {
        const { check: checkOpened } = await openRace(name, pool);
        return isSampled ? checkInParts(checkOpened, options, pool.jobs) : checkOpened(options);
      });
      status.stop();
      if (report === null) {
        if (json) terminal.out(JSON.stringify(unbegun(name, variant, search.strategy)));
        terminal.note(`${terminal.notePaint.yellow('interrupted')}: nothing was explored`);
        return 1;
      }
      if (page !== undefined) reportTo(page, report, { name, set }, terminal);
      if (json) terminal.out(JSON.stringify(report));
      else for (const line of renderCheck(report, terminal, { name, set })) terminal.out(line);
      noteInterrupt(terminal);
      return report.ok ? 0 : 1;
    } finally {
      status.stop();
    }
  },
};

/** The document of a search that was interrupted while the race was linked. */
function unbegun(race: string, variant: string, strategy: string): CheckReport {
  return {
    schema: 'mmun.check/1', race, title: '', variant, config: { arch: 'none', design: 'none', build: 'checked', parameters: {} }, strategy, preemptions: null, executions: 0,
    blocked: 0, states: 0, exhaustive: false, elapsedMs: 0, findings: [], estimate: null, notes: [], interrupted: true, ok: false,
  };
}

/** Who bounds the preemptions wants the search that counts them. */
function strategyOf({ strategy, preemptions, replay }: Pick<CheckOptions, 'strategy' | 'preemptions' | 'replay'>): CheckOptions['strategy'] {
  return strategy === 'auto' && preemptions !== undefined && replay === undefined ? 'bounded' : strategy;
}

function noteInterrupt({ interrupt, note, notePaint }: Terminal): void {
  if (interrupt.aborted) note(`${notePaint.yellow('interrupted')}: the result holds what was explored so far`);
}

interface PluginAsked {
  readonly json: boolean;
  readonly effort: 'quick' | 'full';
  readonly seed: number;
  readonly scenario: string | undefined;
  readonly replay: string | undefined;
}

async function pluginVerdict(name: string, { json, effort, seed, scenario, replay }: PluginAsked, terminal: Terminal): Promise<ExitCode> {
  const progress = startProgress(terminal);
  try {
    const report = await checkPlugin(name, {
      effort, seed, signal: terminal.interrupt, onProgress: (trial, fraction) => { progress.update(fraction, trial); },
      ...(scenario === undefined ? {} : { scenario }), ...(replay === undefined ? {} : { replay }),
    });
    progress.stop();
    if (json) terminal.out(JSON.stringify(report));
    else for (const line of renderTorture(report, name, terminal)) terminal.out(line);
    noteInterrupt(terminal);
    return report.ok ? 0 : 1;
  } finally {
    progress.stop();
  }
}

/** @param page where the file goes @throws UsageError where it cannot be written */
function reportTo(page: string, report: CheckReport, asked: Asked, terminal: Terminal): void {
  const [finding] = report.findings;
  if (finding === undefined) {
    terminal.note(`--report ${page}: nothing was found, so there is nothing to draw`);
    return;
  }
  const again = finding.replay === '' ? '' : againLine(report, finding.replay, asked).join(' ');
  writePage(page, counterexamplePage(report, finding, again));
  terminal.note(`wrote ${page}`);
}

/** Half of it for the exhaustive searches, half for the bounded one; a strategy that was asked for takes what it takes. */
const AUTO_MILLIS = 120_000;

function patience({ strategy }: Pick<CheckOptions, 'strategy'>): { readonly maxMillis?: number } {
  return strategy === 'auto' ? { maxMillis: AUTO_MILLIS } : {};
}
