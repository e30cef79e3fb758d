// Models the VMA half of mm/mremap.c and copy_vma of mm/vma.c (6.18); the pages are moved in mremap.ts.
/**
 * Lock order: mmap_sem for write throughout; pages of a locked mapping that grew
 * are brought in after it was let go.
 */
import {
  EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM, MAP_FIXED, MAP_SHARED, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE, VM_ACCOUNT,
  VM_DONTEXPAND, VM_HUGETLB, VM_LOCKED, VM_LOCKED_MASK, VM_MAYSHARE, VM_PFNMAP, VM_SEALED, VM_SHARED,
} from '@mmun/include';
import type { AnonVma, File, MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { downWrite, upWrite } from '@mmun/locking';
import { HPAGE_SIZE, TASK_SIZE } from '#asm';
import { mmPopulate } from './gup-populate.js';
import { hugetlbMoveReservations } from './hugetlb-pool.js';
import { hugeAlign } from './hugetlbfs.js';
import { vmaLinkFile } from './i-mmap.js';
import { mayExpandVm, mlockFutureOk, vmEnoughMemory, vmStatAccount } from './limits.js';
import { VM_OPS_DRIVER, currentMm, mmapSemOf, vmaIsAnonymous } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { movePageTables } from './mremap.js';
import { doMunmap } from './munmap.js';
import { anonVmaClone, unlinkAnonVmas } from './rmap.js';
import { getUnmappedArea } from './unmapped-area.js';
import { isPageAligned, pageAlignWrapping, removeVma, vmAreaDup, vmaMaySplit } from './vma.js';
import { vmaMergeNewRange } from './vma-merge.js';
import { findVma, findVmaIntersection, findVmaPrev, vmaLink } from './vma-tree.js';

const NONE = 0 as Vma;
/** VMAs that must still fit before anything is moved: the target cuts up to three, the source two. */
const MAPS_IN_RESERVE = 3;

/** struct vma_remap_struct: one system call's arguments, lengths in whole pages. One is made per call. */
interface Remap {
  readonly mm: Mm;
  addr: number;
  oldLen: number;
  newLen: number;
  readonly flags: number;
  newAddr: number;
  vma: Vma;
}

export function* sysMremap(m: Machine, addr: Vaddr, oldLenBytes: number, newLenBytes: number, flags: number, newAddr: Vaddr): Task<MaySleep, number> {
  const mm = currentMm(m);
  const vrm: Remap = { mm, addr, oldLen: pageAlignWrapping(oldLenBytes, 0), newLen: pageAlignWrapping(newLenBytes, 0), flags, newAddr, vma: NONE };
  const refused = checkParams(m, vrm);
  if (refused !== 0) return refused;
  const grownBy = vrm.newLen - vrm.oldLen;
  const oldLen = vrm.oldLen;
  yield* downWrite(m, mmapSemOf(m, mm));
  const result = (flags & MREMAP_FIXED) !== 0 && grownBy === 0 ? yield* remapMove(m, vrm) : yield* remapOne(m, vrm);
  const isLocked = result >= 0 && grownBy > 0 && (m.vma.vmFlags[findVma(m, mm, result as Vaddr)] & VM_LOCKED) !== 0;
  yield* upWrite(m, mmapSemOf(m, mm));
  if (isLocked) yield* mmPopulate(m, mm, (result + oldLen) as Vaddr, grownBy);
  return result;
}

function impliesNewAddr(vrm: Remap): boolean {
  return (vrm.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
}

function checkParams(m: Machine, vrm: Remap): number {
  const { addr, oldLen, newLen, newAddr, flags } = vrm;
  if ((flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) !== 0 || !isPageAligned(addr)) return -EINVAL;
  if (newLen === 0 || newLen > TASK_SIZE) return -EINVAL;
  if (!impliesNewAddr(vrm)) return 0;
  if (newAddr > TASK_SIZE - newLen || !isPageAligned(newAddr) || (flags & MREMAP_MAYMOVE) === 0) return -EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && oldLen !== newLen) return -EINVAL;
  if (addr + oldLen > newAddr && newAddr + newLen > addr) return -EINVAL;
  return m.mm.mapCount[vrm.mm] + 2 >= m.bootConfig.settings.maxMapCount - MAPS_IN_RESERVE ? -ENOMEM : 0;
}

function* remapOne(m: Machine, vrm: Remap): Task<MaySleep, number> {
  vrm.vma = vmaLookup(m, vrm.mm, vrm.addr);
  const refused = checkVma(m, vrm);
  if (refused !== 0) return refused;
  return impliesNewAddr(vrm) ? yield* mremapTo(m, vrm) : yield* mremapAt(m, vrm);
}

/**
 * A move of unchanged length may span several VMAs and the gaps between them, but not begin in a gap. Each VMA's part
 * is moved by itself, so what was moved before an error stays moved.
 */
function* remapMove(m: Machine, vrm: Remap): Task<MaySleep, number> {
  const start = vrm.addr;
  const end = start + vrm.oldLen;
  const shift = vrm.newAddr - start;
  if (start === end) return yield* remapOne(m, vrm);
  let result = -EFAULT;
  for (let at = start; at < end;) {
    const vma = findVma(m, vrm.mm, at as Vaddr);
    if (vma === 0 || m.vma.vmStart[vma] >= end) break;
    const from = Math.max(m.vma.vmStart[vma], at);
    if (at === start && from > start) return -EFAULT;
    const to = Math.min(m.vma.vmEnd[vma], end);
    vrm.vma = vma;
    vrm.addr = from;
    vrm.newAddr = from + shift;
    vrm.oldLen = vrm.newLen = to - from;
    const refused = checkVma(m, vrm);
    const moved = refused !== 0 ? refused : yield* mremapTo(m, vrm);
    if (moved < 0) return moved;
    if (at === start) result = moved;
    at = to;
  }
  return result;
}

/** align_hugetlb(): whole huge pages from boundary to boundary, and never more of them. The new address counts even where nobody asks for it. */
function alignHugetlb(vrm: Remap): number {
  vrm.oldLen = hugeAlign(vrm.oldLen);
  vrm.newLen = hugeAlign(vrm.newLen);
  const isAligned = vrm.addr % HPAGE_SIZE === 0 && vrm.newAddr % HPAGE_SIZE === 0;
  return isAligned && vrm.newLen <= vrm.oldLen ? 0 : -EINVAL;
}

/** check_prep_vma() */
function checkVma(m: Machine, vrm: Remap): number {
  const { vma, addr, flags } = vrm;
  if (vma === 0) return -EFAULT;
  const vmFlags = m.vma.vmFlags[vma];
  if ((vmFlags & VM_SEALED) !== 0) return -EPERM;
  if (m.vma.vmOps[vma] === VM_OPS_DRIVER) return -EINVAL; // vm_ops->mremap of a driver that must find its pages again
  const refused = (vmFlags & VM_HUGETLB) === 0 ? 0 : alignHugetlb(vrm);
  if (refused !== 0) return refused;
  const { newLen } = vrm;
  if (newLen <= vrm.oldLen && !impliesNewAddr(vrm)) return 0;
  const oldLen = Math.min(vrm.oldLen, newLen);
  if (vrm.oldLen === 0 && (vmFlags & (VM_SHARED | VM_MAYSHARE)) === 0) return -EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && (vmFlags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0) return -EINVAL;
  if (oldLen > m.vma.vmEnd[vma] - addr) return -EFAULT;
  if (newLen <= vrm.oldLen) return 0;
  if ((vmFlags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0) return -EFAULT;
  const delta = newLen - vrm.oldLen;
  if (!mlockFutureOk(m, vrm.mm, vmFlags, delta)) return -EAGAIN;
  return mayExpandVm(m, vrm.mm, vmFlags, delta / PAGE_SIZE) ? 0 : -ENOMEM;
}

/** To an address that the caller named. */
function* mremapTo(m: Machine, vrm: Remap): Task<MaySleep, number> {
  const { mm } = vrm;
  if ((vrm.flags & MREMAP_FIXED) !== 0) {
    const error = yield* doMunmap(m, mm, vrm.newAddr as Vaddr, vrm.newLen);
    if (error !== 0) return error;
    vrm.vma = vmaLookup(m, mm, vrm.addr);
    if (vrm.vma === 0) return -EFAULT;
  }
  if (vrm.newLen < vrm.oldLen) {
    const error = yield* shrinkVma(m, vrm);
    if (error !== 0) return error;
    vrm.oldLen = vrm.newLen;
    vrm.vma = vmaLookup(m, mm, vrm.addr);
  }
  const isKept = (vrm.flags & MREMAP_DONTUNMAP) !== 0;
  if (isKept && !mayExpandVm(m, mm, m.vma.vmFlags[vrm.vma], vrm.oldLen / PAGE_SIZE)) return -ENOMEM;
  const error = setNewAddr(m, vrm);
  return error !== 0 ? error : yield* moveVma(m, vrm);
}

/** Where it is, or wherever there is room. */
function* mremapAt(m: Machine, vrm: Remap): Task<MaySleep, number> {
  if (vrm.newLen === vrm.oldLen) return vrm.addr;
  if (vrm.newLen < vrm.oldLen) {
    const error = yield* shrinkVma(m, vrm);
    return error !== 0 ? error : vrm.addr;
  }
  const { vma, mm } = vrm;
  const delta = vrm.newLen - vrm.oldLen;
  if (vrm.oldLen === m.vma.vmEnd[vma] - vrm.addr && isExpandable(m, mm, vma, delta)) return yield* expandInPlace(m, vrm, delta);
  if ((vrm.flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
  const error = setNewAddr(m, vrm);
  return error !== 0 ? error : yield* moveVma(m, vrm);
}

function* shrinkVma(m: Machine, vrm: Remap): Task<MaySleep, number> {
  return yield* doMunmap(m, vrm.mm, (vrm.addr + vrm.newLen) as Vaddr, vrm.oldLen - vrm.newLen);
}

function isExpandable(m: Machine, mm: Mm, vma: Vma, delta: number): boolean {
  const end = m.vma.vmEnd[vma];
  return end + delta <= TASK_SIZE && findVmaIntersection(m, mm, end as Vaddr, (end + delta) as Vaddr) === 0;
}

function* expandInPlace(m: Machine, vrm: Remap, delta: number): Task<MaySleep, number> {
  const { vma, mm } = vrm;
  const v = m.vma;
  const vmFlags = v.vmFlags[vma];
  const nrPages = delta / PAGE_SIZE;
  if ((vmFlags & VM_ACCOUNT) !== 0 && !vmEnoughMemory(m, nrPages)) return -ENOMEM;
  const start = v.vmEnd[vma];
  const grown = yield* vmaMergeNewRange(m, {
    mm, prev: vma, middle: NONE, next: v.vmNext[vma] as Vma, start, end: start + delta,
    pgoff: v.vmPgoff[vma] + (start - v.vmStart[vma]) / PAGE_SIZE, vmFlags, file: v.vmFile[vma] as File,
    policy: v.vmPolicy[vma], anonVma: v.anonVma[vma] as AnonVma, copiedFrom: NONE, isJustExpand: false,
  });
  if (grown === 0) return -ENOMEM;
  accountRemap(m, mm, vmFlags, nrPages);
  return vrm.addr;
}

/** vrm_set_new_addr() @returns 0 or a negative errno */
function setNewAddr(m: Machine, vrm: Remap): number {
  const v = m.vma;
  const { vma } = vrm;
  const pgoff = v.vmPgoff[vma] + (vrm.addr - v.vmStart[vma]) / PAGE_SIZE;
  const flags = ((vrm.flags & MREMAP_FIXED) !== 0 ? MAP_FIXED : 0) | ((v.vmFlags[vma] & VM_MAYSHARE) !== 0 ? MAP_SHARED : 0);
  const hint = impliesNewAddr(vrm) ? vrm.newAddr : 0;
  const found = getUnmappedArea(m, vrm.mm, v.vmFile[vma] as File, hint, vrm.newLen, pgoff, flags);
  if (found < 0) return found;
  vrm.newAddr = found;
  return 0;
}

/** Copies the VMA, moves its pages, and unmaps what was moved unless told to keep it. @returns the new address or -ENOMEM */
function* moveVma(m: Machine, vrm: Remap): Task<MaySleep, number> {
  const { mm, addr, oldLen, newLen } = vrm;
  const vmFlags = m.vma.vmFlags[vrm.vma];
  if (m.mm.mapCount[mm] >= m.bootConfig.settings.maxMapCount - MAPS_IN_RESERVE) return -ENOMEM;
  const isWhole = m.vma.vmStart[vrm.vma] === addr && m.vma.vmEnd[vrm.vma] === addr + oldLen;
  if (!isWhole && !(vmaMaySplit(m, vrm.vma, addr) && vmaMaySplit(m, vrm.vma, addr + oldLen))) return -EINVAL;
  if ((vmFlags & VM_ACCOUNT) !== 0 && !vmEnoughMemory(m, newLen / PAGE_SIZE)) return -ENOMEM;
  const fresh = yield* copyVma(m, vrm);
  if (fresh < 0) return fresh;
  const old = vmaLookup(m, mm, addr);
  const moved = yield* movePageTables(m, old, addr as Vaddr, fresh as Vma, vrm.newAddr as Vaddr, oldLen);
  if (moved < oldLen) {
    yield* movePageTables(m, fresh as Vma, vrm.newAddr as Vaddr, old, addr as Vaddr, moved);
    accountRemap(m, mm, vmFlags, newLen / PAGE_SIZE);
    yield* doMunmap(m, mm, vrm.newAddr as Vaddr, newLen);
    return -ENOMEM;
  }
  if ((vmFlags & VM_HUGETLB) !== 0) hugetlbMoveReservations(m, old, fresh as Vma);
  accountRemap(m, mm, vmFlags, newLen / PAGE_SIZE);
  if ((vrm.flags & MREMAP_DONTUNMAP) !== 0) yield* dontunmapComplete(m, vrm, old, fresh as Vma);
  else if (oldLen !== 0) yield* doMunmap(m, mm, addr as Vaddr, oldLen);
  return vrm.newAddr;
}

/** The old VMA stays, without pages, without locks, and where all of it was moved without an anon_vma. */
function* dontunmapComplete(m: Machine, vrm: Remap, old: Vma, fresh: Vma): Task<MaySleep> {
  m.vma.vmFlags[old] &= ~VM_LOCKED_MASK;
  const isWhole = m.vma.vmStart[old] === vrm.addr && m.vma.vmEnd[old] === vrm.addr + vrm.oldLen;
  if (fresh !== old && isWhole) yield* unlinkAnonVmas(m, old);
}

/**
 * A VMA at the target for pages of the source. Anonymous memory that was never written to is born anew there, so that
 * it may merge with its new neighbours; other memory keeps its offsets.
 * @returns the VMA that holds the target, or -ENOMEM
 */
function* copyVma(m: Machine, vrm: Remap): Task<MaySleep, Vma | number> {
  const v = m.vma;
  const { vma, mm, newAddr } = vrm;
  const isUntouched = vmaIsAnonymous(m, vma) && v.anonVma[vma] === 0;
  const pgoff = isUntouched ? newAddr / PAGE_SIZE : v.vmPgoff[vma] + (vrm.addr - v.vmStart[vma]) / PAGE_SIZE;
  const end = newAddr + vrm.newLen;
  const merged = yield* vmaMergeNewRange(m, {
    mm, prev: findVmaPrev(m, mm, newAddr as Vaddr), middle: NONE, next: findVma(m, mm, newAddr as Vaddr), start: newAddr, end, pgoff,
    vmFlags: v.vmFlags[vma], file: v.vmFile[vma] as File, policy: v.vmPolicy[vma], anonVma: v.anonVma[vma] as AnonVma, copiedFrom: vma,
    isJustExpand: false,
  });
  if (merged !== 0) return merged;
  const fresh = vmAreaDup(m, vma);
  if (fresh === 0) return -ENOMEM;
  v.vmStart[fresh] = newAddr;
  v.vmEnd[fresh] = end;
  v.vmPgoff[fresh] = pgoff;
  v.resvMap[fresh] = 0;
  const error = yield* anonVmaClone(m, fresh, vma);
  if (error !== 0) {
    v.anonVma[fresh] = 0;
    yield* removeVma(m, fresh);
    return error;
  }
  vmaLink(m, mm, fresh);
  yield* vmaLinkFile(m, fresh);
  m.mm.mapCount[mm]++;
  return fresh;
}

/** vrm_stat_account() */
function accountRemap(m: Machine, mm: Mm, vmFlags: number, nrPages: number): void {
  vmStatAccount(m, mm, vmFlags, nrPages);
  if ((vmFlags & VM_LOCKED) !== 0) m.mm.lockedVm[mm] += nrPages;
}

/** The VMA that holds an address, or 0. */
function vmaLookup(m: Machine, mm: Mm, addr: number): Vma {
  const vma = findVma(m, mm, addr as Vaddr);
  return vma !== 0 && m.vma.vmStart[vma] <= addr ? vma : NONE;
}
