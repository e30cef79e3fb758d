// Models get_unmapped_area: mm/mmap.c, arch/x86/kernel/sys_x86_64.c, mm/huge_memory.c and mm/shmem.c (6.18).
/**
 * Where a mapping goes that does not say where: downward from mmap_base, the
 * highest room that fits. Every function here wants mmap_sem.
 */
import { EINVAL, ENOMEM, EPERM, MAP_32BIT, MAP_ABOVE4G, MAP_FIXED, MAP_SHARED, MAP_TYPE, PAGE_SIZE } from '@mmun/include';
import type { File, Inode, Mm, Vaddr } from '@mmun/include';
import { HPAGE_PMD_NR, HPAGE_SIZE, PMD_SIZE, TASK_SIZE } from '#asm';
import { isHugetlbInode } from './hugetlbfs.js';
import type { Machine } from './mm-types.js';
import { isPageAligned } from './vma.js';
import { findVma, unmappedAreaBottomup, unmappedAreaTopdown, vmStartGap } from './vma-tree.js';

/** What MAP_32BIT leaves. */
const LOW_START = 0x40000000;
const LOW_END = 0x80000000;
const FOUR_GIB = 2 ** 32;
/** The upward search, for when nothing fits below mmap_base, starts at a third of the address space. */
const TASK_UNMAPPED_BASE = Math.ceil(TASK_SIZE / 3 / PAGE_SIZE) * PAGE_SIZE;

/**
 * @param addr a hint, or with MAP_FIXED the address; page aligned
 * @param pgoff pages into the file
 * @returns an address, or a negative errno
 */
export function getUnmappedArea(m: Machine, mm: Mm, file: File, addr: number, len: number, pgoff: number, flags: number): number {
  if (len > TASK_SIZE) return -ENOMEM;
  const found = search(m, mm, file, addr, len, pgoff, flags);
  if (found < 0) return found;
  // IS_ERR_VALUE(): an address so high is taken for an errno, whatever it says.
  if (found > 2 ** 64 - PAGE_SIZE) return found - 2 ** 64;
  if (found > TASK_SIZE - len) return -ENOMEM;
  if (!isPageAligned(found)) return -EINVAL;
  return found < m.bootConfig.settings.dacMmapMinAddr ? -EPERM : found;
}

/** File systems that want huge pages, and anonymous mappings of whole huge pages, ask for an aligned place first. */
function search(m: Machine, mm: Mm, file: File, addr: number, len: number, pgoff: number, flags: number): number {
  if (file !== 0 && isHugetlbInode(m, m.file.inode[file] as Inode)) return hugetlbGetUnmappedArea(m, mm, addr, len, flags);
  const wantsAligned = HPAGE_PMD_NR !== 0 && (file !== 0
    ? m.inode.isThpAligned[m.file.inode[file]] === 1
    : (flags & MAP_TYPE) !== MAP_SHARED && addr === 0 && len % PMD_SIZE === 0);
  if (wantsAligned) {
    const aligned = thpGetUnmappedArea(m, mm, addr, len, file === 0 ? 0 : pgoff * PAGE_SIZE, flags);
    if (aligned !== 0) return aligned;
  }
  return archGetUnmappedAreaTopdown(m, mm, addr, len, flags);
}

/** @param off bytes into the file @returns 0 where a mapping of that kind holds no whole huge page, or no room was found */
function thpGetUnmappedArea(m: Machine, mm: Mm, addr: number, len: number, off: number, flags: number): number {
  const offEnd = off + len;
  const offAligned = Math.ceil(off / PMD_SIZE) * PMD_SIZE;
  if (offEnd <= offAligned || offEnd - offAligned < PMD_SIZE) return 0;
  const found = archGetUnmappedAreaTopdown(m, mm, addr, len + PMD_SIZE, flags);
  if (found < 0) return 0;
  if (found === addr) return addr;
  const offSub = modulo(off - found, PMD_SIZE);
  return found + (offSub === 0 ? PMD_SIZE : offSub);
}

/** Whole huge pages, at the boundaries of huge pages. hugetlb_get_unmapped_area() */
function hugetlbGetUnmappedArea(m: Machine, mm: Mm, addr: number, len: number, flags: number): number {
  if (len % HPAGE_SIZE !== 0 || ((flags & MAP_FIXED) !== 0 && addr % HPAGE_SIZE !== 0)) return -EINVAL;
  return archGetUnmappedAreaTopdown(m, mm, Math.ceil(addr / HPAGE_SIZE) * HPAGE_SIZE, len, flags, HPAGE_SIZE);
}

/** @param align where it is more than a page, the search is for so much more, and goes down, or up, to the next boundary */
function archGetUnmappedAreaTopdown(m: Machine, mm: Mm, addr: number, len: number, flags: number, align: number = PAGE_SIZE): number {
  if (len > TASK_SIZE) return -ENOMEM;
  if ((flags & MAP_FIXED) !== 0) return addr;
  if ((flags & MAP_32BIT) !== 0) return unmappedArea32bit(m, mm, addr, len, align);
  if (addr !== 0 && isHintFree(m, mm, addr, len)) return addr;
  const low = Math.max((flags & MAP_ABOVE4G) !== 0 ? FOUR_GIB : PAGE_SIZE, m.bootConfig.settings.mmapMinAddr);
  const spare = align - PAGE_SIZE;
  const found = unmappedAreaTopdown(m, mm, len + spare, low, m.mm.mmapBase[mm]);
  if (found !== -1) return found + spare - modulo(found + spare, align);
  const upward = unmappedAreaBottomup(m, mm, len + spare, TASK_UNMAPPED_BASE, TASK_SIZE);
  return upward === -1 ? -ENOMEM : Math.ceil(upward / align) * align;
}

/**
 * MAP_32BIT searches the second GiB upward. arch_get_unmapped_area()
 * Deviation: a process with randomization begins up to 32 MiB higher.
 */
function unmappedArea32bit(m: Machine, mm: Mm, addr: number, len: number, align: number): number {
  if (len > LOW_END) return -ENOMEM;
  if (addr !== 0 && addr <= LOW_END - len && isHintFree(m, mm, addr, len)) return addr;
  const found = unmappedAreaBottomup(m, mm, len + align - PAGE_SIZE, LOW_START, LOW_END);
  return found === -1 ? -ENOMEM : Math.ceil(found / align) * align;
}

function isHintFree(m: Machine, mm: Mm, addr: number, len: number): boolean {
  if (addr > TASK_SIZE - len) return false;
  const vma = findVma(m, mm, addr as Vaddr);
  return vma === 0 || addr + len <= vmStartGap(m, vma);
}

/** The mathematical remainder, never negative. */
function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
