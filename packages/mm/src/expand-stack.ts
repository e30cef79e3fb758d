// Models stack expansion: mm/mmap.c and mm/vma.c (6.18).
import { EFAULT, ENOMEM, EPERM, PAGE_SIZE, VM_ACCESS_FLAGS, VM_GROWSDOWN, VM_LOCKED } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { current } from '@mmun/locking';
import { vmaComplete, vmaPrepare } from './i-mmap.js';
import { mayExpandVm, mlockFutureOk, vmEnoughMemory, vmStatAccount } from './limits.js';
import { groupLeader, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { anonVmaPrepare } from './rmap.js';
import { STACK_GUARD_GAP, vmaSetRange } from './vma-tree.js';

/**
 * Grows a stack down to the page of `address`. It does not merge with what it then touches.
 *
 * Deviation: since 6.5 the kernel expands under mmap_sem held for write; 2.6.24 did it under the read lock, and so
 * does the model, under the anon_vma's lock.
 * @locks mmap_sem @returns 0, or a negative errno with nothing changed
 */
export function* expandStack(m: Machine, vma: Vma, address: Vaddr): Task<MaySleep, number> {
  if ((m.vma.vmFlags[vma] & VM_GROWSDOWN) === 0) return -EFAULT;
  const start = address - (address % PAGE_SIZE);
  if (start < m.bootConfig.settings.mmapMinAddr) return -EPERM;
  if (isTooClose(m, vma, start)) return -ENOMEM;
  const error = yield* anonVmaPrepare(m, vma);
  if (error !== 0) return error;
  yield* vmaPrepare(m, vma);
  const grown = start >= m.vma.vmStart[vma] ? 0 : acctAndGrow(m, vma, start);
  yield* vmaComplete(m, vma);
  return grown;
}

/** @locks that of the anon_vma, against other faults and against rmap */
function acctAndGrow(m: Machine, vma: Vma, start: number): number {
  const growPages = (m.vma.vmStart[vma] - start) / PAGE_SIZE;
  if (growPages > m.vma.vmPgoff[vma]) return -ENOMEM;
  const mm = vmaMm(m, vma);
  const refused = stackGrowthRefused(m, mm, vma, m.vma.vmEnd[vma] - start, growPages);
  if (refused !== 0) return refused;
  if ((m.vma.vmFlags[vma] & VM_LOCKED) !== 0) m.mm.lockedVm[mm] += growPages;
  vmStatAccount(m, mm, m.vma.vmFlags[vma], growPages);
  vmaSetRange(m, vma, start, m.vma.vmEnd[vma], m.vma.vmPgoff[vma] - growPages);
  return 0;
}

/** The guard gap is kept to what is accessible below, unless that is a stack itself. */
function isTooClose(m: Machine, vma: Vma, start: number): boolean {
  const prev = m.vma.vmPrev[vma];
  if (prev === 0 || (m.vma.vmFlags[prev] & VM_GROWSDOWN) !== 0) return false;
  return (m.vma.vmFlags[prev] & VM_ACCESS_FLAGS) !== 0 && start - m.vma.vmEnd[prev] < STACK_GUARD_GAP;
}

/** acct_stack_growth() */
function stackGrowthRefused(m: Machine, mm: Mm, vma: Vma, sizeBytes: number, growPages: number): number {
  const vmFlags = m.vma.vmFlags[vma];
  if (!mayExpandVm(m, mm, vmFlags, growPages)) return -ENOMEM;
  if (sizeBytes > m.task.rlimitStack[groupLeader(m, current(m))]) return -ENOMEM;
  if (!mlockFutureOk(m, mm, vmFlags, growPages * PAGE_SIZE)) return -ENOMEM;
  return vmEnoughMemory(m, growPages) ? 0 : -ENOMEM;
}
