// No kernel original: huge pages of an arch that no hardware has.
/**
 * A huge page is two pages. Its entry stands in the even one of their two slots, with bit 7, and the odd one stays empty:
 *
 *   pgd entry | frame        |H|P|      H: there may be huge entries in the table
 *   table     | huge 0,1 | - | 2 | 3 |  slot 0 maps two pages, slots 2 and 3 one each
 *
 * So one table holds two huge entries, and can be shared, as a table of pmds can on x86. Without H the walker looks at no
 * slot but the page's own.
 */
import { PAGE_SIZE, TABLE_PTE, WRITE } from '@mmun/include';
import type { Pmdp, Pte, Ptep, Step, TableLevel, Task, Vaddr } from '@mmun/include';
import type { ArchMachine, ArchTables } from '@mmun/arch-generic';
import { point } from '@mmun/locking';
import { whereOfSlot } from './toy-machine.js';
import { PMD_HUGE, PTE_HUGE, pteOffset } from './pgtable-nopmd.js';

export const HPAGE_SIZE: number = 2 * PAGE_SIZE;
export const HUGE_TABLE_LEVEL: TableLevel = TABLE_PTE;

export function pteMkhuge(pte: Pte): Pte {
  return (pte | PTE_HUGE) as Pte;
}

export function pteHuge(pte: Pte): boolean {
  return (pte & PTE_HUGE) !== 0;
}

export function pmdHuge(m: ArchTables, pmdp: Pmdp): boolean {
  return (m.pgtable.entries[pmdp] & PMD_HUGE) !== 0;
}

export function* pmdMkhuge(m: ArchMachine, pmdp: Pmdp): Task<Step> {
  const { entries } = m.pgtable;
  if ((entries[pmdp] & PMD_HUGE) !== 0) return;
  yield* point(m, WRITE, whereOfSlot(m, pmdp));
  entries[pmdp] = entries[pmdp] | PMD_HUGE;
}

export function hugePteOffset(m: ArchTables, pmdp: Pmdp, address: Vaddr): Ptep {
  return pteOffset(m, pmdp, (address - (address % HPAGE_SIZE)) as Vaddr);
}
