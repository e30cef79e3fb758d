// Models the VMA half of mm/mprotect.c (6.18); the pages are changed in mprotect.ts.
import {
  EACCES, EINVAL, ENOMEM, EPERM, PAGE_SIZE, PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_READ, PROT_SEM, PROT_WRITE, VM_ACCESS_FLAGS,
  VM_ACCOUNT, VM_EXEC, VM_GROWSDOWN, VM_HUGETLB, VM_LOCKED, VM_NORESERVE, VM_READ, VM_SEALED, VM_SHARED, VM_WRITE,
} from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { downWrite, upWrite } from '@mmun/locking';
import { populateVmaPageRange } from './gup.js';
import { hugetlbChangeProtection } from './hugetlb-range.js';
import { mayExpandVm, vmEnoughMemory, vmStatAccount } from './limits.js';
import { vmaPageProt } from './memory-anon.js';
import { changeProtection } from './mprotect.js';
import { currentMm, mmapSemOf, vmaIsAnonymous } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { isPageAligned, pageAlign } from './vma.js';
import { vmaModifyFlags, vmaSetFlags } from './vma-merge.js';
import { findVma } from './vma-tree.js';

const GROWS = PROT_GROWSDOWN | PROT_GROWSUP;

export function* sysMprotect(m: Machine, addr: Vaddr, lenBytes: number, prot: number): Task<MaySleep, number> {
  if ((prot & GROWS) === GROWS || !isPageAligned(addr)) return -EINVAL;
  if (lenBytes === 0) return 0;
  const end = addr + pageAlign(lenBytes);
  if (end >= 2 ** 64) return -ENOMEM;
  if (prot >= 2 ** 32 || (prot & ~(GROWS | PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM)) !== 0) return -EINVAL;
  const mm = currentMm(m);
  const mmapSem = mmapSemOf(m, mm);
  yield* downWrite(m, mmapSem);
  const result = yield* mprotectRange(m, mm, addr, end as Vaddr, prot);
  yield* upWrite(m, mmapSem);
  return result;
}

/** VMA by VMA; what was done before an error stays done. @locks mmap_sem W */
function* mprotectRange(m: Machine, mm: Mm, addr: Vaddr, end: Vaddr, prot: number): Task<MaySleep, number> {
  const v = m.vma;
  let vma = findVma(m, mm, addr);
  if (vma === 0 || v.vmStart[vma] >= end) return -ENOMEM;
  let start: number = addr;
  if ((prot & PROT_GROWSDOWN) !== 0) {
    start = v.vmStart[vma];
    if ((v.vmFlags[vma] & VM_GROWSDOWN) === 0) return -EINVAL;
  } else {
    if (v.vmStart[vma] > start) return -ENOMEM;
    if ((prot & PROT_GROWSUP) !== 0) return -EINVAL;
  }
  const access = ((prot & PROT_READ) !== 0 ? VM_READ : 0) | ((prot & PROT_WRITE) !== 0 ? VM_WRITE : 0) | ((prot & PROT_EXEC) !== 0 ? VM_EXEC : 0);
  for (;;) {
    const newFlags = ((v.vmFlags[vma] & ~VM_ACCESS_FLAGS) | access) >>> 0;
    if ((newFlags & ~(newFlags >>> 4) & VM_ACCESS_FLAGS) !== 0) return -EACCES;
    const to = Math.min(v.vmEnd[vma], end);
    const error = yield* mprotectFixup(m, mm, vma, start as Vaddr, to as Vaddr, newFlags);
    if (error !== 0) return error;
    // What was changed may have merged with what follows: go on behind that.
    start = v.vmEnd[findVma(m, mm, (to - 1) as Vaddr)];
    if (start >= end) return 0;
    vma = findVma(m, mm, start as Vaddr);
    if (vma === 0 || v.vmStart[vma] !== start) return -ENOMEM;
  }
}

/** @locks mmap_sem W @returns 0 or -ENOMEM */
export function* mprotectFixup(m: Machine, mm: Mm, vma: Vma, start: Vaddr, end: Vaddr, wantedFlags: number): Task<MaySleep, number> {
  const oldFlags = m.vma.vmFlags[vma];
  if ((oldFlags & VM_SEALED) !== 0) return -EPERM;
  if (wantedFlags === oldFlags) return 0;
  const nrPages = (end - start) / PAGE_SIZE;
  const newFlags = accountedFlags(m, mm, vma, oldFlags, wantedFlags, nrPages);
  if (newFlags < 0) return newFlags;
  const changed = yield* vmaModifyFlags(m, mm, vma, start, end, newFlags);
  if (changed < 0) return changed;
  vmaSetFlags(m, changed as Vma, newFlags);
  if ((newFlags & VM_HUGETLB) !== 0) yield* hugetlbChangeProtection(m, changed as Vma, start, end, vmaPageProt(m, changed as Vma));
  else yield* changeProtection(m, changed as Vma, start, end, vmaPageProt(m, changed as Vma));
  vmStatAccount(m, mm, oldFlags, -nrPages);
  vmStatAccount(m, mm, newFlags, nrPages);
  const isNewlyWritable = (oldFlags & (VM_WRITE | VM_SHARED | VM_LOCKED)) === VM_LOCKED && (newFlags & VM_WRITE) !== 0;
  if (isNewlyWritable) yield* populateVmaPageRange(m, changed as Vma, start, end);
  return 0;
}

/**
 * Private memory begins to count against the limits when it becomes writable, and stops when it no longer is and
 * nobody has written to it.
 * @returns the flags, or -ENOMEM
 */
function accountedFlags(m: Machine, mm: Mm, vma: Vma, oldFlags: number, newFlags: number, nrPages: number): number {
  if ((newFlags & VM_WRITE) !== 0) {
    if (!mayExpandVm(m, mm, newFlags, nrPages) && mayExpandVm(m, mm, oldFlags, nrPages)) return -ENOMEM;
    if ((oldFlags & (VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE)) !== 0) return newFlags;
    return vmEnoughMemory(m, nrPages) ? (newFlags | VM_ACCOUNT) >>> 0 : -ENOMEM;
  }
  const stopsCounting = (oldFlags & VM_ACCOUNT) !== 0 && vmaIsAnonymous(m, vma) && m.vma.anonVma[vma] === 0;
  return stopsCounting ? (newFlags & ~VM_ACCOUNT) >>> 0 : newFlags;
}
