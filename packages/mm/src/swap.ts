// Models mm/swap.c, mm_inline.h and the freeing half of mm/page_alloc.c (2.6.24): references, and the lists that reclaim works on.
/**
 * Two lists of pages, each the oldest last. Only reclaim uses them, so only reclaim keeps them: a page comes onto a list
 * when reclaim next looks (lruAddDrain) and leaves it when it is isolated or freed.
 * Deviation: 2.6.24 adds pages at once, through vectors of each CPU, so there the order is that of use; here, among the
 * pages that came since reclaim last looked, it is that of frames. A page that reclaim never sees costs nothing.
 *
 *   lru.first ──> page ──lruNext──> page <── lru.last       page.lruPrev: back; PG_LRU: in one, PG_ACTIVE: in which
 *
 * Lock order: ptl, page lock > lruLock.
 */
import { READ, WRITE } from '@mmun/include';
import type { Pfn, Spinlock, Step, Task } from '@mmun/include';
import { bugOn, poolFree, poolHighest, whereOf } from '@mmun/lib';
import { point, refcountAt, refcountDecAndTest, refcountInc, refcountIncNotZero, spinLock, spinUnlock, spinlockAt, touch } from '@mmun/locking';
import { LRU_ACTIVE, LRU_INACTIVE } from './mm-tables.js';
import type { Machine } from './mm-types.js';
import { PG_ACTIVE, PG_HUGETLB, PG_LAZYFREE, PG_LRU, PG_RESERVED, PG_SWAPCACHE, pageIsAnon } from './page-flags.js';

export function* getPage(m: Machine, pfn: Pfn): Task<Step> {
  yield* refcountInc(m, refcountAt(m.page.refcount, pfn));
}

/** References that there are now. page_count() */
export function pageCount(m: Machine, pfn: Pfn): number {
  touch(m, READ, whereOf(m.page.refcount, pfn));
  return m.page.refcount[pfn];
}

/** Gives a reference back; with the last one the frame is free. @context any @hot */
export function* putPage(m: Machine, pfn: Pfn): Task<Step> {
  if (yield* refcountDecAndTest(m, refcountAt(m.page.refcount, pfn))) yield* freePage(m, pfn);
}

/**
 * Takes all references at once if there are `expected`: from then on nobody gets one. page_ref_freeze(), and the test in
 * remove_mapping that a lockless lookup relies on.
 */
export function* pageRefFreeze(m: Machine, pfn: Pfn, expected: number): Task<Step, boolean> {
  const { refcount } = m.page;
  yield* point(m, WRITE, whereOf(refcount, pfn));
  if (refcount[pfn] !== expected) return false;
  refcount[pfn] = 0;
  return true;
}

/** @context a page that pageRefFreeze froze */
export function pageRefUnfreeze(m: Machine, pfn: Pfn, count: number): void {
  touch(m, WRITE, whereOf(m.page.refcount, pfn));
  m.page.refcount[pfn] = count;
}

/** free_hot_cold_page() @context no reference is left @hot */
export function* freePage(m: Machine, pfn: Pfn): Task<Step> {
  const { flags, mapcount } = m.page;
  bugOn(mapcount[pfn] !== 0, 'page-freed-while-mapped');
  bugOn((flags[pfn] & (PG_RESERVED | PG_SWAPCACHE)) !== 0, 'page-freed-reserved');
  if ((flags[pfn] & PG_LRU) !== 0) yield* lruDel(m, pfn);
  yield* point(m, WRITE, whereOf(m.framePool.head.used, 0));
  touch(m, WRITE, whereOf(m.framePool.rows.gen, pfn));
  m.page.mapping[pfn] = 0;
  poolFree(m.framePool, pfn);
  reclaimHelps(m);
}

/** Memory that nobody could use is there: whoever is short may look through the lists again. */
export function reclaimHelps(m: Machine): void {
  const { pagesScanned } = m.vm;
  touch(m, pagesScanned[0] === 0 ? READ : WRITE, whereOf(pagesScanned, 0));
  if (pagesScanned[0] !== 0) pagesScanned[0] = 0;
}

export function lruLockOf(m: Machine): Spinlock {
  return spinlockAt(m.vm.lruLock, 0);
}

