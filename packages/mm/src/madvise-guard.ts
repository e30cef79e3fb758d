// Models the guard regions of mm/madvise.c (6.18).
/**
 * Pages that may not be touched without a VMA of their own: each has a marker for a pte. What empties ptes but leaves the
 * mapping, as MADV_DONTNEED and truncation, leaves markers; fork copies them, mremap moves them, munmap and MADV_GUARD_REMOVE take them.
 * Lock order: mmap_sem (read) > ptl.
 */
import { ENOMEM, PAGE_SIZE, VM_MAYBE_GUARD } from '@mmun/include';
import type { MaySleep, Mm, Pmdp, Task, Vaddr, Vma } from '@mmun/include';
import { spinLock, spinUnlock } from '@mmun/locking';
import { pmdAddrEnd, pteClearNotPresentFull, pteOffset, ptepGet, ptepNone, setPteAt, swpEntryToPte } from '#asm';
import { zapPageRange } from './memory.js';
import { vmaIsAnonymous, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { mmFindTable, pmdAllocWalk, pteAlloc, pteLockptr, skipHole } from './pgalloc.js';
import { anonVmaPrepare } from './rmap.js';
import { GUARD_ENTRY, isGuardPte } from './swapops.js';

/** What is mapped in the range goes. @locks mmap_sem R @returns 0 or -ENOMEM */
export function* madviseGuardInstall(m: Machine, vma: Vma, start: Vaddr, end: Vaddr): Task<MaySleep, number> {
  m.vma.vmFlags[vma] |= VM_MAYBE_GUARD;
  const error = m.vma.anonVma[vma] === 0 && vmaIsAnonymous(m, vma) ? yield* anonVmaPrepare(m, vma) : 0;
  if (error !== 0) return error;
  for (;;) {
    const stop = yield* installGuards(m, vmaMm(m, vma), start, end);
    if (stop < 0) return stop;
    if (stop === end) return 0;
    yield* zapPageRange(m, vma, start, end - start);
  }
}

/** @locks mmap_sem R */
export function* madviseGuardRemove(m: Machine, vma: Vma, start: Vaddr, end: Vaddr): Task<MaySleep> {
  const mm = vmaMm(m, vma);
  for (let address = start; address < end;) {
    const found = mmFindTable(m, mm, address);
    if (found < 0) {
      address = skipHole(address, end, found);
      continue;
    }
    const pmdp = found as Pmdp;
    const next = pmdAddrEnd(address, end);
    const ptl = pteLockptr(m, mm, pmdp);
    yield* spinLock(m, ptl);
    for (let ptep = pteOffset(m, pmdp, address); address < next; address = (address + PAGE_SIZE) as Vaddr, ptep++) {
      if (isGuardPte(ptepGet(m, ptep))) yield* pteClearNotPresentFull(m, mm, address, ptep, false);
    }
    yield* spinUnlock(m, ptl);
  }
}

/** @returns the address of the first page that something is mapped at, `end` where there is none, or -ENOMEM */
function* installGuards(m: Machine, mm: Mm, start: Vaddr, end: Vaddr): Task<MaySleep, number> {
  const guard = swpEntryToPte(GUARD_ENTRY);
  for (let address = start; address < end;) {
    const pmdp = yield* pmdAllocWalk(m, mm, address);
    if (pmdp === 0 || !(yield* pteAlloc(m, mm, pmdp))) return -ENOMEM;
    const next = pmdAddrEnd(address, end);
    const ptl = pteLockptr(m, mm, pmdp);
    yield* spinLock(m, ptl);
    for (let ptep = pteOffset(m, pmdp, address); address < next; address = (address + PAGE_SIZE) as Vaddr, ptep++) {
      if (ptepNone(m, ptep)) yield* setPteAt(m, mm, address, ptep, guard);
      else if (!isGuardPte(ptepGet(m, ptep))) break;
    }
    yield* spinUnlock(m, ptl);
    if (address < next) return address;
  }
  return end;
}
