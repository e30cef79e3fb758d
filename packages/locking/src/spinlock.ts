/** Spinlocks. A word: 0 free, else the holder's thread number + 1. kernel/locking/spinlock.c */
import { ACQUIRE, RELEASE, WRITE } from '@mmun/include';
import type { Spinlock, Step, Task } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { point, pointUntil } from '#point';
import { lockAcquired, lockReleased, lockdepMayWait } from '#lockdep';
import { current } from './locking-machine.js';
import type { LockingMachine } from './locking-machine.js';

const ANY = -1;

/** The spinlock that is an element of a 32-bit column. */
/* @__NO_SIDE_EFFECTS__ */ export function spinlockAt(column: Int32Array | Uint32Array, element: number): Spinlock {
  return whereOf(column, element) as Spinlock;
}

/** @context any; the caller is atomic until it unlocks */
export function* spinLock(m: LockingMachine, lock: Spinlock): Task<Step> {
  lockdepMayWait(m, lock);
  yield* pointUntil(m, ACQUIRE, lock, ANY, 0);
  take(m, lock);
}

/** A second lock of a class of which the thread already holds one, in an order that something else sees to. spin_lock_nested() */
export function* spinLockNested(m: LockingMachine, lock: Spinlock): Task<Step> {
  lockdepMayWait(m, lock, true);
  yield* pointUntil(m, ACQUIRE, lock, ANY, 0);
  take(m, lock);
}

/** @returns false where someone holds it; it then was not waited for. */
export function* spinTrylock(m: LockingMachine, lock: Spinlock): Task<Step, boolean> {
  yield* point(m, WRITE, lock);
  if (m.words[lock] !== 0) return false;
  take(m, lock);
  return true;
}

export function* spinUnlock(m: LockingMachine, lock: Spinlock): Task<Step> {
  yield* point(m, RELEASE, lock);
  lockReleased(m, lock);
  m.words[lock] = 0;
  const task = current(m);
  m.thread.preemptCount[task] = m.thread.preemptCount[task] - 1;
}

function take(m: LockingMachine, lock: Spinlock): void {
  const task = current(m);
  m.words[lock] = task + 1;
  m.thread.preemptCount[task] = m.thread.preemptCount[task] + 1;
  lockAcquired(m, lock);
}