/** Puts the pages that came since the last look on a list: anonymous ones on the active one, pages of files on the other. */
export function* lruAddDrain(m: Machine): Task<Step> {
  const { flags, refcount, mapping } = m.page;
  const lock = lruLockOf(m);
  yield* spinLock(m, lock);
  // whoever gets a frame announces the count of frames; what he makes of it he names
  touch(m, READ, whereOf(m.framePool.head.used, 0));
  const last = poolHighest(m.framePool);
  for (let pfn = 1; pfn <= last; pfn++) {
    if ((flags[pfn] & (PG_LRU | PG_RESERVED | PG_HUGETLB)) !== 0) continue;
    yield* point(m, READ, whereOf(refcount, pfn));
    touch(m, READ, whereOf(mapping, pfn));
    touch(m, READ, whereOf(flags, pfn));
    if (refcount[pfn] === 0 || (mapping[pfn] === 0 && (flags[pfn] & PG_SWAPCACHE) === 0)) continue;
    const isActive = pageIsAnon(m, pfn as Pfn) && (flags[pfn] & PG_LAZYFREE) === 0;
    lruLink(m, pfn as Pfn, isActive ? LRU_ACTIVE : LRU_INACTIVE);
  }
  yield* spinUnlock(m, lock);
}

/** The oldest page of a list leaves it, with a reference for the caller. @returns 0 where the list is empty @owes putbackLruPage */
export function* isolateLruPage(m: Machine, list: number): Task<Step, Pfn> {
  const lock = lruLockOf(m);
  yield* spinLock(m, lock);
  let pfn = m.lru.last[list] as Pfn;
  // a page without references is being freed, and leaves the list under this lock by itself
  while (pfn !== 0 && !(yield* refcountIncNotZero(m, refcountAt(m.page.refcount, pfn)))) pfn = m.page.lruPrev[pfn] as Pfn;
  if (pfn !== 0) {
    lruUnlink(m, pfn);
    touch(m, WRITE, whereOf(m.vm.pagesScanned, 0));
    m.vm.pagesScanned[0] = m.vm.pagesScanned[0] + 1;
  }
  yield* spinUnlock(m, lock);
  return pfn;
}

/** A certain page leaves its list, if it is in one, with a reference for the caller. @locks none @owes putbackLruPage where true */
export function* isolatePage(m: Machine, pfn: Pfn): Task<Step, boolean> {
  const lock = lruLockOf(m);
  yield* spinLock(m, lock);
  const isTaken = (m.page.flags[pfn] & PG_LRU) !== 0 && (yield* refcountIncNotZero(m, refcountAt(m.page.refcount, pfn)));
  if (isTaken) lruUnlink(m, pfn);
  yield* spinUnlock(m, lock);
  return isTaken;
}

/** Ends an isolation: the page is the newest of `list`, unless lruAddDrain was faster, and the reference goes. */
export function* putbackLruPage(m: Machine, pfn: Pfn, list: number): Task<Step> {
  const lock = lruLockOf(m);
  yield* spinLock(m, lock);
  if ((m.page.flags[pfn] & PG_LRU) === 0) lruLink(m, pfn, list);
  yield* spinUnlock(m, lock);
  yield* putPage(m, pfn);
}

function* lruDel(m: Machine, pfn: Pfn): Task<Step> {
  const lock = lruLockOf(m);
  yield* spinLock(m, lock);
  lruUnlink(m, pfn);
  yield* spinUnlock(m, lock);
}

/** @locks lruLock */
function lruLink(m: Machine, pfn: Pfn, list: number): void {
  const { lru, page } = m;
  const first = lru.first[list];
  page.flags[pfn] = (page.flags[pfn] & ~PG_ACTIVE) | PG_LRU | (list === LRU_ACTIVE ? PG_ACTIVE : 0);
  page.lruNext[pfn] = first;
  page.lruPrev[pfn] = 0;
  if (first !== 0) page.lruPrev[first] = pfn;
  else lru.last[list] = pfn;
  lru.first[list] = pfn;
  lru.nr[list] = lru.nr[list] + 1;
}

/** @locks lruLock */
function lruUnlink(m: Machine, pfn: Pfn): void {
  const { lru, page } = m;
  const list = (page.flags[pfn] & PG_ACTIVE) !== 0 ? LRU_ACTIVE : LRU_INACTIVE;
  const next = page.lruNext[pfn];
  const prev = page.lruPrev[pfn];
  if (prev !== 0) page.lruNext[prev] = next;
  else lru.first[list] = next;
  if (next !== 0) page.lruPrev[next] = prev;
  else lru.last[list] = prev;
  page.flags[pfn] = page.flags[pfn] & ~(PG_LRU | PG_ACTIVE);
  lru.nr[list] = lru.nr[list] - 1;
}
