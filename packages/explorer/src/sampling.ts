/**
 * Schedules drawn at random, and how much is left unknown after so many of them.
 *
 *   random   every thread that can run is as likely to come next as any other
 *   pct      threads have random priorities; at d - 1 random steps the running thread falls
 *            below all others: a bug that needs d ordered events, n threads and k steps shows
 *            with probability at least 1 / (n k^(d-1)) in each run (Burckhardt et al. 2010)
 */
import { YIELD } from '@mmun/include';
import { STOP, UNSTARTED } from './execution.js';
import type { Driver, Execution, RawFinding, Started } from './execution.js';
import { livelock } from './fairness.js';
import { Rng } from './rng.js';
import { startAll } from './started.js';
import type { AtEnd, ChoicesAt, Found, Limits, Search } from './search.js';

const { clz32 } = Math;

/**
 * So many in a row come out of one random source and know nothing of those before: what schedule n is follows from the seed and n
 * alone, so that parts of a search can be made apart, in any order.
 */
export const SCHEDULES_PER_CHUNK = 1024;

export interface SamplingOptions {
  readonly seed: number;
  /** Number of the first schedule, a multiple of SCHEDULES_PER_CHUNK; left out: 0. */
  readonly first?: number;
  /** Schedules in all; left out: no bound. */
  readonly count?: number;
  /** Go on after the first finding. */
  readonly findsAll?: boolean;
  /** Depth of bugs looked for by pct; 0: random. */
  readonly depth: number;
  /** Each run begins with the starts of the threads; left out: they are run once, where tasks can be copied. */
  readonly wholeRuns?: boolean;
}

/** What the risk that is left follows from. */
export interface Sampled {
  readonly strategy: 'pct' | 'random';
  readonly executions: number;
  /** Depth of bugs looked for by pct; 0: random. */
  readonly depth: number;
  readonly nrThreads: number;
  /** Steps of the longest run. */
  readonly longest: number;
  /** Runs of pct that only showed how long one is: the first of each chunk. */
  readonly measuring: number;
}

/** How much is left unknown, in a sentence. */
export function riskOf({ executions, depth, nrThreads, longest, measuring }: Sampled): string {
  if (depth === 0) return `a bug that one schedule in ${Math.max(Math.floor(executions / 3), 1)} shows would have been found with 95 % probability`;
  const each = 1 / (nrThreads * longest ** (depth - 1));
  const risk = Math.exp((executions - measuring) * Math.log1p(-each));
  return `a bug of depth ${depth} (${nrThreads} threads, ${longest} steps) was missed with at most ${(risk * 100).toPrecision(3)} % probability`;
}

const EXECUTIONS_PER_ADVANCE = 64;
const FIRST_STEPS = 64;
/** By 8 bits: how many are set, and for each of up to 8 which it is. What a loop would find, without a branch that nobody can predict. */
const COUNT = Uint8Array.from({ length: 256 }, (_, bits) => nthBits(bits).length);
const NTH = Uint8Array.from({ length: 256 * 8 }, (_, i) => nthBits(i >> 3)[i & 7] ?? 0);
/** The bound on steps is followed by as many under a fair schedule. */
const FAIR = 2;

export class Sampling implements Search, Driver {
  executions = 0;
  readonly blocked = 0;
  readonly states = 0;
  cut = 0;
  /** There is always another schedule to draw. */
  readonly isDone = false;
  readonly found: Map<string, Found> = new Map();
  private readonly x: Execution;
  private readonly limits: Limits;
  private readonly depth: number;
  private readonly atEnd: AtEnd | null;
  private readonly options: SamplingOptions;
  private rng: Rng;
  /** Of the present run, thread by step. */
  private trace: Uint8Array = new Uint8Array(FIRST_STEPS);
  private traced = 0;
  private readonly choices: { at: number; options: number[] }[] = [];
  private readonly priority: Int32Array;
  private readonly changeAt: Int32Array;
  /** Steps of the longest run so far, of the chunk and of all. */
  private longest = 1;
  private longestOfAll = 1;
  private measuring = 0;
  private lowest = 0;
  /** undefined: not known yet */
  private started: Started | null | undefined;

  constructor(x: Execution, limits: Limits, options: SamplingOptions, atEnd: AtEnd | null = null) {
    const { seed, depth, first = 0 } = options;
    if (first % SCHEDULES_PER_CHUNK !== 0) throw new RangeError(`schedule ${first} is not the first of its chunk: expected a multiple of ${SCHEDULES_PER_CHUNK}`);
    this.x = x;
    this.limits = limits;
    this.depth = depth;
    this.atEnd = atEnd;
    this.options = options;
    this.rng = new Rng(seed);
    this.priority = new Int32Array(x.nrThreads);
    this.changeAt = new Int32Array(Math.max(depth - 1, 0));
  }

  get strategy(): 'pct' | 'random' {
    return this.depth > 0 ? 'pct' : 'random';
  }

