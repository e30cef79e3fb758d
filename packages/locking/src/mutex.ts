/** Mutexes. A word: 0 free, else the holder's thread number + 1. kernel/locking/mutex.c */
import { ACQUIRE, RELEASE } from '@mmun/include';
import type { Mutex, Sleep, Step, Task } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { point, pointUntil } from '#point';
import { lockAcquired, lockReleased, lockdepAssertNotHeld, mightSleep } from '#lockdep';
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
  lockdepAssertNotHeld(m, mutex);
  yield* pointUntil(m, ACQUIRE, mutex, ANY, 0);
  m.words[mutex] = current(m) + 1;
  lockAcquired(m, mutex);
}

/** Does not sleep, but is for process context all the same. @returns false where someone holds it. */
export function* mutexTrylock(m: LockingMachine, mutex: Mutex): Task<Step, boolean> {
  yield* point(m, ACQUIRE, mutex);
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
