// Models mm/madvise.c (6.18).
/**
 * Advice is given VMA by VMA. A hole in the range is an error that is reported
 * after the rest has been worked on.
 * Lock order: mmap_sem, for write where flags of VMAs change, else for read.
 */
import {
  EACCES, EAGAIN, EFBIG, EINVAL, ENOMEM, EPERM, MADV_COLD, MADV_COLLAPSE, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED,
  MADV_DONTNEED_LOCKED, MADV_FREE, MADV_GUARD_INSTALL, MADV_GUARD_REMOVE, MADV_HUGEPAGE, MADV_KEEPONFORK, MADV_MERGEABLE, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_PAGEOUT,
  MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_RANDOM, MADV_REMOVE, MADV_SEQUENTIAL, MADV_UNMERGEABLE, MADV_WILLNEED,
  MADV_WIPEONFORK, PAGE_SIZE, VM_DONTCOPY, VM_DONTDUMP, VM_DROPPABLE, VM_HUGEPAGE, VM_HUGETLB, VM_IO, VM_LOCKED, VM_MAYSHARE, VM_MAYWRITE, VM_MERGEABLE,
  VM_NOHUGEPAGE, VM_PFNMAP, VM_RAND_READ, VM_SEALED, VM_SEQ_READ, VM_SHARED, VM_SPECIAL, VM_WIPEONFORK,
} from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { downRead, downWrite, upRead, upWrite } from '@mmun/locking';
import { HPAGE_PMD_NR, HPAGE_SIZE, PMD_SIZE } from '#asm';
import { hugeStart } from './hugetlb-pool.js';
import { madviseGuardInstall, madviseGuardRemove } from './madvise-guard.js';
import { madviseFree, madvisePageout } from './madvise-pageout.js';
import { madvisePopulate } from './madvise-populate.js';
import { isAdviceSealed } from './mseal.js';
import { zapPageRange } from './memory.js';
import { INODE_REGULAR, VM_OPS_SHMEM, currentMm, mmapSemOf, vmaInode, vmaIsAnonymous } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { truncatePageRange } from './truncate.js';
import { isPageAligned, pageAlign } from './vma.js';
import { vmaModifyFlags, vmaSetFlags } from './vma-merge.js';
import { findVma } from './vma-tree.js';

/** Advice that changes the flags of VMAs: the only kind that needs mmap_sem for write. */
const FLAG_ADVICE: ReadonlySet<number> = new Set([
  MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
  MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK,
]);
const PAGE_ADVICE: ReadonlySet<number> = new Set([
  MADV_WILLNEED, MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_REMOVE, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
  MADV_COLLAPSE, MADV_GUARD_INSTALL, MADV_GUARD_REMOVE,
]);

export function* sysMadvise(m: Machine, addr: Vaddr, lenBytes: number, behavior: number): Task<MaySleep, number> {
  const advice = behavior | 0; // an int
  const isFlagAdvice = FLAG_ADVICE.has(advice);
  if ((!isFlagAdvice && !PAGE_ADVICE.has(advice)) || !isPageAligned(addr)) return -EINVAL;
  const end = addr + pageAlign(lenBytes);
  if (end >= 2 ** 64) return -EINVAL;
  if (end === addr) return 0;
  const mm = currentMm(m);
  if (advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE) {
    return yield* madvisePopulate(m, mm, addr, end as Vaddr, advice === MADV_POPULATE_WRITE);
  }
  const mmapSem = mmapSemOf(m, mm);
  if (isFlagAdvice) yield* downWrite(m, mmapSem);
  else yield* downRead(m, mmapSem);
  const result = yield* madviseWalkVmas(m, mm, addr, end as Vaddr, advice);
  if (isFlagAdvice) yield* upWrite(m, mmapSem);
  else yield* upRead(m, mmapSem);
  return result;
}

