/**
 * Read-copy-update. A grace period waits for the readers that were inside when it
 * began, and for no others. kernel/rcu/tree.c
 *
 * Callbacks are names of functions that the machine was told at boot, with one
 * argument, so that a queue of them is plain data of the buffer.
 */
import { READ, WAIT, WRITE } from '@mmun/include';
import type { GracePeriod, Sleep, Step, Task } from '@mmun/include';
import { bugOn, poolAlloc, poolFree, reserve, reservePool, viewPool, viewTable, whereOf } from '@mmun/lib';
import type { Layout, Pool, Reserved, ReservedPool, Table } from '@mmun/lib';
import { point, pointUntil } from '#point';
import { mightSleep } from '#lockdep';
import { current } from './locking-machine.js';
import type { LockingMachine } from './locking-machine.js';

const ANY = -1;

const listSpec = { head: 'u32', tail: 'u32' } as const;

const headSpec = { next: 'u32', func: 'u32', arg: 'u32' } as const;

export type RcuCallback = (m: never, arg: number) => Task<Step>;

export interface RcuTables {
  readonly heads: Table<typeof headSpec>;
  readonly headPool: Pool;
  readonly list: Table<typeof listSpec>;
  /** Entry 0 is unused. */
  readonly callbacks: RcuCallback[];
  readonly nrTasks: number;
}

export interface RcuMachine extends LockingMachine {
  readonly rcu: RcuTables;
}

export interface ReservedRcu {
  readonly heads: Reserved<typeof headSpec>;
  readonly pool: ReservedPool;
  readonly list: Reserved<typeof listSpec>;
  readonly nrTasks: number;
}

/** @param nrCallbacks that can be queued at once */
export function reserveRcu(layout: Layout, nrTasks: number, nrCallbacks: number): ReservedRcu {
  return {
    heads: reserve(layout, 'rcuHead', nrCallbacks + 1, headSpec),
    pool: reservePool(layout, 'rcuHead', nrCallbacks + 1),
    list: reserve(layout, 'rcuList', 1, listSpec),
    nrTasks,
  };
}

export function viewRcu(buffer: ArrayBuffer, reserved: ReservedRcu): RcuTables {
  return {
    heads: viewTable(buffer, reserved.heads), headPool: viewPool(buffer, reserved.pool),
    list: viewTable(buffer, reserved.list), callbacks: [() => { throw new Error('no callback'); }], nrTasks: reserved.nrTasks,
  };
}

/** Once per machine and function, before any callback is queued. @returns what callRcu takes */
export function registerRcuCallback(rcu: RcuTables, callback: RcuCallback): number {
  return rcu.callbacks.push(callback) - 1;
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

/** Those inside now, one thread looked at after the other, as the kernel looks at its CPUs. */
function* waitForReaders(m: LockingMachine): Task<Step> {
  const { rcuNesting } = m.thread;
  const inside: number[] = [];
  for (let task = 0; task < rcuNesting.length; task++) {
    yield* point(m, READ, whereOf(rcuNesting, task));
    if (rcuNesting[task] > 0) inside.push(task);
  }
  for (let i = 0; i < inside.length; i++) yield* pointUntil(m, WAIT, whereOf(rcuNesting, inside[i]), ANY, 0);
}

/** Runs `callback(arg)` once every present reader has left. @context any @returns false where the queue is full */
export function* callRcu(m: RcuMachine, callback: number, arg: number): Task<Step, boolean> {
  const { heads, headPool, list } = m.rcu;
  yield* point(m, WRITE, whereOf(list.head, 0));
  const head = poolAlloc(headPool);
  if (head === 0) return false;
  heads.func[head] = callback;
  heads.arg[head] = arg;
  heads.next[head] = 0;
  if (list.head[0] === 0) list.head[0] = head;
  else heads.next[list.tail[0]] = head;
  list.tail[0] = head;
  return true;
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
    for (let ran = 0; ran !== last; ) ran = yield* runOldest(m);
  }
}

/** @returns the head that it was queued under */
function* runOldest(m: RcuMachine): Task<Step, number> {
  const { heads, headPool, list, callbacks } = m.rcu;
  yield* point(m, WRITE, whereOf(list.head, 0));
  const head = list.head[0];
  const callback = callbacks[heads.func[head]] as (m: RcuMachine, arg: number) => Task<Step>;
  const arg = heads.arg[head];
  list.head[0] = heads.next[head];
  if (list.head[0] === 0) list.tail[0] = 0;
  poolFree(headPool, head);
  yield* callback(m, arg);
  return head;
}

/** Callbacks wait for a grace period. */
export function rcuPending(m: RcuMachine): boolean {
  return m.rcu.list.head[0] !== 0;
}

