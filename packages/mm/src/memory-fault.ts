// Models the faults of mm/memory.c (2.6.24 hooks and locks; 6.18 semantics).
/**
 * Lock order: mmap_sem (read) > page lock > ptl. What is prepared without the ptl is checked again under it: another
 * thread may have been first.
 */
import { PAGE_SIZE, READ, VM_FAULT_NOPAGE, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_SHARED } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Pmdp, Ptep, Spinlock, Task, Vaddr, Vma } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { point, spinLock, spinUnlock, touch } from '@mmun/locking';
import {
  pfnPte, pgdNone, pgdOffset, pmdNone, pmdOffset, pteMkdirty, pteMkwrite, pteMkyoung, pteOffset, ptePresent, pteSame, pteToSwpEntry, pteWrite, ptepGet, ptepNone, ptepSetAccessFlags,
  pudNone, pudOffset, setPteAt, whereOfSlot,
} from '#asm';
import { FAULT_FLAG_WRITE } from './fault-flags.js';
import { filemapFault, filemapMapPages, isFaultWithoutTable } from './filemap.js';
import { doHugePmdAnonymousPage, isThpFault } from './huge-memory.js';
import { hugetlbFault } from './hugetlb.js';
import { setAnonPte, vmaPageProt } from './memory-anon.js';
import { doSwapPage } from './memory-swap.js';
import { doWpPage } from './memory-wp.js';
import { VM_OPS_ANON, VM_OPS_DRIVER, VM_OPS_FILE, VM_OPS_HUGETLB, VM_OPS_SHMEM, VM_OPS_SPECIAL, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { allocPage, allocZeroedPage, copyUserHighpage } from './page-alloc.js';
import { PG_DIRTY, addMmCounter, mmCounter, setFlag, unlockPage } from './page-flags.js';
import { pmdAllocWalk, pteAlloc, pteLockptr } from './pgalloc.js';
import { anonVmaPrepare, pageAddFileRmap } from './rmap.js';
import { putPage } from './swap.js';

/**
 * Brings in the page of `address`, or lets it be written.
 * @param address any byte of a page inside the VMA, which must allow the access
 * @context process @locks mmap_sem for reading or writing; may sleep
 * @returns 0, or VM_FAULT_OOM or VM_FAULT_SIGBUS with nothing changed
 * @hot
 */
export function* handleMmFault(m: Machine, vma: Vma, address: Vaddr, flags: number): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  if (m.vma.vmOps[vma] === VM_OPS_HUGETLB) return yield* hugetlbFault(m, vma, address, flags);
  const page = (address - (address & (PAGE_SIZE - 1))) as Vaddr;
  const pmdp = pmdWalk(m, mm, page);
  if (pmdp === 0 || pmdNone(m, pmdp) || isThpFault(m, vma, page, pmdp, flags)) return yield* faultWithoutTable(m, vma, page, flags);
  const fault = yield* handlePteFault(m, vma, page, pmdp, flags);
  return fault & ~VM_FAULT_NOPAGE;
}

/** mmFindPmd of an mm that has tables, without a lock: the step reads each slot. Those who look from outside, and oracles, take mmFindPmd: what they read is no step's. @returns 0 where a level above is missing */
function pmdWalk(m: Machine, mm: Mm, page: Vaddr): Pmdp {
  const pgdp = pgdOffset(m, mm, page);
  touch(m, READ, whereOfSlot(m, pgdp));
  if (pgdNone(m, pgdp)) return 0 as Pmdp;
  const pudp = pudOffset(m, pgdp, page);
  touch(m, READ, whereOfSlot(m, pudp));
  if (pudNone(m, pudp)) return 0 as Pmdp;
  const pmdp = pmdOffset(m, pudp, page);
  touch(m, READ, whereOfSlot(m, pmdp));
  return pmdp;
}

/** The rare half of a fault: tables are missing, or a huge page may come. */
function* faultWithoutTable(m: Machine, vma: Vma, page: Vaddr, flags: number): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  const pmdp = yield* pmdAllocWalk(m, mm, page);
  if (pmdp === 0) return VM_FAULT_OOM;
  if (isThpFault(m, vma, page, pmdp, flags)) {
    const isDone = yield* doHugePmdAnonymousPage(m, vma, page, pmdp, flags);
    if (isDone) return 0;
  }
  touch(m, READ, whereOfSlot(m, pmdp));
  if (pmdNone(m, pmdp) && isBehindFile(m, vma, page, flags)) return yield* refuseBehindFile(m, vma, flags);
  if (pmdNone(m, pmdp) && !(yield* pteAlloc(m, mm, pmdp))) return VM_FAULT_OOM;
  const fault = yield* handlePteFault(m, vma, page, pmdp, flags);
  return fault & ~VM_FAULT_NOPAGE;
}

