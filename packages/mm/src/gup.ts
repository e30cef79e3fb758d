// Models mm/gup.c (6.18; get_user_pages as 2.6.24 knew it).
/** Lock order: mmap_sem > ptl. */
import { EFAULT, ENOMEM, PAGE_SIZE, VM_EXEC, VM_FAULT_OOM, VM_HUGETLB, VM_IO, VM_LOCKONFAULT, VM_MAYREAD, VM_PFNMAP, VM_READ, VM_SHARED, VM_WRITE, WRITE } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Ptep, Spinlock, Step, Task, Vaddr, Vma } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import { point, refcountAt, refcountInc, spinLock, spinUnlock } from '@mmun/locking';
import { HPAGE_SIZE, pmdNone, pteOffset, ptePfn, ptePresent, pteWrite, ptepGet } from '#asm';
import { FAULT_FLAG_WRITE } from './fault-flags.js';
import { followHugetlbPage, isHugetlbMapped, putAnyPage } from './hugetlb-gup.js';
import { hugeStart, isHugeFrame } from './hugetlb-pool.js';
import { handleMmFault } from './memory-fault.js';
import { VM_OPS_FILE, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { mmFindPmd, pteLockptr } from './pgalloc.js';
import { findVma } from './vma-tree.js';

/**
 * Brings in every page of `[start, end)`: private writable memory as if written, all else as if read.
 * @context process @locks mmap_sem; may sleep
 * @returns pages, or the errno of the first page that refuses; earlier pages stay
 */
export function* populateVmaPageRange(m: Machine, vma: Vma, start: Vaddr, end: Vaddr): Task<MaySleep, number> {
  const vmFlags = m.vma.vmFlags[vma];
  const nrPages = (end - start) / PAGE_SIZE;
  if ((vmFlags & VM_LOCKONFAULT) !== 0) return nrPages;
  const isWrite = (vmFlags & (VM_WRITE | VM_SHARED)) === VM_WRITE;
  const isForced = (vmFlags & (VM_READ | VM_WRITE | VM_EXEC)) !== 0;
  if (!isVmaAllowed(vmFlags, isWrite, isForced)) return -EFAULT;
  if ((vmFlags & VM_HUGETLB) !== 0) return yield* populateHugetlbRange(m, vma, start, end, isWrite);
  for (let address = start; address < end; address = (address + PAGE_SIZE) as Vaddr) {
    if (yield* isMapped(m, vmaMm(m, vma), address, isWrite)) continue;
    const error = yield* faultinPage(m, vma, address, isWrite);
    if (error !== 0) return error;
  }
  return nrPages;
}

/** @returns as populateVmaPageRange */
function* populateHugetlbRange(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  for (let address = start; address < end; address = (hugeStart(address) + HPAGE_SIZE) as Vaddr) {
    if (yield* isHugetlbMapped(m, vmaMm(m, vma), address, isWrite)) continue;
    const error = yield* faultinPage(m, vma, address, isWrite);
    if (error !== 0) return error;
  }
  return (end - start) / PAGE_SIZE;
}

/**
 * The frame behind an address, with a reference for the caller, as a driver gets it.
 * @param isLongterm the reference is a pin, owed to unpinUserPage; FOLL_PIN | FOLL_LONGTERM
 * @context process @locks mmap_sem for reading; may sleep
 * @holds the reference keeps the frame from being freed, and nothing else: the pte may point elsewhere at once
 * @returns the frame, -EFAULT or -ENOMEM
 */
export function* getUserPage(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean, isLongterm = false): Task<MaySleep, number> {
  const vma = findVma(m, mm, address);
  if (vma === 0 || m.vma.vmStart[vma] > address || !isVmaAllowed(m.vma.vmFlags[vma], isWrite, false)) return -EFAULT;
  if (isLongterm && isWrite && isDirtyTracked(m, vma)) return -EFAULT;
  for (;;) {
    const pfn = yield* followVmaPage(m, vma, address, isWrite, isLongterm);
    if (pfn !== 0) return pfn;
    const error = yield* faultinPage(m, vma, address, isWrite);
    if (error !== 0) return error;
  }
}

/** followPage() or followHugetlbPage(), whichever the VMA needs. */
export function* followVmaPage(m: Machine, vma: Vma, address: Vaddr, isWrite: boolean, isLongterm = false): Task<Step, number> {
  if ((m.vma.vmFlags[vma] & VM_HUGETLB) !== 0) return yield* followHugetlbPage(m, vmaMm(m, vma), address, isWrite);
  return yield* followPage(m, vmaMm(m, vma), address, isWrite, isLongterm);
}

/** The frame that is mapped now, with a reference taken under the ptl; 0 where none is, or none that may be written. @holds no hugetlb VMA covers the address */
export function* followPage(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean, isLongterm = false): Task<Step, number> {
  const ptep = yield* pteOffsetMapLock(m, mm, address);
  if (ptep === 0) return 0;
  const pte = ptepGet(m, ptep);
  const isThere = ptePresent(pte) && (!isWrite || pteWrite(pte));
  const pfn = isThere ? ptePfn(pte) : 0;
  if (pfn !== 0) yield* refcountInc(m, refcountAt(m.page.refcount, pfn));
  if (pfn !== 0 && isLongterm) yield* addPin(m, pfn, 1);
  yield* pteUnmapUnlock(m, mm, address);
  return pfn;
}

/** Gives a pin back, with its reference. Pages of hugetlb are never reclaimed, so theirs is the reference alone. unpin_user_page() @context any */
export function* unpinUserPage(m: Machine, pfn: Pfn): Task<Step> {
  if (!isHugeFrame(m, pfn)) {
    bugOn(m.page.pincount[pfn] <= 0, 'unpin-of-unpinned');
    yield* addPin(m, pfn, -1);
  }
  yield* putAnyPage(m, pfn);
}

function* addPin(m: Machine, pfn: number, by: number): Task<Step> {
  yield* point(m, WRITE, whereOf(m.page.pincount, pfn));
  m.page.pincount[pfn] += by;
}

/** Writes through a long-lived pin would come after a page of a file was cleaned, and nobody would know. writable_file_mapping_allowed() of today */
function isDirtyTracked(m: Machine, vma: Vma): boolean {
  return (m.vma.vmFlags[vma] & VM_SHARED) !== 0 && m.vma.vmOps[vma] === VM_OPS_FILE;
}

/** The slot of an address with its ptl held; 0, and no lock, where there is no table. @owes pteUnmapUnlock unless 0 */
export function* pteOffsetMapLock(m: Machine, mm: Mm, address: Vaddr): Task<Step, Ptep> {
  const pmdp = mmFindPmd(m, mm, address);
  if (pmdp === 0 || pmdNone(m, pmdp)) return 0 as Ptep;
  yield* spinLock(m, pteLockptr(m, mm, pmdp));
  return pteOffset(m, pmdp, address);
}

export function* pteUnmapUnlock(m: Machine, mm: Mm, address: Vaddr): Task<Step> {
  yield* spinUnlock(m, ptlOf(m, mm, address));
}

/** The lock of the pte of an address, whose table exists. */
export function ptlOf(m: Machine, mm: Mm, address: Vaddr): Spinlock {
  return pteLockptr(m, mm, mmFindPmd(m, mm, address));
}

/** check_vma_flags(): `isForced` asks what the mapping could become instead of what it is. */
function isVmaAllowed(vmFlags: number, isWrite: boolean, isForced: boolean): boolean {
  if ((vmFlags & (VM_IO | VM_PFNMAP)) !== 0) return false;
  if (isWrite) return (vmFlags & VM_WRITE) !== 0;
  return (vmFlags & VM_READ) !== 0 || (isForced && (vmFlags & VM_MAYREAD) !== 0);
}

function* isMapped(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean): Task<Step, boolean> {
  const ptep = yield* pteOffsetMapLock(m, mm, address);
  if (ptep === 0) return false;
  const pte = ptepGet(m, ptep);
  const isThere = ptePresent(pte) && (!isWrite || pteWrite(pte));
  yield* pteUnmapUnlock(m, mm, address);
  return isThere;
}

/** @returns 0 or a negative errno */
function* faultinPage(m: Machine, vma: Vma, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const fault = yield* handleMmFault(m, vma, address, isWrite ? FAULT_FLAG_WRITE : 0);
  if (fault === 0) return 0;
  return (fault & VM_FAULT_OOM) !== 0 ? -ENOMEM : -EFAULT;
}
