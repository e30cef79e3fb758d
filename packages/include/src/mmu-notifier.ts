/**
 * The contract between mm and those who keep a copy of its translations.
 *
 * A *secondary MMU* (a shadow page table, a device's TLB) holds entries that were
 * made from ptes. When a pte changes, mm calls the ops of every notifier that is
 * registered with the mm, and the driver drops or corrects its copy before the
 * page can go to someone else.
 *
 * Each op answers five questions: when it runs, under which locks, what still
 * holds at that moment, what the driver owes on return, and what an absent op
 * means. `@context` and the type of the op say the same thing: an op that may not
 * sleep is a `Task<UnderPteLock>`, and `yield* mutexLock()` inside it does not
 * compile.
 */
import type { Mm, MmuNotifier, Pte, Vaddr } from './handles.js';
import type { InSrcuRead, MaySleep, Step, Task, UnderPteLock } from './task.js';

/** The notifier designs that an image can be linked with. */
export type Design = 'v5' | 'range' | 'off';

/**
 * The ops of design `v5`, struct mmu_notifier_ops. Every op may be absent: the
 * walk then passes this notifier by.
 *
 * What is common to the three atomic ops. They run inside the PT lock that guards
 * the pte, and inside an RCU read section that guards the notifier itself. More
 * locks may be held above: mmap_sem, a file's i_mmap_lock, an anon_vma's lock, the
 * page lock. A driver's own lock is therefore below the PT lock, and whoever holds
 * it may take no PT lock, may not fault and may not sleep. Notifiers of one mm are
 * called newest first. A notifier that registers while a call is under way may be
 * missed by that call; if it reads ptes under the PT lock only after it was
 * registered, it missed nothing.
 *
 * @models 20080131171806.GN7185@v2.random, include/linux/mmu_notifier.h of #v5
 */
export interface MmuNotifierOps {
  /**
   * The address space ends. Nobody can register any more, no user thread is left,
   * and all user pages were unmapped (with the calls below) before.
   * @context process, may sleep; neither a lock nor an RCU section is held
   * @locks none: mm_users is 0
   * @holds the mm struct lives on as long as someone pins it (mm_count). `mn` is
   *   off the list already, and its links are poisoned
   * @owes no entry of this mm is left; never hand `mn` to unregister after this
   * @absent the driver must make sure by other means that no entry outlives the mm
   */
  release?(mn: MmuNotifier, mm: Mm): Task<MaySleep>;

  /**
   * The pte of one page was cleared or replaced.
   *
   * `address` is the start of a page; of a huge page only its first address is
   * named, once, for all of it. The pte may be empty at this moment and get its
   * value (a swap entry, a new page, a write-protected pte) before the lock is
   * left: a driver that looks it up in here sees neither old nor new. The primary
   * TLB is flushed already where the call comes from ptep_clear_flush, and not yet
   * where it comes from zap_pte_range.
   * @context atomic: may not sleep
   * @locks ptl(address); hugetlb: mm.pageTableLock
   * @holds the old page keeps its reference until this returns, so entries that
   *   point to it may still be used, read and write
   * @owes no entry maps `address` on return; setPageDirty first if one was dirty
   * @absent the driver must pin every page that it maps, and lives with incoherence
   */
  invalidatePage?(mn: MmuNotifier, mm: Mm, address: Vaddr): Task<UnderPteLock>;

