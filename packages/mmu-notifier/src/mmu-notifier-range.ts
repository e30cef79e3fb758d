// Models mm/mmu_notifier.c and include/linux/mmu_notifier.h of Linux 4.12 (July 2017).
/**
 * Design `range`, of one era: Linux 4.12, the last shape of what was merged in 2.6.27 and made sleepable in 3.7.
 *
 *   2.6.27  start and end around each change, registration under mm_take_all_locks, release before the unmap
 *   3.0     the rmap locks sleep, so a start under them may
 *   3.7     one global SRCU instead of RCU; start and end are called with the same arguments; no start under a PT lock
 *   3.15    mprotect tells of populated ranges only
 *   4.11    invalidate_page, of reclaim and writeback alone, is called under the PT lock again
 *   4.12    <- here
 *   4.13    invalidate_page goes, and those calls become brackets too
 *
 * Not here, because nobody in this tree shares page tables with the CPU: invalidate_range (3.19).
 *
 *   mm row   isSet: someone has registered once     first ─> mn ─> 0       mmuNotifierHead: mm->mmu_notifier_mm
 *   mn row   ops, instance                                                 mmuNotifier
 *
 * Lock order: mmap_sem > mm_all_locks_mutex > i_mmap mutexes > anon_vma mutexes > PT lock > a driver's spinlocks; a driver's
 * sleeping locks, taken in start and end, are below the mutexes; head.lock is a leaf.
 */
import { CALL, READ, WRITE } from '@mmun/include';
import type { MaySleep, Mm, MmuNotifier, Mutex, NotifierCounts, NotifierOps, Pte, RangeNotifierOps, Spinlock, Step, Task, Vaddr, Where } from '@mmun/include';
import { LIST_POISON1, bugOn, poolAlloc, poolFree, poolIsLive, reserve, reservePool, viewPool, viewTable, whereOf } from '@mmun/lib';
import type { Layout, Pool, Reserved, ReservedPool, Table } from '@mmun/lib';
import {
  hlistAddHeadRcu, hlistDelInitRcu, hlistFirst, hlistIsUnhashed, hlistNext, mutexLock, mutexUnlock, point, reserveSrcu, spinLock, spinUnlock, spinlockAt,
  srcuReadLock, srcuReadUnlock, synchronizeSrcu, viewSrcu, touch,
} from '@mmun/locking';
import type { LockingMachine, ReservedSrcu, SrcuMachine } from '@mmun/locking';
import type { NotifierConfig, NotifierServices, RegisterHost, Wanted } from './surface.js';

/** struct mmu_notifier_mm, one row per mm. */
const headSpec = {
  /** mm->mmu_notifier_mm != NULL: stays set after the last one unregistered. @guardedBy registration, all rmap locks held */
  isSet: 'u32',
  /** @guardedBy lock for writers, SRCU for walkers. */
  first: 'u32',
  lock: 'i32',
} as const;

/** struct mmu_notifier. */
const notifierSpec = {
  /** Which ops; constant while the notifier lives. */
  ops: 'u32',
  /** The row of the driver's own table that this notifier belongs to. */
  instance: 'u32',
  /** @guardedBy as head.first. */
  next: 'u32', pprev: 'u32',
} as const;

const countSpec = {
  invalidateRangeStart: 'f64', invalidateRangeEnd: 'f64', invalidatePage: 'f64', clearFlushYoung: 'f64', changePte: 'f64', release: 'f64',
} as const;

/** The ops as the walk calls them; the labels of contexts are yielded by nobody. */
interface CalledOps {
  readonly release?: (mn: MmuNotifier, mm: Mm) => Task<MaySleep>;
  readonly invalidateRangeStart?: (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr) => Task<MaySleep>;
  readonly invalidateRangeEnd?: (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr) => Task<MaySleep>;
  readonly invalidatePage?: (mn: MmuNotifier, mm: Mm, address: Vaddr) => Task<Step>;
  readonly clearFlushYoung?: (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr) => Task<Step, number>;
  readonly changePte?: (mn: MmuNotifier, mm: Mm, address: Vaddr, pte: Pte) => Task<Step>;
}

/** What this design adds to a machine. */
export interface NotifierMachine extends Pick<SrcuMachine, 'srcu'> {
  readonly notifierHead: Table<typeof headSpec>;
  readonly notifier: Table<typeof notifierSpec>;
  readonly notifierPool: Pool;
  readonly notifierCount: Table<typeof countSpec>;
  /** Entry 0 is unused. Grows at attach only. */
  readonly notifierOps: CalledOps[];
}

