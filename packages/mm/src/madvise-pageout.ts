// Models MADV_COLD, MADV_PAGEOUT and MADV_FREE of mm/madvise.c (6.18).
/**
 * Advice about what reclaim should do with pages that are mapped here alone.
 * Deviation: a machine that unmaps nothing (nrSwapSlots 0) takes none of it, but for memory that may be dropped (MAP_DROPPABLE): that goes at once.
 * Lock order: mmap_sem (read) > page lock > ptl.
 */
import { PAGE_SIZE, VM_DROPPABLE } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import {
  pageClearDirty, pageTestAndClearYoung, pteMkclean, pteMkold, ptePfn, ptePresent, ptepClearFlush, ptepGet, ptepGetAndClear, ptepTestAndClearYoung, setPteAt,
} from '#asm';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '#mmu-notifier';
import { pteOffsetMapLock, pteUnmapUnlock } from './gup.js';
import { zapPageRange } from './memory.js';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { pageMapcount } from './rmap.js';
import { MM_SWAPENTS, PG_ANON_EXCLUSIVE, PG_DIRTY, PG_LAZYFREE, addMmCounter, pageIsAnon, setFlag, testAndClearFlag, trylockPage, unlockPage, vmNormalPage } from './page-flags.js';
import { lruAddDrain } from './swap.js';
import { freeSwapAndCache, tryToFreeSwap } from './swapfile.js';
import { swapSlotOf } from './swapops.js';
import { deactivatePage, reclaimPage } from './vmscan.js';

/** MADV_COLD or MADV_PAGEOUT. @locks mmap_sem R @holds the VMA is not locked, nor a driver's */
export function* madvisePageout(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, isOut: boolean): Task<MaySleep> {
  if (m.bootConfig.nrSwapSlots === 0) {
    if (isOut && (m.vma.vmFlags[vma] & VM_DROPPABLE) !== 0) yield* dropPages(m, vma, start, end);
    return;
  }
  yield* lruAddDrain(m);
  for (let address = start; address < end; address = (address + PAGE_SIZE) as Vaddr) {
    const pfn = yield* coolPte(m, vma, vmaMm(m, vma), address);
    if (pfn === 0) continue;
    if (isOut) yield* reclaimPage(m, pfn);
    else yield* deactivatePage(m, pfn);
  }
}

/** MADV_FREE. @locks mmap_sem R @holds the VMA is anonymous and not locked */
export function* madviseFree(m: Machine, vma: Vma, start: Vaddr, end: Vaddr): Task<MaySleep> {
  const mm = vmaMm(m, vma);
  yield* lruAddDrain(m);
  yield* mmuNotifierInvalidateRangeStart(m, mm, start, end);
  for (let address = start; address < end; address = (address + PAGE_SIZE) as Vaddr) {
    const pfn = yield* freePte(m, vma, mm, address);
    if (pfn !== 0) yield* deactivatePage(m, pfn);
  }
  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);
}

/** Pages that are mapped here alone, whatever was written to them. @locks mmap_sem R */
function* dropPages(m: Machine, vma: Vma, start: Vaddr, end: Vaddr): Task<MaySleep> {
  for (let address = start; address < end; address = (address + PAGE_SIZE) as Vaddr) {
    if ((yield* coolPte(m, vma, vmaMm(m, vma), address)) !== 0) yield* zapPageRange(m, vma, address, PAGE_SIZE);
  }
}

/** The pte becomes old. @returns the page if no other pte maps it; a hint, without a reference */
function* coolPte(m: Machine, vma: Vma, mm: Mm, address: Vaddr): Task<Step, Pfn> {
  const ptep = yield* pteOffsetMapLock(m, mm, address);
  if (ptep === 0) return 0 as Pfn;
  const pte = ptepGet(m, ptep);
  const pfn = ptePresent(pte) ? vmNormalPage(m, vma, ptePfn(pte)) : (0 as Pfn);
  const isOurs = pfn !== 0 && m.page.mapcount[pfn] === 1;
  if (isOurs) {
    yield* ptepTestAndClearYoung(m, vma, address, ptep);
    yield* pageTestAndClearYoung(m, pfn);
  }
  yield* pteUnmapUnlock(m, mm, address);
  return isOurs ? pfn : (0 as Pfn);
}

/** The page may go unwritten, unless it is written to again; a swap entry goes at once. @returns as coolPte */
function* freePte(m: Machine, vma: Vma, mm: Mm, address: Vaddr): Task<Step, Pfn> {
  const ptep = yield* pteOffsetMapLock(m, mm, address);
  if (ptep === 0) return 0 as Pfn;
  const pte = ptepGet(m, ptep);
  let freed = 0 as Pfn;
  if (ptePresent(pte)) freed = yield* lazyfreePte(m, vma, mm, address, ptep, vmNormalPage(m, vma, ptePfn(pte)));
  else if (swapSlotOf(pte) !== 0) {
    yield* ptepGetAndClear(m, mm, address, ptep);
    addMmCounter(m, mm, MM_SWAPENTS, -1);
    yield* freeSwapAndCache(m, swapSlotOf(pte));
  }
  yield* pteUnmapUnlock(m, mm, address);
  return freed;
}

/** The pte is clean only after the flush: a CPU that has it dirty in its TLB would write unseen. @locks ptl(address) */
function* lazyfreePte(m: Machine, vma: Vma, mm: Mm, address: Vaddr, ptep: Ptep, pfn: Pfn): Task<Step, Pfn> {
  const none = 0 as Pfn;
  const { flags } = m.page;
  if (pfn === 0 || !pageIsAnon(m, pfn) || pageMapcount(m, pfn) !== 1 || (flags[pfn] & PG_ANON_EXCLUSIVE) === 0 || !(yield* trylockPage(m, pfn))) return none;
  yield* tryToFreeSwap(m, pfn);
  const pte = yield* ptepClearFlush(m, vma, address, ptep);
  yield* pageClearDirty(m, pfn);
  yield* pageTestAndClearYoung(m, pfn);
  testAndClearFlag(m, pfn, PG_DIRTY);
  setFlag(m, pfn, PG_LAZYFREE);
  yield* setPteAt(m, mm, address, ptep, pteMkold(pteMkclean(pte)));
  yield* unlockPage(m, pfn);
  return pfn;
}
