// Models mm/memory.c, get_user_pages and follow_page (2.6.24), for a secondary MMU.
/**
 * From an address of a process to a frame, on behalf of a device.
 *
 * Lock order: mmap_sem > PT lock > what `install` takes.
 *
 * `withPte` is the one form that is right under v5. Between a lookup and an install
 * that are not under one PT lock, this fits in:
 *
 *   device                              munmap
 *   getUserPages: frame P
 *                                       pte cleared, invalidatePage: nothing mapped yet
 *                                       P freed
 *   install: entry -> P                 the device writes to a page of someone else
 */
import { EAGAIN, EFAULT, ENOMEM, ESRCH, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_FAULT_SIGSEGV, VM_HUGETLB, VM_IO, VM_PFNMAP, VM_READ, VM_WRITE } from '@mmun/include';
import type { InstallEntry, MaySleep, Mm, Pfn, Step, Task, Vaddr, Vma } from '@mmun/include';
import { downRead, refcountAt, refcountIncNotZero, upRead } from '@mmun/locking';
import { ptePfn, ptePresent, pteWrite, ptepGet } from '#asm';
import { FAULT_FLAG_WRITE } from './fault-flags.js';
import { mmput } from './fork.js';
import { followVmaPage, getUserPage, pteOffsetMapLock, pteUnmapUnlock } from './gup.js';
import { withHugePte } from './hugetlb-gup.js';
import { handleMmFault } from './memory-fault.js';
import { mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { findVma } from './vma-tree.js';

/** Lookups that one fault tries before it lets the device try again. */
const MAX_TRIES = 16;

/** What withPte calls under the PT lock, with the label of its context left off. */
type Install = (cookie: number, address: Vaddr, pfn: Pfn, isWritable: boolean) => Task<Step, number>;

/** What `ifMapped` returns where the pte does not serve. No install returns it: results are 0, errnos and small numbers. */
const NOT_MAPPED = -0x10000;

/** @see KernelServices.withPte */
export function* withPte(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean, install: InstallEntry, cookie: number): Task<MaySleep, number> {
  if (!(yield* mmgetNotZero(m, mm))) return -ESRCH;
  const mmapSem = mmapSemOf(m, mm);
  yield* downRead(m, mmapSem);
  const result = yield* withPteLocked(m, mm, address, isWrite, install as Install, cookie);
  yield* upRead(m, mmapSem);
  yield* mmput(m, mm);
  return result;
}

/** @see KernelServices.getUserPages, pinUserPages */
export function* getUserPageOf(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean, isLongterm = false): Task<MaySleep, number> {
  if (!(yield* mmgetNotZero(m, mm))) return -ESRCH;
  const mmapSem = mmapSemOf(m, mm);
  yield* downRead(m, mmapSem);
  const pfn = yield* getUserPage(m, mm, address, isWrite, isLongterm);
  yield* upRead(m, mmapSem);
  yield* mmput(m, mm);
  return pfn;
}

/** @see KernelServices.followPage */
export function* followPageOf(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean): Task<MaySleep, Pfn> {
  if (!(yield* mmgetNotZero(m, mm))) return 0 as Pfn;
  const mmapSem = mmapSemOf(m, mm);
  yield* downRead(m, mmapSem);
  const vma = vmaFor(m, mm, address, isWrite);
  const pfn = vma === 0 ? 0 : yield* followVmaPage(m, vma, address, isWrite);
  yield* upRead(m, mmapSem);
  yield* mmput(m, mm);
  return pfn as Pfn;
}

/** mm_users one up, unless the address space has ended. mmget_not_zero() */
export function* mmgetNotZero(m: Machine, mm: Mm): Task<Step, boolean> {
  return yield* refcountIncNotZero(m, refcountAt(m.mm.mmUsers, mm));
}

/** @locks mmap_sem R */
function* withPteLocked(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean, install: Install, cookie: number): Task<MaySleep, number> {
  const vma = vmaFor(m, mm, address, isWrite);
  if (vma === 0) return -EFAULT;
  const isHuge = (m.vma.vmFlags[vma] & VM_HUGETLB) !== 0;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const result = isHuge ? yield* withHugePte(m, mm, address, isWrite, install, cookie, NOT_MAPPED) : yield* ifMapped(m, mm, address, isWrite, install, cookie);
    if (result !== NOT_MAPPED) return result;
    const fault = yield* handleMmFault(m, vma, address, isWrite ? FAULT_FLAG_WRITE : 0);
    if ((fault & VM_FAULT_OOM) !== 0) return -ENOMEM;
    if ((fault & (VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV)) !== 0) return -EFAULT;
  }
  return -EAGAIN;
}

/**
 * The pte as it is, without faulting anything in.
 * @locks mmap_sem R @returns what install returned; NOT_MAPPED without a pte that serves
 */
function* ifMapped(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean, install: Install, cookie: number): Task<Step, number> {
  const ptep = yield* pteOffsetMapLock(m, mm, address);
  if (ptep === 0) return NOT_MAPPED;
  const pte = ptepGet(m, ptep);
  const isServing = ptePresent(pte) && (!isWrite || pteWrite(pte));
  const result = isServing ? yield* install(cookie, address, ptePfn(pte), pteWrite(pte)) : NOT_MAPPED;
  yield* pteUnmapUnlock(m, mm, address);
  return result;
}

/** The VMA that allows the access; 0 without one. A stack does not grow for a device. */
function vmaFor(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean): Vma {
  const vma = findVma(m, mm, address);
  if (vma === 0 || m.vma.vmStart[vma] > address) return 0 as Vma;
  const flags = m.vma.vmFlags[vma];
  const isAllowed = (flags & (VM_IO | VM_PFNMAP)) === 0 && (flags & (isWrite ? VM_WRITE : VM_READ)) !== 0;
  return isAllowed ? vma : (0 as Vma);
}
