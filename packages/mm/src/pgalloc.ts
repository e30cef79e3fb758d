// Models asm-x86/pgalloc_64.h, and the table half of mm/memory.c and include/linux/mm.h (2.6.24): page-table pages and the lock of their ptes.
/**
 * A table page is a frame behind the user frames. It comes with its first entry and goes with the last VMA that could
 * need it. New tables of all levels are hung in under pageTableLock.
 *
 * Lock order: pageTableLock and a split ptl are never held together, but for one ptl inside another in fork and mremap.
 */
import { READ, TABLE_PGD, TABLE_PMD, TABLE_PTE, TABLE_PUD, WRITE } from '@mmun/include';
import type { Mm, Pfn, Pgdp, Pgtable, Pmdp, Ptep, Pudp, Spinlock, Step, TableLevel, Task, Vaddr } from '@mmun/include';
import { bugOn, poolAlloc, poolFree, whereOf } from '@mmun/lib';
import { point, spinLock, spinUnlock, spinlockAt, touch } from '@mmun/locking';
import {
  PGDIR_SIZE, PGTABLES_PER_PAGE, PMD_SIZE, PUD_SIZE, pgdNone, pgdOffset, pgdPopulate, pmdNone, pmdOffset, pmdPage, pmdPopulate, pteOffset, pudNone, pudOffset, pudPopulate, tableInit, whereOfSlot,
} from '#asm';
import { pageTableLockOf } from './mm-types.js';
import type { Machine } from './mm-types.js';

/** Gives a new mm its top-level table. @returns false where no table page is left */
export function* pgdAlloc(m: Machine, mm: Mm): Task<Step, boolean> {
  const table = yield* allocTable(m, TABLE_PGD);
  if (table === 0) return false;
  m.mm.pgd[mm] = table;
  m.mm.nrPgtables[mm] = m.mm.nrPgtables[mm] + 1;
  return true;
}

/** @context nobody uses the mm, and all of its other tables are gone */
export function* pgdFree(m: Machine, mm: Mm): Task<Step> {
  const table = m.mm.pgd[mm] as Pfn;
  m.mm.pgd[mm] = 0;
  m.mm.nrPgtables[mm] = m.mm.nrPgtables[mm] - 1;
  yield* freeTable(m, table);
}

/** The pmd slot of an address, with the levels above it made where they are missing. @returns 0 where no table page is left */
export function* pmdAllocWalk(m: Machine, mm: Mm, address: Vaddr): Task<Step, Pmdp> {
  const pgdp = pgdOffset(m, mm, address);
  touch(m, READ, whereOfSlot(m, pgdp));
  const pudp = pgdNone(m, pgdp) ? yield* pudAlloc(m, mm, pgdp, address) : pudOffset(m, pgdp, address);
  if (pudp === 0) return 0 as Pmdp;
  touch(m, READ, whereOfSlot(m, pudp));
  return pudNone(m, pudp) ? yield* pmdAlloc(m, mm, pudp, address) : pmdOffset(m, pudp, address);
}

/** @returns the slot, or 0 where no table page is left */
export function* pudAlloc(m: Machine, mm: Mm, pgdp: Pgdp, address: Vaddr): Task<Step, Pudp> {
  if (pgdNone(m, pgdp)) {
    const table = yield* allocTable(m, TABLE_PUD);
    if (table === 0) return 0 as Pudp;
    const lock = pageTableLockOf(m, mm);
    yield* spinLock(m, lock);
    const isOurs = pgdNone(m, pgdp);
    if (isOurs) yield* pgdPopulate(m, pgdp, table);
    yield* tableHung(m, mm, lock, table, isOurs);
  }
  return pudOffset(m, pgdp, address);
}

/** @returns the slot, or 0 where no table page is left */
export function* pmdAlloc(m: Machine, mm: Mm, pudp: Pudp, address: Vaddr): Task<Step, Pmdp> {
  if (pudNone(m, pudp)) {
    const table = yield* allocTable(m, TABLE_PMD);
    if (table === 0) return 0 as Pmdp;
    const lock = pageTableLockOf(m, mm);
    yield* spinLock(m, lock);
    const isOurs = pudNone(m, pudp);
    if (isOurs) yield* pudPopulate(m, pudp, table);
    yield* tableHung(m, mm, lock, table, isOurs);
  }
  return pmdOffset(m, pudp, address);
}

