// Models fs/hugetlbfs/inode.c (6.18; order and locks of truncate as in 2.6.24).
/**
 * Files whose pages are huge: what mmap with MAP_HUGETLB maps, shared or private, and what an inode of kind `hugetlb` is.
 *
 * Lock order: i_mmap_lock > page_table_lock; hugetlb_instantiation_mutex > page lock > treeLock.
 */
import { EINVAL, ENOMEM, MAP_HUGETLB, PAGE_SIZE, VM_MAYSHARE, VM_NORESERVE, VM_WRITE } from '@mmun/include';
import type { Inode, MaySleep, Pfn, Task, Vma } from '@mmun/include';
import { mutexAt, mutexLock, mutexUnlock } from '@mmun/locking';
import { HPAGE_SIZE, PUD_SIZE } from '#asm';
import { rmapLock, rmapUnlock } from '#mmu-notifier';
import {
  HPAGE_NR, hugeHead, hugetlbReservePages, hugetlbUnreservePages, isResvOwner, putHugePage, reservationMap, reservationMapOf,
} from './hugetlb-pool.js';
import { unmapHugepageRangeLocked } from './hugetlb-unmap.js';
import { iMmapLockOf, mappedFrom, mappedTo, vmaIntervalNext } from './i-mmap.js';
import { INODE_HUGETLB, vmaInode } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { clearHighpage } from './page-alloc.js';
import { deleteFromPageCache, findGetPage } from './page-cache.js';
import { lockPage, unlockPage } from './page-flags.js';

/** The logarithm of the size that is asked for: 0 the default. */
const MAP_HUGE_SHIFT = 26;
const MAP_HUGE_MASK = 0x3f;

/**
 * May this be mapped with MAP_HUGETLB at all?
 * Deviation: there is never a page of 1 GiB, not even with MAP_NORESERVE.
 * @returns 0; -EINVAL where the arch has no pages of that size; -ENOMEM where it has, and there are none
 */
