// Models the unmapping half of mm/vma.c (6.18), tearing down in the order of mm/mmap.c (2.6.24).
/**
 * VMAs leave the mm first, then their pages are zapped and their page tables go,
 * then the VMAs themselves. Lock order: mmap_sem > ptl.
 */
import { EINVAL, ENOMEM, EPERM, VM_LOCKED, VM_SEALED } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { downWrite, upWrite } from '@mmun/locking';
import { TASK_SIZE } from '#asm';
import { vmStatAccount } from './limits.js';
import { freePgtables, unmapVmas } from './memory.js';
import { tlbFinishMmu, tlbGatherMmu } from './mmu-gather.js';
import { currentMm, mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { isPageAligned, pageAlign, removeVma, splitVmaUnchecked, unlinkVma, vmaPages } from './vma.js';
import { findVma, vmaUnlink } from './vma-tree.js';

export function* sysMunmap(m: Machine, addr: Vaddr, lenBytes: number): Task<MaySleep, number> {
  const mm = currentMm(m);
  const mmapSem = mmapSemOf(m, mm);
  yield* downWrite(m, mmapSem);
  const result = yield* doMunmap(m, mm, addr, lenBytes);
  yield* upWrite(m, mmapSem);
  return result;
}

/** @locks mmap_sem W @returns 0, -EINVAL, or -ENOMEM with nothing unmapped */
export function* doMunmap(m: Machine, mm: Mm, start: Vaddr, lenBytes: number): Task<MaySleep, number> {
  if (!isPageAligned(start) || start > TASK_SIZE || lenBytes > TASK_SIZE - start) return -EINVAL;
  const end = start + pageAlign(lenBytes);
  if (end === start) return -EINVAL;
  return yield* unmapRange(m, mm, start, end as Vaddr);
}

/** Unmaps what is mapped of a page-aligned range. do_vmi_align_munmap() @locks mmap_sem W @returns 0 or -ENOMEM */
export function* unmapRange(m: Machine, mm: Mm, start: Vaddr, end: Vaddr): Task<MaySleep, number> {
  const v = m.vma;
  const first = findVma(m, mm, start);
  if (first === 0 || v.vmStart[first] >= end) return 0;
  const error = yield* cutOut(m, mm, first, start, end);
  if (error !== 0) return error;
  const prev = v.vmPrev[first] as Vma;
  let next = first;
  while (next !== 0 && v.vmStart[next] < end) next = v.vmNext[next] as Vma;
  detachVmas(m, mm, first, next);
  yield* unmapRegion(m, mm, first, prev, next, start, end);
  yield* removeVmaList(m, first, next);
  return 0;
}

/**
 * Splits what is mapped at both ends of a range. vms_gather_munmap_vmas()
 * @param first the lowest VMA of the range, which holds its lowest part afterwards @locks mmap_sem W @returns 0, -EINVAL, -ENOMEM, or -EPERM where something is sealed
 */
export function* cutOut(m: Machine, mm: Mm, first: Vma, start: Vaddr, end: Vaddr): Task<MaySleep, number> {
  const v = m.vma;
  if (v.vmStart[first] < start) {
    const cutsTwice = end < v.vmEnd[first];
    if (cutsTwice && m.mm.mapCount[mm] >= m.bootConfig.settings.maxMapCount) return -ENOMEM;
    if ((v.vmFlags[first] & VM_SEALED) !== 0) return -EPERM;
    const below = yield* splitVmaUnchecked(m, mm, first, start, true);
    if (below < 0) return below;
  }
  if ((v.vmFlags[first] & VM_SEALED) !== 0) return -EPERM;
  let last = first;
  while (v.vmNext[last] !== 0 && v.vmStart[v.vmNext[last]] < end) {
    last = v.vmNext[last] as Vma;
    if ((v.vmFlags[last] & VM_SEALED) !== 0) return -EPERM;
  }
  if (v.vmEnd[last] > end) {
    const above = yield* splitVmaUnchecked(m, mm, last, end, false);
    if (above < 0) return above;
  }
  return 0;
}

/** Zaps the pages of detached VMAs and frees the page tables that nothing else needs. @locks mmap_sem W */
function* unmapRegion(m: Machine, mm: Mm, first: Vma, prev: Vma, next: Vma, start: Vaddr, end: Vaddr): Task<MaySleep> {
  yield* tlbGatherMmu(m, mm, false);
  yield* unmapVmas(m, first, start, end);
  for (let vma = first; vma !== next; vma = m.vma.vmNext[vma] as Vma) yield* unlinkVma(m, vma);
  const floor = prev === 0 ? 0 : m.vma.vmEnd[prev];
  const ceiling = next === 0 ? TASK_SIZE : m.vma.vmStart[next];
  yield* freePgtables(m, mm, floor as Vaddr, ceiling as Vaddr, start, end);
  yield* tlbFinishMmu(m);
}

/** The VMAs from `first` up to `stop` leave tree, list and totals; they stay linked to each other. */
function detachVmas(m: Machine, mm: Mm, first: Vma, stop: Vma): void {
  for (let vma: Vma = first; vma !== stop; vma = m.vma.vmNext[vma] as Vma) {
    vmaUnlink(m, mm, vma);
    m.mm.mapCount[mm]--;
    const nrPages = vmaPages(m, vma);
    vmStatAccount(m, mm, m.vma.vmFlags[vma], -nrPages);
    if ((m.vma.vmFlags[vma] & VM_LOCKED) !== 0) m.mm.lockedVm[mm] -= nrPages;
  }
}

function* removeVmaList(m: Machine, first: Vma, stop: Vma): Task<MaySleep> {
  let vma = first;
  while (vma !== stop) {
    const next = m.vma.vmNext[vma] as Vma;
    yield* removeVma(m, vma);
    vma = next;
  }
}
