/** Mutexes. A word: 0 free, else the holder's thread number + 1. kernel/locking/mutex.c */
import { ACQUIRE, RELEASE, WRITE } from '@mmun/include';
import type { Mutex, Sleep, Step, Task, Where } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import { point, pointUntil } from '#point';
import { lockAcquired, lockReleased, lockdepAssertHeld, lockdepMayWait, mightSleep } from '#lockdep';
import { current } from './locking-machine.js';
import type { LockingMachine } from './locking-machine.js';

const ANY = -1;

/* @__NO_SIDE_EFFECTS__ */ export function mutexAt(column: Int32Array | Uint32Array, element: number): Mutex {
  return whereOf(column, element) as Mutex;
}

/** @context process; may sleep */
export function mutexLock(m: LockingMachine, mutex: Mutex): Task<Sleep<'mutex_lock'>>;
export function* mutexLock(m: LockingMachine, mutex: Mutex): Task<Step | Sleep<'mutex_lock'>> {
  mightSleep(m, 'mutex_lock');
  lockdepMayWait(m, mutex);
  yield* pointUntil(m, ACQUIRE, mutex, ANY, 0);
  m.words[mutex] = current(m) + 1;
  lockAcquired(m, mutex);
}

/**
 * Takes one of a kind of which the thread may already hold others: `nest`, which it holds, keeps everybody else from doing
 * the same, so their order does not matter. Not among the locks that the thread is known to hold. mutex_lock_nest_lock()
 * @context process; may sleep @locks nest
 */
export function mutexLockNest(m: LockingMachine, mutex: Mutex, nest: Where): Task<Sleep<'mutex_lock'>>;
export function* mutexLockNest(m: LockingMachine, mutex: Mutex, nest: Where): Task<Step | Sleep<'mutex_lock'>> {
  mightSleep(m, 'mutex_lock');
  lockdepAssertHeld(m, nest);
  bugOn(m.words[mutex] === current(m) + 1, 'nested-mutex-taken-twice');
  yield* pointUntil(m, ACQUIRE, mutex, ANY, 0);
  m.words[mutex] = current(m) + 1;
}

export function* mutexUnlockNest(m: LockingMachine, mutex: Mutex): Task<Step> {
  yield* point(m, RELEASE, mutex);
  bugOn(m.words[mutex] !== current(m) + 1, 'nested-mutex-not-held');
  m.words[mutex] = 0;
}

/** Does not sleep, but is for process context all the same. @returns false where someone holds it. */
export function* mutexTrylock(m: LockingMachine, mutex: Mutex): Task<Step, boolean> {
  yield* point(m, WRITE, mutex);
  if (m.words[mutex] !== 0) return false;
  m.words[mutex] = current(m) + 1;
  lockAcquired(m, mutex);
  return true;
}

export function* mutexUnlock(m: LockingMachine, mutex: Mutex): Task<Step> {
  yield* point(m, RELEASE, mutex);
  lockReleased(m, mutex);
  m.words[mutex] = 0;
}
