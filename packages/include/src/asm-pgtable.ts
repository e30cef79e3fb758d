/**
 * What an architecture is to mm: the shape of its page tables, the values that stand in them, and the closed set of
 * operations by which they change. Models include/asm-generic/pgtable.h, asm-generic/tlb.h and the asm/pgtable.h of one
 * arch, as of 2.6.24.
 *
 * Each op answers five questions: when (first sentence), `@context` and `@locks`, what still `@holds`, what the caller or
 * the op `@owes` on return, and what happens where it is `@absent`: every name below exists in every arch; "inherited"
 * says that arch-generic has a body which an arch that says nothing re-exports, "own" that each arch brings its own.
 *
 * Slots and values. A `Ptep` (Pmdp, Pudp, Pgdp) is the place of an entry, a `Pte` what was read from it; see handles.ts.
 * Hardware walks tables without locks and sets accessed and dirty bits by itself. So an op whose text says *one atomic
 * step* is a single visible operation; one that does not may take several, with intermediate values that a lockless
 * reader sees (s390: IPTE makes the entry invalid, then the final value is stored).
 *
 * Two-level archs fold levels as C does: the offset op of a folded level returns the slot it was given, the level is
 * never none and is never populated.
 *
 * @template M the machine, as the arch sees it
 */
import type { AsmHugetlb } from './asm-hugetlb.js';
import type { Mm, Pfn, Pgdp, Pgprot, Pgtable, Pmdp, Pte, Ptep, Pudp, Vaddr, Vma } from './handles.js';
import type { ImageConfig } from './machine.js';
import type { Step, Task } from './task.js';

/** Level of a table page. The number is that of the entries it holds. */
export const TABLE_PTE = 1;
export const TABLE_PMD = 2;
export const TABLE_PUD = 3;
export const TABLE_PGD = 4;
export type TableLevel = typeof TABLE_PTE | typeof TABLE_PMD | typeof TABLE_PUD | typeof TABLE_PGD;

export interface AsmPgtable<M> extends AsmGeometry, AsmPteValues, AsmLevels<M>, AsmPtepOps<M>, AsmTlb<M>, AsmHugetlb<M> {}

/** Constants of the arch. Shifts are of bytes; sizes are bytes; a folded level has one entry and the shift of the level above. */
export interface AsmGeometry {
  readonly ARCH: ImageConfig['arch'];
  readonly PTRS_PER_PTE: number;
  readonly PTRS_PER_PMD: number;
  readonly PTRS_PER_PUD: number;
  readonly PTRS_PER_PGD: number;
  readonly PMD_SHIFT: number;
  readonly PUD_SHIFT: number;
  readonly PGDIR_SHIFT: number;
  /** Bytes that one table of ptes maps. */
  readonly PMD_SIZE: number;
  readonly PUD_SIZE: number;
  readonly PGDIR_SIZE: number;
  /** The first address that no user mapping can hold. */
  readonly TASK_SIZE: Vaddr;
  /** Pages that one transparent huge page stands for, 0 where the arch has none. HPAGE_PMD_NR */
  readonly HPAGE_PMD_NR: number;
  /**
   * Tables of ptes that fit in one page, 1 or 2. Where it is 2 an mm hands out both halves of a page before it takes another,
   * and one split lock covers two ranges that have nothing to do with each other.
   */
  readonly PGTABLES_PER_PAGE: number;
}

/**
 * Constructors, tests and modifiers of pte values. Plain functions of their arguments: they touch no slot, need no lock
 * and are never absent. Where the arch keeps a property outside of the pte (s390: referenced and changed, in the frame's
 * storage key) its test is constantly false and its modifiers change nothing.
 */
