// Models mm/swapfile.c and mm/swap_state.c (2.6.24): swap slots, their counts, and the swap cache.
/**
 * A swap slot lives as long as someone counts on it: each pte that holds its entry, and the swap cache while a frame
 * stands for it. A page in the swap cache has PG_SWAPCACHE, its slot in swapSlot, and one more reference, the cache's.
 *
 *            pte pte        swap.page ──> frame
 *              \  \          /  PG_SWAPCACHE, swapSlot
 *               swap.count: 3
 *
 * Deviation: one lock, swapLock, for the map of slots and for the cache; 2.6.24 has swap_lock and a tree_lock.
 * Lock order: page lock > ptl > swapLock.
 */
import { WRITE } from '@mmun/include';
import type { Pfn, Spinlock, Step, Task } from '@mmun/include';
import { bugOn, poolAlloc, poolFree, poolUsed, whereOf } from '@mmun/lib';
import { lockdepAssertHeld, refcountAt, refcountInc, spinLock, spinUnlock, spinlockAt, touch } from '@mmun/locking';
import type { Machine } from './mm-types.js';
import { PG_DIRTY, PG_SWAPCACHE, setFlag, testFlag, trylockPage, unlockPage } from './page-flags.js';
import { swapReadpage } from './page-io.js';
import { freePage, pageRefFreeze, pageRefUnfreeze, putPage, reclaimHelps } from './swap.js';

export function swapLockOf(m: Machine): Spinlock {
  return spinlockAt(m.vm.swapLock, 0);
}

/** More than half of the slots are taken: then a page that is in memory does not keep one. vm_swap_full() */
export function vmSwapFull(m: Machine): boolean {
  return poolUsed(m.swapPool) * 2 > m.bootConfig.nrSwapSlots;
}

/**
 * Gives an anonymous page a slot and puts it into the swap cache; it is dirty then, for the slot holds nothing yet.
 * @locks page lock @returns false where no slot is left
 */
export function* addToSwap(m: Machine, pfn: Pfn): Task<Step, boolean> {
  const lock = swapLockOf(m);
  yield* spinLock(m, lock);
  const slot = poolAlloc(m.swapPool);
  if (slot !== 0) {
    m.swap.count[slot] = 0;
    yield* swapCacheInsert(m, slot, pfn);
    setFlag(m, pfn, PG_DIRTY);
  }
  yield* spinUnlock(m, lock);
  return slot !== 0;
}

/**
 * Puts a new frame into the swap cache as the page of a slot, read in.
 * @context the frame belongs to nobody else yet
 * @returns false, with nothing done, where the cache has one or the slot is free by now
 */
export function* addToSwapCache(m: Machine, slot: number, pfn: Pfn): Task<Step, boolean> {
  const lock = swapLockOf(m);
  yield* spinLock(m, lock);
  const isFree = m.swap.page[slot] === 0 && m.swap.count[slot] > 0;
  if (isFree) {
    swapReadpage(m, slot, pfn);
    yield* swapCacheInsert(m, slot, pfn);
  }
  yield* spinUnlock(m, lock);
  return isFree;
}

/** The page that stands for a slot, with a reference, or 0. */
export function* lookupSwapCache(m: Machine, slot: number): Task<Step, Pfn> {
  const lock = swapLockOf(m);
  yield* spinLock(m, lock);
  const pfn = m.swap.page[slot] as Pfn;
  if (pfn !== 0) yield* refcountInc(m, refcountAt(m.page.refcount, pfn));
  yield* spinUnlock(m, lock);
  return pfn;
}

/** One more pte holds the slot's entry. @locks a ptl whose pte holds it, or the page lock of its page */
export function* swapDuplicate(m: Machine, slot: number): Task<Step> {
  const lock = swapLockOf(m);
  yield* spinLock(m, lock);
  bugOn(m.swap.count[slot] <= 0, 'swap-duplicate-free-slot');
  m.swap.count[slot] = m.swap.count[slot] + 1;
  yield* spinUnlock(m, lock);
}

/** One pte less holds the slot's entry. @returns how many users are left */
export function* swapFree(m: Machine, slot: number): Task<Step, number> {
  const lock = swapLockOf(m);
  yield* spinLock(m, lock);
  const left = swapCountDec(m, slot);
  yield* spinUnlock(m, lock);
  return left;
}

