// Models mm/mmu_notifier.c and include/linux/mmu_notifier.h of Linux 4.12 (July 2017), with two things of later years.
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
 * Of later years, because no op of 4.12 changes by it:
 *
 *   4.19    a start that may not block, for the OOM reaper, and that may then refuse (93065ac753e4)
 *   5.4     mmu_notifier_get and put: one notifier for all users of an mm, freed after a grace period (mmu-notifier-register.ts)
 *   5.12    where one refuses, those that did not get their end at once (history 3.7)
 *
 * Not here, because nobody in this tree shares page tables with the CPU: invalidate_range (3.19).
 *
 * Lock order: mmap_sem > mm_all_locks_mutex > i_mmap mutexes > anon_vma mutexes > PT lock > a driver's spinlocks; a driver's
 * sleeping locks, taken in start and end, are below the mutexes; head.lock is a leaf.
 */
import { CALL, EAGAIN } from '@mmun/include';
import type { MaySleep, Mm, MmuNotifier, Mutex, Pte, Spinlock, Step, Task, Vaddr, Where } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import { hlistDelInitRcu, mutexLock, mutexUnlock, nonBlockEnd, nonBlockStart, point, spinLock, spinUnlock, srcuReadLock, srcuReadUnlock, synchronizeSrcu } from '@mmun/locking';
import { headLock } from './notifier-rows.js';
import { firstOf, mmHasNotifiers, nextOf, opsOf } from './notifier-tables.js';
import type { NotifierHost } from './notifier-tables.js';
import type { Wanted } from './surface.js';

export const DESIGN = 'range' as const;
export const MMU_NOTIFIER = true as const;

/** The ptes of `[start, end)` are about to change. @context may sleep @locks mmap_sem or an rmap lock @owes the same end */
export function mmuNotifierInvalidateRangeStart<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep>;
export function* mmuNotifierInvalidateRangeStart(m: NotifierHost, mm: Mm, start: Vaddr, end: Vaddr): Task<MaySleep> {
  if (!(yield* mmHasNotifiers(m, mm))) return;
  const idx = yield* srcuReadLock(m);
  yield* callStarts(m, mm, start, end, true);
  yield* srcuReadUnlock(m, idx);
}

/**
 * The same for a caller that others wait for memory from, so that no op may wait. Where one refuses, those that did not are
 * told the end at once: nothing is going to change.
 * @context process; no op may sleep @locks mmap_sem @owes the same end where 0 is returned @returns 0 or -EAGAIN
 */
export function mmuNotifierInvalidateRangeStartNonblock<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep, number>;
export function* mmuNotifierInvalidateRangeStartNonblock(m: NotifierHost, mm: Mm, start: Vaddr, end: Vaddr): Task<MaySleep, number> {
  if (!(yield* mmHasNotifiers(m, mm))) return 0;
  const idx = yield* srcuReadLock(m);
  const result = yield* callStarts(m, mm, start, end, false);
  if (result !== 0) yield* callEnds(m, mm, start, end);
  yield* srcuReadUnlock(m, idx);
  return result;
}

/** They have changed. @context may sleep @locks what was held at the start, without a break */
export function mmuNotifierInvalidateRangeEnd<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep>;
export function* mmuNotifierInvalidateRangeEnd(m: NotifierHost, mm: Mm, start: Vaddr, end: Vaddr): Task<MaySleep> {
  if (!(yield* mmHasNotifiers(m, mm))) return;
  const idx = yield* srcuReadLock(m);
  yield* callEnds(m, mm, start, end);
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

export function* callRelease(m: NotifierHost, mn: MmuNotifier, mm: Mm): Task<MaySleep> {
  const { release } = yield* opsOf(m, mn);
  if (release === undefined) return;
  m.notifierCount.release[0] += 1;
  yield* point(m, CALL, whereOf(m.notifier.ops, mn));
  yield* release(mn, mm);
}

/** mn_hlist_invalidate_range_start(): everyone is asked, also after one refused. @locks SRCU @returns 0 or -EAGAIN */
function* callStarts(m: NotifierHost, mm: Mm, start: Vaddr, end: Vaddr, isBlockable: boolean): Task<MaySleep, number> {
  let result = 0;
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* nextOf(m, mn)) {
    const { invalidateRangeStart, invalidateRangeEnd } = yield* opsOf(m, mn);
    if (invalidateRangeStart === undefined) continue;
    m.notifierCount.invalidateRangeStart[0] += 1;
    yield* point(m, CALL, whereOf(m.notifier.ops, mn));
    if (!isBlockable) nonBlockStart(m);
    const answer = (yield* invalidateRangeStart(mn, mm, start, end, isBlockable)) ?? 0;
    if (!isBlockable) nonBlockEnd(m);
    if (answer === 0) continue;
    bugOn(isBlockable || answer !== -EAGAIN, 'notifier-start-failed');
    // whoever refuses cannot know whether an end is its own or that of a range that it had let begin
    bugOn(invalidateRangeEnd !== undefined, 'notifier-refuses-and-has-end');
    result = answer;
  }
  return result;
}

/** @locks SRCU */
function* callEnds(m: NotifierHost, mm: Mm, start: Vaddr, end: Vaddr): Task<MaySleep> {
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* nextOf(m, mn)) {
    const { invalidateRangeEnd } = yield* opsOf(m, mn);
    if (invalidateRangeEnd === undefined) continue;
    m.notifierCount.invalidateRangeEnd[0] += 1;
    yield* point(m, CALL, whereOf(m.notifier.ops, mn));
    yield* invalidateRangeEnd(mn, mm, start, end);
  }
}
