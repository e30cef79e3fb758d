// Models mm/vmscan.c (2.6.24).
/**
 * Reclaim: second chance over two lists. A page that was used since the last look stays or becomes active; one that was
 * not leaves its address spaces (tryToUnmap), is written if it is dirty, and goes if nobody else holds it.
 *
 *   active ──not used──> inactive ──not used──> unmapped ──> written ──> free
 *      ^                     |                                 |
 *      └────── used ─────────┴──────── held by others ─────────┘ (stays, in its cache)
 *
 * A frame that a driver has a plain reference to has one that no mapping and no cache explains: it is unmapped, as in
 * 2.6.24, but stays in the swap cache or page cache, so the next fault finds the very same frame. One that is pinned for
 * long (pincount) is left alone, as today: to unmap it would gain nothing.
 *
 * Deviation: a machine without slots (nrSwapSlots 0) unmaps nothing; clean pages of regular files that nobody maps go.
 * Deviation: no zones; pages are isolated one at a time.
 * Lock order: page lock > i_mmap_lock > anon_vma lock > ptl > swapLock, treeLock; page locks are only tried.
 */
import { READ, WRITE } from '@mmun/include';
import type { Inode, MaySleep, Pfn, Step, Task } from '@mmun/include';
import { bugOn, poolFree, poolUsed, whereOf } from '@mmun/lib';
import { point, spinLock, spinTrylock, spinUnlock, touch } from '@mmun/locking';
import { LRU_ACTIVE, LRU_INACTIVE } from './mm-tables.js';
import { INODE_REGULAR } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { pageCacheUnlink, treeLockOf } from './page-cache.js';
import { PG_DIRTY, PG_LAZYFREE, PG_LOCKED, PG_SWAPCACHE, pageIsAnon, pageLockGone, testAndClearFlag, testFlag, trylockPage, unlockPage } from './page-flags.js';
import { swapWritepage } from './page-io.js';
import { writePage } from './page-writeback.js';
import { SWAP_FAIL, SWAP_SUCCESS, isPinned, pageReferenced, tryToUnmap } from './rmap-walk.js';
import { freePage, isolateLruPage, isolatePage, lruAddDrain, pageRefFreeze, pageRefUnfreeze, putbackLruPage } from './swap.js';
import { addToSwap, removeFromSwapCache, tryToFreeSwap, vmSwapFull } from './swapfile.js';
import { pageMapped } from './rmap.js';

/** From a 4096th of each list up to all of it. */
const DEF_PRIORITY = 12;
/** Pages that one reclaim wants at most. */
const SWAP_CLUSTER_MAX = 32;

/**
 * Direct reclaim: an allocation has found no frame.
 * @context process, no spinlock and no page lock held, mmap_sem perhaps; may sleep @returns frames freed
 */
export function* tryToFreePages(m: Machine): Task<MaySleep, number> {
  if (m.bootConfig.nrSwapSlots === 0) return yield* shrinkPageCache(m);
  return yield* shrinkZone(m, Math.min(SWAP_CLUSTER_MAX, Math.max(1, m.bootConfig.nrFrames >>> 4)));
}

/**
 * One round of the daemon: reclaims until a sixteenth of the frames is free, or no more can be had.
 * @context a kernel thread, no lock held @returns frames freed. balance_pgdat()
 */
export function* kswapd(m: Machine): Task<MaySleep, number> {
  const nrFree = m.bootConfig.nrFrames - poolUsed(m.framePool);
  const nrWanted = Math.max(1, m.bootConfig.nrFrames >>> 4) - nrFree;
  return nrWanted > 0 && m.bootConfig.nrSwapSlots > 0 ? yield* shrinkZone(m, nrWanted) : 0;
}

