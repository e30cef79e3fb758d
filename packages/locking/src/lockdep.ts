/**
 * What a thread holds, and the rules that one execution alone can break: a sleep
 * while atomic, a lock taken twice, an assertion about a lock. kernel/locking/lockdep.c
 */
import type { Where } from '@mmun/include';
import { KernelBug, nameOfWhere } from '@mmun/lib';
import { MAX_HELD_LOCKS, current } from './locking-machine.js';
import type { LockingMachine } from './locking-machine.js';

/** The current thread has taken `lock`. */
export function lockAcquired(m: LockingMachine, lock: Where): void {
  const task = current(m);
  const { nrHeld, held } = m.thread;
  const n = nrHeld[task];
  if (n === MAX_HELD_LOCKS) throw new KernelBug('lockdep-too-many-held', `a thread holds ${n} locks`);
  held[task * MAX_HELD_LOCKS + n] = lock;
  nrHeld[task] = n + 1;
}

/** The current thread leaves `lock`; locks need not be left in order. */
export function lockReleased(m: LockingMachine, lock: Where): void {
  const task = current(m);
  const { nrHeld, held } = m.thread;
  const base = task * MAX_HELD_LOCKS;
  const n = nrHeld[task];
  let i = n - 1;
  while (i >= 0 && held[base + i] !== lock) i--;
  if (i < 0) throw new KernelBug('unlock-not-held', nameOfWhere(m.layout, lock));
  for (; i < n - 1; i++) held[base + i] = held[base + i + 1];
  held[base + n - 1] = 0;
  nrHeld[task] = n - 1;
}

export function isLockHeld(m: LockingMachine, lock: Where): boolean {
  const task = current(m);
  const n = m.thread.nrHeld[task];
  for (let i = 0; i < n; i++) if (m.thread.held[task * MAX_HELD_LOCKS + i] === lock) return true;
  return false;
}

/** lockdep_assert_held(). */
export function lockdepAssertHeld(m: LockingMachine, lock: Where): void {
  if (!isLockHeld(m, lock)) throw new KernelBug('lockdep-not-held', nameOfWhere(m.layout, lock));
}

/** Before waiting for `lock`: a thread that waits for itself never wakes. */
export function lockdepAssertNotHeld(m: LockingMachine, lock: Where): void {
  if (isLockHeld(m, lock)) throw new KernelBug('self-deadlock', nameOfWhere(m.layout, lock));
}

/** might_sleep(): refuses in atomic context and in RCU read sections. */
export function mightSleep(m: LockingMachine, why: string): void {
  const task = current(m);
  if (m.thread.preemptCount[task] > 0) throw new KernelBug('sleep-in-atomic', `${why} with a spinlock held`);
  if (m.thread.rcuNesting[task] > 0) throw new KernelBug('sleep-in-rcu', `${why} inside rcu_read_lock`);
  if (m.thread.nonBlockCount[task] > 0) throw new KernelBug('sleep-non-block', `${why} where the caller may not be held up`);
}

/** Until nonBlockEnd the current thread may be preempted but not wait: whoever it waited for could wait for memory. non_block_start() */
export function nonBlockStart(m: LockingMachine): void {
  const task = current(m);
  m.thread.nonBlockCount[task] = m.thread.nonBlockCount[task] + 1;
}

export function nonBlockEnd(m: LockingMachine): void {
  const task = current(m);
  m.thread.nonBlockCount[task] = m.thread.nonBlockCount[task] - 1;
}