export interface ReservedNotifier {
  readonly head: Reserved<typeof headSpec>;
  readonly notifier: Reserved<typeof notifierSpec>;
  readonly pool: ReservedPool;
  readonly count: Reserved<typeof countSpec>;
  readonly srcu: ReservedSrcu;
}

/** A machine that can lock and has this design's tables. */
export type NotifierHost = LockingMachine & NotifierMachine;

export const DESIGN = 'range' as const;
export const MMU_NOTIFIER = true as const;

export function reserveNotifier(layout: Layout, config: NotifierConfig): ReservedNotifier {
  return {
    head: reserve(layout, 'mmuNotifierHead', config.nrMms + 1, headSpec),
    notifier: reserve(layout, 'mmuNotifier', config.nrNotifiers + 1, notifierSpec),
    pool: reservePool(layout, 'mmuNotifier', config.nrNotifiers + 1),
    count: reserve(layout, 'mmuNotifierCount', 1, countSpec),
    srcu: reserveSrcu(layout, config, config.nrNotifiers),
  };
}

export function viewNotifier(buffer: ArrayBuffer, reserved: ReservedNotifier): NotifierMachine {
  return {
    notifierHead: viewTable(buffer, reserved.head), notifier: viewTable(buffer, reserved.notifier), notifierPool: viewPool(buffer, reserved.pool),
    notifierCount: viewTable(buffer, reserved.count), notifierOps: [{}], srcu: viewSrcu(buffer, reserved.srcu),
  };
}

/**
 * The part of mmu_notifier_register that comes after the locks: notifierServices has the whole.
 * @context process @locks mmap_sem W and every rmap lock of the mm, where anyone else can see the mm
 */
export function* mmuNotifierRegister(m: NotifierHost, mn: MmuNotifier, mm: Mm): Task<Step> {
  yield* point(m, WRITE, whereOf(m.notifierHead.isSet, mm));
  m.notifierHead.isSet[mm] = 1;
  const lock = headLock(m, mm);
  yield* spinLock(m, lock);
  yield* hlistAddHeadRcu(m, m.notifier, mn, listHead(m, mm));
  yield* spinUnlock(m, lock);
}

/**
 * Calls release unless the mm's end took the notifier off the list, takes it off, and waits for every op that runs.
 * Release and unregister at once may both call release; each waits for the other before it returns.
 * @context process, no lock held @locks none
 */
export function* mmuNotifierUnregister(m: NotifierHost, mn: MmuNotifier, mm: Mm): Task<MaySleep> {
  if (!(yield* hlistIsUnhashed(m, m.notifier, mn))) {
    const idx = yield* srcuReadLock(m);
    yield* callRelease(m, mn, mm);
    yield* srcuReadUnlock(m, idx);
    const lock = headLock(m, mm);
    yield* spinLock(m, lock);
    yield* hlistDelInitRcu(m, m.notifier, mn);
    yield* spinUnlock(m, lock);
  }
  yield* synchronizeSrcu(m);
}

/** The ptes of `[start, end)` are about to change. @context may sleep @locks mmap_sem or an rmap lock @owes the same end */
export function mmuNotifierInvalidateRangeStart<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep>;
export function* mmuNotifierInvalidateRangeStart(m: NotifierHost, mm: Mm, start: Vaddr, end: Vaddr): Task<MaySleep> {
  if (!(yield* mmHasNotifiers(m, mm))) return;
  const idx = yield* srcuReadLock(m);
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* nextOf(m, mn)) {
    const { invalidateRangeStart } = yield* opsOf(m, mn);
    if (invalidateRangeStart === undefined) continue;
    m.notifierCount.invalidateRangeStart[0] += 1;
    yield* point(m, CALL, whereOf(m.notifier.ops, mn));
    yield* invalidateRangeStart(mn, mm, start, end);
  }
  yield* srcuReadUnlock(m, idx);
}

/** They have changed. @context may sleep @locks what was held at the start, without a break */
export function mmuNotifierInvalidateRangeEnd<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep>;
export function* mmuNotifierInvalidateRangeEnd(m: NotifierHost, mm: Mm, start: Vaddr, end: Vaddr): Task<MaySleep> {
  if (!(yield* mmHasNotifiers(m, mm))) return;
  const idx = yield* srcuReadLock(m);
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* nextOf(m, mn)) {
    const { invalidateRangeEnd } = yield* opsOf(m, mn);
    if (invalidateRangeEnd === undefined) continue;
    m.notifierCount.invalidateRangeEnd[0] += 1;
    yield* point(m, CALL, whereOf(m.notifier.ops, mn));
    yield* invalidateRangeEnd(mn, mm, start, end);
  }
  yield* srcuReadUnlock(m, idx);
}

