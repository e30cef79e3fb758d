// Models __mm_populate in mm/gup.c (6.18).
import { VM_IO, VM_LOCKED, VM_LOCKONFAULT, VM_PFNMAP } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr } from '@mmun/include';
import { downRead, upRead } from '@mmun/locking';
import { populateVmaPageRange } from './gup.js';
import { mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { findVma } from './vma-tree.js';

/**
 * Brings in the pages of a range, as far as there are VMAs, after a system call that has already succeeded.
 * @context process, mmap_sem not held; may sleep
 */
export function* mmPopulate(m: Machine, mm: Mm, start: Vaddr, lenBytes: number): Task<MaySleep> {
  yield* populate(m, mm, start, lenBytes, true);
}

/** As mmPopulate, but the first VMA that refuses ends it. @returns 0 or a negative errno */
export function* mmPopulateStrict(m: Machine, mm: Mm, start: Vaddr, lenBytes: number): Task<MaySleep, number> {
  return yield* populate(m, mm, start, lenBytes, false);
}

function* populate(m: Machine, mm: Mm, start: Vaddr, lenBytes: number, isErrorIgnored: boolean): Task<MaySleep, number> {
  const end = start + lenBytes;
  const mmapSem = mmapSemOf(m, mm);
  let result = 0;
  let at: number = start;
  yield* downRead(m, mmapSem);
  while (at < end && result === 0) {
    const vma = findVma(m, mm, at as Vaddr);
    if (vma === 0 || m.vma.vmStart[vma] >= end) break;
    const from = Math.max(at, m.vma.vmStart[vma]);
    const to = Math.min(end, m.vma.vmEnd[vma]);
    at = to;
    const flags = m.vma.vmFlags[vma];
    if ((flags & (VM_IO | VM_PFNMAP)) !== 0) continue;
    if ((flags & VM_LOCKONFAULT) !== 0 && (flags & VM_LOCKED) !== 0) continue;
    const populated = yield* populateVmaPageRange(m, vma, from as Vaddr, to as Vaddr);
    if (populated < 0 && !isErrorIgnored) result = populated;
  }
  yield* upRead(m, mmapSem);
  return result;
}
