// Models mm/mmu_notifier.c and include/linux/mmu_notifier.h of "[PATCH] mmu notifiers #v5" (20080131171806.GN7185@v2.random).
/**
 * Design v5: per mm a list of notifiers, newest first. Those who register and
 * unregister take the head's lock; those who call walk under RCU and take none.
 * The address space's end takes neither: it unlinks each notifier and then calls
 * its release.
 *
 *   mm row      first ─> mn ─> mn ─> 0        mmuNotifierHead
 *   mn row      ops, instance                 mmuNotifier; ops are code, kept beside the machine
 *
 * Lock order: mmap_sem > i_mmap_lock > anon_vma lock > PT lock > a driver's locks;
 * head.lock is a leaf.
 */
import { CALL, EOPNOTSUPP, READ } from '@mmun/include';
import type { MaySleep, Mm, MmuNotifier, NotifierCounts, NotifierOps, Step, Task, Vaddr } from '@mmun/include';
import { bugOn, poolIsLive, reserve, reservePool, viewPool, viewTable, whereOf } from '@mmun/lib';
import type { Layout, Pool, Reserved, ReservedPool, Table } from '@mmun/lib';
import { hlistAddHeadRcu, hlistDelPoison, hlistDelRcu, hlistFirst, hlistNext, point, rcuReadLock, rcuReadUnlock, spinLock, spinUnlock } from '@mmun/locking';
import type { LockingMachine } from '@mmun/locking';
import { headLock, listHead, mmuNotifierAlloc, mmuNotifierFree, mmuNotifierInstance } from './notifier-rows.js';
import type { NotifierConfig, NotifierServices, RegisterHost, Wanted } from './surface.js';

