// Models oom_reap_task_mm of mm/oom_kill.c (4.12; its notifier calls as in 4.19).
/**
 * The OOM reaper takes the private memory of a killed process away, from a thread of its own, because the process itself
 * may wait for memory for ever. So it must wait for nobody: mmap_sem is tried only, and no notifier may sleep. Where one
 * refuses, the VMA keeps its pages and the reaper comes back.
 *
 *   victim                          reaper
 *                                   mmap_sem R, tried
 *                                   isUnstable: 1
 *                                   start, not blockable ──> -EAGAIN: this VMA not now
 *                                   ptes go, end, flush, free
 *   fault: sees isUnstable under
 *   the ptl, VM_FAULT_SIGBUS: it would read zeroes where it had data
 *
 * Lock order: mmap_sem > ptl. Choosing whom to kill is not modelled: who drives the machine does.
 */
import { VM_HUGETLB, VM_LOCKED, VM_PFNMAP, VM_SHARED, WRITE } from '@mmun/include';
import type { MaySleep, Mm, Task, Vma } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { downReadTrylock, point, refcountAt, refcountIncNotZero, upRead } from '@mmun/locking';
import { mmput } from './fork.js';
import { zapVmaNonblock } from './memory.js';
import { mmapSemOf, vmaIsAnonymous } from './mm-types.js';
import type { Machine } from './mm-types.js';

/**
 * Deviation: the reaper gives its reference to the address space back itself, where the kernel leaves that to a workqueue.
 * @context a kernel thread, no lock held @holds someone pins the mm struct
 * @returns true where all is gone that may go; false: try again later
 */
export function* oomReapTaskMm(m: Machine, mm: Mm): Task<MaySleep, boolean> {
  const mmapSem = mmapSemOf(m, mm);
  if (!(yield* downReadTrylock(m, mmapSem))) return false;
  if (!(yield* refcountIncNotZero(m, refcountAt(m.mm.mmUsers, mm)))) {
    yield* upRead(m, mmapSem);
    return true;
  }
  yield* point(m, WRITE, whereOf(m.mm.isUnstable, mm));
  m.mm.isUnstable[mm] = 1;
  let isDone = true;
  for (let vma = m.mm.mmap[mm] as Vma; vma !== 0; vma = m.vma.vmNext[vma] as Vma) {
    if (mayReap(m, vma) && (yield* zapVmaNonblock(m, vma)) !== 0) isDone = false;
  }
  yield* upRead(m, mmapSem);
  yield* mmput(m, mm);
  return isDone;
}

/** Others may still want what is shared, and locked or special pages are not on reclaim's lists. can_madv_dontneed_vma() */
function mayReap(m: Machine, vma: Vma): boolean {
  const vmFlags = m.vma.vmFlags[vma];
  if ((vmFlags & (VM_LOCKED | VM_HUGETLB | VM_PFNMAP)) !== 0) return false;
  return vmaIsAnonymous(m, vma) || (vmFlags & VM_SHARED) === 0;
}
