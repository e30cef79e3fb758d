/**
 * What the explorer drives: a machine whose whole state is one buffer, and threads that
 * run kernel tasks on it.
 *
 * A program is booted once. Each execution restores the buffer and creates the threads
 * anew, so that nothing outside of the buffer and of a thread's own local variables may
 * carry state from one step to the next.
 */
import type { Scheduler, Task, Where } from '@mmun/include';

/** The part of a machine that an explorer needs; every locking machine has it. */
export interface ExplorableMachine {
  readonly buffer: ArrayBuffer;
  /** The whole buffer as words: what points are about. */
  readonly words: Int32Array;
  /** Replaced while an exploration lasts. */
  sched: Scheduler;
  readonly cpu: { readonly current: Uint32Array };
}

/** Something that must never be true, and was. */
export interface Report {
  /** Stable, kebab-case. */
  readonly code: string;
  readonly message: string;
}

export interface Thread<M> {
  /** Short and unique; replay strings and traces name the thread by it. */
  readonly name: string;
  /** A new task for each execution. */
  run(m: M): Task<string, unknown>;
  /** Its number in the machine's table of threads; left out: its place in `threads` + 1. */
  readonly handle?: number;
  /** May still wait when all others have finished: a worker, the RCU callbacks. */
  readonly isDaemon?: boolean;
}

export interface Program<M extends ExplorableMachine = ExplorableMachine> {
  readonly name: string;
  /** The machine as it is before the first step of every execution. */
  boot(): M;
  readonly threads: readonly Thread<M>[];
  /** Names a word of the buffer; left out: its number. */
  nameOf?(m: M, where: Where): string;
  /**
   * Called after every step. A search that leaves out schedules which differ only in the order of
   * independent steps may not show every intermediate state; `stateful` shows all of them.
   */
  afterStep?(m: M, report: (found: Report) => void): void;
  /** Called when every thread has finished, daemons aside. */
  atEnd?(m: M, report: (found: Report) => void): void;
  /**
   * All local variables of a thread that matter to what it does next, where it stands included.
   * An opt-in for programs whose tasks are not built in the explore form with visible frames: with it
   * `stateful` merges states by value. It must be exact: what it leaves out is taken as equal.
   */
  localState?(thread: number): number;
}

export const MAX_THREADS = 16;

/** Refuses what no search could handle. */
export function validateProgram(program: Program<never>): void {
  const { threads } = program;
  if (threads.length === 0 || threads.length > MAX_THREADS) throw new RangeError(`program \`${program.name}\`: \`threads\` holds ${threads.length}, expected 1 up to ${MAX_THREADS}`);
  const names = new Set(threads.map(({ name }) => name));
  if (names.size !== threads.length) throw new RangeError(`program \`${program.name}\`: two threads have one name`);
  for (const name of names) if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) throw new RangeError(`program \`${program.name}\`: thread name \`${name}\`: expected letters, digits, - and _`);
}
