// Models the page half of mm/mremap.c (2.6.24 locks; hooks of v5 and of 4.12).
/** Lock order: mmap_sem > i_mmap_lock > ptl of the old place > ptl of the new. */
import { PAGE_SIZE, VM_HUGETLB } from '@mmun/include';
import type { Inode, MaySleep, Mm, Pmdp, Task, Vaddr, Vma } from '@mmun/include';
import { spinLock, spinLockNested, spinUnlock, spinlockAt } from '@mmun/locking';
import { pmdAddrEnd, pteOffset, ptepMoveRange } from '#asm';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, rmapLock, rmapUnlock } from '#mmu-notifier';
import { moveHugetlbPageTables } from './hugetlb-range.js';
import { vmaInode, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { mmFindTable, pmdAllocWalk, pteAlloc, pteLockptr, skipHole } from './pgalloc.js';

/** Pages moved under one hold of the locks. LATENCY_LIMIT */
const LATENCY_PAGES = 64;

/**
 * Moves the ptes of `[oldAddr, oldAddr + len)` to `newAddr`. Both VMAs belong to one mm.
 * @locks mmap_sem for writing @returns bytes moved; less than `len` where no table page is left
 */
export function* movePageTables(m: Machine, vma: Vma, oldAddr: Vaddr, newVma: Vma, newAddr: Vaddr, len: number): Task<MaySleep, number> {
  if ((m.vma.vmFlags[vma] & VM_HUGETLB) !== 0) return yield* moveHugetlbPageTables(m, vma, newVma, oldAddr, newAddr, len);
  const mm = vmaMm(m, vma);
  const oldEnd = (oldAddr + len) as Vaddr;
  let old = oldAddr;
  yield* mmuNotifierInvalidateRangeStart(m, mm, oldAddr, oldEnd);
  while (old < oldEnd) {
    const oldPmdp = mmFindTable(m, mm, old);
    if (oldPmdp < 0) {
      old = skipHole(old, oldEnd, oldPmdp);
      continue;
    }
    const place = (newAddr + (old - oldAddr)) as Vaddr;
    const room = pmdAddrEnd(place, (newAddr + len) as Vaddr) - place;
    const extent = Math.min(pmdAddrEnd(old, oldEnd) - old, room);
    const newPmdp = yield* pmdAllocWalk(m, mm, place);
    if (newPmdp === 0 || !(yield* pteAlloc(m, mm, newPmdp))) break;
    for (let done = 0; done < extent; done += LATENCY_PAGES * PAGE_SIZE) {
      const bytes = Math.min(extent - done, LATENCY_PAGES * PAGE_SIZE);
      yield* movePtes(m, vma, mm, oldPmdp as Pmdp, (old + done) as Vaddr, newPmdp, (place + done) as Vaddr, bytes);
    }
    old = (old + extent) as Vaddr;
  }
  yield* mmuNotifierInvalidateRangeEnd(m, mm, oldAddr, oldEnd);
  return old - oldAddr;
}

/** Each pte is cleared as by ptepClearFlush, so hook #1 of v5 runs under both ptls. */
function* movePtes(m: Machine, vma: Vma, mm: Mm, oldPmdp: Pmdp, oldAddr: Vaddr, newPmdp: Pmdp, newAddr: Vaddr, bytes: number): Task<MaySleep> {
  const inode = m.vma.vmFile[vma] === 0 ? (0 as Inode) : vmaInode(m, vma);
  const mappingLock = spinlockAt(m.inode.iMmapLock, inode);
  const oldPtl = pteLockptr(m, mm, oldPmdp);
  const newPtl = pteLockptr(m, mm, newPmdp);
  if (inode !== 0) yield* rmapLock(m, mappingLock);
  yield* spinLock(m, oldPtl);
  if (newPtl !== oldPtl) yield* spinLockNested(m, newPtl);
  yield* ptepMoveRange(m, vma, oldAddr, pteOffset(m, oldPmdp, oldAddr), newAddr, pteOffset(m, newPmdp, newAddr), (bytes / PAGE_SIZE) | 0);
  if (newPtl !== oldPtl) yield* spinUnlock(m, newPtl);
  yield* spinUnlock(m, oldPtl);
  if (inode !== 0) yield* rmapUnlock(m, mappingLock);
}
