/**
 * A queue of callbacks, oldest first. struct rcu_cblist
 *
 * A callback is the name of a function that the machine was told at boot, with one argument, so that the queue is plain
 * data of the buffer.
 *
 *   list.head ──> head ──next──> head <── list.tail      head: func, arg
 */
import { WRITE } from '@mmun/include';
import type { Step, Task } from '@mmun/include';
import { poolAlloc, poolFree, reserve, reservePool, viewPool, viewTable, whereOf } from '@mmun/lib';
import type { Layout, Pool, Reserved, ReservedPool, Table } from '@mmun/lib';
import { point } from '#point';
import type { LockingMachine } from './locking-machine.js';

const listSpec = { head: 'u32', tail: 'u32' } as const;

const headSpec = { next: 'u32', func: 'u32', arg: 'u32' } as const;

/** May not sleep: whoever calls it has others waiting behind it. */
export type Callback = (m: never, arg: number) => Task<Step>;

export interface CallbackList {
  readonly heads: Table<typeof headSpec>;
  readonly headPool: Pool;
  readonly list: Table<typeof listSpec>;
  /** Entry 0 is unused. */
  readonly callbacks: Callback[];
}

export interface ReservedCallbackList {
  readonly heads: Reserved<typeof headSpec>;
  readonly pool: ReservedPool;
  readonly list: Reserved<typeof listSpec>;
}

/** @param name of the tables: `rcu` has rcuHead and rcuList @param nrCallbacks that can be queued at once */
export function reserveCallbackList(layout: Layout, name: string, nrCallbacks: number): ReservedCallbackList {
  return {
    heads: reserve(layout, `${name}Head`, nrCallbacks + 1, headSpec),
    pool: reservePool(layout, `${name}Head`, nrCallbacks + 1),
    list: reserve(layout, `${name}List`, 1, listSpec),
  };
}

export function viewCallbackList(buffer: ArrayBuffer, reserved: ReservedCallbackList): CallbackList {
  return {
    heads: viewTable(buffer, reserved.heads), headPool: viewPool(buffer, reserved.pool), list: viewTable(buffer, reserved.list),
    callbacks: [() => { throw new Error('no callback'); }],
  };
}

/** Once per machine and function, before any callback is queued. @returns its name */
export function registerCallback(queue: CallbackList, callback: Callback): number {
  return queue.callbacks.push(callback) - 1;
}

/** @context any @returns false where the queue is full */
export function* enqueueCallback(m: LockingMachine, queue: CallbackList, callback: number, arg: number): Task<Step, boolean> {
  const { heads, headPool, list } = queue;
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

/** Calls the oldest. @context the queue is not empty @returns the head that it was queued under */
export function* invokeOldest(m: LockingMachine, queue: CallbackList): Task<Step, number> {
  const { heads, headPool, list, callbacks } = queue;
  yield* point(m, WRITE, whereOf(list.head, 0));
  const head = list.head[0];
  const callback = callbacks[heads.func[head]] as (m: LockingMachine, arg: number) => Task<Step>;
  const arg = heads.arg[head];
  list.head[0] = heads.next[head];
  if (list.head[0] === 0) list.tail[0] = 0;
  poolFree(headPool, head);
  yield* callback(m, arg);
  return head;
}