/** Reclaim or writeback took or write-protected one pte. @context atomic @locks ptl(address) */
export function mmuNotifierInvalidatePage<M extends number, A extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
export function* mmuNotifierInvalidatePage(m: NotifierHost, mm: Mm, address: Vaddr): Task<Step> {
  if (!(yield* mmHasNotifiers(m, mm))) return;
  const idx = yield* srcuReadLock(m);
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* nextOf(m, mn)) {
    const { invalidatePage } = yield* opsOf(m, mn);
    if (invalidatePage === undefined) continue;
    m.notifierCount.invalidatePage[0] += 1;
    yield* point(m, CALL, whereOf(m.notifier.ops, mn));
    yield* invalidatePage(mn, mm, address);
  }
  yield* srcuReadUnlock(m, idx);
}

/** ptep_clear_flush_young_notify without the ptep_clear_flush_young. @context atomic @locks ptl(start) @returns 1 or 0 */
export function* mmuNotifierClearFlushYoung(m: NotifierHost, mm: Mm, start: Vaddr, end: Vaddr): Task<Step, number> {
  if (!(yield* mmHasNotifiers(m, mm))) return 0;
  let young = 0;
  const idx = yield* srcuReadLock(m);
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* nextOf(m, mn)) {
    const { clearFlushYoung } = yield* opsOf(m, mn);
    if (clearFlushYoung === undefined) continue;
    m.notifierCount.clearFlushYoung[0] += 1;
    yield* point(m, CALL, whereOf(m.notifier.ops, mn));
    young |= yield* clearFlushYoung(mn, mm, start, end);
  }
  yield* srcuReadUnlock(m, idx);
  return young;
}

/** set_pte_at_notify without the set_pte_at, which follows. @context atomic @locks ptl(address) */
export function* mmuNotifierChangePte(m: NotifierHost, mm: Mm, address: Vaddr, pte: Pte): Task<Step> {
  if (!(yield* mmHasNotifiers(m, mm))) return;
  const idx = yield* srcuReadLock(m);
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* nextOf(m, mn)) {
    const { changePte } = yield* opsOf(m, mn);
    if (changePte === undefined) continue;
    m.notifierCount.changePte[0] += 1;
    yield* point(m, CALL, whereOf(m.notifier.ops, mn));
    yield* changePte(mn, mm, address, pte);
  }
  yield* srcuReadUnlock(m, idx);
}

/**
 * The address space ends, and all its pages are still mapped. Release is called while the notifiers are on the list, so
 * that none misses what reclaim does meanwhile (3ad3d901bbcf); then they go, and then every op that runs is waited for.
 * @context process, may sleep @locks none
 */
export function* mmuNotifierReleaseEarly(m: NotifierHost, mm: Mm): Task<MaySleep> {
  if (!(yield* mmHasNotifiers(m, mm))) return;
  const idx = yield* srcuReadLock(m);
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* nextOf(m, mn)) yield* callRelease(m, mn, mm);
  const lock = headLock(m, mm);
  yield* spinLock(m, lock);
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* firstOf(m, mm)) yield* hlistDelInitRcu(m, m.notifier, mn);
  yield* spinUnlock(m, lock);
  yield* srcuReadUnlock(m, idx);
  yield* synchronizeSrcu(m);
}

/** The locks of the rmap sleep, since what is called under them may. i_mmap_mutex, anon_vma->root->mutex of 3.0 */
export function* rmapLock(m: NotifierHost, lock: Spinlock): Task<MaySleep> {
  yield* mutexLock(m, lock as Where as Mutex);
}

export function* rmapUnlock(m: NotifierHost, lock: Spinlock): Task<MaySleep> {
  yield* mutexUnlock(m, lock as Where as Mutex);
}

/** A new mm starts without, also after fork. */
export function mmuNotifierMmInit(m: NotifierHost, mm: Mm): void {
  m.notifierHead.isSet[mm] = 0;
  m.notifierHead.first[mm] = 0;
  m.notifierHead.lock[mm] = 0;
}

/** Makes ops known to the machine; at attach. @returns what mmuNotifierAlloc takes */
export function addNotifierOps(m: NotifierHost, ops: NotifierOps): number {
  return m.notifierOps.push(ops as RangeNotifierOps as CalledOps) - 1;
}

