// Models huge_pte_alloc, huge_pte_offset and the shared tables of arch/x86/mm/hugetlbpage.c (2.6.24; mm/hugetlb.c today).
/**
 * Tables of huge entries, and how address spaces share them. A shared mapping that covers all of what one such table spans
 * takes over the table of another VMA that maps the same part of the file in the same place of a table. The frame of the
 * table counts who has it; one who changes more than an empty entry leaves it first (hugePmdUnshare), and finds the pages
 * again by faults.
 *
 *   pud of A ──┐
 *              ├──> table of pmds, refcount 2 ──> huge pages       (toy: pgd entries and a table of ptes)
 *   pud of B ──┘
 *
 * Leaving takes away what up to HUGE_TABLE_SIZE bytes translate to, and who leaves may have announced only a part of it.
 * v5 tells nobody of it. The range design of 4.12 announces what its caller has announced, as Linux up to 4.19 did; wider
 * ranges came with 017b1660df89 (2018).
 * Deviation: a sharer counts the table among its own.
 *
 * Lock order: mmap_sem > i_mmap_lock > page_table_lock.
 */
import { PAGE_SIZE, TABLE_PTE, VM_LOCKED_MASK, VM_MAYSHARE } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Pgdp, Pgtable, Pmdp, Ptep, Pudp, Spinlock, Step, Task, Vaddr, Vma } from '@mmun/include';
import { bugOn } from '@mmun/lib';
import { lockdepAssertHeld, refcountAt, refcountDecAndTest, refcountInc, spinLock, spinUnlock } from '@mmun/locking';
import {
  HPAGE_SIZE, HUGE_TABLE_LEVEL, PMD_SIZE, PUD_SIZE, flushTlbRange, hugePteOffset, pgdNone, pgdOffset, pmdClear, pmdHuge, pmdMkhuge, pmdNone, pmdPage, pmdPopulate, pteHuge, ptepGet,
  pudClear, pudNone, pudOffset, pudPage, pudPopulate,
} from '#asm';
import { rmapLock, rmapUnlock } from '#mmu-notifier';
import { hugeIndex } from './hugetlb-pool.js';
import { iMmapLockOf, vmaIntervalNext } from './i-mmap.js';
import { pageTableLockOf, vmaInode, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { mmFindPmd, pmdAllocWalk, pteAlloc, pudAlloc } from './pgalloc.js';

/** Huge entries stand in tables of ptes, on the toy, and else in tables of pmds. */
const IN_PTE_TABLE: boolean = HUGE_TABLE_LEVEL === TABLE_PTE;
/** Bytes that one table of huge entries spans. */
export const HUGE_TABLE_SIZE: number = IN_PTE_TABLE ? PMD_SIZE : PUD_SIZE;

/** The slot for the huge page at `address`; 0 where a level is missing. @context any; what it says may be old without page_table_lock */
export function hugePteOf(m: Machine, mm: Mm, address: Vaddr): Ptep {
  const pmdp = mmFindPmd(m, mm, address);
  return pmdp === 0 || (IN_PTE_TABLE && pmdNone(m, pmdp)) ? (0 as Ptep) : hugePteOffset(m, pmdp, address);
}

/** The slot of the huge page that is mapped around `address`, whatever VMA is there; 0 where none is. For those who look from outside. */
export function hugePteAt(m: Machine, mm: Mm, address: Vaddr): Ptep {
  const pmdp = mmFindPmd(m, mm, address);
  if (pmdp === 0 || pmdNone(m, pmdp) || !pmdHuge(m, pmdp)) return 0 as Ptep;
  const ptep = hugePteOffset(m, pmdp, address);
  return pteHuge(ptepGet(m, ptep)) ? ptep : (0 as Ptep);
}

/**
 * The slot, with the tables above it made where they are missing, or shared.
 * @context process, i_mmap_lock not held @locks mmap_sem @returns 0 where no table page is left
 */
export function* hugePteAlloc(m: Machine, vma: Vma, address: Vaddr): Task<MaySleep, Ptep> {
  const mm = vmaMm(m, vma);
  if (isShareable(m, vma, address) && (yield* hugeTableAbove(m, mm, address)) && hugeTable(m, mm, address) === 0) yield* hugePmdShare(m, vma, address);
  return yield* hugePteAllocOwn(m, mm, address);
}

/** The same without sharing: for those who hold i_mmap_lock. */
export function* hugePteAllocOwn(m: Machine, mm: Mm, address: Vaddr): Task<Step, Ptep> {
  const pmdp = yield* pmdAllocWalk(m, mm, address);
  if (pmdp === 0) return 0 as Ptep;
  if (IN_PTE_TABLE) {
    if (!(yield* pteAlloc(m, mm, pmdp))) return 0 as Ptep;
    if (!pmdHuge(m, pmdp)) yield* mkhuge(m, mm, pmdp);
  }
  return hugePteOffset(m, pmdp, address);
}

/** A table of ptes that is there already may hold huge entries from now on. */
function* mkhuge(m: Machine, mm: Mm, pmdp: Pmdp): Task<Step> {
  const lock = pageTableLockOf(m, mm);
  yield* spinLock(m, lock);
  if (!pmdNone(m, pmdp)) yield* pmdMkhuge(m, pmdp);
  yield* spinUnlock(m, lock);
}

/**
 * Leaves a table that others have too.
 * @locks i_mmap_lock, page_table_lock
 * @owes the flush of all that the table spans before i_mmap_lock is left: then its last user may free it (d833352a4338)
 * @returns false, with nothing done, where nobody else has it
 */
export function* hugePmdUnshare(m: Machine, vma: Vma, address: Vaddr): Task<Step, boolean> {
  const mm = vmaMm(m, vma);
  lockdepAssertHeld(m, pageTableLockOf(m, mm));
  lockdepAssertHeld(m, iMmapLockOf(m, vmaInode(m, vma)));
  const table = hugeTable(m, mm, address);
  if (table === 0 || m.page.refcount[table] === 1) return false;
  if (IN_PTE_TABLE) yield* pmdClear(m, mmFindPmd(m, mm, address));
  else yield* pudClear(m, pudOf(m, mm, address));
  m.mm.nrPgtables[mm] = m.mm.nrPgtables[mm] - 1;
  const isLast = yield* refcountDecAndTest(m, refcountAt(m.page.refcount, table));
  bugOn(isLast, 'huge-table-unshared-last');
  return true;
}

/** All that a table spans where one was left. flush_hugetlb_tlb_range() @locks i_mmap_lock */
export function* flushHugetlbRange(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, isUnshared: boolean): Task<Step> {
  if (!isUnshared) yield* flushTlbRange(m, vma, start, end);
  else yield* flushTlbRange(m, vma, (start - (start % HUGE_TABLE_SIZE)) as Vaddr, (Math.ceil(end / HUGE_TABLE_SIZE) * HUGE_TABLE_SIZE) as Vaddr);
}

/** Where a walk over huge pages goes on after `address`: at the next one, or behind the table that is not there. At most `end`. */
export function nextHuge(m: Machine, mm: Mm, address: Vaddr, end: Vaddr): Vaddr {
  const next = hugeTable(m, mm, address) === 0 ? (Math.floor(address / HUGE_TABLE_SIZE) + 1) * HUGE_TABLE_SIZE : address + HPAGE_SIZE;
  return Math.min(next, end) as Vaddr;
}

/** The table of huge entries for an address; 0 where there is none. */
export function hugeTable(m: Machine, mm: Mm, address: Vaddr): Pfn {
  const none = 0 as Pfn;
  if (IN_PTE_TABLE) {
    const pmdp = mmFindPmd(m, mm, address);
    return pmdp === 0 || pmdNone(m, pmdp) ? none : pmdPage(m, pmdp);
  }
  const pudp = m.mm.pgd[mm] === 0 ? 0 : pudOf(m, mm, address);
  return pudp === 0 || pudNone(m, pudp as Pudp) ? none : pudPage(m, pudp as Pudp);
}

/** vma_shareable() */
function isShareable(m: Machine, vma: Vma, address: Vaddr): boolean {
  if ((m.vma.vmFlags[vma] & VM_MAYSHARE) === 0) return false;
  const base = Math.floor(address / HUGE_TABLE_SIZE) * HUGE_TABLE_SIZE;
  return m.vma.vmStart[vma] <= base && base + HUGE_TABLE_SIZE <= m.vma.vmEnd[vma];
}

/** Hangs in the table of another VMA where there is one that fits. */
function* hugePmdShare(m: Machine, vma: Vma, address: Vaddr): Task<MaySleep> {
  const inode = vmaInode(m, vma);
  const lock = iMmapLockOf(m, inode);
  const index = hugeIndex(m, vma, address);
  yield* rmapLock(m, lock);
  let table = 0 as Pfn;
  for (let other = vmaIntervalNext(m, inode, 0 as Vma, index, index + 1); other !== 0 && table === 0; other = vmaIntervalNext(m, inode, other, index, index + 1)) {
    if (other !== vma) table = tableShareable(m, other, vma, address, index);
  }
  if (table !== 0) yield* hangIn(m, vmaMm(m, vma), address, table);
  yield* rmapUnlock(m, lock);
}

/** page_table_shareable(), and the table @locks i_mmap_lock: whoever has the table now keeps it */
function tableShareable(m: Machine, other: Vma, vma: Vma, address: Vaddr, index: number): Pfn {
  const v = m.vma;
  const theirs = (v.vmStart[other] + (index - v.vmPgoff[other]) * PAGE_SIZE) as Vaddr;
  const isAlike = ((v.vmFlags[other] ^ v.vmFlags[vma]) & ~VM_LOCKED_MASK) === 0 && theirs % HUGE_TABLE_SIZE === address % HUGE_TABLE_SIZE;
  return isAlike && isShareable(m, other, theirs) ? hugeTable(m, vmaMm(m, other), theirs) : (0 as Pfn);
}

function* hangIn(m: Machine, mm: Mm, address: Vaddr, table: Pfn): Task<Step> {
  const lock: Spinlock = pageTableLockOf(m, mm);
  yield* refcountInc(m, refcountAt(m.page.refcount, table));
  yield* spinLock(m, lock);
  const isOurs = hugeTable(m, mm, address) === 0;
  if (isOurs && IN_PTE_TABLE) {
    const pmdp = mmFindPmd(m, mm, address);
    yield* pmdPopulate(m, pmdp, table as number as Pgtable);
    yield* pmdMkhuge(m, pmdp);
  } else if (isOurs) yield* pudPopulate(m, pudOf(m, mm, address), table);
  if (isOurs) m.mm.nrPgtables[mm] = m.mm.nrPgtables[mm] + 1;
  yield* spinUnlock(m, lock);
  if (!isOurs) yield* refcountDecAndTest(m, refcountAt(m.page.refcount, table));
}

/** The levels above the table exist. @returns false where no table page is left */
function* hugeTableAbove(m: Machine, mm: Mm, address: Vaddr): Task<Step, boolean> {
  const pgdp = pgdOffset(m, mm, address);
  if (!IN_PTE_TABLE) return !pgdNone(m, pgdp) || (yield* pudAlloc(m, mm, pgdp, address)) !== 0;
  return (yield* pmdAllocWalk(m, mm, address)) !== 0;
}

/** 0 where the level above is missing. */
function pudOf(m: Machine, mm: Mm, address: Vaddr): Pudp {
  const pgdp: Pgdp = pgdOffset(m, mm, address);
  return pgdNone(m, pgdp) ? (0 as Pudp) : pudOffset(m, pgdp, address);
}
