// inherited: the TLBs
export { HAVE_RCU_TABLE_FREE, gupFastBegin, gupFastEnd, hwRetire, pteClearNotPresentFull, ptepModifyRange, ptepMoveRange, smpProcessorId, viewArch, whereOfSlot } from '@mmun/arch-generic';
export type { ArchConfig, ArchMachine, ArchTables, PageTables, ReservedArch, Tlb } from '@mmun/arch-generic';
export { HPAGE_SIZE, HUGE_TABLE_LEVEL, hugePteOffset, pmdHuge, pmdMkhuge, pteHuge, pteMkhuge } from './hugetlb.js';
// overridden: storage, with the keys
export { hwMarkAccess, reserveArch } from './s390-machine.js';
// chosen by the image: 512 ptes a table, or 256
export { ARCH, HPAGE_PMD_NR, PGTABLES_PER_PAGE, PMD_SHIFT, PMD_SIZE, PTRS_PER_PMD, PTRS_PER_PTE } from '#pgtable';
// inherited: the spans of entries, and what a folded pud is
export {
  pgdAddrEnd, pgdClearNopud as pgdClear, pgdNoneNopud as pgdNone, pgdPage, pgdPopulateNopud as pgdPopulate, pmdAddrEnd, pmdPage, pudAddrEnd,
  pudOffsetNopud as pudOffset, pudPage,
} from '@mmun/arch-generic';
export {
  PGDIR_SHIFT, PGDIR_SIZE, PTRS_PER_PGD, PTRS_PER_PUD, PUD_SHIFT, PUD_SIZE, TASK_SIZE, pgdOffset, pmdClear, pmdIsEmpty, pmdNone, pmdOffset, pmdPgtable, pmdPopulate,
  pteOffset, pudClear, pudNone, pudPopulate, tableInit, walkPte,
} from './pgtable-nopud.js';
export {
  hwTranslate, pfnPte, pteClear, pteDirty, pteMkclean, pteMkdirty, pteMkold, pteMkwrite, pteMkyoung, pteModify, pteNone, ptePfn, ptePresent, pteSame, pteToSwpEntry,
  pteWrite, pteWrprotect, pteYoung, ptepCopy, ptepFlags, ptepGet, ptepNone, ptepPfn, ptepPresent, setPteAt, swpEntryToPte, vmGetPageProt,
} from './pte.js';
export {
  hwAccess, pageClearDirty, pageTestAndClearYoung, pageTestDirty, ptepClearFlush, ptepClearFlushYoung, ptepGetAndClear, ptepGetAndClearFull,
  ptepSetAccessFlags, ptepSetWrprotect, ptepTestAndClearYoung,
} from './pgtable.js';
export { TLB_GATHERS_PAGES, archTlbGatherMmu, flushTlbMm, flushTlbPage, flushTlbRange, tlbFlush } from './tlbflush.js';