  /**
   * The ptes of `[start, end)` were changed in one go. The range lies within one
   * page-table page, so that one PT lock covers all of it. Today's callers are
   * mprotect and remap_pfn_range; unmapping calls invalidatePage for each page.
   * @context atomic: may not sleep
   * @locks ptl(start), which is ptl of every address of the range
   * @holds the pages keep their references; the ptes have their final value; the
   *   primary TLB is flushed later, once for a larger range
   * @owes no entry in the range allows more than its pte does; dropping them is fine
   * @absent as for invalidatePage
   */
  invalidatePages?(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock>;

  /**
   * The accessed bit of the pte was tested and cleared: was the page used through
   * the secondary MMU since the last time? Clear that mark, atomically (the device
   * may set dirty in the same word), and say. Hardware without such a mark may drop
   * the entry and answer whether there was one.
   * @context atomic: may not sleep
   * @locks ptl(address)
   * @holds the page stays mapped by the pte
   * @owes nothing but the answer: 1 used, 0 not; the answers of all notifiers are or-ed
   * @absent counts as 0, and pages used by the device alone look idle
   */
  agePage?(mn: MmuNotifier, mm: Mm, address: Vaddr): Task<UnderPteLock, number>;
}

/**
 * The ops of design `range`. Every op may be absent, but a driver that brings
 * invalidateRangeStart to keep a count brings invalidateRangeEnd too.
 *
 * Each change of ptes stands between a start and an end with the same arguments,
 * and pages are freed after the start has returned. Between the two the range may
 * not be entered anew: a driver counts the ranges under way and gives up an entry
 * whose page it looked up while one was, or before one that is over (`count` and
 * `sequence`). All ops run inside one SRCU read section that guards the notifier,
 * so they may not wait for that SRCU's readers; start, end and release may sleep.
 * Starts and ends nest, and those of several CPUs overlap. A notifier is never
 * registered between a start and its end. Ops are called newest notifier first.
 *
 * @models include/linux/mmu_notifier.h of Linux 4.12; `isBlockable` as in 4.19, allocNotifier and freeNotifier as in 5.4
 */
export interface RangeNotifierOps {
  /**
   * The address space ends, before any of its pages is unmapped; or the driver
   * unregisters. In a rare race of the two it is called twice.
   * @context may sleep; beside it other ops may run
   * @locks none of mm's where the address space ends
   * @holds all pages are still mapped
   * @owes no entry of this mm is left and none will be made: no op follows
   * @absent the driver must make sure by other means that no entry outlives the mm
   */
  release?(mn: MmuNotifier, mm: Mm): Task<InSrcuRead>;

  /**
   * The ptes of `[start, end)` are about to change, or to go with their pages.
   *
   * Where `isBlockable` is false, the caller is one that others wait for memory from (the OOM reaper): the op may not wait,
   * and where it would have to it answers -EAGAIN; then nothing changes and no end follows. Everyone else is asked all the
   * same, so whoever refuses cannot tell its own ends from those of others: a driver that may refuse brings no
   * invalidateRangeEnd (the machine stops where one does).
   * @context may sleep where `isBlockable`: no spinlock is held
   * @locks mmap_sem, or the file's and anon_vma's locks, which sleep in this design; none at exit
   * @holds the pages are mapped with references
   * @owes no entry maps an address of the range on return, nor comes to until the end
   * @absent the driver learns of changes by invalidatePage alone, which is not called for ranges
   * @returns 0 or nothing; -EAGAIN only where it may not wait
   */
  invalidateRangeStart?(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr, isBlockable: boolean): Task<InSrcuRead, number | void>;

