// Models mm/mseal.c and what of mm/vma.h and mm/madvise.c looks at seals (6.18).
/**
 * A sealed mapping keeps its place, its length and its protection until the process ends. Nothing takes a seal off.
 * Lock order: mmap_sem for write.
 */
import {
  EINVAL, ENOMEM, MADV_DONTFORK, MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_GUARD_INSTALL, MADV_REMOVE, MADV_WIPEONFORK, VM_SEALED, VM_WRITE,
} from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { downWrite, upWrite } from '@mmun/locking';
import { currentMm, mmapSemOf, vmaIsAnonymous } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { isPageAligned, pageAlign } from './vma.js';
import { vmaModifyFlags, vmaSetFlags } from './vma-merge.js';
import { findVma } from './vma-tree.js';

/** Advice that takes away what the pages hold, here or in a child. */
const DISCARDS: ReadonlySet<number> = new Set([
  MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_WIPEONFORK, MADV_GUARD_INSTALL,
]);

/** A range with a hole is refused before anything is sealed. */
export function* sysMseal(m: Machine, addr: Vaddr, lenBytes: number, flags: number): Task<MaySleep, number> {
  const end = addr + pageAlign(lenBytes);
  if (flags !== 0 || !isPageAligned(addr) || end >= 2 ** 64) return -EINVAL;
  if (end === addr) return 0;
  const mm = currentMm(m);
  yield* downWrite(m, mmapSemOf(m, mm));
  const result = containsUnmapped(m, mm, addr, end) ? -ENOMEM : yield* sealRange(m, mm, addr, end);
  yield* upWrite(m, mmapSemOf(m, mm));
  return result;
}

/** What may be written may as well be thrown away; what comes from a file is there again. can_madvise_modify() */
export function isAdviceSealed(m: Machine, vma: Vma, advice: number): boolean {
  const vmFlags = m.vma.vmFlags[vma];
  if ((vmFlags & VM_SEALED) === 0 || !DISCARDS.has(advice)) return false;
  return (vmFlags & VM_WRITE) === 0 && vmaIsAnonymous(m, vma);
}

function containsUnmapped(m: Machine, mm: Mm, start: Vaddr, end: number): boolean {
  const v = m.vma;
  let at: number = start;
  for (let vma = findVma(m, mm, start); vma !== 0 && v.vmStart[vma] < end; vma = v.vmNext[vma] as Vma) {
    if (v.vmStart[vma] > at) return true;
    at = v.vmEnd[vma];
  }
  return at < end;
}

/** mseal_apply() @locks mmap_sem W */
function* sealRange(m: Machine, mm: Mm, start: Vaddr, end: number): Task<MaySleep, number> {
  const v = m.vma;
  for (let at: number = start; at < end;) {
    let vma = findVma(m, mm, at as Vaddr);
    const to = Math.min(v.vmEnd[vma], end);
    if ((v.vmFlags[vma] & VM_SEALED) === 0) {
      const newFlags = (v.vmFlags[vma] | VM_SEALED) >>> 0;
      const changed = yield* vmaModifyFlags(m, mm, vma, at, to, newFlags);
      if (changed < 0) return changed;
      vma = changed as Vma;
      vmaSetFlags(m, vma, newFlags);
    }
    at = to;
  }
  return 0;
}
