// Models madvise_populate in mm/madvise.c and faultin_page_range in mm/gup.c (6.18).
import { EFAULT, EINVAL, ENOMEM, PAGE_SIZE, VM_FAULT_OOM, VM_IO, VM_PFNMAP, VM_READ, VM_WRITE } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr } from '@mmun/include';
import { downRead, upRead } from '@mmun/locking';
import { FAULT_FLAG_WRITE } from './fault-flags.js';
import { handleMmFault } from './memory-fault.js';
import { mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { findVma } from './vma-tree.js';

/** Brings in every page of the range, or says at the first that cannot come why. @returns 0 or a negative errno */
export function* madvisePopulate(m: Machine, mm: Mm, start: Vaddr, end: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const mmapSem = mmapSemOf(m, mm);
  yield* downRead(m, mmapSem);
  let result = 0;
  for (let at: number = start; at < end && result === 0; at += PAGE_SIZE) {
    const vma = findVma(m, mm, at as Vaddr);
    if (vma === 0 || m.vma.vmStart[vma] > at) {
      result = -ENOMEM;
      break;
    }
    const flags = m.vma.vmFlags[vma];
    const isAllowed = (flags & (VM_IO | VM_PFNMAP)) === 0 && (flags & (isWrite ? VM_WRITE : VM_READ)) !== 0;
    if (!isAllowed) {
      result = -EINVAL;
      break;
    }
    const fault = yield* handleMmFault(m, vma, at as Vaddr, isWrite ? FAULT_FLAG_WRITE : 0);
    if (fault !== 0) result = (fault & VM_FAULT_OOM) !== 0 ? -ENOMEM : -EFAULT;
  }
  yield* upRead(m, mmapSem);
  return result;
}
