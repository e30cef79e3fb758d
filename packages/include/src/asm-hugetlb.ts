/**
 * What an architecture is to hugetlb: pages that one entry maps as a whole. Models include/asm-generic/hugetlb.h and the
 * arch/x86/mm/hugetlbpage.c of 2.6.24.
 *
 * A huge entry is a pte like any other, in a place where otherwise something else would stand: its slot is a `Ptep`, and the
 * ops on ptes do to it what they do to small ones. So huge_ptep_get_and_clear is ptep_get_and_clear, as it was in 2.6.24.
 *
 *   x86, generic   the slot of a pmd, where otherwise the address of a table of ptes stands
 *   toy            the even one of two slots of a table of ptes, while the odd one stays empty
 *   s390           none: large pages came with 2.6.26
 *
 * @template M the machine, as the arch sees it
 */
import type { Pmdp, Pte, Ptep, Vaddr } from './handles.js';
import type { TableLevel } from './asm-pgtable.js';
import type { Step, Task } from './task.js';

export interface AsmHugetlb<M> {
  /** Bytes of a huge page; 0 where the arch has none, and then the ops below are never called with another answer than no. */
  readonly HPAGE_SIZE: number;
  /** The tables in which huge entries stand. Processes that map all of what one of them spans may share it. */
  readonly HUGE_TABLE_LEVEL: TableLevel;
  /** An entry that maps a huge page, from one that maps its first frame. `pteModify` takes that away again. */
  pteMkhuge(pte: Pte): Pte;
  /** @holds the value comes from a slot of `hugePteOffset`: elsewhere the bit may mean something else */
  pteHuge(pte: Pte): boolean;
  /** There may be a huge entry for what this pmd spans: `hugePteOffset` says where. Who walks down must ask. */
  pmdHuge(m: M, pmdp: Pmdp): boolean;
  /** From now on there may be. One atomic step where it changes anything. @locks pageTableLock of the mm */
  pmdMkhuge(m: M, pmdp: Pmdp): Task<Step>;
  /** The slot for the huge page around `address`. @holds where HUGE_TABLE_LEVEL is TABLE_PTE, the pmd is not none */
  hugePteOffset(m: M, pmdp: Pmdp, address: Vaddr): Ptep;
}
