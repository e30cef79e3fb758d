// Models the page half of mm/mprotect.c (2.6.24 locks; hooks of v5 and of 4.12).
/** Lock order: mmap_sem > ptl > what a notifier takes. */
import { PAGE_SIZE } from '@mmun/include';
import type { MaySleep, Mm, Pgprot, Pmdp, Step, Task, Vaddr, Vma } from '@mmun/include';
import { spinLock, spinUnlock } from '@mmun/locking';
import { flushTlbRange, pmdAddrEnd, pteOffset, ptepModifyRange, pudAddrEnd } from '#asm';
import { mmuNotifier, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '#mmu-notifier';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { mmFindTable, pteLockptr, skipHole } from './pgalloc.js';

/**
 * Gives the ptes of `[start, end)` new protection bits; frame, accessed and dirty stay.
 * Deviation: a page that became writable again keeps a read-only pte, and the next write faults; 6.18 may set it
 * writable at once (can_change_pte_writable), 2.6.24 does not.
 * @locks mmap_sem for writing @returns ptes changed
 */
export function* changeProtection(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, newprot: Pgprot): Task<MaySleep, number> {
  let nrPages = 0;
  for (let address = start; address < end;) {
    const next = pudAddrEnd(address, end);
    nrPages += yield* changePmdRange(m, vmaMm(m, vma), address, next, newprot);
    address = next;
  }
  if (nrPages !== 0) yield* flushTlbRange(m, vma, start, end);
  return nrPages;
}

/** The range design tells of the span from its first table on, and of nothing where there is none. change_pmd_range() */
function* changePmdRange(m: Machine, mm: Mm, start: Vaddr, end: Vaddr, newprot: Pgprot): Task<MaySleep, number> {
  let nrPages = 0;
  let mmunStart = end;
  for (let address = start; address < end;) {
    const pmdp = mmFindTable(m, mm, address);
    if (pmdp < 0) address = skipHole(address, end, pmdp);
    else {
      if (mmunStart === end) {
        mmunStart = address;
        yield* mmuNotifierInvalidateRangeStart(m, mm, mmunStart, end);
      }
      const next = pmdAddrEnd(address, end);
      nrPages += yield* changePteRange(m, mm, pmdp as Pmdp, address, next, newprot);
      address = next;
    }
  }
  if (mmunStart !== end) {
    yield* mmuNotifierInvalidateRangeEnd(m, mm, mmunStart, end);
  }
  return nrPages;
}

/** Hook #6 of v5: once for all ptes of the table, before the ptl is left and before the CPUs' TLBs are flushed. */
function* changePteRange(m: Machine, mm: Mm, pmdp: Pmdp, start: Vaddr, end: Vaddr, newprot: Pgprot): Task<Step, number> {
  const ptl = pteLockptr(m, mm, pmdp);
  yield* spinLock(m, ptl);
  const nrPages = yield* ptepModifyRange(m, mm, start, pteOffset(m, pmdp, start), (end - start) / PAGE_SIZE, newprot);
  yield* mmuNotifier(m, mm, 'invalidatePages', start, end);
  yield* spinUnlock(m, ptl);
  return nrPages;
}