/** Makes the table of ptes where it is missing. @returns false where no table page is left */
export function* pteAlloc(m: Machine, mm: Mm, pmdp: Pmdp): Task<Step, boolean> {
  touch(m, READ, whereOfSlot(m, pmdp));
  if (!pmdNone(m, pmdp)) return true;
  const table = yield* pteAllocOne(m, mm);
  if (table === 0) return false;
  const lock = pageTableLockOf(m, mm);
  yield* spinLock(m, lock);
  const isOurs = pmdNone(m, pmdp);
  if (isOurs) yield* pmdPopulate(m, pmdp, table);
  if (isOurs) m.mm.nrPgtables[mm] = m.mm.nrPgtables[mm] + 1;
  yield* spinUnlock(m, lock);
  if (!isOurs) yield* pteFree(m, mm, table);
  return true;
}

/** pte_alloc_map(): @returns the slot, or 0 where no table page is left */
export function* pteAllocMap(m: Machine, mm: Mm, pmdp: Pmdp, address: Vaddr): Task<Step, Ptep> {
  return (yield* pteAlloc(m, mm, pmdp)) ? pteOffset(m, pmdp, address) : (0 as Ptep);
}

/** pte_alloc_map_lock(): the ptl is held unless 0 is returned. @owes spinUnlock of pteLockptr */
export function* pteAllocMapLock(m: Machine, mm: Mm, pmdp: Pmdp, address: Vaddr): Task<Step, Ptep> {
  const ptep = yield* pteAllocMap(m, mm, pmdp, address);
  if (ptep !== 0) yield* spinLock(m, pteLockptr(m, mm, pmdp));
  return ptep;
}

/** The pmd slot of an address, 0 where a level above is missing. */
export function mmFindPmd(m: Machine, mm: Mm, address: Vaddr): Pmdp {
  const none = 0 as Pmdp;
  if (m.mm.pgd[mm] === 0) return none;
  const pgdp = pgdOffset(m, mm, address);
  if (pgdNone(m, pgdp)) return none;
  const pudp = pudOffset(m, pgdp, address);
  return pudNone(m, pudp) ? none : pmdOffset(m, pudp, address);
}

/** The pmd slot of the table that covers an address; where there is none, minus the bytes that the lowest missing level spans. */
export function mmFindTable(m: Machine, mm: Mm, address: Vaddr): number {
  const pgdp = pgdOffset(m, mm, address);
  if (pgdNone(m, pgdp)) return -PGDIR_SIZE;
  const pudp = pudOffset(m, pgdp, address);
  if (pudNone(m, pudp)) return -PUD_SIZE;
  const pmdp = pmdOffset(m, pudp, address);
  return pmdNone(m, pmdp) ? -PMD_SIZE : pmdp;
}

/** Where to go on after mmFindTable has found none: at most `end`. */
export function skipHole(address: Vaddr, end: Vaddr, found: number): Vaddr {
  return Math.min((Math.floor(address / -found) + 1) * -found, end) as Vaddr;
}

/** The lock of the ptes below a pmd: the table page's own from `splitPtlockCpus` CPUs on, else the mm's. @holds the pmd is not none */
export function pteLockptr(m: Machine, mm: Mm, pmdp: Pmdp): Spinlock {
  const { nrCpus, settings } = m.bootConfig;
  return nrCpus >= settings.splitPtlockCpus ? spinlockAt(m.page.ptl, pmdPage(m, pmdp)) : pageTableLockOf(m, mm);
}

/**
 * A table of ptes goes, and its page where nothing else of it is in use. pte_free()
 * @context nobody can reach the table any more, no walker of the hardware either; takes pageTableLock where tables share pages
 */
export function* pteFree(m: Machine, mm: Mm, table: Pgtable): Task<Step> {
  if (PGTABLES_PER_PAGE === 1) yield* freeTable(m, table as number as Pfn);
  else yield* pageTableFree(m, mm, table);
}

/** @context nobody can reach the table any more, no walker of the hardware either */
export function* freeTable(m: Machine, table: Pfn): Task<Step> {
  bugOn(m.page.ptl[table] !== 0, 'table-freed-locked');
  yield* point(m, WRITE, whereOf(m.tablePool.head.used, 0));
  touch(m, WRITE, whereOf(m.tablePool.rows.gen, table - m.bootConfig.nrFrames));
  m.page.refcount[table] = 0;
  poolFree(m.tablePool, table - m.bootConfig.nrFrames);
}

