// Models copy_page_range of mm/memory.c (2.6.24 locks; hooks of v5, which has none, and of 4.12; vma_needs_copy of 6.18).
/**
 * fork copies the ptes of memory that cannot be faulted in again, and takes the write permission from private pages in
 * both mms. v5 has no hook here: a secondary MMU that could write a page of the parent still can. That is its best known
 * bug, and stays. The range design brackets the copying of private memory, for the parent's mm.
 *
 * Lock order: ptl of the child > ptl of the parent.
 */
import { ENOMEM, PAGE_SIZE, VM_HUGETLB, VM_MAYWRITE, VM_MIXEDMAP, VM_PFNMAP, VM_SHARED } from '@mmun/include';
import type { MaySleep, Mm, Pmdp, Pte, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { refcountAt, refcountInc, spinLock, spinLockNested, spinUnlock } from '@mmun/locking';
import {
  pmdAddrEnd, pteMkclean, pteMkold, pteOffset, ptePfn, ptePresent, pteToSwpEntry, pteWrite, pteWrprotect, ptepGet, ptepNone, ptepSetWrprotect, setPteAt,
} from '#asm';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '#mmu-notifier';
import { copyHugetlbPageRange } from './hugetlb-range.js';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { MM_SWAPENTS, PG_ANON_EXCLUSIVE, addMmCounter, mmCounter, pageIsAnon, vmNormalPage } from './page-flags.js';
import { mmFindTable, pmdAllocWalk, pteAlloc, pteLockptr, skipHole } from './pgalloc.js';
import { pageDupRmap } from './rmap.js';
import { swapDuplicate } from './swapfile.js';

/** Entries looked at, a copied pte counting eight more, after which both locks are left if someone waits. */
const LATENCY = 32;

/**
 * Gives `dstVma`, a new copy of `srcVma` in another mm, the pages that it cannot get by faulting.
 * @locks mmap_sem of the source mm for writing; the other mm has no users yet
 * @owes flushTlbMm of the source mm, once for all VMAs @returns 0 or -ENOMEM
 */
export function* copyPageRange(m: Machine, dstVma: Vma, srcVma: Vma): Task<MaySleep, number> {
  if (!vmaNeedsCopy(m, srcVma)) return 0;
  if ((m.vma.vmFlags[srcVma] & VM_HUGETLB) !== 0) return yield* copyHugetlbPageRange(m, dstVma, srcVma, isCowMapping(m.vma.vmFlags[srcVma]));
  if (!isCowMapping(m.vma.vmFlags[srcVma])) return yield* copyPmdRanges(m, dstVma, srcVma);
  const srcMm = vmaMm(m, srcVma);
  const mmunStart = m.vma.vmStart[srcVma] as Vaddr;
  const mmunEnd = m.vma.vmEnd[srcVma] as Vaddr;
  yield* mmuNotifierInvalidateRangeStart(m, srcMm, mmunStart, mmunEnd);
  const error = yield* copyPmdRanges(m, dstVma, srcVma);
  yield* mmuNotifierInvalidateRangeEnd(m, srcMm, mmunStart, mmunEnd);
  return error;
}

function* copyPmdRanges(m: Machine, dstVma: Vma, srcVma: Vma): Task<MaySleep, number> {
  const srcMm = vmaMm(m, srcVma);
  const dstMm = vmaMm(m, dstVma);
  const end = m.vma.vmEnd[srcVma] as Vaddr;
  let address = m.vma.vmStart[srcVma] as Vaddr;
  while (address < end) {
    const srcPmdp = mmFindTable(m, srcMm, address);
    if (srcPmdp < 0) {
      address = skipHole(address, end, srcPmdp);
      continue;
    }
    const next = pmdAddrEnd(address, end);
    const dstPmdp = yield* pmdAllocWalk(m, dstMm, address);
    if (dstPmdp === 0 || !(yield* pteAlloc(m, dstMm, dstPmdp))) return -ENOMEM;
    yield* copyPteRange(m, dstVma, srcVma, dstPmdp, srcPmdp as Pmdp, address, next);
    address = next;
  }
  return 0;
}

/** Pages of files and of shmem come again by faults; private copies and frames without a file do not. */
function vmaNeedsCopy(m: Machine, srcVma: Vma): boolean {
  return m.vma.anonVma[srcVma] !== 0 || (m.vma.vmFlags[srcVma] & (VM_PFNMAP | VM_MIXEDMAP)) !== 0;
}

/** Private memory that can become writable: is_cow_mapping() */
function isCowMapping(vmFlags: number): boolean {
  return (vmFlags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE;
}

/** No hook of v5. */
function* copyPteRange(m: Machine, dstVma: Vma, srcVma: Vma, dstPmdp: Pmdp, srcPmdp: Pmdp, start: Vaddr, end: Vaddr): Task<Step> {
  const dstPtl = pteLockptr(m, vmaMm(m, dstVma), dstPmdp);
  const srcPtl = pteLockptr(m, vmaMm(m, srcVma), srcPmdp);
  let address = start;
  while (address < end) {
    yield* spinLock(m, dstPtl);
    yield* spinLockNested(m, srcPtl);
    let dst = pteOffset(m, dstPmdp, address);
    let src = pteOffset(m, srcPmdp, address);
    for (let progress = 0; address < end; address = (address + PAGE_SIZE) as Vaddr, dst++, src++) {
      if (progress >= LATENCY) {
        progress = 0;
        if (m.sched.choose(2, 'copy_pte_range: someone waits for the ptl') === 1) break;
      }
      progress++;
      if (ptepNone(m, src)) continue;
      yield* copyOnePte(m, dstVma, srcVma, dst, src, address);
      progress += 8;
    }
    yield* spinUnlock(m, srcPtl);
    yield* spinUnlock(m, dstPtl);
  }
}

/** @locks both ptls */
function* copyOnePte(m: Machine, dstVma: Vma, srcVma: Vma, dst: Ptep, src: Ptep, address: Vaddr): Task<Step> {
  const vmFlags = m.vma.vmFlags[srcVma];
  let pte = ptepGet(m, src);
  if (!ptePresent(pte)) {
    yield* copySwapEntry(m, vmaMm(m, dstVma), dst, pte, address);
    return;
  }
  const pfn = vmNormalPage(m, srcVma, ptePfn(pte));
  if (isCowMapping(vmFlags) && pteWrite(pte)) {
    yield* ptepSetWrprotect(m, vmaMm(m, srcVma), address, src);
    pte = pteWrprotect(pte);
  }
  if ((vmFlags & VM_SHARED) !== 0) pte = pteMkclean(pte);
  if (pfn !== 0) {
    yield* refcountInc(m, refcountAt(m.page.refcount, pfn));
    if (pageIsAnon(m, pfn)) m.page.flags[pfn] = m.page.flags[pfn] & ~PG_ANON_EXCLUSIVE;
    pageDupRmap(m, pfn);
    addMmCounter(m, vmaMm(m, dstVma), mmCounter(m, pfn), 1);
  }
  yield* setPteAt(m, vmaMm(m, dstVma), address, dst, pteMkold(pte));
}

/** @locks both ptls */
function* copySwapEntry(m: Machine, dstMm: Mm, dst: Ptep, pte: Pte, address: Vaddr): Task<Step> {
  const slot = pteToSwpEntry(pte);
  if (slot === 0) return;
  yield* swapDuplicate(m, slot);
  addMmCounter(m, dstMm, MM_SWAPENTS, 1);
  yield* setPteAt(m, dstMm, address, dst, pte);
}