export function hugetlbRefusal(flags: number, lenBytes: number): number {
  if (HPAGE_SIZE === 0 || (flags & MAP_HUGETLB) === 0 || lenBytes === 0) return -EINVAL;
  const log = (flags >>> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
  if (log === 0 || 2 ** log === HPAGE_SIZE) return 0;
  return 2 ** log === PUD_SIZE ? -ENOMEM : -EINVAL;
}

export function isHugetlbInode(m: Machine, inode: Inode): boolean {
  return m.inode.kind[inode] === INODE_HUGETLB && HPAGE_SIZE !== 0;
}

/** A length in whole huge pages. */
export function hugeAlign(lenBytes: number): number {
  return Math.ceil(lenBytes / HPAGE_SIZE) * HPAGE_SIZE;
}

/**
 * The VMA begins to map its file: the pages that it may need are promised, and the file is as long as what is mapped to write.
 * hugetlbfs_file_mmap()
 * @locks mmap_sem W @returns 0, -EINVAL for an offset inside of a huge page, -ENOMEM where the pool is short
 */
export function* hugetlbfsFileMmap(m: Machine, vma: Vma): Task<MaySleep, number> {
  const v = m.vma;
  const inode = vmaInode(m, vma);
  const pgoff = v.vmPgoff[vma];
  if (pgoff % HPAGE_NR !== 0) return -EINVAL;
  const end = pgoff + (v.vmEnd[vma] - v.vmStart[vma]) / PAGE_SIZE;
  if ((v.vmFlags[vma] & VM_NORESERVE) === 0) {
    const isPrivate = (v.vmFlags[vma] & VM_MAYSHARE) === 0;
    if (isPrivate) v.resvMap[vma] = ++m.vm.nextResvMap[0];
    const mutex = mutexAt(m.vm.hugetlbInstantiationMutex, 0);
    yield* mutexLock(m, mutex);
    const isEnough = yield* hugetlbReservePages(m, reservationMap(m, vma), pgoff, end);
    yield* mutexUnlock(m, mutex);
    if (!isEnough) return -ENOMEM;
  }
  if ((v.vmFlags[vma] & VM_WRITE) !== 0 && m.inode.size[inode] < end * PAGE_SIZE) m.inode.size[inode] = end * PAGE_SIZE;
  return 0;
}

/** The VMA goes: what is promised to private memory is promised no longer. hugetlb_vm_op_close() */
export function* hugetlbVmOpClose(m: Machine, vma: Vma): Task<MaySleep> {
  const v = m.vma;
  if (!isResvOwner(m, vma)) return;
  yield* hugetlbUnreservePages(m, v.resvMap[vma] * 2 + 1, v.vmPgoff[vma], v.vmPgoff[vma] + (v.vmEnd[vma] - v.vmStart[vma]) / PAGE_SIZE);
}

/**
 * The file has a new size. @context process; may sleep @locks none of mm's @returns 0, or -EINVAL for a part of a huge page
 */
export function* hugetlbVmtruncate(m: Machine, inode: Inode, sizeBytes: number): Task<MaySleep, number> {
  if (sizeBytes % HPAGE_SIZE !== 0) return -EINVAL;
  const isShorter = sizeBytes < m.inode.size[inode];
  m.inode.size[inode] = sizeBytes;
  if (!isShorter) return 0;
  yield* hugetlbVmdeleteList(m, inode, sizeBytes / PAGE_SIZE, Infinity);
  yield* removeInodeHugepages(m, inode, sizeBytes / PAGE_SIZE, Infinity);
  return 0;
}

/** MADV_REMOVE: whole huge pages of `[from, to)` go, private copies too; what is left of others becomes zeros. hugetlbfs_punch_hole() */
export function* hugetlbfsPunchHole(m: Machine, inode: Inode, from: number, to: number): Task<MaySleep> {
  const first = Math.ceil(from / HPAGE_NR) * HPAGE_NR;
  const last = Math.floor(to / HPAGE_NR) * HPAGE_NR;
  if (from < first) yield* zeroPartialPage(m, inode, from, Math.min(first, to));
  if (first < last) {
    yield* hugetlbVmdeleteList(m, inode, first, last);
    yield* removeInodeHugepages(m, inode, first, last);
  }
  if (to > last && last >= first) yield* zeroPartialPage(m, inode, last, to);
}

/** Pages `[from, to)` leave the cache, and nobody is promised any. @context process; may sleep @holds they may still be mapped */
export function* removeInodeHugepages(m: Machine, inode: Inode, from: number, to: number): Task<MaySleep> {
  const mutex = mutexAt(m.vm.hugetlbInstantiationMutex, 0);
  const { mapping, index } = m.page;
  yield* mutexLock(m, mutex);
  for (let row = 1; row <= m.nrHugePages && m.inode.nrPages[inode] !== 0; row++) {
    const pfn = hugeHead(row);
    if (mapping[pfn] === inode * 2 && index[pfn] >= from && index[pfn] < to) yield* truncateHugePage(m, inode, index[pfn]);
  }
  yield* hugetlbUnreservePages(m, reservationMapOf(inode), from, to);
  yield* mutexUnlock(m, mutex);
}

function* truncateHugePage(m: Machine, inode: Inode, index: number): Task<MaySleep> {
  const pfn = yield* findGetPage(m, inode, index);
  if (pfn === 0) return;
  yield* lockPage(m, pfn);
  if (m.page.mapping[pfn] === inode * 2 && m.page.index[pfn] === index) {
    yield* deleteFromPageCache(m, pfn);
    yield* putHugePage(m, pfn);
  }
  yield* unlockPage(m, pfn);
  yield* putHugePage(m, pfn);
}

/** Unmaps pages `[from, to)` of the file from every VMA. hugetlb_vmdelete_list(), hugetlb_vmtruncate_list() */
function* hugetlbVmdeleteList(m: Machine, inode: Inode, from: number, to: number): Task<MaySleep> {
  const lock = iMmapLockOf(m, inode);
  yield* rmapLock(m, lock);
  for (let vma = vmaIntervalNext(m, inode, 0 as Vma, from, to); vma !== 0; vma = vmaIntervalNext(m, inode, vma, from, to)) {
    yield* unmapHugepageRangeLocked(m, vma, mappedFrom(m, vma, from), mappedTo(m, vma, to), 0 as Pfn);
  }
  yield* rmapUnlock(m, lock);
}

/** hugetlbfs_zero_partial_page() @holds `[from, to)` lies in one huge page */
function* zeroPartialPage(m: Machine, inode: Inode, from: number, to: number): Task<MaySleep> {
  const head = Math.floor(from / HPAGE_NR) * HPAGE_NR;
  const pfn = yield* findGetPage(m, inode, head);
  if (pfn === 0) return;
  yield* lockPage(m, pfn);
  for (let index = from; index < to; index++) clearHighpage(m, (pfn + (index - head)) as Pfn);
  yield* unlockPage(m, pfn);
  yield* putHugePage(m, pfn);
}
