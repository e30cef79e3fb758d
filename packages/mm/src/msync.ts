// Models mm/msync.c (6.18).
import { EBUSY, EINVAL, ENOMEM, MS_ASYNC, MS_INVALIDATE, MS_SYNC, PAGE_SIZE, VM_LOCKED, VM_SHARED } from '@mmun/include';
import type { MaySleep, Task, Vaddr, Vma } from '@mmun/include';
import { downRead, upRead } from '@mmun/locking';
import { currentMm, mmapSemOf, vmaInode } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { filemapFdatawrite } from './page-writeback.js';
import { isPageAligned, pageAlignWrapping } from './vma.js';
import { findVma } from './vma-tree.js';

/** Writes back what there is a store for (nrSwapSlots); else only the checks remain. A hole is reported after the rest, but ends MS_ASYNC at once. */
export function* sysMsync(m: Machine, addr: Vaddr, lenBytes: number, flags: number): Task<MaySleep, number> {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0 || !isPageAligned(addr)) return -EINVAL;
  if ((flags & (MS_ASYNC | MS_SYNC)) === (MS_ASYNC | MS_SYNC)) return -EINVAL;
  const end = addr + pageAlignWrapping(lenBytes, 0);
  if (end >= 2 ** 64) return -ENOMEM;
  if (end === addr) return 0;
  const mm = currentMm(m);
  const mmapSem = mmapSemOf(m, mm);
  yield* downRead(m, mmapSem);
  let result = 0;
  for (let start: number = addr; start < end;) {
    const vma = findVma(m, mm, start as Vaddr);
    const isHole = vma === 0 || start < m.vma.vmStart[vma];
    if (isHole) result = -ENOMEM;
    if (vma === 0 || (isHole && (flags === MS_ASYNC || m.vma.vmStart[vma] >= end))) break;
    if ((flags & MS_INVALIDATE) !== 0 && (m.vma.vmFlags[vma] & VM_LOCKED) !== 0) {
      result = -EBUSY;
      break;
    }
    if ((flags & MS_SYNC) !== 0) yield* writeBack(m, vma, Math.max(start, m.vma.vmStart[vma]), Math.min(end, m.vma.vmEnd[vma]));
    start = m.vma.vmEnd[vma];
  }
  yield* upRead(m, mmapSem);
  return result;
}

/** vfs_fsync_range() of the file behind a shared mapping. Deviation: mmap_sem is kept meanwhile. @locks mmap_sem R */
function* writeBack(m: Machine, vma: Vma, start: number, end: number): Task<MaySleep> {
  if (m.vma.vmFile[vma] === 0 || (m.vma.vmFlags[vma] & VM_SHARED) === 0) return;
  const from = m.vma.vmPgoff[vma] + (start - m.vma.vmStart[vma]) / PAGE_SIZE;
  yield* filemapFdatawrite(m, vmaInode(m, vma), from, from + (end - start) / PAGE_SIZE);
}
