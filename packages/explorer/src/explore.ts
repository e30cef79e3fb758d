/** The one door: a program and options in, a result out. */
import { cpuMillis } from './cpu-time.js';
import { hasFrames } from './cursor.js';
import { Dpor, Nondeterminism } from './dpor.js';
import { estimate } from './estimate.js';
import type { Estimate } from './estimate.js';
import { Execution } from './execution.js';
import { DEFAULT_MAX_STEPS, explain, settleScript, stepOf } from './explain.js';
import { Opaque } from './frames.js';
import { LevelSearch } from './level-search.js';
import type { ExploreOptions, ExploreResult, ExploredFinding, Progress, StrategyName } from './options.js';
import { validateProgram } from './program.js';
import type { ExplorableMachine, Program } from './program.js';
import { SCHEDULES_PER_CHUNK, Sampling } from './sampling.js';
import type { Search } from './search.js';
import { Stateful, TRANSITIONS_PER_ADVANCE } from './stateful.js';

/** After so long the event loop has its turn. */
const SLICE_MILLIS = 25;
/** After so many steps another search has its turn: who is through first must not depend on the clock. */
const TURN_STEPS = 5000;
/** A search that takes longer is told how long it may become. */
const ESTIMATE_AFTER_MILLIS = 300;
const AUTO_MILLIS = 10_000;
/** Schedules that pct and random draw where nothing bounds them. */
export const DEFAULT_SCHEDULES = 10_000;
const DEFAULT_PREEMPTIONS = 2;

/** A search and the execution that it drives. */
interface Runner {
  readonly x: Execution;
  readonly search: Search;
}

/** Explores on the calling thread, without a pause. */
export function explore<M extends ExplorableMachine>(program: Program<M>, options: ExploreOptions = {}): ExploreResult {
  const exploration = new Exploration(program as unknown as Program<never>, options);
  while (!exploration.isDone) exploration.slice();
  return exploration.result();
}

