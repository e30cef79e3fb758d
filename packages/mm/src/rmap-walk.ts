// Models the walks of mm/rmap.c (2.6.24 hooks and locks; anon_vma chains as since 2.6.34).
/**
 * From a page to the ptes that map it, in whatever address space.
 *
 * Lock order (2.6.24): mmap_sem > page lock > i_mmap_lock > anon_vma lock > ptl > swapLock, treeLock. A walk holds neither
 * mmap_sem nor a reference to the mm: a VMA leaves i_mmap and its anon_vmas before its page tables go.
 */
import { PAGE_SIZE, READ, VM_LOCKED, VM_SHARED } from '@mmun/include';
import type { AnonVma, Inode, MaySleep, Mm, Pfn, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import { lockdepAssertHeld, spinLock, spinUnlock, touch } from '@mmun/locking';
import {
  pmdNone, pteDirty, pteMkclean, pteNone, pteOffset, pteWrite, pteWrprotect, ptepClearFlush, ptepClearFlushYoung, ptepGet, ptepPfn, ptepPresent, pageClearDirty, pageTestAndClearYoung,
  pageTestDirty, setPteAt, swpEntryToPte, whereOfSlot,
} from '#asm';
import { MMU_NOTIFIER, mmuNotifierClearFlushYoung, mmuNotifierInvalidatePage, rmapLock, rmapUnlock } from '#mmu-notifier';
import { iMmapLockOf, vmaIntervalNext } from './i-mmap.js';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { MM_ANONPAGES, MM_SWAPENTS, PG_ANON_EXCLUSIVE, PG_DIRTY, PG_LAZYFREE, PG_REFERENCED, PG_SWAPCACHE, addMmCounter, mmCounter, pageIsAnon, setFlag, testAndClearFlag, testFlag, trylockPage, unlockPage } from './page-flags.js';
import { mmFindPmd, pteLockptr } from './pgalloc.js';
import { anonVmaLock, pageMapped, pageRemoveRmap } from './rmap.js';
import { putPage } from './swap.js';
import { swapDuplicate } from './swapfile.js';

/** No pte maps the page any more. */
export const SWAP_SUCCESS = 0;
/** Some pte still does, and may not another time. */
export const SWAP_AGAIN = 1;
/** A pte was used since the last look, or its VMA is locked: the page stays. */
export const SWAP_FAIL = 2;

/**
 * Was the page used since it was last asked? Counts ptes that were young, asks the secondary MMUs behind each of them
 * (hook #2 of v5), and clears what it counts.
 * @context process @locks with `isLocked` the page lock; takes the locks of the walk @returns how many uses it saw
 */
export function* pageReferenced(m: Machine, pfn: Pfn, isLocked: boolean): Task<MaySleep, number> {
  let referenced = yield* pageTestAndClearYoung(m, pfn);
  if (testAndClearFlag(m, pfn, PG_REFERENCED)) referenced++;
  touch(m, READ, whereOf(m.page.mapcount, pfn));
  touch(m, READ, whereOf(m.page.mapping, pfn));
  if (!pageMapped(m, pfn) || m.page.mapping[pfn] === 0) return referenced;
  if (pageIsAnon(m, pfn)) return referenced + (yield* pageReferencedAnon(m, pfn));
  if (isLocked) return referenced + (yield* pageReferencedFile(m, pfn));
  if (!(yield* trylockPage(m, pfn))) return referenced + 1;
  if (m.page.mapping[pfn] !== 0 && !pageIsAnon(m, pfn)) referenced += yield* pageReferencedFile(m, pfn);
  yield* unlockPage(m, pfn);
  return referenced;
}

/**
 * Takes every pte away that maps the page: clear and flush, hook #1 of v5, dirty to the page, and for anonymous memory a
 * swap entry in its place.
 * @param isForced ptes go although they are young: MADV_PAGEOUT
 * @context process @locks page lock; takes the locks of the walk
 * @holds an anonymous page is in the swap cache, or to be given up (PG_LAZYFREE)
 * @returns SWAP_SUCCESS, SWAP_AGAIN or SWAP_FAIL
 */
export function* tryToUnmap(m: Machine, pfn: Pfn, isForced: boolean): Task<MaySleep, number> {
  const result = pageIsAnon(m, pfn) ? yield* tryToUnmapAnon(m, pfn, isForced) : yield* tryToUnmapFile(m, pfn, isForced);
  touch(m, READ, whereOf(m.page.mapcount, pfn));
  return pageMapped(m, pfn) ? result : SWAP_SUCCESS;
}

/**
 * Makes every shared pte of a file's page clean and read-only, so that the next write is told: hook #1 of v5 for each.
 * @context process @locks page lock; takes i_mmap_lock and ptls
 * @returns whether some pte was dirty or could be written @owes PG_DIRTY where it was
 */
export function* pageMkclean(m: Machine, pfn: Pfn): Task<MaySleep, boolean> {
  if (!pageMapped(m, pfn) || m.page.mapping[pfn] === 0 || pageIsAnon(m, pfn)) return false;
  const inode = (m.page.mapping[pfn] >>> 1) as Inode;
  const index = m.page.index[pfn];
  const lock = iMmapLockOf(m, inode);
  let wasDirty = false;
  yield* rmapLock(m, lock);
  for (let vma = vmaIntervalNext(m, inode, 0 as Vma, index, index + 1); vma !== 0; vma = vmaIntervalNext(m, inode, vma, index, index + 1)) {
    if ((m.vma.vmFlags[vma] & VM_SHARED) !== 0 && (yield* pageMkcleanOne(m, pfn, vma))) wasDirty = true;
  }
  yield* rmapUnlock(m, lock);
  if (!pageTestDirty(m, pfn)) return wasDirty;
  yield* pageClearDirty(m, pfn);
  return true;
}

/** Where a VMA has the page; -1 where it does not reach that far. vma_address() @locks the VMA's i_mmap_lock or anon_vma lock */
export function vmaAddress(m: Machine, pfn: Pfn, vma: Vma): number {
  const { vmStart, vmEnd, vmPgoff } = m.vma;
  const address = vmStart[vma] + (m.page.index[pfn] - vmPgoff[vma]) * PAGE_SIZE;
  return address < vmStart[vma] || address >= vmEnd[vma] ? -1 : address;
}

/**
 * The slot at `address` if it maps the page, and then its ptl is held.
 * @locks one by which the VMA cannot go @owes spinUnlock of the ptl unless 0
 */
export function* pageCheckAddress(m: Machine, pfn: Pfn, mm: Mm, address: Vaddr): Task<Step, Ptep> {
  const none = 0 as Ptep;
  const pmdp = mmFindPmd(m, mm, address);
  if (pmdp === 0) return none;
  touch(m, READ, whereOfSlot(m, pmdp));
  if (pmdNone(m, pmdp)) return none;
  const ptep = pteOffset(m, pmdp, address);
  touch(m, READ, whereOfSlot(m, ptep));
  if (!ptepPresent(m, ptep)) return none;
  const ptl = pteLockptr(m, mm, pmdp);
  yield* spinLock(m, ptl);
  if (ptepPresent(m, ptep) && ptepPfn(m, ptep) === pfn) return ptep;
  yield* spinUnlock(m, ptl);
  return none;
}

/**
 * Locks the anon_vma of a mapped page. While the page is mapped a VMA hangs in its anon_vma, and leaves it only under that
 * lock; so the lock is taken first and then the page looked at again. Rows of anon_vmas are never anything else.
 * @returns 0, with no lock, where the page is not anonymous or not mapped any more. page_lock_anon_vma() @owes rmapUnlock
 */
export function* pageLockAnonVma(m: Machine, pfn: Pfn): Task<MaySleep, AnonVma> {
  const none = 0 as AnonVma;
  const mapping = m.page.mapping[pfn];
  touch(m, READ, whereOf(m.page.mapping, pfn));
  if ((mapping & 1) === 0 || !pageMapped(m, pfn)) return none;
  const anonVma = (mapping >>> 1) as AnonVma;
  const lock = anonVmaLock(m, anonVma);
  yield* rmapLock(m, lock);
  touch(m, READ, whereOf(m.page.mapping, pfn));
  if (m.page.mapping[pfn] === mapping && pageMapped(m, pfn) && anonVmaLock(m, anonVma) === lock) return anonVma;
  yield* rmapUnlock(m, lock);
  return none;
}

function* pageReferencedAnon(m: Machine, pfn: Pfn): Task<MaySleep, number> {
  const anonVma = yield* pageLockAnonVma(m, pfn);
  if (anonVma === 0) return 0;
  let referenced = 0;
  for (let avc = m.anonVma.rbRoot[anonVma]; avc !== 0; avc = m.avc.sameAnonVma[avc]) referenced += yield* pageReferencedOne(m, pfn, m.avc.vma[avc] as Vma);
  yield* rmapUnlock(m, anonVmaLock(m, anonVma));
  return referenced;
}

/** @locks page lock */
function* pageReferencedFile(m: Machine, pfn: Pfn): Task<MaySleep, number> {
  const inode = (m.page.mapping[pfn] >>> 1) as Inode;
  const index = m.page.index[pfn];
  const lock = iMmapLockOf(m, inode);
  let referenced = 0;
  yield* rmapLock(m, lock);
  for (let vma = vmaIntervalNext(m, inode, 0 as Vma, index, index + 1); vma !== 0; vma = vmaIntervalNext(m, inode, vma, index, index + 1)) {
    referenced += yield* pageReferencedOne(m, pfn, vma);
  }
  yield* rmapUnlock(m, lock);
  return referenced;
}

/** A locked VMA keeps its pages, so there it counts as used. */
function* pageReferencedOne(m: Machine, pfn: Pfn, vma: Vma): Task<Step, number> {
  const address = vmaAddress(m, pfn, vma) as Vaddr;
  if (address < 0) return 0;
  const mm = vmaMm(m, vma);
  const ptep = yield* pageCheckAddress(m, pfn, mm, address);
  if (ptep === 0) return 0;
  let referenced = 1;
  if ((m.vma.vmFlags[vma] & VM_LOCKED) === 0) referenced = yield* clearFlushYoung(m, vma, address, ptep);
  yield* spinUnlock(m, pteLockptr(m, mm, mmFindPmd(m, mm, address)));
  return referenced;
}

/** Hook #2: in v5 the arch asks, if it does; in the range design mm does. @locks ptl(address) @returns 1 or 0 */
function* clearFlushYoung(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep): Task<Step, number> {
  const young = yield* ptepClearFlushYoung(m, vma, address, ptep);
  if (!MMU_NOTIFIER) return young; // a constant: a call that answers 0 would stay
  return young | (yield* mmuNotifierClearFlushYoung(m, vmaMm(m, vma), address, (address + PAGE_SIZE) as Vaddr));
}

function* tryToUnmapAnon(m: Machine, pfn: Pfn, isForced: boolean): Task<MaySleep, number> {
  const anonVma = yield* pageLockAnonVma(m, pfn);
  if (anonVma === 0) return SWAP_AGAIN;
  let result = SWAP_AGAIN;
  for (let avc = m.anonVma.rbRoot[anonVma]; avc !== 0 && result !== SWAP_FAIL && pageMapped(m, pfn); avc = m.avc.sameAnonVma[avc]) {
    result = yield* tryToUnmapOne(m, pfn, m.avc.vma[avc] as Vma, isForced);
  }
  yield* rmapUnlock(m, anonVmaLock(m, anonVma));
  return result;
}

function* tryToUnmapFile(m: Machine, pfn: Pfn, isForced: boolean): Task<MaySleep, number> {
  const inode = (m.page.mapping[pfn] >>> 1) as Inode;
  const index = m.page.index[pfn];
  const lock = iMmapLockOf(m, inode);
  let result = SWAP_AGAIN;
  yield* rmapLock(m, lock);
  for (let vma = vmaIntervalNext(m, inode, 0 as Vma, index, index + 1); vma !== 0; vma = vmaIntervalNext(m, inode, vma, index, index + 1)) {
    result = yield* tryToUnmapOne(m, pfn, vma, isForced);
    if (result === SWAP_FAIL || !pageMapped(m, pfn)) break;
  }
  yield* rmapUnlock(m, lock);
  return result;
}

/**
 * One pte. The order is that of 2.6.24: clear, flush, hook #1 inside ptepClearFlush; then dirty moves to the page, the swap
 * entry is written, rmap and the reference go, all under the ptl.
 * @locks page lock, i_mmap_lock or anon_vma lock
 */
function* tryToUnmapOne(m: Machine, pfn: Pfn, vma: Vma, isForced: boolean): Task<Step, number> {
  const address = vmaAddress(m, pfn, vma) as Vaddr;
  if (address < 0) return SWAP_AGAIN;
  const mm = vmaMm(m, vma);
  const ptep = yield* pageCheckAddress(m, pfn, mm, address);
  if (ptep === 0) return SWAP_AGAIN;
  const ptl = pteLockptr(m, mm, mmFindPmd(m, mm, address));
  lockdepAssertHeld(m, ptl);
  let isKept = (m.vma.vmFlags[vma] & VM_LOCKED) !== 0 || isPinned(m, pfn);
  if (!isKept && !isForced) isKept = (yield* clearFlushYoung(m, vma, address, ptep)) !== 0;
  if (!isKept) yield* unmapPte(m, pfn, vma, address, ptep);
  yield* spinUnlock(m, ptl);
  return isKept || (pageMapped(m, pfn) && isRedirtied(m, pfn)) ? SWAP_FAIL : SWAP_AGAIN;
}

/** Whoever pins does so under the ptl of the pte. folio_maybe_dma_pinned() */
export function isPinned(m: Machine, pfn: Pfn): boolean {
  touch(m, READ, whereOf(m.page.pincount, pfn));
  return m.page.pincount[pfn] > 0;
}

/** @locks ptl(address) */
function* unmapPte(m: Machine, pfn: Pfn, vma: Vma, address: Vaddr, ptep: Ptep): Task<Step> {
  const mm = vmaMm(m, vma);
  const pte = yield* ptepClearFlush(m, vma, address, ptep);
  yield* mmuNotifierInvalidatePage(m, mm, address);
  if (pteDirty(pte) || (testFlag(m, pfn, PG_LAZYFREE) && pageTestDirty(m, pfn))) setFlag(m, pfn, PG_DIRTY);
  if (pageIsAnon(m, pfn)) {
    if (isRedirtied(m, pfn)) {
      yield* setPteAt(m, mm, address, ptep, pte);
      return;
    }
    bugOn(!testFlag(m, pfn, PG_SWAPCACHE | PG_LAZYFREE), 'unmap-anon-nowhere-to-go');
    addMmCounter(m, mm, MM_ANONPAGES, -1);
    if (testFlag(m, pfn, PG_SWAPCACHE)) {
      const entry = m.page.swapSlot[pfn];
      yield* swapDuplicate(m, entry);
      addMmCounter(m, mm, MM_SWAPENTS, 1);
      m.page.flags[pfn] = m.page.flags[pfn] & ~PG_ANON_EXCLUSIVE;
      yield* setPteAt(m, mm, address, ptep, swpEntryToPte(entry));
    }
  } else addMmCounter(m, mm, mmCounter(m, pfn), -1);
  pageRemoveRmap(m, pfn);
  if (!pageMapped(m, pfn) && pageTestDirty(m, pfn)) {
    yield* pageClearDirty(m, pfn);
    setFlag(m, pfn, PG_DIRTY);
  }
  yield* putPage(m, pfn);
}

/** A page that its process gave up (MADV_FREE) and then wrote to, or a secondary MMU did: it is wanted after all. */
function isRedirtied(m: Machine, pfn: Pfn): boolean {
  return testFlag(m, pfn, PG_LAZYFREE) && testFlag(m, pfn, PG_DIRTY);
}

/** @locks page lock, i_mmap_lock */
function* pageMkcleanOne(m: Machine, pfn: Pfn, vma: Vma): Task<Step, boolean> {
  const address = vmaAddress(m, pfn, vma) as Vaddr;
  if (address < 0) return false;
  const mm = vmaMm(m, vma);
  const ptep = yield* pageCheckAddress(m, pfn, mm, address);
  if (ptep === 0) return false;
  const seen = ptepGet(m, ptep);
  const isDirty = pteDirty(seen) || pteWrite(seen);
  if (isDirty) {
    const entry = yield* ptepClearFlush(m, vma, address, ptep);
    yield* mmuNotifierInvalidatePage(m, mm, address);
    if (!pteNone(entry)) yield* setPteAt(m, mm, address, ptep, pteMkclean(pteWrprotect(entry)));
  }
  yield* spinUnlock(m, pteLockptr(m, mm, mmFindPmd(m, mm, address)));
  return isDirty;
}
