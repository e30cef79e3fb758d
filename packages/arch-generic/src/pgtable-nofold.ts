// Models the level walking of asm-x86/pgtable_64.h (2.6.24).
/**
 * Four levels of 512 entries over 48 bits of address. Entries above the pte hold the frame of the next table in bits 12
 * and up, and bit 0 says that there is one.
 *
 *   47      39 38      30 29      21 20      12 11         0
 *   | pgd 9  | pud 9    | pmd 9    | pte 9    | byte 12    |
 */
import { PAGE_SHIFT } from '@mmun/include';
import type { Mm, Pfn, Pgdp, Pgtable, Pmdp, Ptep, Pudp, Step, TableLevel, Task, Vaddr } from '@mmun/include';
import { TABLE_ENTRIES } from './arch-machine.js';
import type { ArchMachine, ArchTables } from './arch-machine.js';
import { entryTable, storeEntry } from './pgtable-entry.js';

export const PTRS_PER_PTE: number = TABLE_ENTRIES;
export const PTRS_PER_PMD: number = TABLE_ENTRIES;
export const PTRS_PER_PUD: number = TABLE_ENTRIES;
export const PTRS_PER_PGD: number = TABLE_ENTRIES;
export const PMD_SHIFT: number = 21;
export const PUD_SHIFT: number = 30;
export const PGDIR_SHIFT: number = 39;
export const PMD_SIZE: number = 0x200000;
export const PUD_SIZE: number = 0x40000000;
export const PGDIR_SIZE: number = 0x8000000000;
export const TASK_SIZE: Vaddr = 0x7ffffffff000 as Vaddr;
export const HPAGE_PMD_NR: number = 512;
export const PGTABLES_PER_PAGE: number = 1;

/** Present, writable, user, accessed, dirty, as _KERNPG_TABLE | _PAGE_USER: permission is decided by the pte alone. */
const TABLE_BITS = 0x67;
/** Of a pmd: it maps a huge page (hugetlb.ts). */
export const HUGE = 0x80;
const INDEX = TABLE_ENTRIES - 1;
const TABLE_SHIFT: number = Math.log2(TABLE_ENTRIES);
/** Reciprocals are powers of two, so the products are exact; `|` then keeps the low bits, as a shift would. */
const PER_PAGE: number = 1 / 0x1000;
const PER_PMD: number = 1 / PMD_SIZE;
const PER_PUD: number = 1 / PUD_SIZE;
const PER_PGD: number = 1 / PGDIR_SIZE;

export function pgdOffset(m: ArchMachine, mm: Mm, address: Vaddr): Pgdp {
  return slotOf(m, m.mm.pgd[mm], (address * PER_PGD) & INDEX) as Pgdp;
}

export function pudOffset(m: ArchTables, pgdp: Pgdp, address: Vaddr): Pudp {
  return slotOf(m, entryTable(m, pgdp), (address * PER_PUD) & INDEX) as Pudp;
}

export function pmdOffset(m: ArchTables, pudp: Pudp, address: Vaddr): Pmdp {
  return slotOf(m, entryTable(m, pudp), (address * PER_PMD) & INDEX) as Pmdp;
}

export function pteOffset(m: ArchTables, pmdp: Pmdp, address: Vaddr): Ptep {
  return slotOf(m, entryTable(m, pmdp), (address * PER_PAGE) & INDEX) as Ptep;
}

export function walkPte(m: ArchMachine, mm: Mm, address: Vaddr): Ptep {
  const none = 0 as Ptep;
  if (m.mm.pgd[mm] === 0) return none;
  const pgdp = pgdOffset(m, mm, address);
  if (isNone(m, pgdp)) return none;
  const pudp = pudOffset(m, pgdp, address);
  if (isNone(m, pudp)) return none;
  const pmdp = pmdOffset(m, pudp, address);
  return isNone(m, pmdp) || (m.pgtable.entries[2 * pmdp] & HUGE) !== 0 ? none : pteOffset(m, pmdp, address);
}

export function pgdNone(m: ArchTables, pgdp: Pgdp): boolean {
  return isNone(m, pgdp);
}

export function pudNone(m: ArchTables, pudp: Pudp): boolean {
  return isNone(m, pudp);
}

export function pmdNone(m: ArchTables, pmdp: Pmdp): boolean {
  return isNone(m, pmdp);
}

/** A table of ptes is a page. */
export function pmdPgtable(m: ArchTables, pmdp: Pmdp): Pgtable {
  return entryTable(m, pmdp) as number as Pgtable;
}

export function pgdPopulate(m: ArchMachine, pgdp: Pgdp, table: Pfn): Task<Step> {
  return populate(m, pgdp, table);
}

export function pudPopulate(m: ArchMachine, pudp: Pudp, table: Pfn): Task<Step> {
  return populate(m, pudp, table);
}

export function pmdPopulate(m: ArchMachine, pmdp: Pmdp, table: Pgtable): Task<Step> {
  return populate(m, pmdp, table);
}

export function pgdClear(m: ArchMachine, pgdp: Pgdp): Task<Step> {
  return clear(m, pgdp);
}

export function pudClear(m: ArchMachine, pudp: Pudp): Task<Step> {
  return clear(m, pudp);
}

export function pmdClear(m: ArchMachine, pmdp: Pmdp): Task<Step> {
  return clear(m, pmdp);
}

export function tableInit(m: ArchTables, table: Pfn, _level: TableLevel): void {
  const start = 2 * slotOf(m, table, 0);
  m.pgtable.entries.fill(0, start, start + 2 * TABLE_ENTRIES);
}

export function pmdIsEmpty(m: ArchTables, pmdp: Pmdp): boolean {
  const { entries } = m.pgtable;
  const start = 2 * slotOf(m, entryTable(m, pmdp), 0);
  for (let i = start; i < start + 2 * TABLE_ENTRIES; i++) if (entries[i] !== 0) return false;
  return true;
}

function populate(m: ArchMachine, slot: number, table: number): Task<Step> {
  return storeEntry(m, slot, (table << PAGE_SHIFT) | TABLE_BITS, table >>> 20);
}

function clear(m: ArchMachine, slot: number): Task<Step> {
  return storeEntry(m, slot, 0, 0);
}

function slotOf(m: ArchTables, table: number, index: number): number {
  return ((table - m.pgtable.nrFrames) << TABLE_SHIFT) | index;
}

function isNone(m: ArchTables, slot: number): boolean {
  return m.pgtable.entries[2 * slot] === 0;
}