export interface AsmPteValues {
  /** The bits that a VMA with these VM_ flags gives its ptes: private writable memory is read-only until copied. protection_map[] */
  vmGetPageProt(vmFlags: number): Pgprot;
  /** A pte that maps `pfn` with `prot`. */
  pfnPte(pfn: Pfn, prot: Pgprot): Pte;
  ptePfn(pte: Pte): Pfn;
  /** Nothing was ever put here. A pte that is not present is not thereby none. */
  pteNone(pte: Pte): boolean;
  /** It maps a frame, even one that nobody may touch (PROT_NONE). */
  ptePresent(pte: Pte): boolean;
  pteWrite(pte: Pte): boolean;
  pteDirty(pte: Pte): boolean;
  pteYoung(pte: Pte): boolean;
  pteMkwrite(pte: Pte): Pte;
  pteWrprotect(pte: Pte): Pte;
  pteMkdirty(pte: Pte): Pte;
  pteMkclean(pte: Pte): Pte;
  pteMkyoung(pte: Pte): Pte;
  pteMkold(pte: Pte): Pte;
  /** Takes the protection from `newprot` and keeps frame, accessed and dirty. */
  pteModify(pte: Pte, newprot: Pgprot): Pte;
  /** A pte that is neither none nor present and holds a swap entry: the number of a slot, 1 up to 2^24 - 1. swp_entry_to_pte() */
  swpEntryToPte(entry: number): Pte;
  /** The swap entry of a pte that is not present; 0 where it holds none. pte_to_swp_entry() */
  pteToSwpEntry(pte: Pte): number;
  /** Whether a slot that was read twice still says the same: the test after taking the ptl. */
  pteSame(a: Pte, b: Pte): boolean;
}

/**
 * The levels above the pte. Entries hold the frame of the next table as the hardware wants it. Reading one is a plain
 * function: upper entries are stored once, under `pageTableLock`, and removed only when no VMA is left that needs them,
 * so a reader holds mmapSem, or the ptl of a pte below, or is the hardware and is answered by tlbs (mmu gather).
 */
export interface AsmLevels<M> {
  /** The top-level slot for `address`. Own. */
  pgdOffset(m: M, mm: Mm, address: Vaddr): Pgdp;
  /** @holds the pgd entry is not none */
  pudOffset(m: M, pgdp: Pgdp, address: Vaddr): Pudp;
  /** @holds the pud entry is not none */
  pmdOffset(m: M, pudp: Pudp, address: Vaddr): Pmdp;
  /** @holds the pmd entry is not none */
  pteOffset(m: M, pmdp: Pmdp, address: Vaddr): Ptep;
  /** All four at once without a lock: 0 where some level is none, and inside a huge page. For those who recheck. */
  walkPte(m: M, mm: Mm, address: Vaddr): Ptep;
  pgdNone(m: M, pgdp: Pgdp): boolean;
  pudNone(m: M, pudp: Pudp): boolean;
  pmdNone(m: M, pmdp: Pmdp): boolean;
  /** The frame of the table below, or of the page that it lies in. @holds the entry is not none */
  pgdPage(m: M, pgdp: Pgdp): Pfn;
  pudPage(m: M, pudp: Pudp): Pfn;
  pmdPage(m: M, pmdp: Pmdp): Pfn;
  /** The table itself, which may be a part of its page. @holds the entry is not none */
  pmdPgtable(m: M, pmdp: Pmdp): Pgtable;
  /** Hangs in a table that `tableInit` has made empty. One atomic step. @locks pageTableLock of the mm */
  pgdPopulate(m: M, pgdp: Pgdp, table: Pfn): Task<Step>;
  pudPopulate(m: M, pudp: Pudp, table: Pfn): Task<Step>;
  pmdPopulate(m: M, pmdp: Pmdp, table: Pgtable): Task<Step>;
  /**
   * Takes the table below out. One atomic step.
   * @locks mmapSem for writing, or no user of the mm is left
   * @owes the table page is freed only after `flushTlbRange`: the hardware may be inside
   */
  pgdClear(m: M, pgdp: Pgdp): Task<Step>;
  pudClear(m: M, pudp: Pudp): Task<Step>;
  pmdClear(m: M, pmdp: Pmdp): Task<Step>;
  /** Makes every entry of a new table page none, all that fit in it. @context nobody else can see the page yet */
  tableInit(m: M, table: Pfn, level: TableLevel): void;
  /** Every entry of the table of ptes below is none. @locks its ptl */
  pmdIsEmpty(m: M, pmdp: Pmdp): boolean;
  /** Where the span of the entry that covers `address` ends, at most `end`. */
  pgdAddrEnd(address: Vaddr, end: Vaddr): Vaddr;
  pudAddrEnd(address: Vaddr, end: Vaddr): Vaddr;
  pmdAddrEnd(address: Vaddr, end: Vaddr): Vaddr;
}