/** A fault that leaves nothing makes no table either, which the next one could tell. */
function isBehindFile(m: Machine, vma: Vma, page: Vaddr, flags: number): boolean {
  const kind = m.vma.vmOps[vma];
  return (kind === VM_OPS_FILE || kind === VM_OPS_SHMEM) && isFaultWithoutTable(m, vma, page, (flags & FAULT_FLAG_WRITE) !== 0);
}

/** Too late for the anon_vma of a private copy: it was made first. */
function* refuseBehindFile(m: Machine, vma: Vma, flags: number): Task<MaySleep, number> {
  const isCopied = (flags & FAULT_FLAG_WRITE) !== 0 && (m.vma.vmFlags[vma] & VM_SHARED) === 0;
  if (isCopied && m.vma.anonVma[vma] === 0 && (yield* anonVmaPrepare(m, vma)) !== 0) return VM_FAULT_OOM;
  return VM_FAULT_SIGBUS;
}

/** @hot */
function* handlePteFault(m: Machine, vma: Vma, address: Vaddr, pmdp: Pmdp, flags: number): Task<MaySleep, number> {
  const ptep = pteOffset(m, pmdp, address);
  yield* point(m, READ, whereOfSlot(m, ptep));
  if (ptepNone(m, ptep)) {
    if (m.vma.vmOps[vma] === VM_OPS_ANON) return yield* doAnonymousPage(m, vma, address, pmdp, ptep, flags);
    return yield* doFault(m, vma, address, pmdp, ptep, flags);
  }
  const seen = ptepGet(m, ptep);
  if (!ptePresent(seen) && pteToSwpEntry(seen) !== 0) return yield* doSwapPage(m, vma, address, pmdp, ptep, flags, seen);
  const ptl = pteLockptr(m, vmaMm(m, vma), pmdp);
  yield* spinLock(m, ptl);
  if (!pteSame(ptepGet(m, ptep), seen) || !ptePresent(seen)) {
    yield* spinUnlock(m, ptl);
    return 0;
  }
  const isWrite = (flags & FAULT_FLAG_WRITE) !== 0;
  if (isWrite && !pteWrite(seen)) return yield* doWpPage(m, vma, address, ptep, ptl, seen);
  const entry = pteMkyoung(isWrite ? pteMkdirty(seen) : seen);
  yield* ptepSetAccessFlags(m, vma, address, ptep, entry, isWrite);
  yield* spinUnlock(m, ptl);
  return 0;
}

/** @hot */
function* doAnonymousPage(m: Machine, vma: Vma, address: Vaddr, pmdp: Pmdp, ptep: Ptep, flags: number): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  const ptl = pteLockptr(m, mm, pmdp);
  if ((flags & FAULT_FLAG_WRITE) === 0) {
    yield* spinLock(m, ptl);
    const isStable = isStableAddressSpace(m, mm);
    if (isStable && ptepNone(m, ptep)) yield* setPteAt(m, mm, address, ptep, pfnPte(m.vm.zeroPfn[0] as Pfn, vmaPageProt(m, vma)));
    yield* spinUnlock(m, ptl);
    return isStable ? 0 : VM_FAULT_SIGBUS;
  }
  if (m.vma.anonVma[vma] === 0 && (yield* anonVmaPrepare(m, vma)) !== 0) return VM_FAULT_OOM;
  const pfn = yield* allocZeroedPage(m);
  if (pfn === 0) return VM_FAULT_OOM;
  yield* spinLock(m, ptl);
  const isStable = isStableAddressSpace(m, mm);
  const isOurs = isStable && ptepNone(m, ptep);
  if (isOurs) yield* setAnonPte(m, vma, address, ptep, pfn);
  yield* spinUnlock(m, ptl);
  if (!isOurs) yield* putPage(m, pfn);
  return isStable ? 0 : VM_FAULT_SIGBUS;
}

/** What the OOM reaper took away must not come back as zeroes; fault-around does not ask, in Linux neither. check_stable_address_space() @locks a ptl of the mm */
function isStableAddressSpace(m: Machine, mm: Mm): boolean {
  touch(m, READ, whereOf(m.mm.isUnstable, mm));
  return m.mm.isUnstable[mm] === 0;
}

