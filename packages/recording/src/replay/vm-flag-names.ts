import {
  VM_ACCOUNT, VM_DONTCOPY, VM_DONTDUMP, VM_DONTEXPAND, VM_DROPPABLE, VM_EXEC, VM_GROWSDOWN, VM_HUGEPAGE, VM_HUGETLB, VM_IO, VM_LOCKED,
  VM_LOCKONFAULT, VM_MAYBE_GUARD, VM_MAYEXEC, VM_MAYREAD, VM_MAYSHARE, VM_MAYWRITE, VM_MIXEDMAP, VM_NOHUGEPAGE, VM_NORESERVE, VM_PFNMAP,
  VM_RAND_READ, VM_READ, VM_SEALED, VM_SEQ_READ, VM_SHARED, VM_SOFTDIRTY, VM_WIPEONFORK, VM_WRITE,
} from '@mmun/include';

/** fs/proc/task_mmu.c, show_smap_vma_flags (6.18), without the flags that are left aside. */
const NAMES: readonly (readonly [number, string])[] = [
  [VM_READ, 'rd'], [VM_WRITE, 'wr'], [VM_EXEC, 'ex'], [VM_SHARED, 'sh'], [VM_MAYREAD, 'mr'], [VM_MAYWRITE, 'mw'],
  [VM_MAYEXEC, 'me'], [VM_MAYSHARE, 'ms'], [VM_GROWSDOWN, 'gd'], [VM_PFNMAP, 'pf'], [VM_LOCKED, 'lo'], [VM_IO, 'io'],
  [VM_SEQ_READ, 'sr'], [VM_RAND_READ, 'rr'], [VM_DONTCOPY, 'dc'], [VM_DONTEXPAND, 'de'], [VM_LOCKONFAULT, 'lf'],
  [VM_ACCOUNT, 'ac'], [VM_NORESERVE, 'nr'], [VM_HUGETLB, 'ht'], [VM_WIPEONFORK, 'wf'], [VM_DONTDUMP, 'dd'],
  [VM_SOFTDIRTY, 'sd'], [VM_MIXEDMAP, 'mm'], [VM_HUGEPAGE, 'hg'], [VM_NOHUGEPAGE, 'nh'],
  [VM_DROPPABLE, 'dp'], [VM_MAYBE_GUARD, 'gu'], [VM_SEALED, 'sl'],
];

/** Merging by KSM, synchronous faults and userfaultfd are no part of the model: their names are left aside. */
const LEFT_ASIDE: ReadonlySet<string> = new Set(['mg', 'sf', 'um', 'uw']);

/** The names that smaps prints for these VM_ bits, in its order. */
export function vmFlagNames(vmFlags: number): string[] {
  return NAMES.filter(([bit]) => (vmFlags & bit) !== 0).map(([, name]) => name);
}

/** Recorded names without those that are left aside, in one canonical text. */
export function vmFlagText(names: readonly string[]): string {
  return names.filter((name) => !LEFT_ASIDE.has(name)).sort().join(' ');
}