  advance(): void {
    const { count = Infinity, findsAll = false } = this.options;
    const end = Math.min(this.executions + EXECUTIONS_PER_ADVANCE, count);
    while (this.executions < end && (findsAll || this.found.size === 0)) this.one();
  }

  /** One run. */
  one(): void {
    const { x } = this;
    if (this.executions % SCHEDULES_PER_CHUNK === 0) this.beginChunk();
    this.traced = 0;
    if (this.choices.length > 0) this.choices.length = 0;
    if (this.depth > 0) this.shuffle();
    x.run(this, this.started ??= this.started === undefined ? startAll(x) : null);
    this.executions++;
    if (x.steps > this.longest) this.longest = Math.min(x.steps, this.limits.maxSteps);
    if (this.longest > this.longestOfAll) this.longestOfAll = this.longest;
    if (x.findings.length === 0 && x.isRunning()) {
      this.cut++;
      x.findings.push(livelock(x.steps, { threads: [], choices: [] }));
    }
    if (x.findings.length > 0) this.collect();
    else this.atEnd?.(x);
  }

  notes(): string[] {
    return [riskOf(this.sampled())];
  }

  sampled(): Sampled {
    const { strategy, executions, depth, measuring, longestOfAll, x } = this;
    return { strategy, executions, depth, nrThreads: x.nrThreads, longest: longestOfAll, measuring };
  }

  pick(x: Execution): number {
    if (this.started === null && x.steps === 0) {
      const begins = x.nextToStart();
      if (begins !== STOP) return begins;
    }
    const next = x.findings.length > 0 ? STOP : this.depth > 0 && x.steps < this.limits.maxSteps ? this.byPriority(x) : this.anyone(x);
    if (next === STOP) return STOP;
    if (this.traced === this.trace.length) this.lengthen();
    this.trace[this.traced++] = next;
    return next;
  }

  choose(x: Execution, nrOptions: number): number {
    if (nrOptions <= 1) return 0;
    const option = this.rng.below(nrOptions);
    const at = x.statusOf(x.current) === UNSTARTED ? -1 - x.current : this.traced - 1;
    const last = this.choices.at(-1);
    if (last?.at === at) last.options.push(option);
    else this.choices.push({ at, options: [option] });
    return option;
  }

  private beginChunk(): void {
    const { seed, first = 0, wholeRuns = false } = this.options;
    this.x.forget();
    this.rng = new Rng(seed, (first + this.executions) / SCHEDULES_PER_CHUNK);
    this.longest = 1;
    this.started = wholeRuns ? null : undefined;
    if (this.depth > 0) this.measuring++;
  }

  private anyone(x: Execution): number {
    if (x.steps >= this.limits.maxSteps * FAIR) return STOP;
    let enabled = x.enabledMask();
    if (enabled === 0) return STOP;
    if (enabled < 256) {
      const n = COUNT[enabled];
      return NTH[enabled * 8 + (n > 1 ? this.rng.below(n) : 0)];
    }
    let count = 0;
    for (let bits = enabled; bits !== 0; bits &= bits - 1) count++;
    if (count > 1) for (let at = this.rng.below(count); at > 0; at--) enabled &= enabled - 1;
    return 31 - clz32(enabled & -enabled);
  }

  private byPriority(x: Execution): number {
    const { current } = x;
    if (current >= 0 && (x.kindOf(current) === YIELD || this.isChange(x.steps))) this.priority[current] = --this.lowest;
    let best = STOP;
    for (let t = 0; t < x.nrThreads; t++) if (x.isEnabled(t) && (best === STOP || this.priority[t] > this.priority[best])) best = t;
    return best;
  }

  /** Each change happens once. */
  private isChange(step: number): boolean {
    const at = this.changeAt.indexOf(step);
    if (step === 0 || at < 0) return false;
    this.changeAt[at] = 0;
    return true;
  }

  private shuffle(): void {
    const { priority, rng } = this;
    this.lowest = 0;
    for (let t = 0; t < priority.length; t++) {
      const at = rng.below(t + 1);
      priority[t] = priority[at];
      priority[at] = t + 1;
    }
    for (let i = 0; i < this.changeAt.length; i++) this.changeAt[i] = 1 + rng.below(this.longest);
  }

  private collect(): void {
    const finding = this.x.findings[0] as RawFinding;
    if (this.found.has(finding.code)) return;
    const choices: ChoicesAt[] = this.choices.filter(({ options }) => options.some((o) => o !== 0)).map(({ at, options }) => ({ at, options: options.slice() }));
    this.found.set(finding.code, { ...finding, schedule: { threads: [...this.trace.subarray(0, this.traced)], choices } });
  }

  private lengthen(): void {
    const longer = new Uint8Array(this.trace.length * 2);
    longer.set(this.trace);
    this.trace = longer;
  }
}

/** @returns the places of the bits that are set, lowest first */
function nthBits(bits: number): number[] {
  return [0, 1, 2, 3, 4, 5, 6, 7].filter((i) => ((bits >> i) & 1) !== 0);
}
