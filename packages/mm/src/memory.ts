// Models mm/memory.c (2.6.24 locks; hooks of v5 and of 4.12; 6.18 semantics): taking ptes away, and freeing page tables.
/**
 * Lock order: mmap_sem > i_mmap_lock > ptl > what a notifier takes.
 */
import { PAGE_SIZE, VM_HUGETLB } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Pgdp, Pmdp, Pte, Ptep, Pudp, Step, Task, Vaddr, Vma } from '@mmun/include';
import { spinLock, spinUnlock } from '@mmun/locking';
import {
  PGDIR_SIZE, PMD_SIZE, PTRS_PER_PMD, PTRS_PER_PUD, PUD_SIZE, TASK_SIZE, pgdAddrEnd, pgdClear, pgdNone, pgdOffset, pgdPage, pmdAddrEnd, pmdClear,
  pmdNone, pmdOffset, pmdPgtable, pteDirty, pteOffset, ptePfn, pteYoung, ptepGet, ptepGetAndClearFull, ptepNone, ptepPfn, ptepPresent, pudAddrEnd, pudClear, pudNone,
  pudOffset, pudPage,
} from '#asm';
import { MMU_NOTIFIER, mmuNotifier, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, mmuNotifierInvalidateRangeStartNonblock } from '#mmu-notifier';
import { unmapHugepageRange } from './hugetlb-unmap.js';
import { tlbFinishMmu, tlbGatherMmu, tlbGathering, tlbIsFull, tlbRemovePage, tlbRemovePgtable, tlbRemoveTable } from './mmu-gather.js';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { MM_ANONPAGES, MM_SWAPENTS, PG_DIRTY, PG_REFERENCED, addMmCounter, mmCounter, pageIsAnon, setFlag, vmIsSpecial, vmNormalPage } from './page-flags.js';
import { pteLockptr } from './pgalloc.js';
import { pageRemoveRmap } from './rmap.js';
import { freePageAndSwapCache, freeSwapAndCache } from './swapfile.js';
import { isGuardPte, swapSlotOf } from './swapops.js';

/**
 * Takes away what `[start, end)` maps, VMA by VMA along vmNext. A caller that has no gather open gets one of its own, so
 * that pages are flushed and freed on return; else they are with `tlbFinishMmu`.
 * @context process @locks mmap_sem, or i_mmap_lock and the VMA's mm alive, or no user of the mm is left
 * @holds the VMAs and the page tables stay
 */
export function* unmapVmas(m: Machine, startVma: Vma, start: Vaddr, end: Vaddr): Task<MaySleep> {
  const v = m.vma;
  const mm = vmaMm(m, startVma);
  const isOwn = tlbGathering(m) === 0;
  if (isOwn) yield* tlbGatherMmu(m, mm, false);
  yield* mmuNotifierInvalidateRangeStart(m, mm, start, end);
  for (let vma = startVma; vma !== 0 && v.vmStart[vma] < end; vma = v.vmNext[vma] as Vma) {
    const from = Math.max(v.vmStart[vma], start) as Vaddr;
    const to = Math.min(v.vmEnd[vma], end) as Vaddr;
    if (from >= to) continue;
    if ((v.vmFlags[vma] & VM_HUGETLB) !== 0) yield* unmapHugepageRange(m, vma, from, to, true);
    else yield* unmapPageRange(m, vma, from, to, false, true);
  }
  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);
  if (isOwn) yield* tlbFinishMmu(m);
}

/** MADV_DONTNEED's part of one VMA: pages go, the VMA stays. @locks mmap_sem */
export function zapPageRange(m: Machine, vma: Vma, address: Vaddr, sizeBytes: number): Task<MaySleep> {
  return zapMapping(m, vma, address, (address + sizeBytes) as Vaddr, false);
}

/**
 * Zaps `[start, end)` of one VMA with a gather of its own.
 * @param isFileOnly private copies stay: zap_details.check_mapping
 * @locks mmap_sem, or i_mmap_lock of the VMA's file; for hugetlb memory mmap_sem
 */
export function* zapMapping(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, isFileOnly: boolean): Task<MaySleep> {
  const mm = vmaMm(m, vma);
  yield* tlbGatherMmu(m, mm, false);
  yield* mmuNotifierInvalidateRangeStart(m, mm, start, end);
  if ((m.vma.vmFlags[vma] & VM_HUGETLB) !== 0) yield* unmapHugepageRange(m, vma, start, end, false);
  else yield* unmapPageRange(m, vma, start, end, isFileOnly);
  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);
  yield* tlbFinishMmu(m);
}

