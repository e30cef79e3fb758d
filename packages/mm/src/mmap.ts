// Models mm/mmap.c and the mapping half of mm/vma.c (6.18).
/**
 * mmap. Lock order: mmap_sem > ptl; pages of a populated mapping are brought in
 * after mmap_sem was let go.
 */
import {
  EACCES, EAGAIN, EBADF, EEXIST, EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM, MAP_ANONYMOUS, MAP_DROPPABLE, MAP_FIXED,
  MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB, MAP_LOCKED, MAP_NONBLOCK, MAP_NORESERVE, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED,
  MAP_SHARED_VALIDATE, MAP_STACK, MAP_SYNC, MAP_TYPE, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, VM_ACCOUNT, VM_DONTDUMP, VM_DONTEXPAND, VM_DROPPABLE, VM_EXEC,
  VM_GROWSDOWN, VM_HUGETLB, VM_LOCKED, VM_LOCKED_MASK, VM_MAYEXEC, VM_MAYREAD, VM_MAYSHARE, VM_MAYWRITE, VM_NOHUGEPAGE, VM_NORESERVE, VM_READ, VM_SHARED, VM_SYNC,
  VM_WIPEONFORK, VM_WRITE,
} from '@mmun/include';
import type { AnonVma, File, Inode, MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { downWrite, upWrite } from '@mmun/locking';
import { filpOpen, fput, getFile, iput, newInode } from './file-table.js';
import { mmPopulate } from './gup-populate.js';
import { hugeAlign, hugetlbRefusal, hugetlbfsFileMmap, isHugetlbInode } from './hugetlbfs.js';
import { vmaLinkFile } from './i-mmap.js';
import { canDoMlock, isAccountable, mayExpandVm, mlockFutureOk, vmEnoughMemory, vmStatAccount } from './limits.js';
import { memfdCheckSealsMmap } from './memfd.js';
import { INODE_REGULAR, INODE_ZERO, VM_OPS_ANON, VM_OPS_FILE, VM_OPS_HUGETLB, VM_OPS_SHMEM, currentMm, mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { cutOut, unmapRange } from './munmap.js';
import { getUnmappedArea } from './unmapped-area.js';
import { isPageAligned, pageAlign, removeVma, vmAreaAlloc } from './vma.js';
import { vmaMergeNewRange } from './vma-merge.js';
import { findVma, findVmaIntersection, lastVma, vmaLink } from './vma-tree.js';

/** One more byte than a file can have. */
const MAX_LFS_FILESIZE = 2 ** 63;
/** Of the file systems that nobody mounts. */
const UNNAMED_MINOR = { zero: 1, hugetlb: 17 } as const;
const DEV_ZERO = '/dev/zero';
const NO_FILE = 0 as File;
const NONE = 0 as Vma;
/** OVERCOMMIT_NEVER ignores MAP_NORESERVE. */
const OVERCOMMIT_NEVER = 2;
/** MAP_HUGE_2MB | MAP_HUGE_1GB: their bits, not their values. */
const MAP_HUGE_MASKS = 0x7c000000;
/** What MAP_SHARED_VALIDATE accepts of a file without flags of its own. LEGACY_MAP_MASK */
const LEGACY_MAP_MASK = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | 0x800 | 0x1000 | MAP_HUGE_MASKS | MAP_GROWSDOWN | MAP_LOCKED
  | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | 0x40 | 0x80;

/** @param file the open file that the descriptor stands for; 0 is a bad descriptor. Ignored with MAP_ANONYMOUS. */
export function* sysMmap(m: Machine, addr: Vaddr, lenBytes: number, prot: number, flags: number, file: File, offsetBytes: number): Task<MaySleep, number> {
  if (!isPageAligned(offsetBytes)) return -EINVAL;
  const isAnonymous = (flags & MAP_ANONYMOUS) !== 0;
  if (!isAnonymous && file === 0) return -EBADF;
  if (!isAnonymous && isHugetlbInode(m, m.file.inode[file] as Inode)) return yield* vmMmap(m, addr, hugeAlign(lenBytes), prot, flags, file, offsetBytes);
  if ((flags & MAP_HUGETLB) !== 0) return isAnonymous ? yield* mmapHugetlb(m, addr, lenBytes, prot, flags, offsetBytes) : -EINVAL;
  return yield* vmMmap(m, addr, lenBytes, prot, flags, isAnonymous ? NO_FILE : file, offsetBytes);
}

/** vm_mmap_pgoff() */
function* vmMmap(m: Machine, addr: Vaddr, lenBytes: number, prot: number, flags: number, file: File, offsetBytes: number): Task<MaySleep, number> {
  const mm = currentMm(m);
  const mmapSem = mmapSemOf(m, mm);
  yield* downWrite(m, mmapSem);
  const result = yield* doMmap(m, mm, addr, lenBytes, prot, flags, file, offsetBytes / PAGE_SIZE);
  const isLocked = (m.mm.defFlags[mm] & VM_LOCKED) !== 0 || (flags & MAP_LOCKED) !== 0;
  yield* upWrite(m, mmapSem);
  if (result >= 0 && (isLocked || (flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE)) {
    yield* mmPopulate(m, mm, result as Vaddr, pageAlign(lenBytes));
  }
  return result;
}

/** Anonymous memory of huge pages is a file of its own that nobody can open. hugetlb_file_setup() */
function* mmapHugetlb(m: Machine, addr: Vaddr, lenBytes: number, prot: number, flags: number, offsetBytes: number): Task<MaySleep, number> {
  const refused = hugetlbRefusal(flags, lenBytes);
  if (refused !== 0) return refused;
  const file = yield* unnamedFile(m, '/anon_hugepage (deleted)', 'hugetlb', hugeAlign(lenBytes));
  if (file === 0) return -ENOMEM;
  const result = yield* vmMmap(m, addr, hugeAlign(lenBytes), prot, flags, file, offsetBytes);
  yield* fput(m, file);
  return result;
}

/** @locks mmap_sem W @param pgoff pages into the file @returns the address, or a negative errno */
export function* doMmap(m: Machine, mm: Mm, hint: Vaddr, lenBytes: number, prot: number, flags: number, file: File, pgoff: number): Task<MaySleep, number> {
  if (lenBytes === 0) return -EINVAL;
  const isFixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
  const wanted = isFixed ? hint : roundHintToMin(m, hint);
  const len = pageAlign(lenBytes);
  if (len >= 2 ** 64) return -ENOMEM;
  if (m.mm.mapCount[mm] > m.bootConfig.settings.maxMapCount) return -ENOMEM;

  const placed = getUnmappedArea(m, mm, file, wanted, len, pgoff, isFixed ? flags | MAP_FIXED : flags);
  if (placed < 0) return placed;
  const addr = placed as Vaddr;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0 && findVmaIntersection(m, mm, addr, (addr + len) as Vaddr) !== 0) return -EEXIST;

  let vmFlags = protVmFlags(prot) | mapVmFlags(flags) | m.mm.defFlags[mm] | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if ((flags & MAP_LOCKED) !== 0 && !canDoMlock(m)) return -EPERM;
  if (!mlockFutureOk(m, mm, vmFlags, len)) return -EAGAIN;
  const typed = file === 0 ? anonymousFlags(vmFlags, flags) : fileFlags(m, vmFlags, prot, flags, file, pgoff, len);
  if (typed < 0) return typed;
  vmFlags = typed;
  if ((flags & MAP_NORESERVE) !== 0 && ((vmFlags & VM_HUGETLB) !== 0 || m.bootConfig.settings.overcommitMemory !== OVERCOMMIT_NEVER)) vmFlags |= VM_NORESERVE;
  const isSharedAnonymous = file === 0 && (vmFlags & VM_SHARED) !== 0;
  const birth = file !== 0 ? pgoff : isSharedAnonymous ? 0 : addr / PAGE_SIZE;
  return yield* mmapRegion(m, mm, addr, len, vmFlags >>> 0, birth, file);
}

/**
 * Maps a range, in place of whatever is there.
 * @locks mmap_sem W @returns the address, or a negative errno
 */
export function* mmapRegion(m: Machine, mm: Mm, addr: Vaddr, len: number, wantedFlags: number, pgoff: number, file: File): Task<MaySleep, number> {
  const end = (addr + len) as Vaddr;
  const nrPages = len / PAGE_SIZE;
  const { vmStart, vmEnd, vmPrev } = m.vma;
  let next = findVma(m, mm, addr);
  const isFree = next === 0 || vmStart[next] >= end;
  if (!mayExpandVm(m, mm, wantedFlags, isFree ? nrPages : nrPages - countPages(m, next, addr, end))) return yield* refuseByLimit(m, mm, addr, end);
  let vmFlags = wantedFlags;
  if (isAccountable(vmFlags)) {
    if (!vmEnoughMemory(m, nrPages)) return yield* refuseByLimit(m, mm, addr, end);
    vmFlags |= VM_ACCOUNT;
  }
  if (!isFree) {
    const error = yield* unmapRange(m, mm, addr, end);
    if (error !== 0) return error;
    next = findVma(m, mm, addr);
  }
  const prev = (next !== 0 ? vmPrev[next] : lastVma(m, mm)) as Vma;
  const adjoins = (prev !== 0 && vmEnd[prev] === addr) || (next !== 0 && vmStart[next] === end);
  const merged = !adjoins ? NONE : yield* vmaMergeNewRange(m, {
    mm, prev, middle: NONE, next, start: addr, end, pgoff, vmFlags, file,
    policy: 0, anonVma: 0 as AnonVma, copiedFrom: NONE, isJustExpand: false,
  });
  const vma = merged !== 0 ? merged : yield* newVma(m, mm, addr, end, vmFlags, pgoff, file);
  if (vma < 0) return vma;
  vmStatAccount(m, mm, vmFlags, nrPages);
  if ((vmFlags & VM_LOCKED) === 0) return addr;
  // What may be dropped is not locked, whatever mlockall said of the future; huge pages are there to stay.
  if ((vmFlags & (VM_DROPPABLE | VM_HUGETLB)) !== 0) m.vma.vmFlags[vma] &= ~VM_LOCKED_MASK;
  else m.mm.lockedVm[mm] += nrPages;
  return addr;
}

/** By the time a limit refuses a mapping, what it was to replace has been cut out, and stays so. @returns -ENOMEM, or what the cutting gave */
function* refuseByLimit(m: Machine, mm: Mm, addr: Vaddr, end: Vaddr): Task<MaySleep, number> {
  const first = findVma(m, mm, addr);
  const error = first === 0 || m.vma.vmStart[first] >= end ? 0 : yield* cutOut(m, mm, first, addr, end);
  return error === 0 ? -ENOMEM : error;
}

/** A VMA of its own; shared anonymous memory gets a file that nobody can open. @returns the VMA or -ENOMEM */
function* newVma(m: Machine, mm: Mm, start: Vaddr, end: Vaddr, vmFlags: number, pgoff: number, file: File): Task<MaySleep, Vma | number> {
  const v = m.vma;
  // Only the file system knows that what is written to it is not there at once: by then the old mapping is gone.
  if (file !== 0 && (vmFlags & VM_SYNC) !== 0 && m.inode.kind[m.file.inode[file]] === INODE_REGULAR) return -EOPNOTSUPP;
  const vma = vmAreaAlloc(m, mm);
  if (vma === 0) return -ENOMEM;
  v.vmStart[vma] = start;
  v.vmEnd[vma] = end;
  v.vmFlags[vma] = vmFlags;
  v.vmPgoff[vma] = pgoff;
  if (file !== 0 && !((vmFlags & VM_SHARED) !== 0 && isDevZero(m, file))) {
    getFile(m, file);
    v.vmFile[vma] = file;
    v.vmFlags[vma] |= m.inode.driverVmFlags[m.file.inode[file]];
    v.vmOps[vma] = (vmFlags & VM_HUGETLB) !== 0 ? VM_OPS_HUGETLB : m.inode.kind[m.file.inode[file]] === INODE_REGULAR ? VM_OPS_FILE : VM_OPS_SHMEM;
    const error = (vmFlags & VM_HUGETLB) !== 0 ? yield* hugetlbfsFileMmap(m, vma) : 0;
    if (error !== 0) {
      v.resvMap[vma] = 0;
      yield* removeVma(m, vma);
      return error;
    }
  } else if ((vmFlags & VM_SHARED) !== 0) {
    const zero = yield* unnamedFile(m, `${DEV_ZERO} (deleted)`, 'zero', end - start);
    if (zero === 0) {
      yield* removeVma(m, vma);
      return -ENOMEM;
    }
    v.vmFile[vma] = zero;
    v.vmOps[vma] = VM_OPS_SHMEM;
  } else v.vmOps[vma] = VM_OPS_ANON;
  vmaLink(m, mm, vma);
  yield* vmaLinkFile(m, vma);
  m.mm.mapCount[mm]++;
  return vma;
}

/** Shared memory of this device is shared anonymous memory by another name. mmap_zero() */
function isDevZero(m: Machine, file: File): boolean {
  const inode = m.file.inode[file] as Inode;
  return m.inode.kind[inode] === INODE_ZERO && m.inodePaths[inode] === DEV_ZERO;
}

/** The file behind a mapping that names none. shmem_kernel_file_setup(), hugetlb_file_setup() @returns 0 when a table is full */
function* unnamedFile(m: Machine, path: string, kind: 'zero' | 'hugetlb', sizeBytes: number): Task<MaySleep, File> {
  const inode: Inode = newInode(m, { path, kind, major: 0, minor: UNNAMED_MINOR[kind], ino: m.vm.nextShmemIno[0]++, size: sizeBytes, thpAligned: false });
  if (inode === 0) return NO_FILE;
  const file = filpOpen(m, inode, { isReadable: true, isWritable: true });
  yield* iput(m, inode);
  return file;
}

/** A hint is a page boundary not below the lowest address that may be mapped. */
function roundHintToMin(m: Machine, hint: Vaddr): number {
  const page = hint - (hint & (PAGE_SIZE - 1));
  return page !== 0 && page < m.bootConfig.settings.mmapMinAddr ? m.bootConfig.settings.mmapMinAddr : page;
}

/** Pages of a range that are mapped already. @param first the first VMA that ends above `start` */
function countPages(m: Machine, first: Vma, start: Vaddr, end: Vaddr): number {
  const v = m.vma;
  let bytes = 0;
  for (let vma = first; vma !== 0 && v.vmStart[vma] < end; vma = v.vmNext[vma] as Vma) {
    bytes += Math.min(v.vmEnd[vma], end) - Math.max(v.vmStart[vma], start);
  }
  return bytes / PAGE_SIZE;
}

function protVmFlags(prot: number): number {
  return ((prot & PROT_READ) !== 0 ? VM_READ : 0) | ((prot & PROT_WRITE) !== 0 ? VM_WRITE : 0) | ((prot & PROT_EXEC) !== 0 ? VM_EXEC : 0);
}

/** Since 6.7 MAP_STACK keeps huge pages away. calc_vm_flag_bits() */
function mapVmFlags(flags: number): number {
  return ((flags & MAP_GROWSDOWN) !== 0 ? VM_GROWSDOWN : 0) | ((flags & MAP_LOCKED) !== 0 ? VM_LOCKED : 0)
    | ((flags & MAP_STACK) !== 0 ? VM_NOHUGEPAGE : 0) | ((flags & MAP_SYNC) !== 0 ? VM_SYNC : 0);
}

function anonymousFlags(vmFlags: number, flags: number): number {
  switch (flags & MAP_TYPE) {
    case MAP_SHARED: return (vmFlags & VM_GROWSDOWN) !== 0 ? -EINVAL : vmFlags | VM_SHARED | VM_MAYSHARE;
    case MAP_PRIVATE: return vmFlags;
    case MAP_DROPPABLE:
      if ((flags & MAP_LOCKED) !== 0 || (vmFlags & VM_GROWSDOWN) !== 0) return -EINVAL;
      return vmFlags | VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP;
    default: return -EINVAL;
  }
}

/** The range ends below the largest offset that a file can have. file_mmap_ok() */
function isFileMmapOk(pgoff: number, len: number): boolean {
  return len < MAX_LFS_FILESIZE && pgoff < (MAX_LFS_FILESIZE - len) / PAGE_SIZE;
}

function fileFlags(m: Machine, vmFlags: number, prot: number, flags: number, file: File, pgoff: number, len: number): number {
  const isWritable = m.file.isWritable[file] === 1;
  let result = vmFlags;
  if (!isFileMmapOk(pgoff, len)) return -EOVERFLOW;
  switch (flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
      if (flags >= 2 ** 32 || (flags & ~(m.inode.kind[m.file.inode[file]] === INODE_REGULAR ? LEGACY_MAP_MASK | MAP_SYNC : LEGACY_MAP_MASK)) !== 0) return -EOPNOTSUPP;
      break;
    case MAP_SHARED: case MAP_PRIVATE: break;
    default: return -EINVAL;
  }
  if ((flags & MAP_TYPE) !== MAP_PRIVATE) {
    if ((prot & PROT_WRITE) !== 0 && !isWritable) return -EACCES;
    result |= VM_SHARED | VM_MAYSHARE;
    if (!isWritable) result &= ~(VM_MAYWRITE | VM_SHARED);
  }
  if (m.file.isReadable[file] === 0) return -EACCES;
  if (m.inode.isNoexec[m.file.inode[file]] === 1) {
    if ((prot & PROT_EXEC) !== 0) return -EPERM;
    result &= ~VM_MAYEXEC;
  }
  if (isHugetlbInode(m, m.file.inode[file] as Inode)) result |= VM_HUGETLB | VM_DONTEXPAND;
  return (result & VM_GROWSDOWN) !== 0 ? -EINVAL : memfdCheckSealsMmap(m, m.file.inode[file] as Inode, result);
}