/** A pte with the slot's entry goes for good; a page in the cache that nobody else wants goes with it. @context ptl held or not */
export function* freeSwapAndCache(m: Machine, slot: number): Task<Step> {
  if ((yield* swapFree(m, slot)) !== 1) return;
  const pfn = yield* lookupSwapCache(m, slot);
  if (pfn === 0) return;
  yield* freePageAndSwapCache(m, pfn);
}

/** putPage() of a mapping's reference; a page that only the swap cache wants leaves that too. @hot */
export function* freePageAndSwapCache(m: Machine, pfn: Pfn): Task<Step> {
  if (testFlag(m, pfn, PG_SWAPCACHE) && (yield* trylockPage(m, pfn))) {
    yield* tryToFreeSwap(m, pfn);
    yield* unlockPage(m, pfn);
  }
  yield* putPage(m, pfn);
}

/**
 * Takes a page out of the swap cache whose slot no pte holds: the slot is free then, and the page dirty.
 * @locks page lock @returns whether it is out. remove_exclusive_swap_page()
 */
export function* tryToFreeSwap(m: Machine, pfn: Pfn): Task<Step, boolean> {
  if (!testFlag(m, pfn, PG_SWAPCACHE)) return false;
  const lock = swapLockOf(m);
  yield* spinLock(m, lock);
  const isOut = m.swap.count[m.page.swapSlot[pfn]] === 1;
  if (isOut) {
    swapCacheDelete(m, pfn);
    setFlag(m, pfn, PG_DIRTY);
  }
  yield* spinUnlock(m, lock);
  if (isOut) yield* putPage(m, pfn);
  return isOut;
}

/** No pte but the caller's holds the slot, and no frame of it is mapped. @locks page lock, ptl of the pte */
export function* isSwapExclusive(m: Machine, pfn: Pfn): Task<Step, boolean> {
  const lock = swapLockOf(m);
  yield* spinLock(m, lock);
  const isAlone = m.swap.count[m.page.swapSlot[pfn]] === 2 && m.page.mapcount[pfn] === 0;
  yield* spinUnlock(m, lock);
  return isAlone;
}

/**
 * Frees a clean page that only the swap cache and the caller hold. remove_mapping(), for the swap cache
 * @locks page lock @returns false, with nothing done, where someone holds it or has written to it
 */
export function* removeFromSwapCache(m: Machine, pfn: Pfn): Task<Step, boolean> {
  const lock = swapLockOf(m);
  yield* spinLock(m, lock);
  const isFrozen = yield* pageRefFreeze(m, pfn, 2);
  const isGone = isFrozen && !testFlag(m, pfn, PG_DIRTY);
  if (isGone) swapCacheDelete(m, pfn);
  else if (isFrozen) pageRefUnfreeze(m, pfn, 2);
  yield* spinUnlock(m, lock);
  if (isGone) yield* freePage(m, pfn);
  return isGone;
}

/** @locks swapLock */
function* swapCacheInsert(m: Machine, slot: number, pfn: Pfn): Task<Step> {
  m.swap.count[slot] = m.swap.count[slot] + 1;
  m.swap.page[slot] = pfn;
  m.page.swapSlot[pfn] = slot;
  touch(m, WRITE, whereOf(m.page.flags, pfn));
  m.page.flags[pfn] = m.page.flags[pfn] | PG_SWAPCACHE;
  yield* refcountInc(m, refcountAt(m.page.refcount, pfn));
}

/** @locks swapLock, page lock @owes the cache's reference */
function swapCacheDelete(m: Machine, pfn: Pfn): void {
  const slot = m.page.swapSlot[pfn];
  m.swap.page[slot] = 0;
  m.page.swapSlot[pfn] = 0;
  touch(m, WRITE, whereOf(m.page.flags, pfn));
  m.page.flags[pfn] = m.page.flags[pfn] & ~PG_SWAPCACHE;
  swapCountDec(m, slot);
}

/** @locks swapLock */
function swapCountDec(m: Machine, slot: number): number {
  lockdepAssertHeld(m, swapLockOf(m));
  const { count } = m.swap;
  bugOn(count[slot] <= 0, 'swap-count-underflow');
  count[slot] = count[slot] - 1;
  if (count[slot] === 0) {
    poolFree(m.swapPool, slot);
    reclaimHelps(m);
  }
  return count[slot];
}
