// Models brk in mm/mmap.c and do_brk_flags in mm/vma.c (6.18).
import { EAGAIN, ENOMEM, PAGE_SIZE, VM_ACCOUNT, VM_DATA_DEFAULT_FLAGS, VM_LOCKED } from '@mmun/include';
import type { AnonVma, File, MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { current, downWrite, upWrite } from '@mmun/locking';
import { TASK_SIZE } from '#asm';
import { mmPopulate } from './gup-populate.js';
import { mayExpandVm, mlockFutureOk, vmEnoughMemory, vmStatAccount } from './limits.js';
import { VM_OPS_ANON, currentMm, groupLeader, mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { unmapRange } from './munmap.js';
import { pageAlign, vmAreaAlloc } from './vma.js';
import { vmaMergeNewRange } from './vma-merge.js';
import { findVma, findVmaPrev, vmStartGap, vmaLink } from './vma-tree.js';

const NONE = 0 as Vma;

/** @returns the new break, or the old one where it could not be moved */
export function* sysBrk(m: Machine, brk: Vaddr): Task<MaySleep, number> {
  const mm = currentMm(m);
  const mmapSem = mmapSemOf(m, mm);
  yield* downWrite(m, mmapSem);
  const oldBrk = pageAlign(m.mm.brk[mm]);
  const isMoved = yield* moveBrk(m, mm, brk);
  const result = m.mm.brk[mm];
  const isLocked = (m.mm.defFlags[mm] & VM_LOCKED) !== 0;
  yield* upWrite(m, mmapSem);
  if (isMoved && isLocked && pageAlign(brk) > oldBrk) yield* mmPopulate(m, mm, oldBrk as Vaddr, pageAlign(brk) - oldBrk);
  return result;
}

/** @locks mmap_sem W @returns whether the break is now where it was asked to be */
function* moveBrk(m: Machine, mm: Mm, brk: Vaddr): Task<MaySleep, boolean> {
  if (brk < m.mm.startBrk[mm]) return false;
  const rlimit = m.task.rlimitData[groupLeader(m, current(m))];
  if (brk - m.mm.startBrk[mm] + m.mm.dataBytes[mm] > rlimit) return false;
  const newBrk = pageAlign(brk);
  const oldBrk = pageAlign(m.mm.brk[mm]);
  if (newBrk < oldBrk) {
    const vma = findVma(m, mm, newBrk as Vaddr);
    if (vma === 0 || m.vma.vmStart[vma] >= oldBrk) return false;
    if ((yield* unmapRange(m, mm, newBrk as Vaddr, oldBrk as Vaddr)) !== 0) return false;
  } else if (newBrk > oldBrk) {
    if (!isRoomAbove(m, mm, oldBrk as Vaddr, newBrk)) return false;
    const prev = findVmaPrev(m, mm, oldBrk as Vaddr);
    const heap = prev !== 0 && m.vma.vmEnd[prev] > m.mm.startBrk[mm] ? prev : NONE;
    if ((yield* doBrkFlags(m, mm, heap, oldBrk as Vaddr, newBrk - oldBrk)) !== 0) return false;
  }
  m.mm.brk[mm] = brk;
  return true;
}

/** One page stays free below the next VMA and the gap that it keeps. */
function isRoomAbove(m: Machine, mm: Mm, oldBrk: Vaddr, newBrk: number): boolean {
  const next = findVma(m, mm, oldBrk);
  return newBrk + PAGE_SIZE <= TASK_SIZE && (next === 0 || newBrk + PAGE_SIZE <= vmStartGap(m, next));
}

/**
 * Anonymous memory that is written to, in place of nothing: the heap, and the bss that execve makes.
 * @param prev the VMA that may grow where it ends at `addr`; 0: none may
 * @locks mmap_sem W @returns 0 or a negative errno
 */
export function* doBrkFlags(m: Machine, mm: Mm, prev: Vma, addr: Vaddr, len: number): Task<MaySleep, number> {
  const vmFlags = (VM_DATA_DEFAULT_FLAGS | VM_ACCOUNT | m.mm.defFlags[mm]) >>> 0;
  const nrPages = len / PAGE_SIZE;
  if (!mlockFutureOk(m, mm, vmFlags, len)) return -EAGAIN;
  if (!mayExpandVm(m, mm, vmFlags, nrPages)) return -ENOMEM;
  if (m.mm.mapCount[mm] > m.bootConfig.settings.maxMapCount) return -ENOMEM;
  if (!vmEnoughMemory(m, nrPages)) return -ENOMEM;
  const end = addr + len;
  const merged = yield* vmaMergeNewRange(m, {
    mm, prev, middle: NONE, next: NONE, start: addr, end, pgoff: addr / PAGE_SIZE,
    vmFlags, file: 0 as File, policy: 0, anonVma: 0 as AnonVma, copiedFrom: NONE, isJustExpand: true,
  });
  if (merged === 0) {
    const vma = vmAreaAlloc(m, mm);
    if (vma === 0) return -ENOMEM;
    m.vma.vmStart[vma] = addr;
    m.vma.vmEnd[vma] = end;
    m.vma.vmFlags[vma] = vmFlags;
    m.vma.vmPgoff[vma] = addr / PAGE_SIZE;
    m.vma.vmOps[vma] = VM_OPS_ANON;
    vmaLink(m, mm, vma);
    m.mm.mapCount[mm]++;
  }
  vmStatAccount(m, mm, vmFlags, nrPages);
  if ((vmFlags & VM_LOCKED) !== 0) m.mm.lockedVm[mm] += nrPages;
  return 0;
}