function* madviseWalkVmas(m: Machine, mm: Mm, addr: Vaddr, end: Vaddr, advice: number): Task<MaySleep, number> {
  const v = m.vma;
  let unmapped = 0;
  for (let start: number = addr; start < end;) {
    const vma = findVma(m, mm, start as Vaddr);
    if (vma === 0) return -ENOMEM;
    if (start < v.vmStart[vma]) {
      unmapped = -ENOMEM;
      start = v.vmStart[vma];
      if (start >= end) break;
    }
    const to = Math.min(v.vmEnd[vma], end);
    const error = yield* madviseVma(m, mm, vma, start as Vaddr, to as Vaddr, advice);
    if (error !== 0) return error;
    start = to;
  }
  return unmapped;
}

/** madvise_vma_behavior() */
function* madviseVma(m: Machine, mm: Mm, vma: Vma, start: Vaddr, end: Vaddr, advice: number): Task<MaySleep, number> {
  const vmFlags = m.vma.vmFlags[vma];
  if ((vmFlags & VM_SEALED) !== 0 && isAdviceSealed(m, vma, advice)) return -EPERM;
  switch (advice) {
    case MADV_WILLNEED: return 0;
    case MADV_COLLAPSE: return isCollapsible(m, vma) && Math.ceil(start / PMD_SIZE) <= Math.floor(end / PMD_SIZE) ? 0 : -EINVAL;
    case MADV_COLD: case MADV_PAGEOUT:
      if ((vmFlags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB)) !== 0) return -EINVAL;
      yield* madvisePageout(m, vma, start, end, advice === MADV_PAGEOUT);
      return 0;
    case MADV_GUARD_INSTALL: return (vmFlags & (VM_SPECIAL | VM_HUGETLB | VM_LOCKED)) !== 0 ? -EINVAL : yield* madviseGuardInstall(m, vma, start, end);
    case MADV_GUARD_REMOVE:
      if ((vmFlags & (VM_SPECIAL | VM_HUGETLB)) !== 0) return -EINVAL;
      yield* madviseGuardRemove(m, vma, start, end);
      return 0;
    case MADV_REMOVE: return yield* madviseRemove(m, vma, start, end);
    case MADV_DONTNEED: case MADV_DONTNEED_LOCKED: case MADV_FREE:
      if ((vmFlags & VM_HUGETLB) !== 0) return yield* madviseDontneedHuge(m, vma, start, end, advice);
      if ((vmFlags & (advice === MADV_DONTNEED_LOCKED ? VM_PFNMAP : VM_PFNMAP | VM_LOCKED)) !== 0) return -EINVAL;
      if (advice === MADV_FREE && !vmaIsAnonymous(m, vma)) return -EINVAL;
      if (advice === MADV_FREE) yield* madviseFree(m, vma, start, end);
      else yield* zapPageRange(m, vma, start, end - start);
      return 0;
    default: return yield* madviseFlags(m, mm, vma, start, end, advice);
  }
}

/** Begins with a whole huge page, and a last one that is advised in part stays. madvise_dontneed_free_valid_vma() */
function* madviseDontneedHuge(m: Machine, vma: Vma, start: Vaddr, end: Vaddr, advice: number): Task<MaySleep, number> {
  if (advice === MADV_FREE || start % HPAGE_SIZE !== 0) return -EINVAL;
  const whole = hugeStart(end);
  if (whole > start) yield* zapPageRange(m, vma, start, whole - start);
  return 0;
}

function* madviseFlags(m: Machine, mm: Mm, vma: Vma, start: Vaddr, end: Vaddr, advice: number): Task<MaySleep, number> {
  const newFlags = advisedFlags(m, vma, advice);
  if (newFlags < 0) return newFlags;
  if (newFlags === m.vma.vmFlags[vma]) return 0;
  const changed = yield* vmaModifyFlags(m, mm, vma, start, end, newFlags);
  if (changed < 0) return changed === -ENOMEM ? -EAGAIN : changed;
  vmaSetFlags(m, changed as Vma, newFlags);
  return 0;
}

