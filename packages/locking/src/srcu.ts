/**
 * Sleepable read-copy-update: readers may sleep, so a grace period cannot be seen from outside; each reader counts itself.
 * kernel/srcu.c of 3.8, with one domain for the machine.
 *
 *   idx            readers that come now count here
 *   nesting[idx]   per thread, so that a count is nobody else's word
 *
 * A grace period turns idx over and waits for those who counted under the old one. It does so twice: a reader may have read
 * idx and not yet counted when it turns.
 *
 * Callbacks are called after a grace period by whoever plays the workqueue (srcuDoBatch): tree SRCU of 4.12 calls them
 * with bottom halves off, so they may not sleep.
 *
 * Lock order: batchMutex > mutex.
 */
import { READ, WAIT, WRITE } from '@mmun/include';
import type { GracePeriod, MachineConfig, MaySleep, Mutex, Sleep, Step, Task } from '@mmun/include';
import { bugOn, reserve, viewTable, whereOf } from '@mmun/lib';
import type { Layout, Reserved, Table } from '@mmun/lib';
import { point, pointUntil } from '#point';
import { mightSleep } from '#lockdep';
import { mutexAt, mutexLock, mutexUnlock } from '#mutex';
import { enqueueCallback, invokeOldest, registerCallback, reserveCallbackList, viewCallbackList } from './callback-list.js';
import type { Callback, CallbackList, ReservedCallbackList } from './callback-list.js';
import { current } from './locking-machine.js';
import type { LockingMachine } from './locking-machine.js';

const ANY = -1;

const domainSpec = {
  /** 0 or 1. @guardedBy mutex for grace periods; readers read it without. */
  idx: 'u32',
  /** One grace period at a time. */
  mutex: 'i32',
  /** One thread at a time calls callbacks. */
  batchMutex: 'i32',
} as const;

/** One row a thread: depth of its read sections under each value of idx. */
const readerSpec = { nesting0: 'i32', nesting1: 'i32' } as const;

export interface SrcuTables extends CallbackList, Table<typeof domainSpec>, Table<typeof readerSpec> {
  /** The columns of readerSpec by idx. */
  readonly nesting: readonly [Int32Array, Int32Array];
}

export interface SrcuMachine extends LockingMachine {
  readonly srcu: SrcuTables;
}

export interface ReservedSrcu {
  readonly domain: Reserved<typeof domainSpec>;
  readonly reader: Reserved<typeof readerSpec>;
  readonly queue: ReservedCallbackList;
}

/** @param nrCallbacks that can be queued at once */
export function reserveSrcu(layout: Layout, config: Pick<MachineConfig, 'nrTasks'>, nrCallbacks: number): ReservedSrcu {
  return {
    domain: reserve(layout, 'srcu', 1, domainSpec), reader: reserve(layout, 'srcuReader', config.nrTasks + 1, readerSpec),
    queue: reserveCallbackList(layout, 'srcu', nrCallbacks),
  };
}

export function viewSrcu(buffer: ArrayBuffer, reserved: ReservedSrcu): SrcuTables {
  const reader = viewTable(buffer, reserved.reader);
  return { ...viewTable(buffer, reserved.domain), ...reader, ...viewCallbackList(buffer, reserved.queue), nesting: [reader.nesting0, reader.nesting1] };
}

/** Once per machine and function, before any callback is queued. @returns what callSrcu takes */
export function registerSrcuCallback(srcu: SrcuTables, callback: Callback): number {
  return registerCallback(srcu, callback);
}

/** @context any; nests, and may sleep inside @returns what srcuReadUnlock takes */
export function* srcuReadLock(m: SrcuMachine): Task<Step, number> {
  const { idx, nesting } = m.srcu;
  yield* point(m, READ, whereOf(idx, 0));
  const now = idx[0];
  const column = nesting[now];
  yield* point(m, WRITE, whereOf(column, current(m)));
  column[current(m)] = column[current(m)] + 1;
  return now;
}

export function* srcuReadUnlock(m: SrcuMachine, idx: number): Task<Step> {
  const column = m.srcu.nesting[idx];
  yield* point(m, WRITE, whereOf(column, current(m)));
  bugOn(column[current(m)] === 0, 'srcu-unlock-unlocked');
  column[current(m)] = column[current(m)] - 1;
}

/** The current thread is inside a read section. */
export function srcuReadLockHeld(m: SrcuMachine): boolean {
  const task = current(m);
  return m.srcu.nesting0[task] + m.srcu.nesting1[task] > 0;
}

/** Every reader that was inside when this began has left. @context process, outside of every read section; may sleep */
export function synchronizeSrcu(m: SrcuMachine): Task<GracePeriod<'synchronize_srcu'>>;
export function* synchronizeSrcu(m: SrcuMachine): Task<Step | Sleep<'mutex_lock'> | GracePeriod<'synchronize_srcu'>> {
  mightSleep(m, 'synchronize_srcu');
  bugOn(srcuReadLockHeld(m), 'srcu-waits-for-itself');
  const mutex: Mutex = mutexAt(m.srcu.mutex, 0);
  yield* mutexLock(m, mutex);
  yield* turnOver(m);
  yield* turnOver(m);
  yield* mutexUnlock(m, mutex);
}

/** Has `callback(arg)` called once every present reader has left. @context any @returns false where the queue is full */
export function callSrcu(m: SrcuMachine, callback: number, arg: number): Task<Step, boolean> {
  return enqueueCallback(m, m.srcu, callback, arg);
}

/** Calls every callback that is queued, after one grace period for all that were when it began. @context a thread of its own, outside of every read section */
export function* srcuDoBatch(m: SrcuMachine): Task<MaySleep> {
  const { list } = m.srcu;
  yield* point(m, READ, whereOf(list.head, 0));
  if (list.head[0] === 0) return;
  yield* callAll(m);
}

/**
 * Every callback that was queued before has returned.
 * Deviation: the caller calls those itself that nobody calls yet, for there may be no other thread to do it.
 * @context process, outside of every read section; may sleep
 */
export function srcuBarrier(m: SrcuMachine): Task<MaySleep> {
  return callAll(m);
}

/** Callbacks wait for a grace period. */
export function srcuPending(m: SrcuMachine): boolean {
  return m.srcu.list.head[0] !== 0;
}

function* callAll(m: SrcuMachine): Task<MaySleep> {
  const { list } = m.srcu;
  const batchMutex: Mutex = mutexAt(m.srcu.batchMutex, 0);
  yield* mutexLock(m, batchMutex);
  for (;;) {
    yield* point(m, READ, whereOf(list.head, 0));
    if (list.head[0] === 0) break;
    const last = list.tail[0];
    yield* synchronizeSrcu(m);
    for (let ran = 0; ran !== last; ) ran = yield* invokeOldest(m, m.srcu);
  }
  yield* mutexUnlock(m, batchMutex);
}

/** @locks mutex */
function* turnOver(m: SrcuMachine): Task<Step> {
  const { idx, nesting } = m.srcu;
  const old = idx[0];
  yield* point(m, WRITE, whereOf(idx, 0));
  idx[0] = 1 - old;
  const column = nesting[old];
  for (let task = 0; task < column.length; task++) yield* pointUntil(m, WAIT, whereOf(column, task), ANY, 0);
}
