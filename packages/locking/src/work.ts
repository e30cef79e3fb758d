/**
 * One ordered workqueue: items run one after the other, in the order of queueing, on a worker thread that may sleep.
 * kernel/workqueue.c, reduced to alloc_ordered_workqueue().
 *
 * An item is a function that the machine was told at boot and one argument; it is the same item when both are the same,
 * and is not queued twice.
 *
 *   queueWork ──► list: item ─► item ─► item            nrPending counts them, the one that runs too
 *                  └─ worker: takes it off, runs it
 *
 * A machine without a worker thread (a replay, a set-up) has those who wait for work do it themselves.
 */
import { ENOMEM, READ, WAIT, WRITE } from '@mmun/include';
import type { MaySleep, Sleep, Step, Task, Where } from '@mmun/include';
import { poolAlloc, poolFree, reserve, reservePool, viewPool, viewTable, whereOf } from '@mmun/lib';
import type { Layout, Pool, Reserved, ReservedPool, Table } from '@mmun/lib';
import { point, pointUntil, touch } from '#point';
import { mightSleep } from '#lockdep';
import type { LockingMachine } from './locking-machine.js';

const ANY = -1;

const queueSpec = {
  head: 'u32', tail: 'u32',
  /** 1 while something is queued: what the worker waits for. */
  hasItems: 'u32',
  /** Items that are queued or running. */
  nrPending: 'u32',
  /** The item that runs: its function, 0 where none does, and its argument. */
  func: 'u32', arg: 'u32',
  /** 1: a thread of the machine is the worker. */
  hasWorker: 'u32',
} as const;

const itemSpec = { next: 'u32', func: 'u32', arg: 'u32' } as const;

export type WorkFunction = (m: never, arg: number) => Task<MaySleep>;

export interface WorkTables {
  readonly queue: Table<typeof queueSpec>;
  readonly items: Table<typeof itemSpec>;
  readonly itemPool: Pool;
  /** Entry 0 is unused. */
  readonly functions: WorkFunction[];
}

export interface WorkMachine extends LockingMachine {
  readonly work: WorkTables;
}

export interface ReservedWork {
  readonly queue: Reserved<typeof queueSpec>;
  readonly items: Reserved<typeof itemSpec>;
  readonly pool: ReservedPool;
}

/** @param nrItems that can be queued at once */
export function reserveWork(layout: Layout, nrItems: number): ReservedWork {
  return {
    queue: reserve(layout, 'workqueue', 1, queueSpec),
    items: reserve(layout, 'work', nrItems + 1, itemSpec),
    pool: reservePool(layout, 'work', nrItems + 1),
  };
}

export function viewWork(buffer: ArrayBuffer, reserved: ReservedWork): WorkTables {
  return {
    queue: viewTable(buffer, reserved.queue), items: viewTable(buffer, reserved.items), itemPool: viewPool(buffer, reserved.pool),
    functions: [() => { throw new Error('no work function'); }],
  };
}

/** Once per machine and function, before any work is queued. @returns what queueWork takes */
export function registerWork(work: WorkTables, func: WorkFunction): number {
  return work.functions.push(func) - 1;
}

/** A thread of this machine calls workerThread: nobody else runs work from now on. @context before the machine runs */
export function hasWorker(m: WorkMachine): void {
  m.work.queue.hasWorker[0] = 1;
}

/** @context any @returns 1 queued, 0 where the same item is queued already, -ENOMEM where the queue is full */
export function* queueWork(m: WorkMachine, func: number, arg: number): Task<Step, number> {
  const { queue, items, itemPool } = m.work;
  yield* point(m, WRITE, whereOf(queue.hasItems, 0));
  for (let at = queue.head[0]; at !== 0; at = items.next[at]) if (items.func[at] === func && items.arg[at] === arg) return 0;
  const item = poolAlloc(itemPool);
  if (item === 0) return -ENOMEM;
  items.func[item] = func;
  items.arg[item] = arg;
  items.next[item] = 0;
  if (queue.head[0] === 0) queue.head[0] = item;
  else items.next[queue.tail[0]] = item;
  queue.tail[0] = item;
  queue.hasItems[0] = 1;
  yield* point(m, WRITE, whereOf(queue.nrPending, 0));
  queue.nrPending[0] += 1;
  return 1;
}

/**
 * Until nothing is queued and nothing runs: what is queued meanwhile is waited for too.
 * @context process, holding nothing that an item takes; not an item itself
 */