/** @returns the flags that the advice asks for, or -EINVAL */
function advisedFlags(m: Machine, vma: Vma, advice: number): number {
  const flags = m.vma.vmFlags[vma];
  switch (advice) {
    case MADV_NORMAL: return (flags & ~(VM_RAND_READ | VM_SEQ_READ)) >>> 0;
    case MADV_SEQUENTIAL: return ((flags & ~VM_RAND_READ) | VM_SEQ_READ) >>> 0;
    case MADV_RANDOM: return ((flags & ~VM_SEQ_READ) | VM_RAND_READ) >>> 0;
    case MADV_DONTFORK: return (flags | VM_DONTCOPY) >>> 0;
    case MADV_DOFORK: return (flags & VM_IO) !== 0 ? -EINVAL : (flags & ~VM_DONTCOPY) >>> 0;
    case MADV_WIPEONFORK: return m.vma.vmFile[vma] !== 0 || (flags & VM_SHARED) !== 0 ? -EINVAL : (flags | VM_WIPEONFORK) >>> 0;
    case MADV_KEEPONFORK: return (flags & VM_DROPPABLE) !== 0 ? -EINVAL : (flags & ~VM_WIPEONFORK) >>> 0;
    case MADV_DONTDUMP: return (flags | VM_DONTDUMP) >>> 0;
    case MADV_DODUMP: return ((flags & VM_HUGETLB) === 0 && (flags & VM_SPECIAL) !== 0) || (flags & VM_DROPPABLE) !== 0 ? -EINVAL : (flags & ~VM_DONTDUMP) >>> 0;
    case MADV_HUGEPAGE: return ((flags & ~VM_NOHUGEPAGE) | VM_HUGEPAGE) >>> 0;
    case MADV_NOHUGEPAGE: return ((flags & ~VM_HUGEPAGE) | VM_NOHUGEPAGE) >>> 0;
    case MADV_MERGEABLE: return isKsmCompatible(m, vma) ? (flags | VM_MERGEABLE) >>> 0 : flags;
    default: return (flags & ~VM_MERGEABLE) >>> 0;
  }
}

/**
 * A huge page fits in the VMA: of memory that has had a page, or of shmem at an offset that is aligned like the address. In 6.18
 * one fits, too, in whatever ends below the size of a huge page: the address that is looked at, so far before the end, wraps around.
 * Deviation: nothing is collapsed. thp_vma_allowable_order()
 */
function isCollapsible(m: Machine, vma: Vma): boolean {
  const { vmStart, vmEnd, vmFlags, vmOps, vmPgoff, anonVma } = m.vma;
  if (HPAGE_PMD_NR === 0 || (vmFlags[vma] & (VM_NOHUGEPAGE | VM_SPECIAL | VM_HUGETLB)) !== 0) return false;
  if (vmaIsAnonymous(m, vma)) {
    if (anonVma[vma] === 0) return false;
  } else if (vmOps[vma] !== VM_OPS_SHMEM || (vmStart[vma] / PAGE_SIZE - vmPgoff[vma]) % HPAGE_PMD_NR !== 0) return false;
  return vmEnd[vma] < PMD_SIZE || Math.ceil(vmStart[vma] / PMD_SIZE) * PMD_SIZE + PMD_SIZE <= vmEnd[vma];
}

/** vma_ksm_compatible() */
function isKsmCompatible(m: Machine, vma: Vma): boolean {
  return (m.vma.vmFlags[vma] & (VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE)) === 0;
}

/** Punches a hole into the file, as far as whole pages of this mapping go. */
function* madviseRemove(m: Machine, vma: Vma, start: Vaddr, end: Vaddr): Task<MaySleep, number> {
  const flags = m.vma.vmFlags[vma];
  if ((flags & VM_LOCKED) !== 0 || m.vma.vmFile[vma] === 0) return -EINVAL;
  if ((flags & (VM_SHARED | VM_MAYWRITE)) !== (VM_SHARED | VM_MAYWRITE)) return -EACCES;
  const pgoff = m.vma.vmPgoff[vma] + (start - m.vma.vmStart[vma]) / PAGE_SIZE;
  const inode = vmaInode(m, vma);
  if (m.inode.kind[inode] === INODE_REGULAR && pgoff * PAGE_SIZE + (end - start) > m.bootConfig.settings.maxFileBytes) return -EFBIG;
  yield* truncatePageRange(m, inode, pgoff, pgoff + (end - start) / PAGE_SIZE);
  return 0;
}
