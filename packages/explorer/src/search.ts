/** What all searches have in common: they run one execution after the other until they are through. */
import type { Execution, RawFinding } from './execution.js';

/** Which threads took the steps, and how choices went; enough to run it again. */
export interface Schedule {
  /** Thread by step, starts left out. */
  readonly threads: readonly number[];
  /** Steps whose choices did not all fall on option 0. */
  readonly choices: readonly ChoicesAt[];
}

export interface ChoicesAt {
  /** Step, 0 first; the start of thread t is step -1 - t. */
  readonly at: number;
  readonly options: readonly number[];
}

export interface Found extends RawFinding {
  readonly schedule: Schedule;
}

export interface Search {
  readonly strategy: string;
  /** Complete executions. */
  readonly executions: number;
  /** Executions given up because what followed had been seen. */
  readonly blocked: number;
  /** Distinct states, 0 where the search knows none. */
  readonly states: number;
  /** Executions that were longer than allowed. */
  readonly cut: number;
  /** Everything was covered. Only then is silence a proof. */
  readonly isDone: boolean;
  /** The first finding of each code. */
  readonly found: ReadonlyMap<string, Found>;
  /** Runs one execution, or a stretch of a search that has no executions. */
  advance(): void;
  /** Plain sentences on what the numbers are worth. */
  notes(): string[];
}

/** Bounds that every search keeps. */
export interface Limits {
  /** Steps of one execution. */
  readonly maxSteps: number;
}

/** Called at the end of every complete execution that found nothing; tests compare final states with it. */
export type AtEnd = (x: Execution) => void;
