// Models include/linux/page-flags.h, and the page lock of pagemap.h (6.18; the flags that the model needs).
import { ACQUIRE, READ, RELEASE, VM_PFNMAP, WRITE } from '@mmun/include';
import type { Mm, Pfn, Sleep, Step, Task, Vma } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import { lockAcquired, lockReleased, lockdepMayWait, mightSleep, point, pointUntil, touch } from '@mmun/locking';
import { INODE_REGULAR, VM_OPS_SPECIAL } from './mm-types.js';
import type { Machine } from './mm-types.js';

/** Someone reads the page in, or takes it out of its file. */
export const PG_LOCKED = 0x1;
/** Used since reclaim last looked; set from ptes that go away young. */
export const PG_REFERENCED = 0x2;
/** Written since it was last like its file; set from ptes that go away dirty. */
export const PG_DIRTY = 0x4;
/** An anonymous page that only one mm maps: a write needs no copy, whoever else holds a reference. PG_anon_exclusive */
export const PG_ANON_EXCLUSIVE = 0x8;
/** The zero page: counted nowhere. */
export const PG_RESERVED = 0x10;
/** In one of reclaim's lists, and in which. */
export const PG_LRU = 0x20;
export const PG_ACTIVE = 0x40;
/** The swap cache holds it for the slot in page.swapSlot. */
export const PG_SWAPCACHE = 0x80;
/** Given up by its process (MADV_FREE): goes without being written, unless it is dirty again. */
export const PG_LAZYFREE = 0x100;
/** The head of a huge page (hugetlb-pool.ts): no page of reclaim's. */
export const PG_HUGETLB = 0x200;
/** The head of one that was promised, until it is mapped: if it goes unused, it is promised again. HPageRestoreReserve */
export const PG_RESTORE_RESERVE = 0x400;

/** Which of an mm's counters a page belongs to. */
export const MM_FILEPAGES = 0;
export const MM_ANONPAGES = 1;
export const MM_SHMEMPAGES = 2;
/** No pages, but swap entries in ptes. */
export const MM_SWAPENTS = 3;

/** @context process; may sleep */
export function* lockPage(m: Machine, pfn: Pfn): Task<Step | Sleep<'lock_page'>> {
  mightSleep(m, 'lock_page');
  lockdepMayWait(m, whereOf(m.page.flags, pfn));
  yield* pointUntil(m, ACQUIRE, whereOf(m.page.flags, pfn), PG_LOCKED, 0);
  m.page.flags[pfn] = m.page.flags[pfn] | PG_LOCKED;
  lockAcquired(m, whereOf(m.page.flags, pfn));
}

/** @returns false where someone else holds it */
export function* trylockPage(m: Machine, pfn: Pfn): Task<Step, boolean> {
  yield* point(m, WRITE, whereOf(m.page.flags, pfn));
  if ((m.page.flags[pfn] & PG_LOCKED) !== 0) return false;
  m.page.flags[pfn] = m.page.flags[pfn] | PG_LOCKED;
  lockAcquired(m, whereOf(m.page.flags, pfn));
  return true;
}

export function* unlockPage(m: Machine, pfn: Pfn): Task<Step> {
  yield* point(m, RELEASE, whereOf(m.page.flags, pfn));
  bugOn((m.page.flags[pfn] & PG_LOCKED) === 0, 'page-unlock-unlocked');
  lockReleased(m, whereOf(m.page.flags, pfn));
  m.page.flags[pfn] = m.page.flags[pfn] & ~PG_LOCKED;
}

/** The page was freed while the thread held its lock, which went with it: nobody else could find it any more. __ClearPageLocked() */
export function pageLockGone(m: Machine, pfn: Pfn): void {
  lockReleased(m, whereOf(m.page.flags, pfn));
}

/** Whether any of `flags` is set. Each flag has a lock of its own or none, so whoever looks without it says so. */
export function testFlag(m: Machine, pfn: Pfn, flags: number): boolean {
  touch(m, READ, whereOf(m.page.flags, pfn));
  return (m.page.flags[pfn] & flags) !== 0;
}

/** An atomic update, part of the step under way. */
export function setFlag(m: Machine, pfn: Pfn, flag: number): void {
  touch(m, WRITE, whereOf(m.page.flags, pfn));
  m.page.flags[pfn] = m.page.flags[pfn] | flag;
}

/** As setFlag. @returns whether it was set */
export function testAndClearFlag(m: Machine, pfn: Pfn, flag: number): boolean {
  touch(m, WRITE, whereOf(m.page.flags, pfn));
  const isSet = (m.page.flags[pfn] & flag) !== 0;
  m.page.flags[pfn] = m.page.flags[pfn] & ~flag;
  return isSet;
}

/** PageAnon(): its mapping is an anon_vma. */
export function pageIsAnon(m: Machine, pfn: Pfn): boolean {
  return (m.page.mapping[pfn] & 1) === 1;
}

/** mm_counter() */
export function mmCounter(m: Machine, pfn: Pfn): number {
  const mapping = m.page.mapping[pfn];
  if ((mapping & 1) === 1) return MM_ANONPAGES;
  return m.inode.kind[mapping >>> 1] === INODE_REGULAR ? MM_FILEPAGES : MM_SHMEMPAGES;
}

/** A page of `pfn`'s kind more, or fewer. @locks its ptl */
export function addMmCounter(m: Machine, mm: Mm, counter: number, nrPages: number): void {
  if (counter === MM_ANONPAGES) m.mm.rssAnon[mm] = m.mm.rssAnon[mm] + nrPages;
  else if (counter === MM_FILEPAGES) m.mm.rssFile[mm] = m.mm.rssFile[mm] + nrPages;
  else if (counter === MM_SHMEMPAGES) m.mm.rssShmem[mm] = m.mm.rssShmem[mm] + nrPages;
  else m.mm.nrSwapents[mm] = m.mm.nrSwapents[mm] + nrPages;
}

/** The page that a present pte maps, if it is one that has counts: not the zero page, not a special mapping's, not a driver's. vm_normal_page() */
export function vmNormalPage(m: Machine, vma: Vma, pfn: Pfn): Pfn {
  return pfn === m.vm.zeroPfn[0] || vmIsSpecial(m, vma) ? (0 as Pfn) : pfn;
}

/** No page of the VMA has counts. */
export function vmIsSpecial(m: Machine, vma: Vma): boolean {
  return m.vma.vmOps[vma] === VM_OPS_SPECIAL || (m.vma.vmFlags[vma] & VM_PFNMAP) !== 0;
}