/** The part of KernelServices that is about notifiers, for a plugin. @param ops which ops its notifiers get; known only after its attach */
export function notifierServices(m: NotifierHost, ops: () => number, host: RegisterHost): NotifierServices {
  return {
    mmuNotifierAlloc: (instance) => mmuNotifierAlloc(m, ops(), instance),
    mmuNotifierFree: (mn) => { mmuNotifierFree(m, mn); },
    notifierInstance: (mn) => mmuNotifierInstance(m, mn),
    * mmuNotifierRegister(mn: MmuNotifier, mm: Mm): Task<MaySleep, number> {
      const error = yield* host.mmTakeAllLocks(mm);
      if (error !== 0) return error;
      yield* host.mmgrab(mm);
      yield* mmuNotifierRegister(m, mn, mm);
      yield* host.mmDropAllLocks(mm);
      return 0;
    },
    * mmuNotifierUnregister(mn: MmuNotifier, mm: Mm): Task<MaySleep> {
      yield* mmuNotifierUnregister(m, mn, mm);
      yield* host.mmdrop(mm);
    },
  };
}

/** The notifier that C embeds in a driver's struct. @returns 0 where all are in use */
export function mmuNotifierAlloc(m: NotifierHost, ops: number, instance: number): MmuNotifier {
  const mn = poolAlloc(m.notifierPool) as MmuNotifier;
  if (mn === 0) return mn;
  m.notifier.ops[mn] = ops;
  m.notifier.instance[mn] = instance;
  m.notifier.next[mn] = 0;
  m.notifier.pprev[mn] = 0;
  return mn;
}

/** Frees it. Whoever still walks over it stops the machine. */
export function mmuNotifierFree(m: NotifierHost, mn: MmuNotifier): void {
  touch(m, WRITE, whereOf(m.notifier.ops, mn));
  touch(m, WRITE, whereOf(m.notifier.next, mn));
  poolFree(m.notifierPool, mn);
  m.notifier.next[mn] = LIST_POISON1;
}

/** container_of(mn): the driver's row. */
export function mmuNotifierInstance(m: NotifierHost, mn: MmuNotifier): number {
  return m.notifier.instance[mn];
}

/** Ops called since boot, by kind. */
export function notifierCounts(m: NotifierHost): NotifierCounts | null {
  const { invalidatePage, clearFlushYoung, release, invalidateRangeStart, invalidateRangeEnd, changePte } = m.notifierCount;
  return {
    invalidatePage: invalidatePage[0], invalidatePages: 0, agePage: clearFlushYoung[0], release: release[0],
    invalidateRangeStart: invalidateRangeStart[0], invalidateRangeEnd: invalidateRangeEnd[0], changePte: changePte[0],
  };
}

function* callRelease(m: NotifierHost, mn: MmuNotifier, mm: Mm): Task<MaySleep> {
  const { release } = yield* opsOf(m, mn);
  if (release === undefined) return;
  m.notifierCount.release[0] += 1;
  yield* point(m, CALL, whereOf(m.notifier.ops, mn));
  yield* release(mn, mm);
}

/** One read where nobody ever registered. */
function* mmHasNotifiers(m: NotifierHost, mm: Mm): Task<Step, boolean> {
  yield* point(m, READ, whereOf(m.notifierHead.isSet, mm));
  return m.notifierHead.isSet[mm] !== 0;
}

function* firstOf(m: NotifierHost, mm: Mm): Task<Step, MmuNotifier> {
  return (yield* hlistFirst(m, listHead(m, mm))) as MmuNotifier;
}

function* nextOf(m: NotifierHost, mn: MmuNotifier): Task<Step, MmuNotifier> {
  return (yield* hlistNext(m, m.notifier, mn)) as MmuNotifier;
}

/** mn->ops: a read of the notifier, which whoever freed it too early takes away. */
function* opsOf(m: NotifierHost, mn: MmuNotifier): Task<Step, CalledOps> {
  yield* point(m, READ, whereOf(m.notifier.ops, mn));
  bugOn(!poolIsLive(m.notifierPool, mn), 'range-notifier-use-after-free');
  return m.notifierOps[m.notifier.ops[mn]];
}

function listHead(m: NotifierHost, mm: Mm): Where {
  return whereOf(m.notifierHead.first, mm);
}

function headLock(m: NotifierHost, mm: Mm): Spinlock {
  return spinlockAt(m.notifierHead.lock, mm);
}