/**
 * All of one VMA, for a caller that may wait for no driver.
 * @locks mmap_sem @returns 0; -EAGAIN, with nothing changed, where a driver would have had to wait
 */
export function* zapVmaNonblock(m: Machine, vma: Vma): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  const start = m.vma.vmStart[vma] as Vaddr;
  const end = m.vma.vmEnd[vma] as Vaddr;
  // behind a constant: a call that answers 0 would stay
  const refused = MMU_NOTIFIER ? yield* mmuNotifierInvalidateRangeStartNonblock(m, mm, start, end) : 0;
  if (refused !== 0) return refused;
  yield* tlbGatherMmu(m, mm, false);
  yield* unmapPageRange(m, vma, start, end, false);
  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);
  yield* tlbFinishMmu(m);
  return 0;
}

/**
 * Frees the table pages of `[start, end)` that lie wholly between `floor` and `ceiling`, where no VMA is left.
 * @locks mmap_sem for writing, or no user of the mm is left @holds nothing is mapped in the range any more
 */
export function* freePgtables(m: Machine, mm: Mm, floor: Vaddr, ceiling: Vaddr, start: Vaddr, end: Vaddr): Task<Step> {
  const top = ceiling >= TASK_SIZE ? (Number.MAX_SAFE_INTEGER as Vaddr) : ceiling;
  const isOwn = tlbGathering(m) === 0;
  if (isOwn) yield* tlbGatherMmu(m, mm, false);
  for (let address = start; address < end;) {
    const next = pgdAddrEnd(address, end);
    const pgdp = pgdOffset(m, mm, address);
    if (!pgdNone(m, pgdp)) yield* freePudRange(m, mm, pgdp, address, next, floor, top);
    address = next;
  }
  if (isOwn) yield* tlbFinishMmu(m);
}

/** @param dropsMarkers the mapping goes, and guards with it; else they stay */
function* unmapPageRange(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, isFileOnly: boolean, dropsMarkers: boolean = false): Task<Step> {
  const mm = vmaMm(m, vma);
  for (let address = start; address < end;) {
    const next = pgdAddrEnd(address, end);
    const pgdp = pgdOffset(m, mm, address);
    if (!pgdNone(m, pgdp)) yield* zapPudRange(m, vma, pgdp, address, next, isFileOnly, dropsMarkers);
    address = next;
  }
}

function* zapPudRange(m: Machine, vma: Vma, pgdp: Pgdp, start: Vaddr, end: Vaddr, isFileOnly: boolean, dropsMarkers: boolean): Task<Step> {
  for (let address = start; address < end;) {
    const next = pudAddrEnd(address, end);
    const pudp = pudOffset(m, pgdp, address);
    if (!pudNone(m, pudp)) yield* zapPmdRange(m, vma, pudp, address, next, isFileOnly, dropsMarkers);
    address = next;
  }
}

function* zapPmdRange(m: Machine, vma: Vma, pudp: Pudp, start: Vaddr, end: Vaddr, isFileOnly: boolean, dropsMarkers: boolean): Task<Step> {
  for (let address = start; address < end;) {
    const next = pmdAddrEnd(address, end);
    const pmdp = pmdOffset(m, pudp, address);
    if (!pmdNone(m, pmdp)) yield* zapPteRange(m, vma, pmdp, address, next, isFileOnly, dropsMarkers);
    address = next;
  }
}

