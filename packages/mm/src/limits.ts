// Models the accounting half of mm/mmap.c, mm/vma.c and mm/util.c (6.18): what a process may map and lock.
import { PAGE_SHIFT, VM_EXEC, VM_GROWSDOWN, VM_HUGETLB, VM_LOCKED, VM_NORESERVE, VM_SHARED, VM_WRITE } from '@mmun/include';
import type { Mm } from '@mmun/include';
import { current } from '@mmun/locking';
import type { Machine } from './mm-types.js';
import { groupLeader } from './mm-types.js';

const PAGES = 2 ** PAGE_SHIFT;
const OVERCOMMIT_ALWAYS = 1;

/** Adds pages, or with a negative count takes them away, to the totals of an mm. vm_stat_account() */
export function vmStatAccount(m: Machine, mm: Mm, vmFlags: number, nrPages: number): void {
  m.mm.totalVm[mm] += nrPages;
  if ((vmFlags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) === VM_EXEC) m.mm.execVm[mm] += nrPages;
  else if ((vmFlags & VM_GROWSDOWN) !== 0) m.mm.stackVm[mm] += nrPages;
  else if (isDataMapping(vmFlags)) m.mm.dataVm[mm] += nrPages;
}

export function isDataMapping(vmFlags: number): boolean {
  return (vmFlags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE;
}

/**
 * RLIMIT_AS and RLIMIT_DATA leave room for that many pages more. A limit of no data at all is none: some programs set it so.
 * Deviation: such a limit is not held to the hard limit either, which the model does not know.
 */
export function mayExpandVm(m: Machine, mm: Mm, vmFlags: number, nrPages: number): boolean {
  const leader = groupLeader(m, current(m));
  if (m.mm.totalVm[mm] + nrPages > Math.floor(m.task.rlimitAs[leader] / PAGES)) return false;
  const data = m.task.rlimitData[leader];
  return !isDataMapping(vmFlags) || data === 0 || m.mm.dataVm[mm] + nrPages <= Math.floor(data / PAGES);
}

/** RLIMIT_MEMLOCK leaves room for locking that many bytes more, or nobody asks. mlock_future_ok() */
export function mlockFutureOk(m: Machine, mm: Mm, vmFlags: number, lenBytes: number): boolean {
  if ((vmFlags & VM_LOCKED) === 0 || m.bootConfig.settings.capIpcLock) return true;
  const limit = m.task.rlimitMemlock[groupLeader(m, current(m))] / PAGES;
  return m.mm.lockedVm[mm] + lenBytes / PAGES <= Math.floor(limit);
}

export function canDoMlock(m: Machine): boolean {
  return m.bootConfig.settings.capIpcLock || m.task.rlimitMemlock[groupLeader(m, current(m))] !== 0;
}

/** The heuristic refuses only what memory and swap together could not hold. __vm_enough_memory() */
export function vmEnoughMemory(m: Machine, nrPages: number): boolean {
  const { overcommitMemory, totalRamPages } = m.bootConfig.settings;
  return overcommitMemory === OVERCOMMIT_ALWAYS || nrPages <= totalRamPages;
}

/** Private and writable, and not told to go without: counts against memory. Huge pages are counted by themselves. accountable_mapping() */
export function isAccountable(vmFlags: number): boolean {
  return (vmFlags & (VM_NORESERVE | VM_HUGETLB | VM_SHARED | VM_WRITE)) === VM_WRITE;
}