function* allocTable(m: Machine, level: TableLevel): Task<Step, Pfn> {
  yield* point(m, WRITE, whereOf(m.tablePool.head.used, 0));
  const index = poolAlloc(m.tablePool);
  if (index === 0) return 0 as Pfn;
  touch(m, WRITE, whereOf(m.tablePool.rows.gen, index));
  const table = (m.bootConfig.nrFrames + index) as Pfn;
  m.page.refcount[table] = 1;
  m.page.ptl[table] = 0;
  tableInit(m, table, level);
  return table;
}

/** @returns 0 where no table page is left. pte_alloc_one() */
function* pteAllocOne(m: Machine, mm: Mm): Task<Step, Pgtable> {
  if (PGTABLES_PER_PAGE === 1) return (yield* allocTable(m, TABLE_PTE)) as number as Pgtable;
  return yield* pageTableAlloc(m, mm);
}

/** A free part of the first page of the mm that has one, else of a new page; all its parts are empty. page_table_alloc() */
function* pageTableAlloc(m: Machine, mm: Mm): Task<Step, Pgtable> {
  const { flags, refcount } = m.page;
  const lock = pageTableLockOf(m, mm);
  yield* spinLock(m, lock);
  let page = m.mm.pgtableList[mm] as Pfn;
  if (page === 0) {
    yield* spinUnlock(m, lock);
    page = yield* allocTable(m, TABLE_PTE);
    if (page === 0) return 0 as Pgtable;
    flags[page] = refcount[page] = 0;
    yield* spinLock(m, lock);
    pgtableListAdd(m, mm, page);
  }
  let part = 0;
  while ((flags[page] & (1 << part)) !== 0) part++;
  flags[page] = flags[page] | (1 << part);
  refcount[page] = refcount[page] + 1;
  if (flags[page] === ALL_PARTS) pgtableListDel(m, mm, page);
  yield* spinUnlock(m, lock);
  return (page * PGTABLES_PER_PAGE + part) as Pgtable;
}

/** page_table_free() */
function* pageTableFree(m: Machine, mm: Mm, table: Pgtable): Task<Step> {
  const { flags, refcount } = m.page;
  const page = Math.floor(table / PGTABLES_PER_PAGE) as Pfn;
  const lock = pageTableLockOf(m, mm);
  yield* spinLock(m, lock);
  const isListed = flags[page] !== ALL_PARTS;
  flags[page] = flags[page] & ~(1 << (table % PGTABLES_PER_PAGE));
  refcount[page] = refcount[page] - 1;
  const isUnused = flags[page] === 0;
  if (isListed) pgtableListDel(m, mm, page);
  if (!isUnused) pgtableListAdd(m, mm, page);
  yield* spinUnlock(m, lock);
  if (isUnused) yield* freeTable(m, page);
}

/** FRAG_MASK: bits of a table page's flags, one for each of its tables that is in use. */
const ALL_PARTS: number = 2 ** PGTABLES_PER_PAGE - 1;

/** To the front. @locks pageTableLock */
function pgtableListAdd(m: Machine, mm: Mm, page: Pfn): void {
  const { lruNext, lruPrev } = m.page;
  const next = m.mm.pgtableList[mm];
  lruNext[page] = next;
  lruPrev[page] = 0;
  if (next !== 0) lruPrev[next] = page;
  m.mm.pgtableList[mm] = page;
}

/** @locks pageTableLock */
function pgtableListDel(m: Machine, mm: Mm, page: Pfn): void {
  const { lruNext, lruPrev } = m.page;
  const next = lruNext[page];
  const prev = lruPrev[page];
  if (next !== 0) lruPrev[next] = prev;
  if (prev === 0) m.mm.pgtableList[mm] = next;
  else lruNext[prev] = next;
  lruNext[page] = lruPrev[page] = 0;
}

/** The end of hanging a table in: unlock, and give it back where another thread was first. */
function* tableHung(m: Machine, mm: Mm, lock: Spinlock, table: Pfn, isOurs: boolean): Task<Step> {
  if (isOurs) m.mm.nrPgtables[mm] = m.mm.nrPgtables[mm] + 1;
  yield* spinUnlock(m, lock);
  if (!isOurs) yield* freeTable(m, table);
}
