// inherited: the machine's storage, but for the size of a table, and the TLBs with their broadcast flush
export { TLB_GATHERS_PAGES, archTlbGatherMmu, flushTlbMm, flushTlbPage, flushTlbRange, hwAccess, hwMarkAccess, hwRetire, smpProcessorId, tlbFlush, viewArch } from '@mmun/arch-generic';
export type { ArchConfig, ArchMachine, ArchTables, PageTables, ReservedArch, Tlb } from '@mmun/arch-generic';
// inherited: made of the toy's own primitives
export { pgdAddrEnd, pgdClearNopud as pgdClear, pgdNoneNopud as pgdNone, pgdPopulateNopud as pgdPopulate, pmdAddrEnd, pudAddrEnd, pudOffsetNopud as pudOffset } from '@mmun/arch-generic';
export {
  pageClearDirty, pageTestAndClearYoung, pageTestDirty, pteClearNotPresentFull, ptepClearFlush, ptepClearFlushYoung, ptepGetAndClearFull, ptepModifyRange, ptepMoveRange,
} from '@mmun/arch-generic';
// overridden
export { reserveArch, whereOfSlot } from './toy-machine.js';
export {
  HPAGE_PMD_NR, PGDIR_SHIFT, PGDIR_SIZE, PGTABLES_PER_PAGE, PMD_SHIFT, PMD_SIZE, PTRS_PER_PGD, PTRS_PER_PMD, PTRS_PER_PTE, PTRS_PER_PUD, PUD_SHIFT, PUD_SIZE, TASK_SIZE,
  pgdOffset, pgdPage, pmdClear, pmdIsEmpty, pmdNone, pmdOffset, pmdPage, pmdPgtable, pmdPopulate, pteOffset, pudClear, pudNone, pudPage, pudPopulate, tableInit, walkPte,
} from './pgtable-nopmd.js';
export {
  ARCH, hwTranslate, pfnPte, pteClear, pteDirty, pteMkclean, pteMkdirty, pteMkold, pteMkwrite, pteMkyoung, pteModify, pteNone, ptePfn, ptePresent, pteSame, pteToSwpEntry,
  pteWrite, pteWrprotect, pteYoung, ptepCopy, ptepFlags, ptepGet, ptepNone, ptepPfn, ptepPresent, setPteAt, swpEntryToPte, vmGetPageProt,
} from './pte.js';
export { HPAGE_SIZE, HUGE_TABLE_LEVEL, hugePteOffset, pmdHuge, pmdMkhuge, pteHuge, pteMkhuge } from './hugetlb.js';
export { ptepGetAndClear, ptepSetAccessFlags, ptepSetWrprotect, ptepTestAndClearYoung } from './pgtable.js';
export { HAVE_RCU_TABLE_FREE, gupFastBegin, gupFastEnd } from './gup.js';