  /**
   * They have changed. The same arguments as the start, from the same thread.
   * @context may sleep: no spinlock is held
   * @locks as invalidateRangeStart
   * @holds the ptes have their final value, unless another range that overlaps is still under way; TLBs of CPUs may not be
   *   flushed and gathered pages not be freed yet, so there is nothing to wait for here
   * @owes the range may be entered again, and entries whose page was looked up before are given up: first the sequence, then the count
   * @absent the driver has no count of ranges, and must find out by other means that its lookup is stale
   */
  invalidateRangeEnd?(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead>;

  /**
   * The pte of one page was cleared by reclaim or write-protected for writeback, with neither start nor end around it.
   * As invalidatePage of v5: the pte may be empty at this moment, and get its value before the lock is left.
   * @context atomic: may not sleep, whatever SRCU allows
   * @locks ptl(address), the page lock, an rmap lock
   * @holds the old page keeps a reference until this returns
   * @owes no entry maps `address` on return, and an entry whose page was looked up before is given up
   * @absent the driver must pin every page that it maps
   */
  invalidatePage?(mn: MmuNotifier, mm: Mm, address: Vaddr): Task<UnderPteLock>;

  /**
   * The accessed bits of `[start, end)` were tested and cleared: was it used through the secondary MMU? As agePage of v5.
   * @context atomic: may not sleep
   * @locks ptl(start), an rmap lock
   * @holds the pages stay mapped by their ptes
   * @owes nothing but the answer: 1 used, 0 not; the answers of all notifiers are or-ed
   * @absent counts as 0, and pages used by the device alone look idle
   */
  clearFlushYoung?(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock, number>;

  /**
   * The pte of `address` is about to map another page with the same or newer content. It stands between a start and an
   * end, so no driver whose start drops entries has anything left to change (the op was removed for that in 2024).
   * @context atomic: may not sleep
   * @locks ptl(address)
   * @holds both pages keep a reference until this returns; the primary TLB no longer has the old one
   * @owes nothing that the start did not ask for: a driver that keeps entries through ranges puts the new page in their place
   * @absent nothing is missed
   */
  changePte?(mn: MmuNotifier, mm: Mm, address: Vaddr, pte: Pte): Task<UnderPteLock>;

  /**
   * mmuNotifierGet wants a notifier for an address space that has none of this driver's: make one (mmuNotifierAlloc), with
   * what belongs to it.
   * @context may sleep
   * @locks mmap_sem of `mm` W: it may not be taken again
   * @returns the notifier, or a negative errno that mmuNotifierGet passes on
   * @absent the driver does not use mmuNotifierGet
   */
  allocNotifier?(mm: Mm): Task<MaySleep, number>;

  /**
   * The last mmuNotifierPut was a grace period ago: free it (mmuNotifierFree), with what belongs to it.
   * @context atomic: may not sleep; any thread
   * @locks none
   * @holds no op of `mn` runs, nor will; the struct of its mm is still pinned
   * @owes `mn` is free on return
   * @absent as for allocNotifier
   */
  freeNotifier?(mn: MmuNotifier): Task<Step>;
}

/** The name of an op of some design. */
export type OpName = keyof MmuNotifierOps | keyof RangeNotifierOps;

/** Ops of v5 by context. Each op is in exactly one of the two; `NotifierOpContext` does not compile otherwise. */
export type AtomicOp = 'invalidatePage' | 'invalidatePages' | 'agePage';
export type MaySleepOp = 'release';

/** Effects that each op of v5 may have, by name. */
export interface OpEffects {
  readonly release: MaySleep;
  readonly invalidatePage: UnderPteLock;
  readonly invalidatePages: UnderPteLock;
  readonly agePage: UnderPteLock;
}

/** Effects that each op of `range` may have, by name. */
export interface RangeOpEffects {
  readonly release: InSrcuRead;
  readonly invalidateRangeStart: InSrcuRead;
  readonly invalidateRangeEnd: InSrcuRead;
  readonly invalidatePage: UnderPteLock;
  readonly clearFlushYoung: UnderPteLock;
  readonly changePte: UnderPteLock;
  readonly allocNotifier: MaySleep;
  readonly freeNotifier: Step;
}

type EffectsOf<Ops, O extends keyof Ops> = Required<Ops>[O] extends (...args: never[]) => Generator<infer E> ? E : never;
type Sorted<Ops, Pair extends { readonly [O in keyof Ops]-?: EffectsOf<Ops, O> }> = Pair;
type Complete<Names extends All, All> = Names;
/** The proof that the unions, the records and the ops agree. */
export type NotifierOpContext = Sorted<MmuNotifierOps, OpEffects> & Record<Complete<AtomicOp | MaySleepOp, keyof MmuNotifierOps>, unknown>;
export type RangeOpContext = Sorted<RangeNotifierOps, RangeOpEffects> & Record<Complete<keyof RangeOpEffects, keyof RangeNotifierOps>, unknown>;

/** The ops that a driver gives under each design that has any. */
export interface DesignOps {
  readonly v5: MmuNotifierOps;
  readonly range: RangeNotifierOps;
}

/** The ops of some design. */
export type NotifierOps = DesignOps[keyof DesignOps];
