// Models include/asm-s390/tlbflush.h and tlb.h (2.6.24).
/**
 * IPTE goes through all CPUs, so it is spared where one thread alone uses the mm and is the one that changes it: then ptes
 * are emptied and write-protected by plain stores, and one flush of the mm comes after all of them.
 *
 *   ptep_get_and_clear, ptep_set_wrprotect   mm_users 1, and ours: store            else: IPTE, store
 *   flush_tlb_range, flush_tlb_mm            mm_users 1, and ours: flush the mm     else: nothing is left to flush
 *
 * Both sides look for themselves. mm_users is not the number of threads: /proc, or whoever reads another's memory, takes one
 * too. Where that happens in between nobody flushes, and a CPU goes on by what it had (s390x of 2.6.32 got a fix in 2010: "fix
 * tlb flushing vs. concurrent /proc accesses"). A gather asks once, flushes before it begins, and keeps the answer.
 */
import { READ } from '@mmun/include';
import type { Mm, Step, Task, Vaddr, Vma } from '@mmun/include';
import { flushTlbMm as flushAllCpus } from '@mmun/arch-generic';
import type { ArchMachine } from '@mmun/arch-generic';
import { whereOf } from '@mmun/lib';
import { current, point } from '@mmun/locking';

/** Each pte is flushed when it is emptied, or all were before: tlb_remove_page() frees at once. */
export const TLB_GATHERS_PAGES: boolean = false;

/** The condition of each shortcut. The thread's own mm is its active one; a kernel thread that borrows one is not taken for its user here. */
export function* isOnlyUser(m: ArchMachine, mm: Mm): Task<Step, boolean> {
  if (m.task.mm[current(m)] !== mm) return false;
  yield* point(m, READ, whereOf(m.mm.mmUsers, mm));
  return m.mm.mmUsers[mm] <= 1;
}

/** IPTE has flushed the page already. */
export function* flushTlbPage(_m: ArchMachine, _vma: Vma, _address: Vaddr): Task<Step> {
  // nop
}

/** What ptep_get_and_clear spared. All of the mm, as IDTE does. */
export function flushTlbRange(m: ArchMachine, vma: Vma, _start: Vaddr, _end: Vaddr): Task<Step> {
  return flushTlbMm(m, m.vma.vmMm[vma] as Mm);
}

/** What ptep_set_wrprotect spared. __tlb_flush_mm_cond() */
export function* flushTlbMm(m: ArchMachine, mm: Mm): Task<Step> {
  if (yield* isOnlyUser(m, mm)) yield* flushAllCpus(m, mm);
}

/** Nobody else can use what goes: flushed now, the ptes need no IPTE. */
export function* archTlbGatherMmu(m: ArchMachine, mm: Mm, isFull: boolean): Task<Step, boolean> {
  if (!isFull && m.tlb.nrCpus > 1 && !(yield* isOnlyUser(m, mm))) return false;
  yield* flushAllCpus(m, mm);
  return true;
}

/** IPTE does not drop what a walker keeps of the tables above. */
export function* tlbFlush(m: ArchMachine, mm: Mm, isFull: boolean, hasTable: boolean): Task<Step> {
  if (!isFull && hasTable) yield* flushAllCpus(m, mm);
}