/**
 * The operations on a pte slot: the macros of asm-generic/pgtable.h with `set_pte_at`. All of them run in atomic context
 * under the ptl that covers `address`, but for the plain reads, which anyone may do.
 */
export interface AsmPtepOps<M> {
  /** The value in the slot, a plain read: the caller holds the ptl, or rechecks by `pteSame` under it. */
  ptepGet(m: M, ptep: Ptep): Pte;
  /** `pteNone(ptepGet())`, `ptePresent(ptepGet())`, `ptePfn(ptepGet())` for loops: a few instructions each. */
  ptepNone(m: M, ptep: Ptep): boolean;
  ptepPresent(m: M, ptep: Ptep): boolean;
  ptepPfn(m: M, ptep: Ptep): Pfn;
  /** The flags of the entry alone, as a pte of frame 0: asked and changed like any pte, in integers. For loops. */
  ptepFlags(m: M, ptep: Ptep): Pte;

  /**
   * Stores a pte into a slot that is none, or that the hardware cannot be using. One atomic step.
   * @context atomic @locks ptl(address)
   * @holds the frame has a reference for the mapping, and its rmap
   * @owes nothing: no TLB caches what was not present
   * @absent own
   */
  setPteAt(m: M, mm: Mm, address: Vaddr, ptep: Ptep, pte: Pte): Task<Step>;
  /**
   * `setPteAt` of the pte in `src` with `flags`, which ptepFlags has told of it and the caller has changed: fork's loop.
   * @context atomic @locks ptl(address), the ptl of `src` @holds, owes as setPteAt @absent own
   */
  ptepCopy(m: M, mm: Mm, address: Vaddr, ptep: Ptep, src: Ptep, flags: Pte): Task<Step>;
  /**
   * Empties a slot without saying what stood there. One atomic step.
   * @context atomic @locks ptl(address) @owes the flush, unless the pte was not present @absent own
   */
  pteClear(m: M, mm: Mm, address: Vaddr, ptep: Ptep): Task<Step>;
  /**
   * Empties a slot that is known to hold no present pte.
   * @context atomic @locks ptl(address) @owes nothing @absent inherited: pteClear
   */
  pteClearNotPresentFull(m: M, mm: Mm, address: Vaddr, ptep: Ptep, isFull: boolean): Task<Step>;
  /**
   * Empties a slot and says what stood there, accessed and dirty bits of the last moment included.
   * @context atomic @locks ptl(address)
   * @holds a TLB, and a secondary one, may still translate by the old value
   * @owes flush, then notifier, before the frame is freed
   * @absent inherited: read, then pteClear. That loses what the hardware sets in between, so an arch whose hardware sets
   *   bits overrides it with one atomic step
   */
  ptepGetAndClear(m: M, mm: Mm, address: Vaddr, ptep: Ptep): Task<Step, Pte>;
  /**
   * The same where the whole mm goes, `isFull`: no CPU uses the tables, so it need not be atomic.
   * @context atomic @locks ptl(address) @owes as ptepGetAndClear @absent inherited: ptepGetAndClear
   */
  ptepGetAndClearFull(m: M, mm: Mm, address: Vaddr, ptep: Ptep, isFull: boolean): Task<Step, Pte>;
  /**
   * Takes the write permission from a pte that stays where it is (fork).
   * @context atomic @locks ptl(address)
   * @owes the flush before the ptl's protection ends; v5 has no hook here
   * @absent inherited: read, then store. Loses a dirty bit that the hardware sets in between
   */
  ptepSetWrprotect(m: M, mm: Mm, address: Vaddr, ptep: Ptep): Task<Step>;
  /**
   * Makes a pte more permissive: young, dirty, writable. Never another frame.
   * @context atomic @locks ptl(address)
   * @holds a TLB with the old value faults once more, which is harmless; no notifier, for the same reason
   * @returns whether the slot changed
   * @absent inherited: store and flush where the value differs
   */
  ptepSetAccessFlags(m: M, vma: Vma, address: Vaddr, ptep: Ptep, entry: Pte, isDirty: boolean): Task<Step, boolean>;
  /**
   * @context atomic @locks ptl(address) @owes the flush, if it wants the bit set again by the next access
   * @returns 1 where the pte was young
   * @absent inherited: read, then store. Loses a dirty bit that the hardware sets in between
   */
  ptepTestAndClearYoung(m: M, vma: Vma, address: Vaddr, ptep: Ptep): Task<Step, number>;
  /**
   * Empties a slot for good: clear, flush, and then hook #1 of v5, `invalidatePage`.
   * @context atomic @locks ptl(address)
   * @holds the slot is none while the notifier runs, and the old frame keeps its reference until this returns
   * @owes no CPU and no secondary MMU translates `address` on return
   * @absent inherited. An arch that overrides it owes the hook itself; s390 is the only one
   */
  ptepClearFlush(m: M, vma: Vma, address: Vaddr, ptep: Ptep): Task<Step, Pte>;
  /**
   * Was the page used since the last time: clear young, flush if it was, and then hook #2 of v5, `agePage`.
   * @context atomic @locks ptl(address)
   * @returns 1 where the CPU or a secondary MMU has used the page
   * @absent inherited. An arch that overrides it owes the hook itself; none of 2.6.24 paid, so secondary accesses do not
   *   count there
   */
  ptepClearFlushYoung(m: M, vma: Vma, address: Vaddr, ptep: Ptep): Task<Step, number>;
  /**
   * `ptepGetAndClear`, `pteModify`, `setPteAt` for each present pte of a run of slots of one table: mprotect's loop.
   * @context atomic @locks ptl(address)
   * @holds a walker that meets an empty slot faults and waits for the ptl
   * @owes notifier under the ptl, flush later @returns how many ptes were present
   * @absent inherited: the three ops, one after the other. Overridden for speed only, with the same steps
   */
  ptepModifyRange(m: M, mm: Mm, address: Vaddr, ptep: Ptep, nrPtes: number, newprot: Pgprot): Task<Step, number>;
  /**
   * `ptepClearFlush`, `setPteAt` elsewhere for each pte that is not none of a run of slots of one table: mremap's loop.
   * @context atomic @locks both ptls
   * @holds the target slots are none @owes nothing: the hooks are those of ptepClearFlush
   * @absent inherited: the two ops, one after the other. Overridden for speed only, with the same steps
   */
  ptepMoveRange(m: M, vma: Vma, address: Vaddr, ptep: Ptep, newAddress: Vaddr, newPtep: Ptep, nrPtes: number): Task<Step>;