/** The same, letting the event loop run in between, so that a signal can arrive. */
export async function exploreAsync<M extends ExplorableMachine>(program: Program<M>, options: ExploreOptions = {}): Promise<ExploreResult> {
  const exploration = new Exploration(program as unknown as Program<never>, options);
  while (!exploration.isDone) {
    exploration.slice();
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
  return exploration.result();
}

class Exploration {
  isDone = false;
  private readonly program: Program<never>;
  private readonly options: ExploreOptions;
  private readonly started = performance.now();
  private readonly limits: { readonly maxSteps: number };
  private readonly notes: string[] = [];
  /** Take turns; the first that finishes answers. */
  private runners: Runner[] = [];
  private turn = 0;
  private turnSteps = 0;
  private phase: 'exhaustive' | 'bounded' | 'single' = 'single';
  /** Limits count work, not the time that others take. */
  private readonly cpuStarted = cpuMillis();
  private phaseStarted = this.cpuStarted;
  private winner: Runner | null = null;
  private unsteady = '';
  private size: Estimate | null = null;

  constructor(program: Program<never>, options: ExploreOptions) {
    validateProgram(program);
    this.program = program;
    this.options = options;
    this.limits = { maxSteps: options.maxSteps ?? DEFAULT_MAX_STEPS };
    if (options.replay !== undefined) this.isDone = true;
    else this.begin(options.strategy ?? 'auto');
  }

  /** Searches for a moment. */
  slice(): void {
    const until = performance.now() + SLICE_MILLIS;
    const runner = this.runners[this.turn % this.runners.length] as Runner;
    try {
      while (performance.now() < until && this.turnSteps < TURN_STEPS && !runner.search.isDone && !this.isEnough(runner)) this.advance(runner);
    } catch (error) {
      this.failed(runner, error);
      return;
    }
    if (this.turnSteps >= TURN_STEPS) {
      this.turn++;
      this.turnSteps = 0;
    }
    if (this.options.onProgress !== undefined) {
      if (this.takesLong() && !this.isLaterPart()) this.size ??= this.estimate();
      this.options.onProgress(this.progress(runner));
    }
    if (this.options.signal?.aborted === true) this.stop(runner, 'interrupted: what follows is what was covered until then');
    else if (this.options.findsAll !== true && runner.search.found.size > 0) this.stop(runner, '');
    else if (runner.search.isDone) this.finished(runner);
    else this.checkLimits(runner);
  }

  private advance({ x, search }: Runner): void {
    search.advance();
    if (this.runners.length > 1) this.turnSteps += search instanceof Stateful ? TRANSITIONS_PER_ADVANCE : x.steps;
  }

  result(): ExploreResult {
    if (this.options.replay !== undefined) return this.replayed(this.options.replay);
    const { x, search } = this.winner as Runner;
    const findings: ExploredFinding[] = [];
    for (const found of search.found.values()) {
      const finding = explain(this.program, x, found, this.options, this.notes);
      if (!findings.some(({ code }) => code === finding.code)) findings.push(finding);
    }
    if (this.unsteady !== '') findings.push(bare('nondeterminism', this.unsteady));
    const isWhole = search.isDone && search.cut === 0 && (search instanceof LevelSearch ? search.isExhaustive : true);
    if (search.cut > 0 && !(search instanceof Sampling)) this.notes.push('not exhaustive: executions were cut');
    return {
      strategy: search.strategy, executions: search.executions, blocked: search.blocked, states: search.states, exhaustive: isWhole,
      preemptions: search instanceof LevelSearch && !isWhole && search.proved >= 0 ? search.proved : null,
      findings, elapsedMs: performance.now() - this.started, estimate: isWhole || search.found.size > 0 || this.isLaterPart() ? null : this.size ?? this.estimate(), notes: [...this.notes, ...search.notes()],
      sampled: search instanceof Sampling ? search.sampled() : null,
    };
  }

  private begin(strategy: StrategyName): void {
    if (strategy !== 'auto') {
      this.runners = [this.runner(strategy)];
      // what is outside of the machine sees the same executions in the same order, whenever it is asked
      if (isSampling(strategy) && !this.isLaterPart()) this.size = this.estimate();
      return;
    }
    this.phase = 'exhaustive';
    const stateful = this.runner('stateful');
    const canMerge = (stateful.search as Stateful).kind === 'frames' || this.program.localState !== undefined;
    this.runners = canMerge ? [this.runner('dpor'), stateful] : [this.runner('dpor')];
  }

  private runner(strategy: Exclude<StrategyName, 'auto'>): Runner {
    const x = new Execution(this.program);
    const { limits, options } = this;
    const kind = this.isOpaque || !hasFrames(x) || this.program.localState !== undefined ? 'replay' : 'frames';
    switch (strategy) {
      case 'dpor': return { x, search: new Dpor(x, limits) };
      case 'stateful': return { x, search: new Stateful(x, limits, kind) };
      case 'bounded': return { x, search: new LevelSearch(x, limits, kind, { maxPreemptions: this.maxPreemptions() }) };
      case 'pct': case 'random': {
        const { seed = 1, depth = 3, firstSchedule = 0, wholeRuns = false, findsAll = false } = options;
        return { x, search: new Sampling(x, limits, { seed, depth: strategy === 'pct' ? depth : 0, first: firstSchedule, count: this.maxExecutions(strategy), wholeRuns, findsAll }) };
      }
    }
  }

  /** Of a search by this strategy: where it stops without being through. */
  private maxExecutions(strategy: string): number {
    const { maxExecutions, maxMillis } = this.options;
    return maxExecutions ?? (isSampling(strategy) && maxMillis === undefined ? DEFAULT_SCHEDULES : Infinity);
  }

  /** The first part has said how large the space is. */
  private isLaterPart(): boolean {
    return (this.options.firstSchedule ?? 0) >= SCHEDULES_PER_CHUNK;
  }

  private isOpaque = false;

  private maxPreemptions(): number {
    return this.options.preemptions ?? (this.phase === 'bounded' ? Infinity : DEFAULT_PREEMPTIONS);
  }

  /** A task that cannot be looked into: the same search by the past of each thread. */
  private failed(runner: Runner, error: unknown): void {
    if (error instanceof Nondeterminism) {
      this.unsteady = error.message;
      this.stop(runner, '');
    } else if (error instanceof Opaque && !this.isOpaque) {
      this.isOpaque = true;
      this.notes.push(`states are told apart by the past of each thread: ${error.message}`);
      this.runners = this.runners.filter((other) => other !== runner);
      const { strategy } = runner.search;
      if (this.phase !== 'exhaustive') this.runners.push(this.runner(strategy as Exclude<StrategyName, 'auto'>));
    } else throw error;
  }

  private finished(runner: Runner): void {
    const isCut = runner.search.cut > 0 && this.phase === 'exhaustive' && this.runners.length > 1;
    if (isCut) this.runners = this.runners.filter((other) => other !== runner);
    else this.stop(runner, '');
  }

  /** @param note says why, where the search was not through */
  private stop(runner: Runner, note: string): void {
    this.winner = runner;
    this.isDone = true;
    if (note !== '') this.notes.push(note);
  }

  private isEnough({ search }: Runner): boolean {
    if (search.executions + search.blocked >= this.maxExecutions(search.strategy)) return true;
    return this.options.findsAll !== true && search.found.size > 0 && !(search instanceof LevelSearch);
  }

  private checkLimits(runner: Runner): void {
    const { maxMillis, maxExecutions } = this.options;
    const now = cpuMillis();
    const spent = Math.round(now - this.cpuStarted);
    if (this.isEnough(runner)) {
      const isSampling = runner.search instanceof Sampling;
      return this.stop(runner, isSampling ? '' : `stopped after ${maxExecutions ?? 0} executions: not exhaustive`);
    }
    if (this.phase === 'single') {
      if (spent > (maxMillis ?? Infinity)) this.stop(runner, `stopped after ${spent} ms: not exhaustive`);
      return;
    }
    if (now - this.phaseStarted <= (maxMillis ?? AUTO_MILLIS) / (maxMillis === undefined ? 1 : 2)) return;
    if (this.phase === 'bounded') return this.stop(runner, `stopped after ${spent} ms`);
    this.notes.push(`neither dpor nor stateful was through after ${spent} ms: ${this.runners.map(({ search }) => `${search.strategy} ${search.executions} executions${search.states > 0 ? `, ${search.states} states` : ''}`).join('; ')}`);
    this.phase = 'bounded';
    this.phaseStarted = now;
    this.runners = [this.runner('bounded')];
  }

  private progress({ search }: Runner): Progress {
    return {
      strategy: search.strategy, executions: search.executions, blocked: search.blocked, states: search.states,
      level: search instanceof LevelSearch ? search.level : null, elapsedMs: performance.now() - this.started, estimate: this.takesLong() ? this.size : null,
    };
  }

  private takesLong(): boolean {
    return performance.now() - this.started > ESTIMATE_AFTER_MILLIS;
  }

  private estimate(): Estimate {
    return estimate(new Execution(this.program), this.options.seed ?? 1, this.limits.maxSteps);
  }

  private replayed(replay: string): ExploreResult {
    const played = settleScript(this.program, replay, this.limits.maxSteps, true);
    const { x, finding, steps, preemptions, schedule, digest, divergence } = played;
    if (divergence !== '') this.notes.push(`the program no longer follows the replay string: ${divergence}`);
    else if (!replay.endsWith(`~${digest}`)) this.notes.push('what was observed on the way is not what it was when the string was made: the program has changed');
    const findings: ExploredFinding[] = finding === null ? [] : [{ code: finding.code, message: finding.message, replay, steps: steps.map((step) => stepOf(x, step)), preemptions, isMinimal: false, schedule }];
    return { strategy: 'replay', executions: 1, blocked: 0, states: 0, exhaustive: false, preemptions: null, findings, elapsedMs: performance.now() - this.started, estimate: null, notes: this.notes, sampled: null };
  }
}

function isSampling(strategy: string): boolean {
  return strategy === 'pct' || strategy === 'random';
}

function bare(code: string, message: string): ExploredFinding {
  return { code, message, replay: '', steps: [], preemptions: 0, isMinimal: false, schedule: { threads: [], choices: [] } };
}
