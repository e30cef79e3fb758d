/**
 * What a thread holds, and the rules that one execution alone can break: a sleep
 * while atomic, a lock taken twice or out of its place in the order, an assertion about a lock. kernel/locking/lockdep.c
 */
import type { Where } from '@mmun/include';
import { KernelBug, nameOfWhere, whereOf } from '@mmun/lib';
import { MAX_HELD_LOCKS, current } from './locking-machine.js';
import type { LockClass, LockingMachine } from './locking-machine.js';

/** The current thread has taken `lock`. */
export function lockAcquired(m: LockingMachine, lock: Where): void {
  const task = current(m);
  const { nrHeld, held } = m.thread;
  const n = nrHeld[task];
  if (n === MAX_HELD_LOCKS) throw new KernelBug('lockdep-too-many-held', `a thread holds ${n} locks`);
  held[task * MAX_HELD_LOCKS + n] = lock;
  nrHeld[task] = n + 1;
  if (m.lockSites !== null) m.lockSites[task * MAX_HELD_LOCKS + n] = callSite();
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
  if (m.lockSites !== null) m.lockSites.copyWithin(base + i, base + i + 1, base + n);
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

/**
 * Before waiting for `lock`: a thread that waits for itself never wakes, and two that wait in different orders may not either.
 * Tries are not asked: they wait for nobody.
 * @param isNested it may be the second of its class
 */
export function lockdepMayWait(m: LockingMachine, lock: Where, isNested = false): void {
  if (isLockHeld(m, lock)) throw new KernelBug('self-deadlock', nameOfWhere(m.layout, lock));
  const own = classOf(m, lock);
  if (own === undefined || own.rank === 0) return;
  const base = current(m) * MAX_HELD_LOCKS;
  const n = m.thread.nrHeld[current(m)];
  for (let i = 0; i < n; i++) {
    const held = m.thread.held[base + i] as Where;
    const other = classOf(m, held);
    if (other === undefined || other.rank < own.rank) continue;
    if (other.rank === own.rank && (other !== own || isNested || !own.isNestedByName)) continue;
    const where = m.lockSites?.[base + i];
    const taken = where === undefined ? '' : `, taken at ${where},`;
    const rule = other === own ? 'a second one of its class is taken as nested' : `${own.name} comes before ${other.name}`;
    throw new KernelBug('lock-order', `\`${nameOfWhere(m.layout, lock)}\` is waited for at ${callSite()} while \`${nameOfWhere(m.layout, held)}\`${taken} is held: ${rule}`);
  }
}

/** Says what place the locks of some columns have. @context boot */
export function declareLockOrder(m: LockingMachine, classes: readonly LockClass[]): void {
  m.lockClasses.push(...classes);
}

/** The locks of one column have a place, and are called by its name. A second time does nothing. */
export function declareColumn(m: LockingMachine, column: Int32Array | Uint32Array, rank: number): void {
  const first = whereOf(column, 0);
  if (m.lockClasses.some((one) => one.first === first)) return;
  const name = nameOfWhere(m.layout, first).replace(/\[.*/, '');
  m.lockClasses.push({ name, first, last: first + column.length - 1, rank, isNestedByName: false });
}

/** From now on it is known where locks were taken; costs a stack trace for each. */
export function recordLockSites(m: LockingMachine): void {
  m.lockSites = [];
}

function classOf({ lockClasses }: LockingMachine, lock: Where): LockClass | undefined {
  for (let i = 0; i < lockClasses.length; i++) {
    const one = lockClasses[i] as LockClass;
    if (lock >= one.first && lock <= one.last) return one;
  }
  return undefined;
}

/** The first caller that is not of this package: `zapPteRange (.../mm/src/memory.ts:123:10)`. */
function callSite(): string {
  const lines = (new Error().stack ?? '').split('\n').slice(1);
  const line = lines.find((frame) => /:\d+:\d+/.test(frame) && !/(?:@mmun|packages)[\\/]locking[\\/]|\b(rmapLock|lockPage|trylockPage)\b/.test(frame));
  return (line ?? '').trim().replace(/^at /, '');
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
