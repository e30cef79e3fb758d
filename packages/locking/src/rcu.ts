/**
 * Read-copy-update. A grace period waits for the readers that were inside when it
 * began, and for no others. kernel/rcu/tree.c
 */
import { READ, WAIT, WRITE } from '@mmun/include';
import type { GracePeriod, Sleep, Step, Task } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import type { Layout } from '@mmun/lib';
import { point, pointUntil } from '#point';
import { mightSleep } from '#lockdep';
import { enqueueCallback, invokeOldest, registerCallback, reserveCallbackList, viewCallbackList } from './callback-list.js';
import type { Callback, CallbackList, ReservedCallbackList } from './callback-list.js';
import { current } from './locking-machine.js';
import type { LockingMachine } from './locking-machine.js';

const ANY = -1;

export type RcuCallback = Callback;
export type RcuTables = CallbackList;
export type ReservedRcu = ReservedCallbackList;

export interface RcuMachine extends LockingMachine {
  readonly rcu: RcuTables;
}

/** @param nrCallbacks that can be queued at once */
export function reserveRcu(layout: Layout, nrCallbacks: number): ReservedRcu {
  return reserveCallbackList(layout, 'rcu', nrCallbacks);
}

export function viewRcu(buffer: ArrayBuffer, reserved: ReservedRcu): RcuTables {
  return viewCallbackList(buffer, reserved);
}

/** Once per machine and function, before any callback is queued. @returns what callRcu takes */
export function registerRcuCallback(rcu: RcuTables, callback: RcuCallback): number {
  return registerCallback(rcu, callback);
}

/** @context any; nests. The caller may not sleep until it unlocks. */
export function* rcuReadLock(m: LockingMachine): Task<Step> {
  const task = current(m);
  yield* point(m, WRITE, whereOf(m.thread.rcuNesting, task));
  m.thread.rcuNesting[task] = m.thread.rcuNesting[task] + 1;
}

export function* rcuReadUnlock(m: LockingMachine): Task<Step> {
  const task = current(m);
  yield* point(m, WRITE, whereOf(m.thread.rcuNesting, task));
  bugOn(m.thread.rcuNesting[task] === 0, 'rcu-unlock-unlocked');
  m.thread.rcuNesting[task] = m.thread.rcuNesting[task] - 1;
}

/** The current thread is inside a read section. */
export function rcuReadLockHeld(m: LockingMachine): boolean {
  return (m.thread.rcuNesting[current(m)]) > 0;
}

/** @context process, outside of every read section; may sleep */
export function synchronizeRcu(m: LockingMachine): Task<GracePeriod<'synchronize_rcu'>>;
export function* synchronizeRcu(m: LockingMachine): Task<Step | Sleep<'synchronize_rcu'> | GracePeriod<'synchronize_rcu'>> {
  mightSleep(m, 'synchronize_rcu');
  yield* waitForReaders(m);
}

/**
 * Those inside now, one thread looked at after the other, as the kernel looks at its CPUs. Spins instead of sleeping.
 * @context any, outside of every read section; under no lock that a reader takes
 */
export function* waitForReaders(m: LockingMachine): Task<Step> {
  const { rcuNesting } = m.thread;
  const inside: number[] = [];
  for (let task = 0; task < rcuNesting.length; task++) {
    yield* point(m, READ, whereOf(rcuNesting, task));
    if (rcuNesting[task] > 0) inside.push(task);
  }
  for (let i = 0; i < inside.length; i++) yield* pointUntil(m, WAIT, whereOf(rcuNesting, inside[i]), ANY, 0);
}

/** Runs `callback(arg)` once every present reader has left. @context any @returns false where the queue is full */
export function callRcu(m: RcuMachine, callback: number, arg: number): Task<Step, boolean> {
  return enqueueCallback(m, m.rcu, callback, arg);
}

/**
 * Runs every callback that is queued, oldest first, after one grace period for all that were queued when it began.
 * @context a thread of its own, or the end of a run; never inside a read section
 */
export function* rcuDoBatch(m: RcuMachine): Task<Step> {
  const { list } = m.rcu;
  for (;;) {
    yield* point(m, READ, whereOf(list.head, 0));
    if (list.head[0] === 0) return;
    const last = list.tail[0];
    yield* waitForReaders(m);
    for (let ran = 0; ran !== last; ) ran = yield* invokeOldest(m, m.rcu);
  }
}

/** Callbacks wait for a grace period. */
export function rcuPending(m: RcuMachine): boolean {
  return m.rcu.list.head[0] !== 0;
}

