// Models unmap_hugepage_range and unmap_ref_private of mm/hugetlb.c (2.6.24 locks; hooks of v5 and of 4.12; 6.18 reservations).
/**
 * Hook #7 of v5: once for each huge page, with its first address, under page_table_lock; then the dirty mark, then the flush,
 * then the pages go. A table that is shared is left without a word. In the range design a bracket of the range that was asked
 * for stands around it all, inside the one of whoever unmaps: leaving a shared table takes more than it says.
 *
 * Lock order: mmap_sem > i_mmap_lock > page_table_lock > hugetlb_lock, what a notifier takes.
 */
import { PAGE_SIZE, VM_MAYSHARE } from '@mmun/include';
import type { MaySleep, Pfn, Step, Task, Vaddr, Vma } from '@mmun/include';
import { lockdepAssertHeld, spinLock, spinUnlock } from '@mmun/locking';
import { HPAGE_SIZE, pteDirty, ptePfn, ptepGetAndClear, ptepNone, ptepPfn } from '#asm';
import { mmuNotifier, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, rmapLock, rmapUnlock } from '#mmu-notifier';
import { flushHugetlbRange, hugePmdUnshare, hugePteOf, nextHuge } from './hugetlb-pgtable.js';
import { RESV_UNMAPPED, hugeIndex, hugetlbRestoreReserve, isResvOwner, putHugePage } from './hugetlb-pool.js';
import { iMmapLockOf, vmaIntervalNext } from './i-mmap.js';
import { pageTableLockOf, vmaInode, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { PG_DIRTY, pageIsAnon } from './page-flags.js';
import { pageRemoveRmap } from './rmap.js';

/**
 * Takes away what `[start, end)` of one VMA maps.
 * @param isFinal the VMA goes: from now on nobody shares its tables (d833352a4338)
 * @context process @locks mmap_sem, or no user of the mm is left; i_mmap_lock is taken
 */
export function* unmapHugepageRange(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, isFinal: boolean): Task<MaySleep> {
  const lock = iMmapLockOf(m, vmaInode(m, vma));
  yield* rmapLock(m, lock);
  yield* unmapHugepageRangeLocked(m, vma, start, end, 0 as Pfn);
  if (isFinal) m.vma.vmFlags[vma] = m.vma.vmFlags[vma] & ~VM_MAYSHARE;
  yield* rmapUnlock(m, lock);
}

/**
 * The same for those who hold i_mmap_lock, which also guards the list that pages are gathered in.
 * @param onlyPage not 0: nothing but this page goes, and the VMA is marked
 * @locks i_mmap_lock of the VMA's file. __unmap_hugepage_range()
 */
export function* unmapHugepageRangeLocked(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, onlyPage: Pfn): Task<MaySleep> {
  const mm = vmaMm(m, vma);
  const ptl = pageTableLockOf(m, mm);
  lockdepAssertHeld(m, iMmapLockOf(m, vmaInode(m, vma)));
  let isUnshared = false;
  let list = 0 as Pfn;
  yield* mmuNotifierInvalidateRangeStart(m, mm, start, end);
  yield* spinLock(m, ptl);
  for (let address = start; address < end; address = nextHuge(m, mm, address, end)) {
    const hasLeft = yield* hugePmdUnshare(m, vma, address);
    isUnshared = isUnshared || hasLeft;
    const ptep = hugePteOf(m, mm, address);
    if (ptep === 0 || ptepNone(m, ptep)) continue;
    if (onlyPage !== 0) {
      if (ptepPfn(m, ptep) !== onlyPage) continue;
      m.vma.resvMap[vma] = RESV_UNMAPPED;
    }
    const pte = yield* ptepGetAndClear(m, mm, address, ptep);
    yield* mmuNotifier(m, mm, 'invalidatePage', address);
    const pfn = ptePfn(pte);
    if (pteDirty(pte)) m.page.flags[pfn] = m.page.flags[pfn] | PG_DIRTY;
    pageRemoveRmap(m, pfn);
    m.page.lruNext[pfn] = list;
    list = pfn;
  }
  yield* spinUnlock(m, ptl);
  yield* flushHugetlbRange(m, vma, start, end, isUnshared);
  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);
  yield* putPages(m, vma, list);
}

/** A copy that was refused to the one who made the mapping: those who have it from him by fork lose the page. unmap_ref_private() @context process */
export function* unmapRefPrivate(m: Machine, vma: Vma, start: Vaddr, pfn: Pfn): Task<MaySleep> {
  const inode = vmaInode(m, vma);
  const lock = iMmapLockOf(m, inode);
  const index = hugeIndex(m, vma, start);
  yield* rmapLock(m, lock);
  for (let other = vmaIntervalNext(m, inode, 0 as Vma, index, index + 1); other !== 0; other = vmaIntervalNext(m, inode, other, index, index + 1)) {
    if (other === vma || (m.vma.vmFlags[other] & VM_MAYSHARE) !== 0 || isResvOwner(m, other)) continue;
    const at = (m.vma.vmStart[other] + (start - m.vma.vmStart[vma]) + (m.vma.vmPgoff[vma] - m.vma.vmPgoff[other]) * PAGE_SIZE) as Vaddr;
    yield* unmapHugepageRangeLocked(m, other, at, (at + HPAGE_SIZE) as Vaddr, pfn);
  }
  yield* rmapUnlock(m, lock);
}

/** Once the CPUs are flushed. A private page that its owner gives back stays promised to him. */
function* putPages(m: Machine, vma: Vma, list: Pfn): Task<Step> {
  const { lruNext, index } = m.page;
  let pfn = list;
  while (pfn !== 0) {
    const next = lruNext[pfn] as Pfn;
    const isOwned = isResvOwner(m, vma) && pageIsAnon(m, pfn);
    const at = index[pfn];
    lruNext[pfn] = 0;
    if ((yield* putHugePage(m, pfn)) && isOwned) yield* hugetlbRestoreReserve(m, vma, at);
    pfn = next;
  }
}