  /** The frame was written since the bit was last cleared, where the arch knows that by frame. @absent inherited: false */
  pageTestDirty(m: M, pfn: Pfn): boolean;
  /** @context the frame is mapped nowhere @absent inherited: nothing */
  pageClearDirty(m: M, pfn: Pfn): Task<Step>;
  /** @returns 1 where the frame was used @absent inherited: 0 */
  pageTestAndClearYoung(m: M, pfn: Pfn): Task<Step, number>;
}

/** Translations that CPUs cache, and the access by which they come to be. */
export interface AsmTlb<M> {
  /**
   * No CPU translates `address` by an earlier value of its pte once this returns.
   * @context atomic or process; spins until every CPU that runs the mm has dropped the entry
   * @locks any; none that a CPU takes with interrupts off
   * @owes nothing @absent own
   */
  flushTlbPage(m: M, vma: Vma, address: Vaddr): Task<Step>;
  /** The same for `[start, end)` of the VMA's mm. */
  flushTlbRange(m: M, vma: Vma, start: Vaddr, end: Vaddr): Task<Step>;
  /** The same for all of an mm. */
  flushTlbMm(m: M, mm: Mm): Task<Step>;
  /**
   * A gather begins: pages and tables of the mm will go (mm/mmu-gather.ts). arch_tlb_gather_mmu()
   * @param isFull all of the mm goes @returns whether its ptes are emptied with `isFull`, as ptepGetAndClearFull takes it
   * @absent inherited: `isFull`, and nothing is done
   */
  archTlbGatherMmu(m: M, mm: Mm, isFull: boolean): Task<Step, boolean>;
  /**
   * What was gathered goes next: no CPU may translate by it any more. tlb_flush()
   * @param isFull what archTlbGatherMmu has answered @param hasTable tables are among it
   * @absent inherited: flushTlbMm
   */
  tlbFlush(m: M, mm: Mm, isFull: boolean, hasTable: boolean): Task<Step>;
  /** Pages wait in a gather for its flush; else they go at once, since each pte was flushed when it was emptied. @absent inherited: true */
  readonly TLB_GATHERS_PAGES: boolean;
  /**
   * The translation of one access by the processor: the CPU's TLB, else a walk of the tables without a lock, which sets
   * accessed and, for a write, dirty, and fills the TLB.
   * @context none: this is hardware
   * @returns the frame, or minus the PF_ error code of the fault that it raises (never 0)
   * @owes where it returns a frame, the access and then `hwRetire`: until then the CPU is inside an instruction and takes
   *   no interrupt, so no shootdown comes between translation and access. `tlbEntries` 0: nothing holds off anybody
   * @absent inherited, over `hwTranslate`
   */
  hwAccess(m: M, cpu: number, mm: Mm, address: Vaddr, isWrite: boolean): Task<Step, number>;
  /**
   * What an access leaves in the frame itself, whoever made it: a CPU or a device. In the same instant, so it is plain.
   * @context none: this is hardware @absent inherited: nothing
   */
  hwMarkAccess(m: M, pfn: Pfn, isWrite: boolean): void;
  /**
   * A walk by software without a lock begins: no table that it may come by is freed before gupFastEnd. Either the CPU takes no
   * interrupt, so that no flush of the mm ends before; or walkers are RCU readers, and who frees tables waits for them.
   * @context process, `cpu` is the current thread's and `mm` its own; atomic until gupFastEnd @absent inherited: RCU
   */
  gupFastBegin(m: M, cpu: number, mm: Mm): Task<Step>;
  gupFastEnd(m: M, cpu: number): Task<Step>;
  /** Flushing is not enough before a table is freed: RCU readers may walk it. CONFIG_HAVE_RCU_TABLE_FREE @absent inherited: true */
  readonly HAVE_RCU_TABLE_FREE: boolean;
  /** The instruction of which `hwAccess` was the translation is over. @context none: this is hardware @absent inherited */
  hwRetire(m: M, cpu: number): Task<Step>;
  /**
   * What the last step of a walk does to the pte. One atomic step that follows a point of the caller, so it is plain.
   * @returns the frame, 0 where the entry is not present, -1 where it forbids the access @absent own
   */
  hwTranslate(m: M, ptep: Ptep, isWrite: boolean): number;
}
