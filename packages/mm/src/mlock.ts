// Models mm/mlock.c (6.18).
/**
 * Locks work VMA by VMA: each is merged or split for its new flags, what was done
 * before an error stays done, and the pages are brought in at the end.
 * Lock order: mmap_sem, let go before pages are brought in.
 */
import { EAGAIN, EINVAL, ENOMEM, EPERM, MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT, PAGE_SIZE, VM_DROPPABLE, VM_LOCKED, VM_LOCKED_MASK, VM_LOCKONFAULT, VM_SPECIAL } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { current, downWrite, upWrite } from '@mmun/locking';
import { TASK_SIZE } from '#asm';
import { mmPopulate, mmPopulateStrict } from './gup-populate.js';
import { canDoMlock } from './limits.js';
import { currentMm, groupLeader, mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { pageAlignWrapping, vmaPages } from './vma.js';
import { vmaModifyFlags, vmaSetFlags } from './vma-merge.js';
import { findVma } from './vma-tree.js';

export function* sysMlock(m: Machine, addr: Vaddr, lenBytes: number): Task<MaySleep, number> {
  return yield* doMlock(m, addr, lenBytes, VM_LOCKED);
}

export function* sysMlock2(m: Machine, addr: Vaddr, lenBytes: number, flags: number): Task<MaySleep, number> {
  if ((flags & ~MLOCK_ONFAULT) !== 0) return -EINVAL;
  return yield* doMlock(m, addr, lenBytes, (flags & MLOCK_ONFAULT) !== 0 ? VM_LOCKED | VM_LOCKONFAULT : VM_LOCKED);
}

export function* sysMunlock(m: Machine, addr: Vaddr, lenBytes: number): Task<MaySleep, number> {
  const mm = currentMm(m);
  const start = addr - (addr % PAGE_SIZE);
  const len = pageAlignWrapping(lenBytes, addr % PAGE_SIZE);
  yield* downWrite(m, mmapSemOf(m, mm));
  const result = yield* applyVmaLockFlags(m, mm, start as Vaddr, len, 0);
  yield* upWrite(m, mmapSemOf(m, mm));
  return result;
}

export function* sysMlockall(m: Machine, flags: number): Task<MaySleep, number> {
  if (flags === 0 || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0 || flags === MCL_ONFAULT) return -EINVAL;
  if (!canDoMlock(m)) return -EPERM;
  const mm = currentMm(m);
  yield* downWrite(m, mmapSemOf(m, mm));
  let result = -ENOMEM;
  const isAllowed = (flags & MCL_CURRENT) === 0 || m.mm.totalVm[mm] <= memlockPages(m) || m.bootConfig.settings.capIpcLock;
  if (isAllowed) result = yield* applyMlockallFlags(m, mm, flags);
  yield* upWrite(m, mmapSemOf(m, mm));
  if (result === 0 && (flags & MCL_CURRENT) !== 0) yield* mmPopulate(m, mm, 0 as Vaddr, TASK_SIZE);
  return result;
}

export function* sysMunlockall(m: Machine): Task<MaySleep, number> {
  const mm = currentMm(m);
  yield* downWrite(m, mmapSemOf(m, mm));
  const result = yield* applyMlockallFlags(m, mm, 0);
  yield* upWrite(m, mmapSemOf(m, mm));
  return result;
}

function* doMlock(m: Machine, addr: Vaddr, lenBytes: number, vmFlags: number): Task<MaySleep, number> {
  if (!canDoMlock(m)) return -EPERM;
  const mm = currentMm(m);
  const len = pageAlignWrapping(lenBytes, addr % PAGE_SIZE);
  const start = (addr - (addr % PAGE_SIZE)) as Vaddr;
  yield* downWrite(m, mmapSemOf(m, mm));
  let locked = len / PAGE_SIZE + m.mm.lockedVm[mm];
  const isLimited = !m.bootConfig.settings.capIpcLock;
  if (isLimited && locked > memlockPages(m)) locked -= countLockedPages(m, mm, start, start + len);
  let result = -ENOMEM;
  if (!isLimited || locked <= memlockPages(m)) result = yield* applyVmaLockFlags(m, mm, start, len, vmFlags);
  yield* upWrite(m, mmapSemOf(m, mm));
  if (result !== 0) return result;
  const error = yield* mmPopulateStrict(m, mm, start, len);
  return error === 0 ? 0 : lockErrno(error);
}

/** What a failed bringing-in means to the caller of mlock. __mlock_posix_error_return() */
function lockErrno(error: number): number {
  return error === -ENOMEM ? -EAGAIN : -ENOMEM;
}

/** @param vmFlags the VM_LOCKED_MASK flags that the range gets @locks mmap_sem W */
function* applyVmaLockFlags(m: Machine, mm: Mm, start: Vaddr, len: number, vmFlags: number): Task<MaySleep, number> {
  const end = start + len;
  if (end >= 2 ** 64) return -EINVAL;
  if (end === start) return 0;
  const v = m.vma;
  let vma = findVma(m, mm, start);
  if (vma === 0 || v.vmStart[vma] > start) return -ENOMEM;
  for (let at: number = start; ;) {
    const to = Math.min(v.vmEnd[vma], end);
    const newFlags = (v.vmFlags[vma] & ~VM_LOCKED_MASK) | vmFlags;
    const result = yield* mlockFixup(m, mm, vma, at, to, newFlags >>> 0);
    if (result !== 0) return result;
    // What was changed may have merged with what follows: go on behind that.
    at = v.vmEnd[findVma(m, mm, (to - 1) as Vaddr)];
    if (at >= end) return 0;
    const next = findVma(m, mm, at as Vaddr);
    if (next === 0 || v.vmStart[next] !== at) return -ENOMEM;
    vma = next;
  }
}

/** mlock_fixup() @locks mmap_sem W */
function* mlockFixup(m: Machine, mm: Mm, vma: Vma, start: number, end: number, newFlags: number): Task<MaySleep, number> {
  const oldFlags = m.vma.vmFlags[vma];
  if (newFlags === oldFlags || (oldFlags & (VM_SPECIAL | VM_DROPPABLE)) !== 0) return 0;
  const changed = yield* vmaModifyFlags(m, mm, vma, start, end, newFlags);
  if (changed < 0) return changed;
  let nrPages = (end - start) / PAGE_SIZE;
  if ((newFlags & VM_LOCKED) === 0) nrPages = -nrPages;
  else if ((oldFlags & VM_LOCKED) !== 0) nrPages = 0;
  m.mm.lockedVm[mm] += nrPages;
  vmaSetFlags(m, changed as Vma, newFlags);
  return 0;
}

/** Errors of single VMAs are not reported. apply_mlockall_flags() @locks mmap_sem W */
function* applyMlockallFlags(m: Machine, mm: Mm, flags: number): Task<MaySleep, number> {
  m.mm.defFlags[mm] &= ~VM_LOCKED_MASK;
  const lock = VM_LOCKED | ((flags & MCL_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0);
  if ((flags & MCL_FUTURE) !== 0) m.mm.defFlags[mm] |= lock;
  if ((flags & MCL_FUTURE) !== 0 && (flags & MCL_CURRENT) === 0) return 0;
  const toAdd = (flags & MCL_CURRENT) !== 0 ? lock : 0;
  const v = m.vma;
  let vma = m.mm.mmap[mm] as Vma;
  while (vma !== 0) {
    const end = v.vmEnd[vma];
    yield* mlockFixup(m, mm, vma, v.vmStart[vma], end, ((v.vmFlags[vma] & ~VM_LOCKED_MASK) | toAdd) >>> 0);
    vma = findVma(m, mm, end as Vaddr);
  }
  return 0;
}

/** Pages of a range that are locked already. count_mm_mlocked_page_nr() */
function countLockedPages(m: Machine, mm: Mm, start: Vaddr, end: number): number {
  const v = m.vma;
  let nrPages = 0;
  for (let vma = findVma(m, mm, start); vma !== 0 && v.vmStart[vma] < end; vma = v.vmNext[vma] as Vma) {
    if ((v.vmFlags[vma] & VM_LOCKED) === 0) continue;
    nrPages += vmaPages(m, vma) - Math.max(start - v.vmStart[vma], 0) / PAGE_SIZE - Math.max(v.vmEnd[vma] - end, 0) / PAGE_SIZE;
  }
  return nrPages;
}

function memlockPages(m: Machine): number {
  return Math.floor(m.task.rlimitMemlock[groupLeader(m, current(m))] / PAGE_SIZE);
}