/** struct mmu_notifier_head, one row per mm. */
const headSpec = {
  /** @guardedBy lock for register and unregister, RCU for walkers, nothing in release. */
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

/** Calls by kind; for reports. */
const countSpec = { invalidatePage: 'f64', invalidatePages: 'f64', agePage: 'f64', release: 'f64' } as const;

/** The ops as the walk calls them: the label of UnderPteLock is yielded by nobody, so callers need not carry it. */
interface CalledOps {
  readonly release?: (mn: MmuNotifier, mm: Mm) => Task<MaySleep>;
  readonly invalidatePage?: (mn: MmuNotifier, mm: Mm, address: Vaddr) => Task<Step>;
  readonly invalidatePages?: (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr) => Task<Step>;
  readonly agePage?: (mn: MmuNotifier, mm: Mm, address: Vaddr) => Task<Step, number>;
}

/** What this design adds to a machine. */
export interface NotifierMachine {
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
}

/** A machine that can lock and has this design's tables. */
export type NotifierHost = LockingMachine & NotifierMachine;

/** What the image's config calls this design. */
export const DESIGN = 'v5' as const;
/** CONFIG_MMU_NOTIFIER. */
export const MMU_NOTIFIER = true as const;

export function reserveNotifier(layout: Layout, config: NotifierConfig): ReservedNotifier {
  return {
    head: reserve(layout, 'mmuNotifierHead', config.nrMms + 1, headSpec),
    notifier: reserve(layout, 'mmuNotifier', config.nrNotifiers + 1, notifierSpec),
    pool: reservePool(layout, 'mmuNotifier', config.nrNotifiers + 1),
    count: reserve(layout, 'mmuNotifierCount', 1, countSpec),
  };
}

export function viewNotifier(buffer: ArrayBuffer, reserved: ReservedNotifier): NotifierMachine {
  return {
    notifierHead: viewTable(buffer, reserved.head), notifier: viewTable(buffer, reserved.notifier),
    notifierPool: viewPool(buffer, reserved.pool), notifierCount: viewTable(buffer, reserved.count), notifierOps: [{}],
  };
}

/**
 * A notifier calls the hooks from now on, before those that registered earlier. Nothing is pinned, and nothing excludes
 * a hook that is running: see MmuNotifierOps for why ptes read under their lock afterwards are safe all the same.
 * @context any; @locks none of a driver's. The caller holds mm_users: registering while the mm ends is lost on it
 */
export function* mmuNotifierRegister(m: NotifierHost, mn: MmuNotifier, mm: Mm): Task<Step> {
  const lock = headLock(m, mm);
  yield* spinLock(m, lock);
  yield* hlistAddHeadRcu(m, m.notifier, mn, listHead(m, mm));
  yield* spinUnlock(m, lock);
}

/**
 * No hook starts to call the notifier any more; one that started before may still be in it, until a grace period is over.
 * @context any. After release, or beside it, this is list corruption in the patch as posted, and a KernelBug here
 */
export function* mmuNotifierUnregister(m: NotifierHost, mn: MmuNotifier, mm: Mm): Task<MaySleep> {
  const lock = headLock(m, mm);
  yield* spinLock(m, lock);
  yield* hlistDelRcu(m, m.notifier, mn);
  yield* spinUnlock(m, lock);
}

/** The hook that reports one pte. @context atomic @locks ptl(address), the pte already changed, its page not yet put */
export function mmuNotifier<M extends number, A extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
/** The hook that reports ptes of one table page. @context atomic @locks the ptl of that table, the ptes already changed */
export function mmuNotifier<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePages', start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<Step>;
export function* mmuNotifier(m: NotifierHost, mm: Mm, op: 'invalidatePage' | 'invalidatePages', start: Vaddr, end?: Vaddr): Task<Step> {
  const head = listHead(m, mm);
  yield* point(m, READ, head);
  if (m.words[head] === 0) return;
  if (end === undefined) yield* invalidatePageSlow(m, mm, start);
  else yield* invalidatePagesSlow(m, mm, start, end);
}

/** The hook inside an arch's ptep macros, which a design that brackets its changes has no use for. @context as mmuNotifier */
export function mmuNotifierPtep<M extends number, A extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
export function* mmuNotifierPtep(m: NotifierHost, mm: Mm, _op: 'invalidatePage', address: Vaddr): Task<Step> {
  const head = listHead(m, mm);
  yield* point(m, READ, head);
  if (m.words[head] !== 0) yield* invalidatePageSlow(m, mm, address);
}

/** Asks every notifier whether the page was used. @context atomic @locks ptl(address), young just cleared @returns 1 or 0 */
export function* mmuNotifierAgePage(m: NotifierHost, mm: Mm, address: Vaddr): Task<Step, number> {
  const head = listHead(m, mm);
  yield* point(m, READ, head);
  if (m.words[head] === 0) return 0;
  let young = 0;
  yield* rcuReadLock(m);
  let mn = (yield* hlistFirst(m, head)) as MmuNotifier;
  while (mn !== 0) {
    const { agePage } = yield* opsOf(m, mn);
    if (agePage !== undefined) {
      m.notifierCount.agePage[0] += 1;
      yield* point(m, CALL, whereOf(m.notifier.ops, mn));
      young |= yield* agePage(mn, mm, address);
    }
    mn = (yield* hlistNext(m, m.notifier, mn)) as MmuNotifier;
  }
  yield* rcuReadUnlock(m);
  return young;
}

/**
 * The address space ends: unlinks each notifier, then tells it. No lock and no RCU, because nobody else should be here:
 * all rmap links are gone and mm_users is 0. Where that is not so, the list breaks.
 * @context process, may sleep @locks none
 */
export function* mmuNotifierRelease(m: NotifierHost, mm: Mm): Task<MaySleep> {
  const head = listHead(m, mm);
  yield* point(m, READ, head);
  if (m.words[head] === 0) return;
  let mn = (yield* hlistFirst(m, head)) as MmuNotifier;
  while (mn !== 0) {
    const next = (yield* hlistNext(m, m.notifier, mn)) as MmuNotifier;
    const { release } = yield* opsOf(m, mn);
    yield* hlistDelPoison(m, m.notifier, mn);
    if (release !== undefined) {
      m.notifierCount.release[0] += 1;
      yield* point(m, CALL, whereOf(m.notifier.ops, mn));
      yield* release(mn, mm);
    }
    mn = next;
  }
}

/** A new mm starts with an empty list, also after fork: notifiers are not inherited. Before anyone else sees the mm. */
export function mmuNotifierMmInit(m: NotifierHost, mm: Mm): void {
  m.notifierHead.first[mm] = 0;
  m.notifierHead.lock[mm] = 0;
}

/** Makes ops known to the machine; at attach. @returns what mmuNotifierAlloc takes */
export function addNotifierOps(m: NotifierHost, ops: NotifierOps): number {
  return m.notifierOps.push(ops as CalledOps) - 1;
}

/** The part of KernelServices that is about notifiers, for a plugin. @param ops which ops its notifiers get; known only after its attach */
export function notifierServices(m: NotifierHost, ops: () => number, _host: RegisterHost): NotifierServices {
  return {
    mmuNotifierAlloc: (instance) => mmuNotifierAlloc(m, ops(), instance),
    mmuNotifierFree: (mn) => { mmuNotifierFree(m, mn); },
    notifierInstance: (mn) => mmuNotifierInstance(m, mn),
    * mmuNotifierRegister(mn: MmuNotifier, mm: Mm): Task<MaySleep, number> {
      yield* mmuNotifierRegister(m, mn, mm);
      return 0;
    },
    mmuNotifierUnregister: (mn, mm) => mmuNotifierUnregister(m, mn, mm),
    ...neverMade,
  };
}

/** v5 knows no counted notifiers: none is ever got, so none is put. */
const neverMade: Pick<NotifierServices, 'mmuNotifierGet' | 'mmuNotifierPut' | 'mmuNotifierSynchronize'> = {
  * mmuNotifierGet(): Task<MaySleep, number> { return -EOPNOTSUPP; },
  * mmuNotifierPut(): Task<Step> { bugOn(true, 'notifier-put-never-got'); },
  * mmuNotifierSynchronize(): Task<MaySleep> { /* nothing is under way */ },
};

/** Ops called since boot, by kind. */
export function notifierCounts(m: NotifierHost): NotifierCounts | null {
  const { invalidatePage, invalidatePages, agePage, release } = m.notifierCount;
  return {
    invalidatePage: invalidatePage[0], invalidatePages: invalidatePages[0], agePage: agePage[0], release: release[0],
    invalidateRangeStart: 0, invalidateRangeEnd: 0, changePte: 0,
  };
}

function* invalidatePageSlow(m: NotifierHost, mm: Mm, address: Vaddr): Task<Step> {
  yield* rcuReadLock(m);
  let mn = (yield* hlistFirst(m, listHead(m, mm))) as MmuNotifier;
  while (mn !== 0) {
    const { invalidatePage } = yield* opsOf(m, mn);
    if (invalidatePage !== undefined) {
      m.notifierCount.invalidatePage[0] += 1;
      yield* point(m, CALL, whereOf(m.notifier.ops, mn));
      yield* invalidatePage(mn, mm, address);
    }
    mn = (yield* hlistNext(m, m.notifier, mn)) as MmuNotifier;
  }
  yield* rcuReadUnlock(m);
}

function* invalidatePagesSlow(m: NotifierHost, mm: Mm, start: Vaddr, end: Vaddr): Task<Step> {
  yield* rcuReadLock(m);
  let mn = (yield* hlistFirst(m, listHead(m, mm))) as MmuNotifier;
  while (mn !== 0) {
    const { invalidatePages } = yield* opsOf(m, mn);
    if (invalidatePages !== undefined) {
      m.notifierCount.invalidatePages[0] += 1;
      yield* point(m, CALL, whereOf(m.notifier.ops, mn));
      yield* invalidatePages(mn, mm, start, end);
    }
    mn = (yield* hlistNext(m, m.notifier, mn)) as MmuNotifier;
  }
  yield* rcuReadUnlock(m);
}

/** mn->ops: a read of the notifier, which whoever freed it too early takes away. */
function* opsOf(m: NotifierHost, mn: MmuNotifier): Task<Step, CalledOps> {
  yield* point(m, READ, whereOf(m.notifier.ops, mn));
  bugOn(!poolIsLive(m.notifierPool, mn), 'notifier-use-after-free');
  return m.notifierOps[m.notifier.ops[mn]];
}
