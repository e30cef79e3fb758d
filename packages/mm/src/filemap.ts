// Models the faults of mm/filemap.c and mm/shmem.c (6.18).
/**
 * Deviation: reading takes no time and never fails, and the cache is warm: what a fault around looks for in a regular
 * file is there, as far as the file and the frames reach. Shmem has the pages that were touched.
 * Deviation: files hold zeros until someone writes through a mapping.
 *
 * Lock order: page lock > ptl > treeLock; a page is only tried, not waited for, under the ptl.
 */
import { PAGE_SIZE, VM_FAULT_OOM, VM_FAULT_SIGBUS } from '@mmun/include';
import type { Inode, MaySleep, Mm, Pfn, Pgprot, Pmdp, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { spinLock, spinUnlock } from '@mmun/locking';
import { PTRS_PER_PTE, pfnPte, pteOffset, ptepNone, setPteAt } from '#asm';
import { INODE_REGULAR, vmaInode, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { allocZeroedPage } from './page-alloc.js';
import { addToPageCache, findGetPage, pageCacheLookup } from './page-cache.js';
import { MM_FILEPAGES, MM_SHMEMPAGES, addMmCounter, lockPage, trylockPage, unlockPage } from './page-flags.js';
import { pteLockptr } from './pgalloc.js';
import { pageAddFileRmap } from './rmap.js';
import { putPage } from './swap.js';

/**
 * The page of a file that stands at `pgoff`, made where the cache has none.
 * @context process; may sleep @locks mmap_sem
 * @returns the frame, locked and with a reference, or minus VM_FAULT_SIGBUS behind the end of the file, or minus VM_FAULT_OOM
 */
export function* filemapFault(m: Machine, vma: Vma, pgoff: number): Task<MaySleep, number> {
  const inode = vmaInode(m, vma);
  for (;;) {
    if (pgoff >= nrPagesOf(m, inode)) return -VM_FAULT_SIGBUS;
    const pfn = yield* pageCacheRead(m, inode, pgoff);
    if (pfn === 0) return -VM_FAULT_OOM;
    yield* lockPage(m, pfn);
    if (isStillAt(m, pfn, inode, pgoff) && pgoff < nrPagesOf(m, inode)) return pfn;
    yield* unlockPage(m, pfn);
    yield* putPage(m, pfn);
  }
}

/**
 * Fault-around: maps what the cache has of an aligned window around `address`, within the VMA, the table and the file.
 * @context process; may sleep @locks mmap_sem
 */
export function* filemapMapPages(m: Machine, vma: Vma, address: Vaddr, pmdp: Pmdp, prot: Pgprot): Task<MaySleep> {
  const inode = vmaInode(m, vma);
  const pteOff = (address / PAGE_SIZE) & (PTRS_PER_PTE - 1);
  const pgoff = m.vma.vmPgoff[vma] + (address - m.vma.vmStart[vma]) / PAGE_SIZE;
  const from = windowStart(m, vma, address);
  const to = windowEnd(m, vma, address, from);
  if (m.inode.kind[inode] === INODE_REGULAR) yield* readAround(m, inode, pgoff + from - pteOff, pgoff + to - pteOff);
  const mm = vmaMm(m, vma);
  const ptl = pteLockptr(m, mm, pmdp);
  yield* spinLock(m, ptl);
  const first = pteOffset(m, pmdp, address) - pteOff;
  let nrMapped = 0;
  for (let i = from; i < to; i++) {
    const ptep = (first + i) as Ptep;
    if (ptepNone(m, ptep)) nrMapped += yield* mapCachedPage(m, mm, inode, pgoff + i - pteOff, (address + (i - pteOff) * PAGE_SIZE) as Vaddr, ptep, prot);
  }
  if (nrMapped !== 0) addMmCounter(m, mm, m.inode.kind[inode] === INODE_REGULAR ? MM_FILEPAGES : MM_SHMEMPAGES, nrMapped);
  yield* spinUnlock(m, ptl);
}

/**
 * The fault will be behind the end of the file and leave no page, so that no table is made for it. Around a read that is so only where
 * nothing of the file is in the window; the last page of a regular file counts as nothing, since a table is not made for its sake (6.18:
 * a folio that reaches the end is never mapped by a pmd, and the test for that makes the table).
 */
export function isFaultWithoutTable(m: Machine, vma: Vma, address: Vaddr, isWrite: boolean): boolean {
  const inode = vmaInode(m, vma);
  const pgoff = m.vma.vmPgoff[vma] + (address - m.vma.vmStart[vma]) / PAGE_SIZE;
  if (pgoff < nrPagesOf(m, inode)) return false;
  const from = windowStart(m, vma, address);
  return isWrite || windowEnd(m, vma, address, from) - from < (m.inode.kind[inode] === INODE_REGULAR ? 2 : 1);
}

/** Fault-around begins at an aligned slot of the table, within the VMA. */
function windowStart(m: Machine, vma: Vma, address: Vaddr): number {
  const nrWindow = m.bootConfig.settings.faultAroundBytes / PAGE_SIZE;
  const pteOff = (address / PAGE_SIZE) & (PTRS_PER_PTE - 1);
  return Math.max(pteOff - (pteOff % nrWindow), pteOff - (address - m.vma.vmStart[vma]) / PAGE_SIZE) | 0;
}

/** Slot behind the last of the window: at most the first where nothing is in it. */
function windowEnd(m: Machine, vma: Vma, address: Vaddr, from: number): number {
  const nrWindow = m.bootConfig.settings.faultAroundBytes / PAGE_SIZE;
  const pteOff = (address / PAGE_SIZE) & (PTRS_PER_PTE - 1);
  const nrAfter = (m.vma.vmEnd[vma] - address) / PAGE_SIZE;
  const pgoff = m.vma.vmPgoff[vma] + (address - m.vma.vmStart[vma]) / PAGE_SIZE;
  return Math.max(0, Math.min(from + nrWindow, PTRS_PER_PTE, pteOff + nrAfter, pteOff + nrPagesOf(m, vmaInode(m, vma)) - pgoff)) | 0;
}

/** The page of the cache, or a new one in it, with a reference for the caller. @returns 0 where no frame is left */
export function* pageCacheRead(m: Machine, inode: Inode, index: number): Task<MaySleep, Pfn> {
  for (;;) {
    const found = yield* findGetPage(m, inode, index);
    if (found !== 0) return found;
    const pfn = yield* allocZeroedPage(m);
    if (pfn === 0 || (yield* addToPageCache(m, inode, index, pfn))) return pfn;
    yield* putPage(m, pfn);
  }
}

function* readAround(m: Machine, inode: Inode, from: number, to: number): Task<MaySleep> {
  for (let index = from; index < to; index++) {
    if (pageCacheLookup(m, inode, index) !== 0) continue;
    const pfn = yield* pageCacheRead(m, inode, index);
    if (pfn === 0) return;
    yield* putPage(m, pfn);
  }
}

/** @locks ptl @returns pages that are mapped more, for the caller to count @hot */
function* mapCachedPage(m: Machine, mm: Mm, inode: Inode, index: number, address: Vaddr, ptep: Ptep, prot: Pgprot): Task<Step, number> {
  const pfn = yield* findGetPage(m, inode, index);
  if (pfn === 0) return 0;
  const isLocked = yield* trylockPage(m, pfn);
  const isUsable = isLocked && isStillAt(m, pfn, inode, index);
  if (isUsable) {
    pageAddFileRmap(m, pfn);
    yield* setPteAt(m, mm, address, ptep, pfnPte(pfn, prot));
  }
  if (isLocked) yield* unlockPage(m, pfn);
  if (!isUsable) yield* putPage(m, pfn);
  return isUsable ? 1 : 0;
}

/** The page was not truncated before it was locked. */
function isStillAt(m: Machine, pfn: Pfn, inode: Inode, index: number): boolean {
  return m.page.mapping[pfn] === inode * 2 && m.page.index[pfn] === index;
}

function nrPagesOf(m: Machine, inode: Inode): number {
  return Math.ceil(m.inode.size[inode] / PAGE_SIZE);
}
