// Models include/asm-generic/pgtable-nopmd.h (2.6.24) over pgtable-nopud.h: two levels.
/**
 *   15   14 13   12 11         0
 *   | pgd 2 | pte 2 | byte 12  |      16 pages in all
 *
 * pud and pmd are folded, as C folds them: their slot is the pgd's, and what is none, populated and cleared there is the
 * pmd. An entry of the pgd holds the frame of a table of ptes from bit 8 on, bit 0 says that there is one, and bit 7 that
 * huge entries may stand in it.
 */
import { PAGE_SHIFT, WRITE } from '@mmun/include';
import type { Mm, Pfn, Pgdp, Pgtable, Pmdp, Ptep, Pudp, Step, TableLevel, Task, Vaddr } from '@mmun/include';
import type { ArchMachine, ArchTables } from '@mmun/arch-generic';
import { bugOn } from '@mmun/lib';
import { point } from '@mmun/locking';
import { FRAME_SHIFT, PAGE_PRESENT } from './pte.js';
import { TABLE_ENTRIES, whereOfSlot } from './toy-machine.js';

export const PTRS_PER_PTE: number = TABLE_ENTRIES;
export const PTRS_PER_PMD: number = 1;
export const PTRS_PER_PUD: number = 1;
export const PTRS_PER_PGD: number = TABLE_ENTRIES;
export const PMD_SHIFT: number = 14;
export const PUD_SHIFT: number = 14;
export const PGDIR_SHIFT: number = 14;
export const PMD_SIZE: number = 1 << PMD_SHIFT;
export const PUD_SIZE: number = 1 << PUD_SHIFT;
export const PGDIR_SIZE: number = 1 << PGDIR_SHIFT;
export const TASK_SIZE: Vaddr = (PTRS_PER_PGD * PGDIR_SIZE) as Vaddr;
export const HPAGE_PMD_NR: number = 0;
export const PGTABLES_PER_PAGE: number = 1;

/** hugetlb.ts */
export const PMD_HUGE = 0x80;
export const PTE_HUGE = 0x80;

const INDEX = TABLE_ENTRIES - 1;

export function pgdOffset(m: ArchMachine, mm: Mm, address: Vaddr): Pgdp {
  return slotOf(m, m.mm.pgd[mm], (address >>> PGDIR_SHIFT) & INDEX) as Pgdp;
}

export function pmdOffset(_m: ArchTables, pudp: Pudp, _address: Vaddr): Pmdp {
  return pudp as number as Pmdp;
}

export function pteOffset(m: ArchTables, pmdp: Pmdp, address: Vaddr): Ptep {
  return slotOf(m, tableOf(m, pmdp), (address >>> PAGE_SHIFT) & INDEX) as Ptep;
}

export function walkPte(m: ArchMachine, mm: Mm, address: Vaddr): Ptep {
  const none = 0 as Ptep;
  if (m.mm.pgd[mm] === 0) return none;
  const pmdp = pgdOffset(m, mm, address) as number as Pmdp;
  if (pmdNone(m, pmdp)) return none;
  const ptep = pteOffset(m, pmdp, address);
  return (m.pgtable.entries[pmdp] & PMD_HUGE) !== 0 && (m.pgtable.entries[ptep & ~1] & PTE_HUGE) !== 0 ? none : ptep;
}

export function pudNone(_m: ArchTables, _pudp: Pudp): boolean {
  return false;
}

export function pmdNone(m: ArchTables, pmdp: Pmdp): boolean {
  return m.pgtable.entries[pmdp] === 0;
}

export function pgdPage(m: ArchTables, pgdp: Pgdp): Pfn {
  return tableOf(m, pgdp) as Pfn;
}

export function pudPage(m: ArchTables, pudp: Pudp): Pfn {
  return tableOf(m, pudp) as Pfn;
}

export function pmdPage(m: ArchTables, pmdp: Pmdp): Pfn {
  return tableOf(m, pmdp) as Pfn;
}

/** A table of ptes is a page. */
export function pmdPgtable(m: ArchTables, pmdp: Pmdp): Pgtable {
  return tableOf(m, pmdp) as Pgtable;
}

export function* pudPopulate(_m: ArchMachine, _pudp: Pudp, _table: Pfn): Task<Step> {
  bugOn(true, 'folded-pud-populated');
}

export function* pmdPopulate(m: ArchMachine, pmdp: Pmdp, table: Pgtable): Task<Step> {
  yield* point(m, WRITE, whereOfSlot(m, pmdp));
  m.pgtable.entries[pmdp] = (table << FRAME_SHIFT) | PAGE_PRESENT;
}

export function* pudClear(_m: ArchMachine, _pudp: Pudp): Task<Step> {
  // nop
}

export function* pmdClear(m: ArchMachine, pmdp: Pmdp): Task<Step> {
  yield* point(m, WRITE, whereOfSlot(m, pmdp));
  m.pgtable.entries[pmdp] = 0;
}

export function tableInit(m: ArchTables, table: Pfn, _level: TableLevel): void {
  const start = slotOf(m, table, 0);
  for (let i = start; i < start + TABLE_ENTRIES; i++) m.pgtable.entries[i] = 0;
}

export function pmdIsEmpty(m: ArchTables, pmdp: Pmdp): boolean {
  const start = slotOf(m, tableOf(m, pmdp), 0);
  for (let i = start; i < start + TABLE_ENTRIES; i++) if (m.pgtable.entries[i] !== 0) return false;
  return true;
}

function slotOf(m: ArchTables, table: number, index: number): number {
  return (table - m.pgtable.nrFrames) * TABLE_ENTRIES + index;
}

function tableOf(m: ArchTables, slot: number): number {
  return m.pgtable.entries[slot] >>> FRAME_SHIFT;
}
