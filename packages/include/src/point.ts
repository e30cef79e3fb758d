/**
 * Scheduling points: the places where an explorer may let another thread run.
 *
 * A point comes *before* a visible operation and says of what kind it is and
 * which word of the machine's buffer it touches. Two operations depend on each
 * other when they touch the same word and one of them is not a read.
 */
import type { Where } from './handles.js';

/** An unlocked read of a shared word. */
export const READ = 0;
/** An unlocked store to, or an atomic update of, a shared word; also a try to take a lock, which never waits for it. */
export const WRITE = 1;
/** Taking a lock, alone; the thread may have to wait. */
export const ACQUIRE = 2;
/** Leaving a lock that was held alone. */
export const RELEASE = 3;
/** Taking a lock as one of several readers. */
export const ACQUIRE_SHARED = 4;
/** Leaving a lock that was held as one of several readers. */
export const RELEASE_SHARED = 5;
/** Waiting until the word has a value: a grace period, a completion. */
export const WAIT = 6;
/** A voluntary yield (cond_resched, a spin that found nothing): free for every bound on preemptions. */
export const YIELD = 7;
/** Entry of a callback into a plugin; `where` is the notifier. */
export const CALL = 8;

export type PointKind = typeof READ | typeof WRITE | typeof ACQUIRE | typeof RELEASE | typeof ACQUIRE_SHARED
  | typeof RELEASE_SHARED | typeof WAIT | typeof YIELD | typeof CALL;

/** For traces, by kind. */
export const POINT_NAMES: readonly string[] =
  ['read', 'write', 'acquire', 'release', 'acquire shared', 'release shared', 'wait', 'yield', 'call'];

/**
 * Who decides at a point. Kernel code does not know which scheduler it has.
 *
 * Both methods decide in place: they return true when the caller must yield now,
 * so that a point where nobody switches costs one call and no resumption.
 */
export interface Scheduler {
  /**
   * The operation of kind `kind` on `where` comes next and is always possible.
   * @returns true: yield once, then go on without asking again.
   */
  point(kind: PointKind, where: Where): boolean;
  /**
   * The operation is possible only while `(words[where] & mask) === value`.
   * @returns true: yield, then ask again. False is returned only while the condition holds.
   */
  until(kind: PointKind, where: Where, mask: number, value: number): boolean;
  /**
   * The step that began at the last point touches this word as well, in the same instant: a device that finds its
   * entry and reaches the frame behind it, a free that ends a frame. Two steps depend on each other when any of their
   * words do. Never a switch, never a place where a schedule can be cut.
   */
  touch(kind: PointKind, where: Where): void;
  /**
   * A decision that is not a matter of timing: does this allocation fail, is a signal pending.
   * @param nrOptions at least 1; option 0 is what happens when nothing goes wrong
   * @returns 0 up to nrOptions - 1
   */
  choose(nrOptions: number, label: string): number;
}
