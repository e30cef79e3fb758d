// Models include/asm-s390/pgtable.h and pgalloc.h (2.6.24, 64 bit): three levels, as v5 was based on.
/**
 * How many entries a table of ptes has is a choice of the image (pgtable-512.ts, pgtable-256.ts). The pud is folded into the
 * top level, region third.
 *
 * Deviation: here a table is one frame, whatever its size; a pmd table is two pages there or four, the top level four.
 */
import { PAGE_SHIFT, TABLE_PMD, TABLE_PTE } from '@mmun/include';
import type { Mm, Pfn, Pgtable, Pmdp, Ptep, Pgdp, Pudp, Step, TableLevel, Task, Vaddr } from '@mmun/include';
import { entryTable, storeEntry } from '@mmun/arch-generic';
import type { ArchMachine, ArchTables } from '@mmun/arch-generic';
import { PGTABLES_PER_PAGE, PMD_SIZE, PTRS_PER_PMD, PTRS_PER_PTE } from '#pgtable';
import { PAGE_TYPE_EMPTY } from './pte.js';
import { TABLE_SLOTS } from './s390-machine.js';

export const PTRS_PER_PUD: number = 1;
export const PTRS_PER_PGD: number = 2048;
export const PGDIR_SHIFT: number = 31;
export const PUD_SHIFT: number = 31;
export const PGDIR_SIZE: number = 0x80000000;
export const PUD_SIZE: number = 0x80000000;
/** 4 TiB: 2048 entries of 2 GiB. */
export const TASK_SIZE: Vaddr = 0x40000000000 as Vaddr;

/** An entry above the pte that leads nowhere. _SEGMENT_ENTRY_INV, _REGION_ENTRY_INV */
const ENTRY_INVALID = 0x20;
/** A table of 256 ptes begins at a multiple of 2 KiB. */
const PART_SHIFT = 11;
/** Reciprocals are powers of two, so the products are exact; `&` then keeps the low bits, as a shift would. */
const PER_PAGE: number = 1 / 0x1000;
const PER_PMD: number = 1 / PMD_SIZE;
const PER_PGD: number = 1 / PGDIR_SIZE;

export function pgdOffset(m: ArchMachine, mm: Mm, address: Vaddr): Pgdp {
  return slotOf(m, m.mm.pgd[mm], (address * PER_PGD) & (PTRS_PER_PGD - 1)) as Pgdp;
}

export function pmdOffset(m: ArchTables, pudp: Pudp, address: Vaddr): Pmdp {
  return slotOf(m, entryTable(m, pudp), (address * PER_PMD) & (PTRS_PER_PMD - 1)) as Pmdp;
}

export function pteOffset(m: ArchTables, pmdp: Pmdp, address: Vaddr): Ptep {
  return slotOf(m, entryTable(m, pmdp), partOf(m, pmdp) * PTRS_PER_PTE + ((address * PER_PAGE) & (PTRS_PER_PTE - 1))) as Ptep;
}

export function walkPte(m: ArchMachine, mm: Mm, address: Vaddr): Ptep {
  const none = 0 as Ptep;
  if (m.mm.pgd[mm] === 0) return none;
  const pudp = pgdOffset(m, mm, address) as number as Pudp;
  if (pudNone(m, pudp)) return none;
  const pmdp = pmdOffset(m, pudp, address);
  return pmdNone(m, pmdp) ? none : pteOffset(m, pmdp, address);
}

export function pudNone(m: ArchTables, pudp: Pudp): boolean {
  return isNone(m, pudp);
}

export function pmdNone(m: ArchTables, pmdp: Pmdp): boolean {
  return isNone(m, pmdp);
}

export function pmdPgtable(m: ArchTables, pmdp: Pmdp): Pgtable {
  return (entryTable(m, pmdp) * PGTABLES_PER_PAGE + partOf(m, pmdp)) as Pgtable;
}

export function pudPopulate(m: ArchMachine, pudp: Pudp, table: Pfn): Task<Step> {
  return storeEntry(m, pudp, table << PAGE_SHIFT, table >>> 20);
}

/** With 512 ptes two entries in hardware, one for each half: pmd_val and pmd_val1. One step here. */
export function pmdPopulate(m: ArchMachine, pmdp: Pmdp, table: Pgtable): Task<Step> {
  const page = Math.floor(table / PGTABLES_PER_PAGE);
  return storeEntry(m, pmdp, (page << PAGE_SHIFT) | ((table - page * PGTABLES_PER_PAGE) << PART_SHIFT), page >>> 20);
}

export function pudClear(m: ArchMachine, pudp: Pudp): Task<Step> {
  return storeEntry(m, pudp, ENTRY_INVALID, 0);
}

export function pmdClear(m: ArchMachine, pmdp: Pmdp): Task<Step> {
  return storeEntry(m, pmdp, ENTRY_INVALID, 0);
}

export function tableInit(m: ArchTables, table: Pfn, level: TableLevel): void {
  const { entries } = m.pgtable;
  const first = 2 * slotOf(m, table, 0);
  const nrSlots = level === TABLE_PTE ? PGTABLES_PER_PAGE * PTRS_PER_PTE : level === TABLE_PMD ? PTRS_PER_PMD : PTRS_PER_PGD;
  const empty = level === TABLE_PTE ? PAGE_TYPE_EMPTY : ENTRY_INVALID;
  for (let i = first; i < first + 2 * nrSlots; i += 2) {
    entries[i] = empty;
    entries[i + 1] = 0;
  }
}

export function pmdIsEmpty(m: ArchTables, pmdp: Pmdp): boolean {
  const { entries } = m.pgtable;
  const first = 2 * slotOf(m, entryTable(m, pmdp), partOf(m, pmdp) * PTRS_PER_PTE);
  for (let i = first; i < first + 2 * PTRS_PER_PTE; i += 2) if (entries[i] !== PAGE_TYPE_EMPTY) return false;
  return true;
}

function slotOf(m: ArchTables, table: number, index: number): number {
  return (table - m.pgtable.nrFrames) * TABLE_SLOTS + index;
}

/** Which of the page's tables the entry of a pmd leads to. */
function partOf(m: ArchTables, pmdp: Pmdp): number {
  return (m.pgtable.entries[2 * pmdp] >>> PART_SHIFT) & (PGTABLES_PER_PAGE - 1);
}

function isNone(m: ArchTables, slot: number): boolean {
  return (m.pgtable.entries[2 * slot] & ENTRY_INVALID) !== 0;
}