/** Scans more and more of both lists until `nrWanted` frames are free. @context as tryToFreePages @returns frames freed */
export function* shrinkZone(m: Machine, nrWanted: number): Task<MaySleep, number> {
  const { nr } = m.lru;
  let nrFreed = 0;
  yield* lruAddDrain(m);
  for (let priority = DEF_PRIORITY; priority >= 0 && nrFreed < nrWanted; priority--) {
    // where nothing could be freed, a look at the oldest is all that everyone who is refused pays for
    if (priority !== DEF_PRIORITY && isAllUnreclaimable(m)) break;
    const nrActive = nr[LRU_ACTIVE] === 0 ? 0 : (nr[LRU_ACTIVE] >>> priority) + 1;
    for (let i = 0; i < nrActive; i++) yield* shrinkActive(m);
    const nrInactive = nr[LRU_INACTIVE] === 0 ? 0 : (nr[LRU_INACTIVE] >>> priority) + 1;
    for (let i = 0; i < nrInactive && nrFreed < nrWanted; i++) {
      const pfn = yield* isolateLruPage(m, LRU_INACTIVE);
      if (pfn === 0) break;
      nrFreed += yield* shrinkPage(m, pfn, false);
    }
  }
  return nrFreed;
}

/**
 * MADV_PAGEOUT of one page: out, however young, unless someone needs it.
 * @context process, no spinlock and no page lock held @returns 1 where the frame is free
 */
export function* reclaimPage(m: Machine, pfn: Pfn): Task<MaySleep, number> {
  return (yield* isolatePage(m, pfn)) ? yield* shrinkPage(m, pfn, true) : 0;
}

/** MADV_COLD of one page: among the next to go. deactivate_page() @context any, no lruLock */
export function* deactivatePage(m: Machine, pfn: Pfn): Task<Step> {
  if (yield* isolatePage(m, pfn)) yield* putbackLruPage(m, pfn, LRU_INACTIVE);
}

/** The oldest active page becomes inactive unless it is mapped and was used. */
function* shrinkActive(m: Machine): Task<MaySleep> {
  const pfn = yield* isolateLruPage(m, LRU_ACTIVE);
  if (pfn === 0) return;
  const isUsed = pageMapped(m, pfn) && (yield* pageReferenced(m, pfn, false)) > 0;
  yield* putbackLruPage(m, pfn, isUsed ? LRU_ACTIVE : LRU_INACTIVE);
}

/** All pages were looked at several times and none could be freed. zone->all_unreclaimable */
function isAllUnreclaimable(m: Machine): boolean {
  const { nr } = m.lru;
  touch(m, READ, whereOf(m.vm.pagesScanned, 0));
  return m.vm.pagesScanned[0] >= (nr[LRU_ACTIVE] + nr[LRU_INACTIVE]) * ROUNDS;
}

/** 2.6.24 gives up after four; it scans a few pages at a time. */
const ROUNDS = 4;

/** What became of a page. */
const FREED = 0;
const KEEP = LRU_INACTIVE;
const ACTIVATE = LRU_ACTIVE;

/** @holds the page is isolated; the reference is given back @returns frames freed, 0 or 1. shrink_page_list() */
function* shrinkPage(m: Machine, pfn: Pfn, isForced: boolean): Task<MaySleep, number> {
  if (!(yield* trylockPage(m, pfn))) {
    yield* putbackLruPage(m, pfn, LRU_INACTIVE);
    return 0;
  }
  const fate = yield* shrinkLockedPage(m, pfn, isForced);
  if (fate === FREED) {
    pageLockGone(m, pfn);
    return 1;
  }
  if (fate === ACTIVATE && testFlag(m, pfn, PG_SWAPCACHE) && vmSwapFull(m)) yield* tryToFreeSwap(m, pfn);
  yield* unlockPage(m, pfn);
  yield* putbackLruPage(m, pfn, fate);
  return 0;
}

/** @locks page lock; it goes with the page where FREED is returned */
function* shrinkLockedPage(m: Machine, pfn: Pfn, isForced: boolean): Task<MaySleep, number> {
  const { mapping } = m.page;
  if (isPinned(m, pfn)) return KEEP;
  const isReferenced = !isForced && (yield* pageReferenced(m, pfn, true)) > 0;
  if (isReferenced && (pageMapped(m, pfn) || testFlag(m, pfn, PG_SWAPCACHE))) return ACTIVATE;
  if (pageIsAnon(m, pfn) && !testFlag(m, pfn, PG_SWAPCACHE | PG_LAZYFREE) && !(yield* addToSwap(m, pfn))) return ACTIVATE;
  if (pageMapped(m, pfn)) {
    if (mapping[pfn] === 0) return KEEP;
    const unmapped = yield* tryToUnmap(m, pfn, isForced);
    if (unmapped === SWAP_FAIL) {
      testAndClearFlag(m, pfn, PG_LAZYFREE);
      return ACTIVATE;
    }
    if (unmapped !== SWAP_SUCCESS) return KEEP;
  }
  if (testFlag(m, pfn, PG_DIRTY)) {
    if (isReferenced) return KEEP;
    if (!(yield* pageout(m, pfn))) return ACTIVATE;
  }
  return (yield* removeMapping(m, pfn)) ? FREED : KEEP;
}

