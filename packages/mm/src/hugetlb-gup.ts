// Models follow_hugetlb_page of mm/hugetlb.c (2.6.24), and the huge half of what looks at page tables.
/**
 * An address inside of a huge page is the frame that many pages behind the head; a reference to it is one to the head.
 * Lock order: mmap_sem > page_table_lock > what `install` takes.
 */
import { PAGE_SIZE } from '@mmun/include';
import type { Mm, Pfn, Ptep, Step, Task, Vaddr } from '@mmun/include';
import { spinLock, spinUnlock } from '@mmun/locking';
import { ptePfn, ptePresent, pteWrite, ptepGet, walkPte } from '#asm';
import { hugePteAt, hugePteOf } from './hugetlb-pgtable.js';
import { compoundHead, getHugePage, isHugeFrame, putHugePage, subpage } from './hugetlb-pool.js';
import { pageTableLockOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { getPage, putPage } from './swap.js';

/** What is called under the lock that guards the entry. */
type Install = (cookie: number, address: Vaddr, pfn: Pfn, isWritable: boolean) => Task<Step, number>;

/** The frame that is mapped now, with a reference to its huge page; 0 where none is, or none that may be written. @holds a hugetlb VMA covers the address */
export function* followHugetlbPage(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean): Task<Step, number> {
  const ptl = pageTableLockOf(m, mm);
  yield* spinLock(m, ptl);
  const pfn = mappedPfn(m, mm, address, isWrite);
  if (pfn !== 0) yield* getHugePage(m, pfn);
  yield* spinUnlock(m, ptl);
  return pfn;
}

/** Whether it is mapped, and for a write may be written. @holds as followHugetlbPage */
export function* isHugetlbMapped(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean): Task<Step, boolean> {
  const ptl = pageTableLockOf(m, mm);
  yield* spinLock(m, ptl);
  const pfn = mappedPfn(m, mm, address, isWrite);
  yield* spinUnlock(m, ptl);
  return pfn !== 0;
}

/** Lookup and install in one. @returns what install returned, or `otherwise` without an entry that serves */
export function* withHugePte(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean, install: Install, cookie: number, otherwise: number): Task<Step, number> {
  const ptl = pageTableLockOf(m, mm);
  yield* spinLock(m, ptl);
  const pfn = mappedPfn(m, mm, address, isWrite);
  const result = pfn === 0 ? otherwise : yield* install(cookie, address, pfn, mappedPfn(m, mm, address, true) !== 0);
  yield* spinUnlock(m, ptl);
  return result;
}

/** What page tables of whatever kind say of an address: 2 * pfn, plus 1 where it may be written; 0 without a present entry. @context any: it takes no lock */
export function translationAt(m: Machine, mm: Mm, address: Vaddr): number {
  if (m.mm.pgd[mm] === 0) return 0;
  const huge = hugePteAt(m, mm, address);
  const ptep = huge === 0 ? walkPte(m, mm, address) : huge;
  if (ptep === 0) return 0;
  const pte = ptepGet(m, ptep);
  if (!ptePresent(pte)) return 0;
  return 2 * (huge === 0 ? ptePfn(pte) : subpage(ptePfn(pte), address)) + (pteWrite(pte) ? 1 : 0);
}

/** The slot that says so, 0 where there is none. */
export function hugeOrSmallPte(m: Machine, mm: Mm, address: Vaddr): Ptep {
  const huge = hugePteAt(m, mm, address);
  return huge === 0 ? walkPte(m, mm, address) : huge;
}

/** A reference to any frame, huge or not. */
export function getAnyPage(m: Machine, pfn: Pfn): Task<Step> {
  return getPage(m, compoundHead(m, pfn));
}

/** Gives it back. */
export function* putAnyPage(m: Machine, pfn: Pfn): Task<Step> {
  if (isHugeFrame(m, pfn)) yield* putHugePage(m, pfn);
  else yield* putPage(m, pfn);
}

/** @locks page_table_lock */
function mappedPfn(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean): Pfn {
  const none = 0 as Pfn;
  const ptep = hugePteOf(m, mm, (address - (address % PAGE_SIZE)) as Vaddr);
  if (ptep === 0) return none;
  const pte = ptepGet(m, ptep);
  return ptePresent(pte) && (!isWrite || pteWrite(pte)) ? subpage(ptePfn(pte), address) : none;
}
