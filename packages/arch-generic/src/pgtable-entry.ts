// Models pgd_page, pud_page and pmd_page of asm-generic/pgtable.h and its kin (2.6.24).
/** Entries above the pte, as archs with 64 bits share them: the frame of the table below stands in bits 12 and up. */
import { PAGE_SHIFT, WRITE } from '@mmun/include';
import type { Pfn, Pgdp, Pmdp, Pudp, Step, Task } from '@mmun/include';
import { point } from '@mmun/locking';
import { whereOfSlot } from './arch-machine.js';
import type { ArchMachine, ArchTables } from './arch-machine.js';

/** The frame that an entry above the pte holds. */
export function entryTable(m: ArchTables, slot: number): Pfn {
  const { entries } = m.pgtable;
  return ((entries[2 * slot] >>> PAGE_SHIFT) | (entries[2 * slot + 1] << 20)) as Pfn;
}

/** Both halves at once: one atomic step. */
export function* storeEntry(m: ArchMachine, slot: number, low: number, high: number): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, slot));
  entries[2 * slot] = low;
  entries[2 * slot + 1] = high;
}

export function pgdPage(m: ArchTables, pgdp: Pgdp): Pfn {
  return entryTable(m, pgdp);
}

export function pudPage(m: ArchTables, pudp: Pudp): Pfn {
  return entryTable(m, pudp);
}

export function pmdPage(m: ArchTables, pmdp: Pmdp): Pfn {
  return entryTable(m, pmdp);
}