/** Hook #4 of v5: after the clear and before the page is freed or the CPUs' TLBs are flushed, under the ptl. @hot */
function* zapPteRange(m: Machine, vma: Vma, pmdp: Pmdp, start: Vaddr, end: Vaddr, isFileOnly: boolean, dropsMarkers: boolean): Task<Step> {
  const mm = vmaMm(m, vma);
  const ptl = pteLockptr(m, mm, pmdp);
  const isFull = tlbIsFull(m);
  const isSpecial = vmIsSpecial(m, vma);
  const zeroPfn = m.vm.zeroPfn[0];
  const nrPtes = ((end - start) / PAGE_SIZE) | 0;
  let nrAnon = 0;
  yield* spinLock(m, ptl);
  const first = pteOffset(m, pmdp, start);
  for (let i = 0; i < nrPtes; i++) {
    const ptep = (first + i) as Ptep;
    if (ptepNone(m, ptep)) continue;
    if (isFileOnly && isPrivateCopy(m, vma, ptep)) continue;
    const address = (start + i * PAGE_SIZE) as Vaddr;
    if (!ptepPresent(m, ptep)) {
      if (!dropsMarkers && isGuardPte(ptepGet(m, ptep))) continue;
      yield* zapSwapEntry(m, mm, yield* ptepGetAndClearFull(m, mm, address, ptep, isFull));
      continue;
    }
    // under the ptl only accessed and dirty can still change, so what the slot maps is read first, as an integer
    const pfn = ptepPfn(m, ptep);
    const isCounted = !isSpecial && pfn !== zeroPfn;
    const ptent = yield* ptepGetAndClearFull(m, mm, address, ptep, isFull);
    yield* mmuNotifier(m, mm, 'invalidatePage', address);
    if (!isCounted) continue;
    if (pageIsAnon(m, pfn)) nrAnon++;
    else {
      if (pteDirty(ptent)) setFlag(m, pfn, PG_DIRTY);
      if (pteYoung(ptent)) setFlag(m, pfn, PG_REFERENCED);
      addMmCounter(m, mm, mmCounter(m, pfn), -1);
    }
    pageRemoveRmap(m, pfn);
    if (m.gatherPages === 0) yield* freePageAndSwapCache(m, pfn);
    else yield* tlbRemovePage(m, pfn);
  }
  if (nrAnon !== 0) addMmCounter(m, mm, MM_ANONPAGES, -nrAnon);
  yield* spinUnlock(m, ptl);
}

/** A pte that is neither none nor present. @locks its ptl */
function* zapSwapEntry(m: Machine, mm: Mm, pte: Pte): Task<Step> {
  const slot = swapSlotOf(pte);
  if (slot === 0) return;
  addMmCounter(m, mm, MM_SWAPENTS, -1);
  yield* freeSwapAndCache(m, slot);
}

function isPrivateCopy(m: Machine, vma: Vma, ptep: Ptep): boolean {
  if (!ptepPresent(m, ptep)) return true;
  const pfn = vmNormalPage(m, vma, ptePfn(ptepGet(m, ptep)));
  return pfn === 0 || pageIsAnon(m, pfn);
}

function* freePudRange(m: Machine, mm: Mm, pgdp: Pgdp, start: Vaddr, end: Vaddr, floor: Vaddr, ceiling: Vaddr): Task<Step> {
  for (let address = start; address < end;) {
    const next = pudAddrEnd(address, end);
    const pudp = pudOffset(m, pgdp, address);
    if (!pudNone(m, pudp)) yield* freePmdRange(m, mm, pudp, address, next, floor, ceiling);
    address = next;
  }
  if (PTRS_PER_PUD === 1 || !liesBetween(start, PGDIR_SIZE, floor, ceiling)) return;
  const table = pgdPage(m, pgdp);
  yield* pgdClear(m, pgdp);
  yield* removeTable(m, mm, table);
}

function* freePmdRange(m: Machine, mm: Mm, pudp: Pudp, start: Vaddr, end: Vaddr, floor: Vaddr, ceiling: Vaddr): Task<Step> {
  for (let address = start; address < end;) {
    const next = pmdAddrEnd(address, end);
    const pmdp = pmdOffset(m, pudp, address);
    if (!pmdNone(m, pmdp) && liesBetween(address, PMD_SIZE, floor, ceiling)) {
      const table = pmdPgtable(m, pmdp);
      yield* pmdClear(m, pmdp);
      m.mm.nrPgtables[mm] = m.mm.nrPgtables[mm] - 1;
      yield* tlbRemovePgtable(m, table);
    }
    address = next;
  }
  if (PTRS_PER_PMD === 1 || !liesBetween(start, PUD_SIZE, floor, ceiling)) return;
  const table = pudPage(m, pudp);
  yield* pudClear(m, pudp);
  yield* removeTable(m, mm, table);
}

function* removeTable(m: Machine, mm: Mm, table: Pfn): Task<Step> {
  m.mm.nrPgtables[mm] = m.mm.nrPgtables[mm] - 1;
  yield* tlbRemoveTable(m, table);
}

/** The aligned block of `size` bytes around `address` touches nothing below `floor` or from `ceiling` on. */
function liesBetween(address: Vaddr, size: number, floor: Vaddr, ceiling: Vaddr): boolean {
  const block = Math.floor(address / size) * size;
  return block >= floor && block + size <= ceiling;
}
