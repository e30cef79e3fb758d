// Models do_mbind of mm/mempolicy.c (6.18).
/**
 * The model has one node: a policy decides nothing but which VMAs are one.
 * Lock order: mmap_sem for write.
 */
import { EFAULT, EINVAL } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { downWrite, upWrite } from '@mmun/locking';
import { currentMm, mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { isPageAligned, pageAlign } from './vma.js';
import { vmaModifyPolicy } from './vma-merge.js';
import { findVma } from './vma-tree.js';

/** @param policy equal words are equal policies; 0 is the default, which alone may be given to a range with holes */
export function* sysMbind(m: Machine, addr: Vaddr, lenBytes: number, policy: number): Task<MaySleep, number> {
  const end = addr + pageAlign(lenBytes);
  if (!isPageAligned(addr) || end >= 2 ** 64) return -EINVAL;
  if (end === addr) return 0;
  const mm = currentMm(m);
  yield* downWrite(m, mmapSemOf(m, mm));
  const result = isBindable(m, mm, addr, end, policy === 0) ? yield* mbindRange(m, mm, addr, end, policy) : -EFAULT;
  yield* upWrite(m, mmapSemOf(m, mm));
  return result;
}

/** queue_pages_test_walk() @locks mmap_sem W */
function isBindable(m: Machine, mm: Mm, start: number, end: number, isDiscontigOk: boolean): boolean {
  const v = m.vma;
  const first = findVma(m, mm, start as Vaddr);
  if (first === 0 || v.vmStart[first] >= end) return false;
  if (isDiscontigOk) return true;
  let at = start;
  for (let vma = first; vma !== 0 && at < end && v.vmStart[vma] <= at; vma = v.vmNext[vma] as Vma) at = v.vmEnd[vma];
  return at >= end;
}

/** @locks mmap_sem W @returns 0 or -ENOMEM, with what was done before left as it is */
function* mbindRange(m: Machine, mm: Mm, start: number, end: number, policy: number): Task<MaySleep, number> {
  const v = m.vma;
  for (let vma = findVma(m, mm, start as Vaddr); vma !== 0 && v.vmStart[vma] < end; vma = v.vmNext[vma] as Vma) {
    if (v.vmPolicy[vma] === policy) continue;
    const changed = yield* vmaModifyPolicy(m, mm, vma, Math.max(start, v.vmStart[vma]), Math.min(end, v.vmEnd[vma]), policy);
    if (changed < 0) return changed;
    vma = changed as Vma;
    v.vmPolicy[vma] = policy;
  }
  return 0;
}
