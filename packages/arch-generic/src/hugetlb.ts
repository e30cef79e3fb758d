// Models arch/x86/mm/hugetlbpage.c (2.6.24): huge pages of one pmd.
/** The entry of a pmd maps a page of 2 MiB where its bit 7 is set, PSE on x86, and else leads to a table of ptes. */
import { TABLE_PMD } from '@mmun/include';
import type { Pmdp, Pte, Ptep, Step, TableLevel, Task, Vaddr } from '@mmun/include';
import type { ArchMachine, ArchTables } from './arch-machine.js';
import { HUGE, PMD_SIZE } from './pgtable-nofold.js';

export const HPAGE_SIZE: number = PMD_SIZE;
export const HUGE_TABLE_LEVEL: TableLevel = TABLE_PMD;

export function pteMkhuge(pte: Pte): Pte {
  return (pte & HUGE) === 0 ? ((pte + HUGE) as Pte) : pte;
}

export function pteHuge(pte: Pte): boolean {
  return (pte & HUGE) !== 0;
}

export function pmdHuge(m: ArchTables, pmdp: Pmdp): boolean {
  return (m.pgtable.entries[2 * pmdp] & HUGE) !== 0;
}

/** The entry says so itself. */
export function* pmdMkhuge(_m: ArchMachine, _pmdp: Pmdp): Task<Step> {
  // nop
}

export function hugePteOffset(_m: ArchTables, pmdp: Pmdp, _address: Vaddr): Ptep {
  return pmdp as number as Ptep;
}
