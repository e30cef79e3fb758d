// No kernel original: what v5's base lacks; arch/s390/mm/hugetlbpage.c came with 2.6.26.
/** No huge pages: mmap(MAP_HUGETLB) is refused, as by a kernel without hugetlb. */
import { TABLE_PMD } from '@mmun/include';
import type { Pmdp, Pte, Ptep, Step, TableLevel, Task, Vaddr } from '@mmun/include';
import type { ArchMachine, ArchTables } from '@mmun/arch-generic';

export const HPAGE_SIZE: number = 0;
export const HUGE_TABLE_LEVEL: TableLevel = TABLE_PMD;

export function pteMkhuge(pte: Pte): Pte {
  return pte;
}

export function pteHuge(_pte: Pte): boolean {
  return false;
}

export function pmdHuge(_m: ArchTables, _pmdp: Pmdp): boolean {
  return false;
}

export function* pmdMkhuge(_m: ArchMachine, _pmdp: Pmdp): Task<Step> {
  // nop
}

export function hugePteOffset(_m: ArchTables, pmdp: Pmdp, _address: Vaddr): Ptep {
  return pmdp as number as Ptep;
}
