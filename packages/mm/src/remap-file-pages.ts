// Models remap_file_pages in mm/mmap.c (6.18), which has been a disguised mmap since 4.0.
/** Lock order: mmap_sem for write; pages are brought in after it was let go. */
import {
  EINVAL, MAP_FIXED, MAP_LOCKED, MAP_NONBLOCK, MAP_POPULATE, MAP_SHARED, PAGE_SIZE, VM_ACCESS_FLAGS, VM_LOCKED, VM_SHARED,
} from '@mmun/include';
import type { File, MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { downWrite, upWrite } from '@mmun/locking';
import { fput, getFile } from './file-table.js';
import { mmPopulate } from './gup-populate.js';
import { doMmap } from './mmap.js';
import { currentMm, mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { findVma } from './vma-tree.js';

/** Other pages of the file that is mapped there, with the protection that is there. */
export function* sysRemapFilePages(m: Machine, addr: Vaddr, lenBytes: number, prot: number, pgoff: number, flags: number): Task<MaySleep, number> {
  const start = (addr - (addr % PAGE_SIZE)) as Vaddr;
  const len = lenBytes - (lenBytes % PAGE_SIZE);
  if (prot !== 0 || len === 0 || start + len >= 2 ** 64 || pgoff + len / PAGE_SIZE >= 2 ** 64) return -EINVAL;
  const mm = currentMm(m);
  yield* downWrite(m, mmapSemOf(m, mm));
  const vma = vmaOfWhole(m, mm, start, start + len);
  let result = -EINVAL;
  let isPopulated = false;
  if (vma !== 0) {
    const vmFlags = m.vma.vmFlags[vma];
    const mapFlags = (flags & MAP_NONBLOCK) | MAP_SHARED | MAP_FIXED | MAP_POPULATE | ((vmFlags & VM_LOCKED) === 0 ? 0 : MAP_LOCKED);
    isPopulated = (vmFlags & VM_LOCKED) !== 0 || (m.mm.defFlags[mm] & VM_LOCKED) !== 0 || (mapFlags & MAP_NONBLOCK) === 0;
    const file = m.vma.vmFile[vma] as File;
    getFile(m, file); // the last mapping of it may be the one that goes
    result = yield* doMmap(m, mm, start, len, vmFlags & VM_ACCESS_FLAGS, mapFlags, file, pgoff);
    yield* fput(m, file);
  }
  yield* upWrite(m, mmapSemOf(m, mm));
  if (result < 0) return result;
  if (isPopulated) yield* mmPopulate(m, mm, start, len);
  return 0;
}

/** @returns the shared VMA that holds `start`, if it and others like it, without a gap, hold all of the range; else 0 */
function vmaOfWhole(m: Machine, mm: Mm, start: Vaddr, end: number): Vma {
  const v = m.vma;
  const none = 0 as Vma;
  const first = findVma(m, mm, start);
  if (first === 0 || v.vmStart[first] > start || (v.vmFlags[first] & VM_SHARED) === 0) return none;
  for (let vma = first; v.vmEnd[vma] < end;) {
    const next = v.vmNext[vma] as Vma;
    if (next === 0 || v.vmStart[next] !== v.vmEnd[vma] || v.vmFile[next] !== v.vmFile[first] || v.vmFlags[next] !== v.vmFlags[first]) return none;
    vma = next;
  }
  return first;
}