export function flushWorkqueue(m: WorkMachine): Task<Sleep<'flush_workqueue'>>;
export function* flushWorkqueue(m: WorkMachine): Task<Step | Sleep<'flush_workqueue'>> {
  mightSleep(m, 'flush_workqueue');
  yield* workForWaiter(m);
  yield* pointUntil(m, WAIT, whereOf(m.work.queue.nrPending, 0), ANY, 0);
}

/**
 * The item is neither queued nor running when this returns, unless it queues itself.
 * @context as flushWorkqueue @returns true: it was queued, and has not run
 */
export function cancelWorkSync(m: WorkMachine, func: number, arg: number): Task<Sleep<'cancel_work_sync'>, boolean>;
export function* cancelWorkSync(m: WorkMachine, func: number, arg: number): Task<Step | Sleep<'cancel_work_sync'>, boolean> {
  mightSleep(m, 'cancel_work_sync');
  const { queue } = m.work;
  yield* point(m, WRITE, whereOf(queue.hasItems, 0));
  const wasQueued = takeOff(m, func, arg);
  if (wasQueued) {
    yield* point(m, WRITE, whereOf(queue.nrPending, 0));
    queue.nrPending[0] -= 1;
  }
  yield* point(m, READ, whereOf(queue.func, 0));
  if (queue.func[0] === func && queue.arg[0] === arg) yield* pointUntil(m, WAIT, whereOf(queue.func, 0), ANY, 0);
  return wasQueued;
}

/** Sleeps until the word has the value; whoever changes it wakes. wait_event() @context process; may sleep */
export function waitEvent(m: WorkMachine, where: Where, mask: number, value: number): Task<Sleep<'wait_event'>>;
export function* waitEvent(m: WorkMachine, where: Where, mask: number, value: number): Task<Step | Sleep<'wait_event'>> {
  mightSleep(m, 'wait_event');
  yield* workForWaiter(m);
  yield* pointUntil(m, WAIT, where, mask, value);
}

/** What the worker thread does, for ever: no explorer waits for it. */
export function* workerThread(m: WorkMachine): Task<MaySleep> {
  for (;;) {
    yield* pointUntil(m, WAIT, whereOf(m.work.queue.hasItems, 0), ANY, 1);
    yield* runOldest(m);
  }
}

/** Everything that is queued, on the current thread. @context process; a machine without a worker thread */
export function* runWork(m: WorkMachine): Task<MaySleep> {
  const { hasItems } = m.work.queue;
  for (;;) {
    yield* point(m, READ, whereOf(hasItems, 0));
    if (hasItems[0] === 0) return;
    yield* runOldest(m);
  }
}

/** Work is queued. */
export function workPending(m: WorkMachine): boolean {
  return m.work.queue.head[0] !== 0;
}

function* workForWaiter(m: WorkMachine): Task<Step> {
  if (m.work.queue.hasWorker[0] === 0) yield* runWork(m) as Task<Step>;
}

function* runOldest(m: WorkMachine): Task<MaySleep> {
  const { queue, items, functions } = m.work;
  yield* point(m, WRITE, whereOf(queue.hasItems, 0));
  const item = queue.head[0];
  if (item === 0) return;
  const func = items.func[item];
  const arg = items.arg[item];
  takeOff(m, func, arg);
  // in the same step: who finds the item no longer queued must find it running
  touch(m, WRITE, whereOf(queue.func, 0));
  queue.arg[0] = arg;
  queue.func[0] = func;
  yield* (functions[func] as (m: WorkMachine, arg: number) => Task<MaySleep>)(m, arg);
  yield* point(m, WRITE, whereOf(queue.func, 0));
  queue.func[0] = queue.arg[0] = 0;
  yield* point(m, WRITE, whereOf(queue.nrPending, 0));
  queue.nrPending[0] -= 1;
}

/** @locks the step is a write of hasItems @returns false where it is not queued */
function takeOff(m: WorkMachine, func: number, arg: number): boolean {
  const { queue, items, itemPool } = m.work;
  for (let before = 0, at = queue.head[0]; at !== 0; before = at, at = items.next[at]) {
    if (items.func[at] !== func || items.arg[at] !== arg) continue;
    if (before === 0) queue.head[0] = items.next[at];
    else items.next[before] = items.next[at];
    if (queue.tail[0] === at) queue.tail[0] = before;
    poolFree(itemPool, at);
    if (queue.head[0] === 0) queue.hasItems[0] = 0;
    return true;
  }
  return false;
}
