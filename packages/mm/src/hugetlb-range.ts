// Models copy_hugetlb_page_range, hugetlb_change_protection and move_hugetlb_page_tables of mm/hugetlb.c (2.6.24 locks; hooks of v5 and of 4.12; huge pages move as in 6.18).
/**
 * What changes huge entries and leaves their pages where they are.
 *
 * v5 has no hook in fork and in mprotect of hugetlb memory, nor where a shared table is left: what a secondary MMU could write
 * it still can. fork stayed so upstream until 2014. The range design has brackets around each; around mprotect they are the
 * only ones, since change_pmd_range never sees this memory.
 *
 * Lock order: mmap_sem > i_mmap_lock > page_table_lock of the child > page_table_lock.
 */
import { ENOMEM } from '@mmun/include';
import type { MaySleep, Mm, Pgprot, Pte, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { spinLock, spinLockNested, spinUnlock } from '@mmun/locking';
import { HPAGE_SIZE, pteMkhuge, pteModify, ptePfn, pteWrite, pteWrprotect, ptepGet, ptepGetAndClear, ptepNone, ptepSetWrprotect, setPteAt } from '#asm';
import { mmuNotifier, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, rmapLock, rmapUnlock } from '#mmu-notifier';
import { flushHugetlbRange, hugePmdUnshare, hugePteAlloc, hugePteAllocOwn, hugePteOf, hugeTable, nextHuge } from './hugetlb-pgtable.js';
import { getHugePage } from './hugetlb-pool.js';
import { iMmapLockOf } from './i-mmap.js';
import { pageTableLockOf, vmaInode, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { PG_ANON_EXCLUSIVE, pageIsAnon } from './page-flags.js';
import { pageDupRmap } from './rmap.js';

/**
 * fork: gives `dstVma` the huge pages of `srcVma`.
 * @param isCow private memory that can become writable: both may only read from now on
 * @locks mmap_sem of the source mm for writing; the other mm has no users yet
 * @owes flushTlbMm of the source mm @returns 0 or -ENOMEM
 */
export function* copyHugetlbPageRange(m: Machine, dstVma: Vma, srcVma: Vma, isCow: boolean): Task<MaySleep, number> {
  const srcMm = vmaMm(m, srcVma);
  const mmunStart = m.vma.vmStart[srcVma] as Vaddr;
  const mmunEnd = m.vma.vmEnd[srcVma] as Vaddr;
  if (!isCow) return yield* copyHugePtes(m, dstVma, srcVma, isCow);
  yield* mmuNotifierInvalidateRangeStart(m, srcMm, mmunStart, mmunEnd);
  const error = yield* copyHugePtes(m, dstVma, srcVma, isCow);
  yield* mmuNotifierInvalidateRangeEnd(m, srcMm, mmunStart, mmunEnd);
  return error;
}

/** No hook of v5. */
function* copyHugePtes(m: Machine, dstVma: Vma, srcVma: Vma, isCow: boolean): Task<MaySleep, number> {
  const srcMm = vmaMm(m, srcVma);
  const dstMm = vmaMm(m, dstVma);
  const end = m.vma.vmEnd[srcVma] as Vaddr;
  for (let address = m.vma.vmStart[srcVma] as Vaddr; address < end; address = nextHuge(m, srcMm, address, end)) {
    const src = hugePteOf(m, srcMm, address);
    if (src === 0 || ptepNone(m, src)) continue;
    const dst = yield* hugePteAlloc(m, dstVma, address);
    if (dst === 0) return -ENOMEM;
    if (dst === src) continue;
    yield* spinLock(m, pageTableLockOf(m, dstMm));
    yield* spinLockNested(m, pageTableLockOf(m, srcMm));
    if (hugePteOf(m, srcMm, address) === src && !ptepNone(m, src)) yield* copyHugePte(m, dstMm, srcMm, dst, src, address, isCow);
    yield* spinUnlock(m, pageTableLockOf(m, srcMm));
    yield* spinUnlock(m, pageTableLockOf(m, dstMm));
  }
  return 0;
}

/** @locks both page_table_locks */
function* copyHugePte(m: Machine, dstMm: Mm, srcMm: Mm, dst: Ptep, src: Ptep, address: Vaddr, isCow: boolean): Task<Step> {
  let pte: Pte = ptepGet(m, src);
  if (isCow && pteWrite(pte)) {
    yield* ptepSetWrprotect(m, srcMm, address, src);
    pte = pteWrprotect(pte);
  }
  const pfn = ptePfn(pte);
  yield* getHugePage(m, pfn);
  if (pageIsAnon(m, pfn)) m.page.flags[pfn] = m.page.flags[pfn] & ~PG_ANON_EXCLUSIVE;
  pageDupRmap(m, pfn);
  yield* setPteAt(m, dstMm, address, dst, pte);
}

/**
 * Gives the entries of `[start, end)` new protection bits. No hook of v5.
 * The CPUs are flushed before i_mmap_lock is left, as since d833352a4338 (2012): 2.6.24 did it after.
 * @locks mmap_sem for writing @holds both ends are those of huge pages
 */
export function* hugetlbChangeProtection(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, newprot: Pgprot): Task<MaySleep> {
  const mm = vmaMm(m, vma);
  const lock = iMmapLockOf(m, vmaInode(m, vma));
  const ptl = pageTableLockOf(m, mm);
  let isUnshared = false;
  yield* mmuNotifierInvalidateRangeStart(m, mm, start, end);
  yield* rmapLock(m, lock);
  yield* spinLock(m, ptl);
  for (let address = start; address < end; address = nextHuge(m, mm, address, end)) {
    const hasLeft = yield* hugePmdUnshare(m, vma, address);
    isUnshared = isUnshared || hasLeft;
    const ptep = hugePteOf(m, mm, address);
    if (ptep === 0 || ptepNone(m, ptep)) continue;
    const pte = yield* ptepGetAndClear(m, mm, address, ptep);
    yield* setPteAt(m, mm, address, ptep, pteMkhuge(pteModify(pte, newprot)));
  }
  yield* spinUnlock(m, ptl);
  yield* flushHugetlbRange(m, vma, start, end, isUnshared);
  yield* rmapUnlock(m, lock);
  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);
}

/**
 * mremap: moves the entries of `[oldAddr, oldAddr + len)` to `newAddr`. 2.6.24 refuses that (as Linux did until 5.16), so v5
 * has no site to be true to: it is told as by the unmapping of the old place.
 * @locks mmap_sem for writing @returns bytes moved; less than `len` where no table page is left
 */
export function* moveHugetlbPageTables(m: Machine, vma: Vma, newVma: Vma, oldAddr: Vaddr, newAddr: Vaddr, len: number): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  const lock = iMmapLockOf(m, vmaInode(m, vma));
  const oldEnd = (oldAddr + len) as Vaddr;
  let isUnshared = false;
  let old: Vaddr = oldAddr;
  yield* mmuNotifierInvalidateRangeStart(m, mm, oldAddr, oldEnd);
  yield* rmapLock(m, lock);
  for (; old < oldEnd; old = (old + HPAGE_SIZE) as Vaddr) {
    if (hugeTable(m, mm, old) === 0) continue;
    const place = (newAddr + (old - oldAddr)) as Vaddr;
    const dst = yield* hugePteAllocOwn(m, mm, place);
    if (dst === 0) break;
    const hasLeft = yield* moveHugePte(m, vma, newVma, old, place, dst);
    isUnshared = isUnshared || hasLeft;
  }
  yield* flushHugetlbRange(m, vma, oldAddr, oldEnd, isUnshared);
  yield* rmapUnlock(m, lock);
  yield* mmuNotifierInvalidateRangeEnd(m, mm, oldAddr, oldEnd);
  return old - oldAddr;
}

/** @locks i_mmap_lock @returns whether a shared table was left: faults find its pages again */
function* moveHugePte(m: Machine, vma: Vma, newVma: Vma, old: Vaddr, place: Vaddr, dst: Ptep): Task<Step, boolean> {
  const mm = vmaMm(m, newVma);
  const ptl = pageTableLockOf(m, mm);
  yield* spinLock(m, ptl);
  const hasLeft = yield* hugePmdUnshare(m, vma, old);
  const src = hasLeft ? (0 as Ptep) : hugePteOf(m, mm, old);
  if (src !== 0 && !ptepNone(m, src)) {
    const pte = yield* ptepGetAndClear(m, mm, old, src);
    yield* mmuNotifier(m, mm, 'invalidatePage', old);
    yield* setPteAt(m, mm, place, dst, pte);
  }
  yield* spinUnlock(m, ptl);
  return hasLeft;
}
