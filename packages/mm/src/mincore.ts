// Models mm/mincore.c (6.18).
/** Lock order: mmap_sem (read) > ptl. */
import { EINVAL, ENOMEM, PAGE_SIZE, READ, VM_HUGETLB } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { downRead, touch, upRead } from '@mmun/locking';
import { TASK_SIZE, ptePresent, ptepGet } from '#asm';
import { pteOffsetMapLock, pteUnmapUnlock } from './gup.js';
import { isHugetlbMapped } from './hugetlb-gup.js';
import { hugeTable } from './hugetlb-pgtable.js';
import { hugeIndex } from './hugetlb-pool.js';
import { INODE_REGULAR, currentMm, mmapSemOf, vmaInode } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { pageCacheLookup } from './page-cache.js';
import { findVma } from './vma-tree.js';
import { swapSlotOf } from './swapops.js';

/**
 * Which pages would be there without reading: mapped, in the swap cache, or for a file in its cache.
 * Deviation: the caller is taken to own the file; others are told that everything is there (can_do_mincore).
 * @param vec a byte for each page, bit 0 @returns 0, -EINVAL or -ENOMEM; pages below a hole are reported before it is found
 */
export function* sysMincore(m: Machine, addr: Vaddr, lenBytes: number, vec: Uint8Array): Task<MaySleep, number> {
  if (addr % PAGE_SIZE !== 0) return -EINVAL;
  if (lenBytes < 0 || addr + lenBytes > TASK_SIZE) return -ENOMEM;
  const mm = currentMm(m);
  const mmapSem = mmapSemOf(m, mm);
  const nrPages = Math.ceil(lenBytes / PAGE_SIZE);
  yield* downRead(m, mmapSem);
  let result = 0;
  for (let i = 0; i < nrPages && result === 0; i++) {
    const address = (addr + i * PAGE_SIZE) as Vaddr;
    const vma = findVma(m, mm, address);
    if (vma === 0 || m.vma.vmStart[vma] > address) result = -ENOMEM;
    else vec[i] = yield* mincorePage(m, mm, vma, address);
  }
  yield* upRead(m, mmapSem);
  return result;
}

function* mincorePage(m: Machine, mm: Mm, vma: Vma, address: Vaddr): Task<MaySleep, number> {
  if ((m.vma.vmFlags[vma] & VM_HUGETLB) !== 0) return yield* mincoreHugetlb(m, mm, vma, address);
  const ptep = yield* pteOffsetMapLock(m, mm, address);
  if (ptep !== 0) {
    const pte = ptepGet(m, ptep);
    const slot = swapSlotOf(pte);
    if (slot !== 0) touch(m, READ, whereOf(m.swap.page, slot));
    const isInSwapCache = slot !== 0 && m.swap.page[slot] !== 0;
    yield* pteUnmapUnlock(m, mm, address);
    if (slot !== 0) return isInSwapCache ? 1 : 0;
    if (ptePresent(pte)) return 1;
  }
  if (m.vma.vmFile[vma] === 0) return 0;
  const pgoff = m.vma.vmPgoff[vma] + (address - m.vma.vmStart[vma]) / PAGE_SIZE;
  const inode = vmaInode(m, vma);
  // The cache of a regular file is warm: see filemap.ts.
  if (m.inode.kind[inode] === INODE_REGULAR && pgoff * PAGE_SIZE < m.inode.size[inode]) return 1;
  return pageCacheLookup(m, inode, pgoff) === 0 ? 0 : 1;
}

/** Where there is not even a table the file's cache is asked, as for any other hole. */
function* mincoreHugetlb(m: Machine, mm: Mm, vma: Vma, address: Vaddr): Task<MaySleep, number> {
  if (hugeTable(m, mm, address) === 0) return pageCacheLookup(m, vmaInode(m, vma), hugeIndex(m, vma, address)) === 0 ? 0 : 1;
  return (yield* isHugetlbMapped(m, mm, address, false)) ? 1 : 0;
}