/** A page that is not anonymous. [vvar] and [vdso] get a frame that is counted nowhere. */
function* doFault(m: Machine, vma: Vma, address: Vaddr, pmdp: Pmdp, ptep: Ptep, flags: number): Task<MaySleep, number> {
  const ptl = pteLockptr(m, vmaMm(m, vma), pmdp);
  if (m.vma.vmOps[vma] === VM_OPS_SPECIAL) {
    if ((flags & FAULT_FLAG_WRITE) !== 0) return VM_FAULT_SIGBUS;
    yield* spinLock(m, ptl);
    if (ptepNone(m, ptep)) yield* setPteAt(m, vmaMm(m, vma), address, ptep, pfnPte(m.vm.zeroPfn[0] as Pfn, vmaPageProt(m, vma)));
    yield* spinUnlock(m, ptl);
    return 0;
  }
  if (m.vma.vmOps[vma] === VM_OPS_DRIVER) return VM_FAULT_SIGBUS;
  if ((flags & FAULT_FLAG_WRITE) === 0) return yield* doReadFault(m, vma, address, pmdp, ptep, ptl);
  if ((m.vma.vmFlags[vma] & VM_SHARED) === 0) return yield* doCowFault(m, vma, address, ptep, ptl);
  return yield* doSharedFault(m, vma, address, ptep, ptl);
}

function* doReadFault(m: Machine, vma: Vma, address: Vaddr, pmdp: Pmdp, ptep: Ptep, ptl: Spinlock): Task<MaySleep, number> {
  if (m.bootConfig.settings.faultAroundBytes > PAGE_SIZE) {
    yield* filemapMapPages(m, vma, address, pmdp, vmaPageProt(m, vma));
    touch(m, READ, whereOfSlot(m, ptep));
    if (!ptepNone(m, ptep)) return VM_FAULT_NOPAGE;
  }
  const pfn = yield* filemapFault(m, vma, pgoffOf(m, vma, address));
  if (pfn < 0) return -pfn;
  return yield* finishFault(m, vma, address, ptep, ptl, pfn as Pfn, false);
}

/** The first write into a private page of a file: nobody maps the page itself. */
function* doCowFault(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep, ptl: Spinlock): Task<MaySleep, number> {
  if (m.vma.anonVma[vma] === 0 && (yield* anonVmaPrepare(m, vma)) !== 0) return VM_FAULT_OOM;
  const copy = yield* allocPage(m);
  if (copy === 0) return VM_FAULT_OOM;
  const pfn = yield* filemapFault(m, vma, pgoffOf(m, vma, address));
  if (pfn < 0) {
    yield* putPage(m, copy);
    return -pfn;
  }
  yield* copyUserHighpage(m, copy, pfn as Pfn);
  yield* spinLock(m, ptl);
  const isStable = isStableAddressSpace(m, vmaMm(m, vma));
  const isOurs = isStable && ptepNone(m, ptep);
  if (isOurs) yield* setAnonPte(m, vma, address, ptep, copy);
  yield* spinUnlock(m, ptl);
  yield* unlockPage(m, pfn as Pfn);
  yield* putPage(m, pfn as Pfn);
  if (!isOurs) yield* putPage(m, copy);
  return isStable ? 0 : VM_FAULT_SIGBUS;
}

function* doSharedFault(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep, ptl: Spinlock): Task<MaySleep, number> {
  const pfn = yield* filemapFault(m, vma, pgoffOf(m, vma, address));
  if (pfn < 0) return -pfn;
  setFlag(m, pfn as Pfn, PG_DIRTY);
  return yield* finishFault(m, vma, address, ptep, ptl, pfn as Pfn, true);
}

/** Maps a locked, referenced page of a file unless the slot was filled meanwhile; leaves the page unlocked. @returns 0 or VM_FAULT_SIGBUS */
function* finishFault(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep, ptl: Spinlock, pfn: Pfn, isWrite: boolean): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  yield* spinLock(m, ptl);
  const isStable = (m.vma.vmFlags[vma] & VM_SHARED) !== 0 || isStableAddressSpace(m, mm);
  const isOurs = isStable && ptepNone(m, ptep);
  if (isOurs) {
    const entry = pfnPte(pfn, vmaPageProt(m, vma));
    addMmCounter(m, mm, mmCounter(m, pfn), 1);
    pageAddFileRmap(m, pfn);
    yield* setPteAt(m, mm, address, ptep, isWrite ? pteMkwrite(pteMkdirty(entry)) : entry);
  }
  yield* spinUnlock(m, ptl);
  yield* unlockPage(m, pfn);
  if (!isOurs) yield* putPage(m, pfn);
  return isStable ? 0 : VM_FAULT_SIGBUS;
}

/** linear_page_index() */
function pgoffOf(m: Machine, vma: Vma, address: Vaddr): number {
  return m.vma.vmPgoff[vma] + (address - m.vma.vmStart[vma]) / PAGE_SIZE;
}
