// Models mm/truncate.c, and unmap_mapping_range of mm/memory.c (2.6.24 order and locks).
/** Lock order: page lock > i_mmap_lock > ptl; page lock > treeLock. */
import { PAGE_SIZE } from '@mmun/include';
import type { Inode, MaySleep, Pfn, Task, Vma } from '@mmun/include';
import { poolHighest } from '@mmun/lib';
import { rmapLock, rmapUnlock } from '#mmu-notifier';
import { hugetlbVmtruncate, hugetlbfsPunchHole, isHugetlbInode, removeInodeHugepages } from './hugetlbfs.js';
import { iMmapLockOf, mappedFrom, mappedTo, vmaIntervalNext } from './i-mmap.js';
import { zapMapping } from './memory.js';
import type { Machine } from './mm-types.js';
import { deleteFromPageCache, findGetPage, pageCacheLookup, truncateBlocks } from './page-cache.js';
import { lockPage, unlockPage } from './page-flags.js';
import { putPage } from './swap.js';
import { pageMapped } from './rmap.js';

/**
 * The file has a new size: what lies behind it is unmapped everywhere, private copies too, and leaves the cache.
 * The size is set first, so that no fault brings a page back.
 * @context process; may sleep @locks none of mm's @returns 0, or -EINVAL for a part of a huge page
 */
export function* truncateSetsize(m: Machine, inode: Inode, sizeBytes: number): Task<MaySleep, number> {
  if (isHugetlbInode(m, inode)) return yield* hugetlbVmtruncate(m, inode, sizeBytes);
  const isShorter = sizeBytes < m.inode.size[inode];
  m.inode.size[inode] = sizeBytes;
  if (!isShorter) return 0;
  const from = Math.ceil(sizeBytes / PAGE_SIZE);
  yield* unmapMappingRange(m, inode, from, Infinity, true);
  yield* truncateInodePages(m, inode, from);
  yield* unmapMappingRange(m, inode, from, Infinity, true);
  return 0;
}

/** MADV_REMOVE: a hole of pages `[from, to)`; the size stays. Private copies of the pages stay too. @context process; may sleep */
export function* truncatePageRange(m: Machine, inode: Inode, from: number, to: number): Task<MaySleep> {
  if (isHugetlbInode(m, inode)) return yield* hugetlbfsPunchHole(m, inode, from, to);
  yield* unmapMappingRange(m, inode, from, to, false);
  yield* truncateRange(m, inode, from, to);
}

/** The pages from index `from` on leave the cache. @context process; may sleep @holds they may still be mapped */
export function truncateInodePages(m: Machine, inode: Inode, from: number): Task<MaySleep> {
  if (isHugetlbInode(m, inode)) return removeInodeHugepages(m, inode, from, Infinity);
  return truncateRange(m, inode, from, Infinity);
}

/**
 * Unmaps pages `[from, to)` of a file from every VMA.
 * @param isEvenCows private copies go too
 * @context process @locks none of mm's
 */
export function* unmapMappingRange(m: Machine, inode: Inode, from: number, to: number, isEvenCows: boolean): Task<MaySleep> {
  const lock = iMmapLockOf(m, inode);
  yield* rmapLock(m, lock);
  for (let vma = vmaIntervalNext(m, inode, 0 as Vma, from, to); vma !== 0; vma = vmaIntervalNext(m, inode, vma, from, to)) {
    yield* zapMapping(m, vma, mappedFrom(m, vma, from), mappedTo(m, vma, to), !isEvenCows);
  }
  yield* rmapUnlock(m, lock);
}

/** By index where the range is small, else by frame. */
function* truncateRange(m: Machine, inode: Inode, from: number, to: number): Task<MaySleep> {
  yield* truncateCachedPages(m, inode, from, to);
  yield* truncateBlocks(m, inode, from, to);
}

function* truncateCachedPages(m: Machine, inode: Inode, from: number, to: number): Task<MaySleep> {
  const nrFrames = poolHighest(m.framePool);
  if (to - from < nrFrames) {
    for (let index = from; index < to && m.inode.nrPages[inode] !== 0; index++) {
      if (pageCacheLookup(m, inode, index) !== 0) yield* truncatePage(m, inode, index);
    }
    return;
  }
  const { mapping, index: indexOf } = m.page;
  for (let pfn = 1; pfn <= nrFrames && m.inode.nrPages[inode] !== 0; pfn++) {
    if (mapping[pfn] === inode * 2 && indexOf[pfn] >= from && indexOf[pfn] < to) yield* truncatePage(m, inode, indexOf[pfn]);
  }
}

function* truncatePage(m: Machine, inode: Inode, index: number): Task<MaySleep> {
  const pfn: Pfn = yield* findGetPage(m, inode, index);
  if (pfn === 0) return;
  yield* lockPage(m, pfn);
  if (m.page.mapping[pfn] === inode * 2 && m.page.index[pfn] === index) {
    // a fault that came between the unmapping and the lock has mapped it again; the next one waits for the lock (d00806b18315)
    if (pageMapped(m, pfn)) yield* unmapMappingRange(m, inode, index, index + 1, false);
    yield* deleteFromPageCache(m, pfn);
    yield* putPage(m, pfn);
  }
  yield* unlockPage(m, pfn);
  yield* putPage(m, pfn);
}
