// Models the faults of mm/hugetlb.c (2.6.24 locks; hooks of v5, which has none here, and of 4.12; 6.18 semantics).
/**
 * A page of a hugetlb mapping comes whole, and is copied whole. All huge entries of an mm are guarded by its page_table_lock,
 * which is never split, and faults come one at a time.
 *
 * v5 tells nobody when hugetlb_cow puts the copy in the old page's place: a secondary MMU goes on reading the old page. The
 * range design has brackets around it, as Linux since 2010.
 * The CPUs are flushed, as since 8fe627ec5b7 (2008-04-28). 2.6.24 itself stored the new entry over the old one.
 * Deviation: one mutex, as in 2.6.24, where 4.12 has a table of them; who waited for it looks whether his table still is
 * his (c0d0381ade79, 2020).
 *
 * Lock order: mmap_sem > hugetlb_instantiation_mutex > page lock > i_mmap_lock, anon_vma lock > page_table_lock > hugetlb_lock.
 */
import { PAGE_SIZE, READ, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_MAYSHARE, VM_WRITE } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Pte, Ptep, Spinlock, Task, Vaddr, Vma } from '@mmun/include';
import { mutexAt, mutexLock, mutexUnlock, point, spinLock, spinUnlock } from '@mmun/locking';
import {
  HPAGE_SIZE, flushTlbRange, pfnPte, pteMkdirty, pteMkhuge, pteMkwrite, pteMkyoung, pteNone, ptePfn, ptePresent, pteSame, pteWrite, pteWrprotect, ptepGet, ptepGetAndClear, ptepNone,
  ptepSetAccessFlags, setPteAt, whereOfSlot,
} from '#asm';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '#mmu-notifier';
import { FAULT_FLAG_WRITE } from './fault-flags.js';
import { hugePteAlloc, hugePteOf } from './hugetlb-pgtable.js';
import { HPAGE_NR, RESV_UNMAPPED, allocHugePage, getHugePage, hugeIndex, hugeStart, isResvOwner, putHugePage, putUnusedHugePage, setHugePageUsed } from './hugetlb-pool.js';
import { unmapRefPrivate } from './hugetlb-unmap.js';
import { vmaPageProt } from './memory-anon.js';
import { pageTableLockOf, vmaInode, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { clearHighpage, copyUserHighpage } from './page-alloc.js';
import { addToPageCache, findGetPage } from './page-cache.js';
import { PG_ANON_EXCLUSIVE, lockPage, pageIsAnon, unlockPage } from './page-flags.js';
import { anonVmaPrepare, pageAddFileRmap, pageAddNewAnonRmap, pageMapcount, pageRemoveRmap } from './rmap.js';

/**
 * Brings in the huge page of `address`, or lets it be written.
 * @context process @locks mmap_sem for reading or writing; may sleep
 * @returns 0, VM_FAULT_SIGBUS where the pool is empty or the file ends before, VM_FAULT_OOM
 */
export function* hugetlbFault(m: Machine, vma: Vma, address: Vaddr, flags: number): Task<MaySleep, number> {
  const start = hugeStart(address);
  const ptep = yield* hugePteAlloc(m, vma, start);
  if (ptep === 0) return VM_FAULT_OOM;
  const mutex = mutexAt(m.vm.hugetlbInstantiationMutex, 0);
  yield* mutexLock(m, mutex);
  const fault = yield* handleHugePte(m, vma, start, ptep, (flags & FAULT_FLAG_WRITE) !== 0);
  yield* mutexUnlock(m, mutex);
  return fault;
}

/** @locks hugetlb_instantiation_mutex @returns as hugetlbFault */
function* handleHugePte(m: Machine, vma: Vma, start: Vaddr, ptep: Ptep, isWrite: boolean): Task<MaySleep, number> {
  const ptl = pageTableLockOf(m, vmaMm(m, vma));
  yield* point(m, READ, whereOfSlot(m, ptep));
  const seen = ptepGet(m, ptep);
  if (pteNone(seen)) return yield* hugetlbNoPage(m, vma, start, ptep, isWrite);
  let fault = 0;
  yield* spinLock(m, ptl);
  if (isStillThere(m, vma, start, ptep, seen)) {
    if (isWrite && !pteWrite(seen)) fault = yield* hugetlbCow(m, vma, start, ptep, ptl, seen);
    else yield* ptepSetAccessFlags(m, vma, start, ptep, pteMkyoung(isWrite ? pteMkdirty(seen) : seen), isWrite);
  }
  yield* spinUnlock(m, ptl);
  return fault;
}

/** Shared memory has its pages in the page cache; a private one is anonymous from the beginning, unless the file has a page. */
function* hugetlbNoPage(m: Machine, vma: Vma, start: Vaddr, ptep: Ptep, isWrite: boolean): Task<MaySleep, number> {
  const index = hugeIndex(m, vma, start);
  const isShared = (m.vma.vmFlags[vma] & VM_MAYSHARE) !== 0;
  if (m.vma.resvMap[vma] === RESV_UNMAPPED) return VM_FAULT_SIGBUS;
  let pfn = yield* findLockHugePage(m, vma, index);
  const isNew = pfn === 0;
  if (pfn === 0) {
    if (!isShared && m.vma.anonVma[vma] === 0 && (yield* anonVmaPrepare(m, vma)) !== 0) return VM_FAULT_OOM;
    if (isBehindFile(m, vma, index)) return VM_FAULT_SIGBUS;
    pfn = yield* newHugePage(m, vma, index, isShared);
    if (pfn === 0) return VM_FAULT_SIGBUS;
  }
  const ptl = pageTableLockOf(m, vmaMm(m, vma));
  let fault = 0;
  yield* spinLock(m, ptl);
  const isBehind = isBehindFile(m, vma, index);
  const isOurs = !isBehind && hugePteOf(m, vmaMm(m, vma), start) === ptep && ptepNone(m, ptep);
  if (isOurs) {
    if (isNew && !isShared) addNewAnon(m, pfn, vma, start);
    else pageAddFileRmap(m, pfn);
    const entry = makeHugePte(m, vma, pfn, isShared);
    yield* setPteAt(m, vmaMm(m, vma), start, ptep, entry);
    if (isWrite && !isShared) fault = yield* hugetlbCow(m, vma, start, ptep, ptl, entry);
  } else if (isBehind) fault = VM_FAULT_SIGBUS;
  yield* spinUnlock(m, ptl);
  yield* unlockPage(m, pfn);
  if (!isOurs) yield* putUnusedHugePage(m, vma, index, pfn);
  return fault;
}

/**
 * A write to a page that is there and read-only: reused where nobody else has it, else copied.
 * @locks page_table_lock, held again on return @returns 0, or VM_FAULT_SIGBUS where the pool is empty. hugetlb_wp() today
 */
function* hugetlbCow(m: Machine, vma: Vma, start: Vaddr, ptep: Ptep, ptl: Spinlock, seen: Pte): Task<MaySleep, number> {
  const old = ptePfn(seen);
  const isShared = (m.vma.vmFlags[vma] & VM_MAYSHARE) !== 0;
  if (isShared || isReusable(m, old)) {
    yield* ptepSetAccessFlags(m, vma, start, ptep, pteMkwrite(pteMkdirty(pteMkyoung(seen))), true);
    return 0;
  }
  yield* getHugePage(m, old);
  yield* spinUnlock(m, ptl);
  const result = yield* cowUnlocked(m, vma, start, ptep, ptl, seen);
  yield* putHugePage(m, old);
  yield* spinLock(m, ptl);
  if (result !== AGAIN) return result;
  return isStillThere(m, vma, start, ptep, seen) ? yield* hugetlbCow(m, vma, start, ptep, ptl, seen) : 0;
}

function* cowUnlocked(m: Machine, vma: Vma, start: Vaddr, ptep: Ptep, ptl: Spinlock, seen: Pte): Task<MaySleep, number> {
  if (m.vma.anonVma[vma] === 0 && (yield* anonVmaPrepare(m, vma)) !== 0) return VM_FAULT_OOM;
  const copy = yield* allocHugePage(m, vma, hugeIndex(m, vma, start));
  if (copy === 0) return yield* takeFromChildren(m, vma, start, ptePfn(seen));
  yield* copyHugePage(m, vma, start, ptep, ptl, seen, copy);
  return 0;
}

/** The copy stands in the old page's place, or is given back where another was faster. */
function* copyHugePage(m: Machine, vma: Vma, start: Vaddr, ptep: Ptep, ptl: Spinlock, seen: Pte, copy: Pfn): Task<MaySleep> {
  const mm: Mm = vmaMm(m, vma);
  const old = ptePfn(seen);
  for (let i = 0; i < HPAGE_NR; i++) yield* copyUserHighpage(m, (copy + i) as Pfn, (old + i) as Pfn);
  const mmunStart = start;
  const mmunEnd = (start + HPAGE_SIZE) as Vaddr;
  yield* mmuNotifierInvalidateRangeStart(m, mm, mmunStart, mmunEnd);
  yield* spinLock(m, ptl);
  const isOurs = isStillThere(m, vma, start, ptep, seen);
  if (isOurs) {
    yield* ptepGetAndClear(m, mm, start, ptep);
    yield* flushTlbRange(m, vma, mmunStart, mmunEnd);
    addNewAnon(m, copy, vma, start);
    yield* setPteAt(m, mm, start, ptep, makeHugePte(m, vma, copy, true));
    pageRemoveRmap(m, old);
  }
  yield* spinUnlock(m, ptl);
  yield* mmuNotifierInvalidateRangeEnd(m, mm, mmunStart, mmunEnd);
  if (isOurs) yield* putHugePage(m, old);
  else yield* putUnusedHugePage(m, vma, hugeIndex(m, vma, start), copy);
}

/** What takeFromChildren returns where the page is worth another look. */
const AGAIN = -1;

/** The one who made the mapping does not die because its children hold its pages: they lose this one. */
function* takeFromChildren(m: Machine, vma: Vma, start: Vaddr, old: Pfn): Task<MaySleep, number> {
  if (!isResvOwner(m, vma) || !pageIsAnon(m, old)) return VM_FAULT_SIGBUS;
  yield* unmapRefPrivate(m, vma, start, old);
  return m.page.mapcount[old] === 1 ? AGAIN : VM_FAULT_SIGBUS;
}

/** An anonymous page that only this entry maps. */
function isReusable(m: Machine, pfn: Pfn): boolean {
  const { flags } = m.page;
  if (!pageIsAnon(m, pfn)) return false;
  if ((flags[pfn] & PG_ANON_EXCLUSIVE) === 0 && pageMapcount(m, pfn) !== 1) return false;
  flags[pfn] = flags[pfn] | PG_ANON_EXCLUSIVE;
  return true;
}

function addNewAnon(m: Machine, pfn: Pfn, vma: Vma, start: Vaddr): void {
  pageAddNewAnonRmap(m, pfn, vma, start);
  setHugePageUsed(m, pfn);
  m.page.flags[pfn] = m.page.flags[pfn] | PG_ANON_EXCLUSIVE;
}

/** make_huge_pte() @param isWritable as far as the VMA allows */
function makeHugePte(m: Machine, vma: Vma, pfn: Pfn, isWritable: boolean): Pte {
  const entry = pfnPte(pfn, vmaPageProt(m, vma));
  const isWrite = isWritable && (m.vma.vmFlags[vma] & VM_WRITE) !== 0;
  return pteMkhuge(pteMkyoung(isWrite ? pteMkwrite(pteMkdirty(entry)) : pteWrprotect(entry)));
}

/** The page of the file's cache, locked and with a reference; 0 where there is none. */
function* findLockHugePage(m: Machine, vma: Vma, index: number): Task<MaySleep, Pfn> {
  const inode = vmaInode(m, vma);
  for (;;) {
    const pfn = yield* findGetPage(m, inode, index);
    if (pfn === 0) return pfn;
    yield* lockPage(m, pfn);
    if (m.page.mapping[pfn] === inode * 2 && m.page.index[pfn] === index) return pfn;
    yield* unlockPage(m, pfn);
    yield* putHugePage(m, pfn);
  }
}

/** A page of zeros, locked; a shared one is in the file's cache. @locks hugetlb_instantiation_mutex @returns 0 where the pool is empty */
function* newHugePage(m: Machine, vma: Vma, index: number, isShared: boolean): Task<MaySleep, Pfn> {
  const pfn = yield* allocHugePage(m, vma, index);
  if (pfn === 0) return pfn;
  for (let i = 0; i < HPAGE_NR; i++) clearHighpage(m, (pfn + i) as Pfn);
  yield* lockPage(m, pfn);
  // the mutex keeps others from adding it
  if (isShared) {
    yield* addToPageCache(m, vmaInode(m, vma), index, pfn);
    setHugePageUsed(m, pfn);
  }
  return pfn;
}

/** The entry is what it was, in a table that still is this mm's. @locks page_table_lock */
function isStillThere(m: Machine, vma: Vma, start: Vaddr, ptep: Ptep, seen: Pte): boolean {
  return hugePteOf(m, vmaMm(m, vma), start) === ptep && pteSame(ptepGet(m, ptep), seen) && ptePresent(seen);
}

function isBehindFile(m: Machine, vma: Vma, index: number): boolean {
  return index * PAGE_SIZE >= m.inode.size[vmaInode(m, vma)];
}
