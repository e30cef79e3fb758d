/** What an exploration is asked for, and what it answers. */
import type { Finding, FindingStep } from '@mmun/include';
import type { Estimate } from './estimate.js';
import type { Sampled } from './sampling.js';
import type { Schedule } from './search.js';

export type StrategyName = 'auto' | 'dpor' | 'stateful' | 'bounded' | 'pct' | 'random';

export interface ExploreOptions {
  /** Left out: auto, exhaustive by whichever of dpor and stateful finishes, else bounded. */
  readonly strategy?: StrategyName;
  /** The highest bound that `bounded` tries; left out: 2, in auto as many as time allows. */
  readonly preemptions?: number;
  /** Left out: no bound, for random and pct 10,000. */
  readonly maxExecutions?: number;
  /** Left out: no bound; in auto 10 s for the exhaustive searches and as much for the bounded one. */
  readonly maxMillis?: number;
  /** Steps of one execution; left out: 10,000. What is longer must end under a fair schedule, or is a livelock. */
  readonly maxSteps?: number;
  readonly seed?: number;
  /** Of pct and random: the number of the first schedule, a multiple of SCHEDULES_PER_CHUNK. So many more follow as `maxExecutions` says. */
  readonly firstSchedule?: number;
  /** Depth of the bugs that pct looks for; left out: 3. */
  readonly depth?: number;
  /** Something outside of the machine follows every execution from its first step on: pct and random begin each with the starts of the threads. */
  readonly wholeRuns?: boolean;
  /** Go on after the first finding, to have one of every code. */
  readonly findsAll?: boolean;
  /** Leave findings as they were found. */
  readonly keepsLong?: boolean;
  /** States that proving a counterexample minimal may take; left out: 200,000. */
  readonly maxProofStates?: number;
  /** Plays this instead of searching. */
  readonly replay?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly strategy: string;
  readonly executions: number;
  readonly blocked: number;
  readonly states: number;
  /** Bound that is being tried, where there is one. */
  readonly level: number | null;
  readonly elapsedMs: number;
  /** How large the space is; null until the search has taken long enough to ask. */
  readonly estimate: Estimate | null;
}

export interface ExploredStep extends FindingStep {
  /** Place among the threads. */
  readonly thread: number;
  /** `acquire`, `write` ... */
  readonly kind: string;
  /** The object, as the program names it, and its word. */
  readonly object: string;
  readonly where: number;
  /** Innermost kernel function, and its callers outwards. */
  readonly fn: string;
  readonly callers: readonly string[];
  /** The turn was taken from a thread that could have gone on. */
  readonly isPreemption: boolean;
}

export interface ExploredFinding extends Finding {
  readonly steps: readonly ExploredStep[];
  readonly preemptions: number;
  /** Proved: fewest preemptions, then fewest steps. */
  readonly isMinimal: boolean;
  readonly schedule: Schedule;
}

export interface ExploreResult {
  /** What the answer comes from: in auto, the strategy that finished. */
  readonly strategy: string;
  /** Complete executions; for dpor orderings, for stateful distinct ends. */
  readonly executions: number;
  readonly blocked: number;
  readonly states: number;
  /** Every schedule was covered, so that no finding means that there is none. */
  readonly exhaustive: boolean;
  /** Every schedule with at most so many preemptions was covered; null where no such bound was proved, or none is needed. */
  readonly preemptions: number | null;
  readonly findings: readonly ExploredFinding[];
  readonly elapsedMs: number;
  readonly estimate: Estimate | null;
  readonly notes: readonly string[];
  /** Of pct and random: what the risk in the notes follows from; null for others. */
  readonly sampled: Sampled | null;
}
