// Models copy_page_range of mm/memory.c (2.6.24 locks; hooks of v5, which has none, and of 4.12; vma_needs_copy of 6.18).
/**
 * fork copies the ptes of memory that cannot be faulted in again, and takes the write permission from private pages in
 * both mms. v5 has no hook here: a secondary MMU that could write a page of the parent still can. That is its best known
 * bug, and stays. The range design brackets the copying of private memory, for the parent's mm.
 *
 * Lock order: ptl of the child > ptl of the parent.
 */
import { ENOMEM, PAGE_SIZE, VM_HUGETLB, VM_MAYBE_GUARD, VM_MAYWRITE, VM_MIXEDMAP, VM_PFNMAP, VM_SHARED } from '@mmun/include';
import type { MaySleep, Mm, Pmdp, Pte, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { refcountAt, refcountInc, spinLock, spinLockNested, spinUnlock } from '@mmun/locking';
import {
  pmdAddrEnd, pteMkclean, pteMkold, pteOffset, pteToSwpEntry, pteWrite, pteWrprotect, ptepCopy, ptepFlags, ptepGet, ptepNone, ptepPfn, ptepPresent, ptepSetWrprotect, setPteAt,
} from '#asm';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '#mmu-notifier';
import { copyHugetlbPageRange } from './hugetlb-range.js';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { MM_ANONPAGES, MM_SWAPENTS, PG_ANON_EXCLUSIVE, addMmCounter, mmCounter, vmNormalPage } from './page-flags.js';
import { mmFindTable, pmdAllocWalk, pteAlloc, pteLockptr, skipHole } from './pgalloc.js';
import { pageDupRmap } from './rmap.js';
import { swapDuplicate } from './swapfile.js';
import { isGuardPte } from './swapops.js';

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
  return m.vma.anonVma[srcVma] !== 0 || (m.vma.vmFlags[srcVma] & (VM_PFNMAP | VM_MIXEDMAP | VM_MAYBE_GUARD)) !== 0;
}

/** Private memory that can become writable: is_cow_mapping() */
function isCowMapping(vmFlags: number): boolean {
  return (vmFlags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE;
}

/**
 * No hook of v5. What a fork spends its time in: integers, columns looked up once, and anonymous pages counted all at once.
 * @hot
 */
function* copyPteRange(m: Machine, dstVma: Vma, srcVma: Vma, dstPmdp: Pmdp, srcPmdp: Pmdp, start: Vaddr, end: Vaddr): Task<Step> {
  const dstMm = vmaMm(m, dstVma);
  const srcMm = vmaMm(m, srcVma);
  const dstPtl = pteLockptr(m, dstMm, dstPmdp);
  const srcPtl = pteLockptr(m, srcMm, srcPmdp);
  const vmFlags = m.vma.vmFlags[srcVma];
  const nrPtes = ((end - start) / PAGE_SIZE) | 0;
  const { flags, refcount, mapping } = m.page;
  let src = pteOffset(m, srcPmdp, start);
  let dst = pteOffset(m, dstPmdp, start);
  for (let i = 0; i < nrPtes;) {
    let nrAnon = 0;
    yield* spinLock(m, dstPtl);
    yield* spinLockNested(m, srcPtl);
    for (let progress = 0; i < nrPtes; i++, dst++, src++) {
      if (progress >= LATENCY) {
        progress = 0;
        if (m.sched.choose(2, 'copy_pte_range: someone waits for the ptl') === 1) break;
      }
      progress++;
      if (ptepNone(m, src)) continue;
      progress += 8;
      const address = (start + i * PAGE_SIZE) as Vaddr;
      if (!ptepPresent(m, src)) {
        yield* copySwapEntry(m, dstMm, dst, ptepGet(m, src), address);
        continue;
      }
      let pte = ptepFlags(m, src);
      const pfn = vmNormalPage(m, srcVma, ptepPfn(m, src));
      if (isCowMapping(vmFlags) && pteWrite(pte)) {
        yield* ptepSetWrprotect(m, srcMm, address, src);
        pte = pteWrprotect(pte);
      }
      if ((vmFlags & VM_SHARED) !== 0) pte = pteMkclean(pte);
      if (pfn !== 0) {
        yield* refcountInc(m, refcountAt(refcount, pfn));
        if ((mapping[pfn] & 1) === 1) { // pageIsAnon
          flags[pfn] = flags[pfn] & ~PG_ANON_EXCLUSIVE;
          nrAnon++;
        } else addMmCounter(m, dstMm, mmCounter(m, pfn), 1);
        pageDupRmap(m, pfn);
      }
      yield* ptepCopy(m, dstMm, address, dst, src, pteMkold(pte));
    }
    if (nrAnon !== 0) addMmCounter(m, dstMm, MM_ANONPAGES, nrAnon);
    yield* spinUnlock(m, srcPtl);
    yield* spinUnlock(m, dstPtl);
  }
}

/** @locks both ptls */
function* copySwapEntry(m: Machine, dstMm: Mm, dst: Ptep, pte: Pte, address: Vaddr): Task<Step> {
  if (!isGuardPte(pte)) {
    const slot = pteToSwpEntry(pte);
    if (slot === 0) return;
    yield* swapDuplicate(m, slot);
    addMmCounter(m, dstMm, MM_SWAPENTS, 1);
  }
  yield* setPteAt(m, dstMm, address, dst, pte);
}
