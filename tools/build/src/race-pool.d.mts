import type { LinkOptions } from './link-race.mjs';

/** A check of a race, as plain data. */
export interface RaceTask {
  /** What is linked: an image, with lines that are edited, and a module beside it. */
  readonly link: LinkOptions;
  /** A race that mmun knows, by its id; left out: the default export of the module that `link` names. */
  readonly race?: string;
  /** The race needs no kernel. */
  readonly isBare?: boolean;
  /** As `checkRace` takes them, but for signal and progress. */
  readonly options: Readonly<Record<string, unknown>> & { readonly variant: string };
}

export interface RaceWatcher<P> {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: P) => void;
}

/** A worker thread has ended in the middle of a task; the message is one line. */
export class WorkerLost extends Error {}

/** Checks races on several threads at once, or one after the other on the thread that asks. What comes out is the same. */
export class RacePool {
  /** @param jobs tasks that are worked on at a time; with 1 no other thread is made */
  constructor(jobs: number);
  readonly jobs: number;
  /**
   * Tasks are begun in the order in which they are asked for. What they need is linked by one at a time.
   * @returns the report of `checkRace`; null where the signal, or `close`, came before the task was begun
   * @throws what `checkRace` and `linkRace` throw; WorkerLost
   */
  check<R, P = unknown>(task: RaceTask, watcher?: RaceWatcher<P>): Promise<R | null>;
  /** Ends the threads. What they were doing is lost. */
  close(): Promise<void>;
}
