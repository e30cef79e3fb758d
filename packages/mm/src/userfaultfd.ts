// Models mwriteprotect_range of mm/userfaultfd.c (5.7).
/** Lock order: mmap_sem > ptl. */
import { ENOENT, PAGE_SIZE, VM_HUGETLB, VM_SHARED } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr } from '@mmun/include';
import { downRead, upRead } from '@mmun/locking';
import { vmaPageProt } from './memory-anon.js';
import { mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { changeProtection } from './mprotect.js';
import { findVma } from './vma-tree.js';

/**
 * UFFDIO_WRITEPROTECT: the next write to a page of the range faults. The VMA is not changed, so readers of mmap_sem do it
 * beside each other and beside faults, and the flush comes when the ptl has been left.
 * Deviation: no registration and no waiting for a monitor; a fault makes the page writable again as it would be after fork.
 * @context process @returns 0, or -ENOENT where no private VMA of small pages covers the range
 */
export function* mwriteprotectRange(m: Machine, mm: Mm, start: Vaddr, lenBytes: number): Task<MaySleep, number> {
  const mmapSem = mmapSemOf(m, mm);
  const end = (start + Math.max(lenBytes, PAGE_SIZE)) as Vaddr;
  yield* downRead(m, mmapSem);
  const vma = findVma(m, mm, start);
  const isCovered = vma !== 0 && m.vma.vmStart[vma] <= start && m.vma.vmEnd[vma] >= end && (m.vma.vmFlags[vma] & (VM_SHARED | VM_HUGETLB)) === 0;
  // the protection of private memory has no write bit: that comes with the first write
  if (isCovered) yield* changeProtection(m, vma, start, end, vmaPageProt(m, vma));
  yield* upRead(m, mmapSem);
  return isCovered ? 0 : -ENOENT;
}