/** Writes the page to its slot or block. @locks page lock @returns false where there is no room for it */
function* pageout(m: Machine, pfn: Pfn): Task<MaySleep, boolean> {
  const { flags, mapping, swapSlot } = m.page;
  if (!testFlag(m, pfn, PG_SWAPCACHE)) return mapping[pfn] !== 0 && !pageIsAnon(m, pfn) && (yield* writePage(m, pfn));
  yield* point(m, WRITE, whereOf(flags, pfn));
  flags[pfn] = flags[pfn] & ~PG_DIRTY;
  yield* swapWritepage(m, swapSlot[pfn], pfn);
  return true;
}

/**
 * Frees a page that only its cache and reclaim hold.
 * @locks page lock @returns false, with nothing done, where it is held, or dirty again
 */
function* removeMapping(m: Machine, pfn: Pfn): Task<MaySleep, boolean> {
  const { mapping } = m.page;
  if (testFlag(m, pfn, PG_SWAPCACHE)) return yield* removeFromSwapCache(m, pfn);
  if (mapping[pfn] === 0) return false;
  if (pageIsAnon(m, pfn)) return yield* freeUncached(m, pfn);
  const lock = treeLockOf(m);
  yield* spinLock(m, lock);
  const isFrozen = yield* pageRefFreeze(m, pfn, 2);
  const isGone = isFrozen && !testFlag(m, pfn, PG_DIRTY);
  if (isGone) pageCacheUnlink(m, pfn);
  else if (isFrozen) pageRefUnfreeze(m, pfn, 2);
  yield* spinUnlock(m, lock);
  if (isGone) yield* freePage(m, pfn);
  return isGone;
}

/** A page that its process gave up is in no cache. @locks page lock */
function* freeUncached(m: Machine, pfn: Pfn): Task<Step, boolean> {
  if (!(yield* pageRefFreeze(m, pfn, 1))) return false;
  bugOn(m.page.mapcount[pfn] !== 0, 'reclaim-frees-mapped');
  yield* freePage(m, pfn);
  return true;
}

/** Drops a batch of page-cache pages that can be had again. @context any: it takes treeLock only if that is free */
function* shrinkPageCache(m: Machine): Task<Step, number> {
  const lock = treeLockOf(m);
  if (!(yield* spinTrylock(m, lock))) return 0;
  const { nrFrames } = m.bootConfig;
  const { page, vm } = m;
  let nrFreed = 0;
  for (let i = 0; i < nrFrames && nrFreed < SWAP_CLUSTER_MAX; i++) {
    const pfn = ((vm.reclaimHand[0] % nrFrames) + 1) as Pfn;
    vm.reclaimHand[0] = pfn;
    if (!isDroppable(m, pfn)) continue;
    pageCacheUnlink(m, pfn);
    page.refcount[pfn] = 0;
    touch(m, WRITE, whereOf(m.framePool.rows.gen, pfn));
    poolFree(m.framePool, pfn);
    nrFreed++;
  }
  yield* spinUnlock(m, lock);
  return nrFreed;
}

/** In the cache of a regular file, clean, and referenced by the cache alone. */
function isDroppable(m: Machine, pfn: Pfn): boolean {
  const { mapping, refcount } = m.page;
  touch(m, READ, whereOf(refcount, pfn));
  return refcount[pfn] === 1 && mapping[pfn] !== 0 && (mapping[pfn] & 1) === 0 && !testFlag(m, pfn, PG_LOCKED | PG_DIRTY)
    && m.inode.kind[(mapping[pfn] >>> 1) as Inode] === INODE_REGULAR;
}
