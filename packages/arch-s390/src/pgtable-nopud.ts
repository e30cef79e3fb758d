// Models include/asm-s390/pgtable.h and pgalloc.h (2.6.24, 64 bit): three levels, as v5 was based on.
/**
 *   41      31 30      21 20      12 11         0
 *   | pgd 11  | pmd 10   | pte 9    | byte 12    |
 *
 * The hardware's tables of ptes have 256 entries. Two of them lie in one page, so that Linux sees one of 512 and a pmd holds
 * two addresses: the "512 ptes, 2M" of the mail are right for this base. Nine days later (2.6.25) they were 256 and 1M, and
 * two unrelated tables shared a page, and its lock. The pud is folded into the top level, region third.
 *
 * Deviation: here a table is one frame, whatever its size; a pmd table is two pages there, the top level four.
 */
import { PAGE_SHIFT, TABLE_PMD, TABLE_PTE, WRITE } from '@mmun/include';
import type { Mm, Pfn, Pgdp, Pmdp, Ptep, Pudp, Step, TableLevel, Task, Vaddr } from '@mmun/include';
import { whereOfSlot } from '@mmun/arch-generic';
import { bugOn } from '@mmun/lib';
import { point } from '@mmun/locking';
import { PAGE_TYPE_EMPTY } from './pte.js';
import { TABLE_SLOTS } from './s390-machine.js';
import type { ArchMachine, ArchTables } from '@mmun/arch-generic';

export const PTRS_PER_PTE: number = 512;
export const PTRS_PER_PMD: number = 1024;
export const PTRS_PER_PUD: number = 1;
export const PTRS_PER_PGD: number = 2048;
export const PMD_SHIFT: number = 21;
export const PGDIR_SHIFT: number = 31;
export const PUD_SHIFT: number = 31;
export const PMD_SIZE: number = 0x200000;
export const PGDIR_SIZE: number = 0x80000000;
export const PUD_SIZE: number = 0x80000000;
/** 4 TiB: 2048 entries of 2 GiB. */
export const TASK_SIZE: Vaddr = 0x40000000000 as Vaddr;
/** Deviation: there was no huge page of 512. It is what mm aligns mappings for, as on 6.18 with its pmd. */
export const HPAGE_PMD_NR: number = 512;

/** An entry above the pte that leads nowhere. _SEGMENT_ENTRY_INV, _REGION_ENTRY_INV */
const ENTRY_INVALID = 0x20;
/** Reciprocals are powers of two, so the products are exact; `&` then keeps the low bits, as a shift would. */
const PER_PAGE: number = 1 / 0x1000;
const PER_PMD: number = 1 / PMD_SIZE;
const PER_PGD: number = 1 / PGDIR_SIZE;

export function pgdOffset(m: ArchMachine, mm: Mm, address: Vaddr): Pgdp {
  return slotOf(m, m.mm.pgd[mm], (address * PER_PGD) & (PTRS_PER_PGD - 1)) as Pgdp;
}

export function pudOffset(_m: ArchTables, pgdp: Pgdp, _address: Vaddr): Pudp {
  return pgdp as number as Pudp;
}

export function pmdOffset(m: ArchTables, pudp: Pudp, address: Vaddr): Pmdp {
  return slotOf(m, tableOf(m, pudp), (address * PER_PMD) & (PTRS_PER_PMD - 1)) as Pmdp;
}

export function pteOffset(m: ArchTables, pmdp: Pmdp, address: Vaddr): Ptep {
  return slotOf(m, tableOf(m, pmdp), (address * PER_PAGE) & (PTRS_PER_PTE - 1)) as Ptep;
}

export function walkPte(m: ArchMachine, mm: Mm, address: Vaddr): Ptep {
  const none = 0 as Ptep;
  if (m.mm.pgd[mm] === 0) return none;
  const pudp = pgdOffset(m, mm, address) as number as Pudp;
  if (pudNone(m, pudp)) return none;
  const pmdp = pmdOffset(m, pudp, address);
  return pmdNone(m, pmdp) ? none : pteOffset(m, pmdp, address);
}

export function pgdNone(_m: ArchTables, _pgdp: Pgdp): boolean {
  return false;
}

export function pudNone(m: ArchTables, pudp: Pudp): boolean {
  return isNone(m, pudp);
}

export function pmdNone(m: ArchTables, pmdp: Pmdp): boolean {
  return isNone(m, pmdp);
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

export function* pgdPopulate(_m: ArchMachine, _pgdp: Pgdp, _table: Pfn): Task<Step> {
  bugOn(true, 's390-folded-pgd-populated');
}

export function pudPopulate(m: ArchMachine, pudp: Pudp, table: Pfn): Task<Step> {
  return populate(m, pudp, table);
}

/** In hardware two entries, one for each half of the 512: pmd_val and pmd_val1. One step here. */
export function pmdPopulate(m: ArchMachine, pmdp: Pmdp, table: Pfn): Task<Step> {
  return populate(m, pmdp, table);
}

export function* pgdClear(_m: ArchMachine, _pgdp: Pgdp): Task<Step> {
  // nop
}

export function pudClear(m: ArchMachine, pudp: Pudp): Task<Step> {
  return clear(m, pudp);
}

export function pmdClear(m: ArchMachine, pmdp: Pmdp): Task<Step> {
  return clear(m, pmdp);
}

export function tableInit(m: ArchTables, table: Pfn, level: TableLevel): void {
  const { entries } = m.pgtable;
  const first = 2 * slotOf(m, table, 0);
  const nrSlots = level === TABLE_PTE ? PTRS_PER_PTE : level === TABLE_PMD ? PTRS_PER_PMD : PTRS_PER_PGD;
  const empty = level === TABLE_PTE ? PAGE_TYPE_EMPTY : ENTRY_INVALID;
  for (let i = first; i < first + 2 * nrSlots; i += 2) {
    entries[i] = empty;
    entries[i + 1] = 0;
  }
}

export function pmdIsEmpty(m: ArchTables, pmdp: Pmdp): boolean {
  const { entries } = m.pgtable;
  const first = 2 * slotOf(m, tableOf(m, pmdp), 0);
  for (let i = first; i < first + 2 * PTRS_PER_PTE; i += 2) if (entries[i] !== PAGE_TYPE_EMPTY) return false;
  return true;
}

export function pgdAddrEnd(address: Vaddr, end: Vaddr): Vaddr {
  return addrEnd(address, end, PER_PGD, PGDIR_SIZE);
}

export function pudAddrEnd(address: Vaddr, end: Vaddr): Vaddr {
  return addrEnd(address, end, PER_PGD, PGDIR_SIZE);
}

export function pmdAddrEnd(address: Vaddr, end: Vaddr): Vaddr {
  return addrEnd(address, end, PER_PMD, PMD_SIZE);
}

function addrEnd(address: Vaddr, end: Vaddr, perSize: number, size: number): Vaddr {
  const boundary = (Math.floor(address * perSize) + 1) * size;
  return boundary < end ? (boundary as Vaddr) : end;
}

function* populate(m: ArchMachine, slot: number, table: Pfn): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, slot));
  entries[2 * slot] = table << PAGE_SHIFT;
  entries[2 * slot + 1] = table >>> 20;
}

function* clear(m: ArchMachine, slot: number): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, slot));
  entries[2 * slot] = ENTRY_INVALID;
  entries[2 * slot + 1] = 0;
}

function slotOf(m: ArchTables, table: number, index: number): number {
  return (table - m.pgtable.nrFrames) * TABLE_SLOTS + index;
}

/** The frame that an entry above the pte holds. */
function tableOf(m: ArchTables, slot: number): number {
  const { entries } = m.pgtable;
  return (entries[2 * slot] >>> PAGE_SHIFT) | (entries[2 * slot + 1] << 20);
}

function isNone(m: ArchTables, slot: number): boolean {
  return (m.pgtable.entries[2 * slot] & ENTRY_INVALID) !== 0;
}
