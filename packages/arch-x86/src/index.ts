// inherited: the machine's storage and the walking of four levels
export {
  HPAGE_PMD_NR, PGDIR_SHIFT, PGDIR_SIZE, PGTABLES_PER_PAGE, PMD_SHIFT, PMD_SIZE, PTRS_PER_PGD, PTRS_PER_PMD, PTRS_PER_PTE, PTRS_PER_PUD, PUD_SHIFT, PUD_SIZE,
  TASK_SIZE, pgdAddrEnd, pgdClear, pgdNone, pgdOffset, pgdPage, pgdPopulate, pmdAddrEnd, pmdClear, pmdIsEmpty, pmdNone, pmdOffset, pmdPage, pmdPgtable, pmdPopulate,
  pteOffset, pudAddrEnd, pudClear, pudNone, pudOffset, pudPage, pudPopulate, reserveArch, tableInit, viewArch, walkPte, whereOfSlot,
} from '@mmun/arch-generic';
export { HPAGE_SIZE, HUGE_TABLE_LEVEL, hugePteOffset, pmdHuge, pmdMkhuge, pteHuge, pteMkhuge } from '@mmun/arch-generic';
export type { ArchConfig, ArchMachine, ArchTables, PageTables, ReservedArch, Tlb } from '@mmun/arch-generic';
// inherited: what 2.6.24 does not override
export { TLB_GATHERS_PAGES, archTlbGatherMmu, tlbFlush } from '@mmun/arch-generic';
export {
  hwAccess, hwMarkAccess, hwRetire, pageClearDirty, pageTestAndClearYoung, pageTestDirty, pteClearNotPresentFull, ptepClearFlush, ptepClearFlushYoung, smpProcessorId,
} from '@mmun/arch-generic';
// overridden
export {
  ARCH, hwTranslate, pfnPte, pteClear, pteDirty, pteMkclean, pteMkdirty, pteMkold, pteMkwrite, pteMkyoung, pteModify, pteNone, ptePfn, ptePresent, pteSame, pteToSwpEntry,
  pteWrite, pteWrprotect, pteYoung, ptepCopy, ptepFlags, ptepGet, ptepNone, ptepPfn, ptepPresent, setPteAt, swpEntryToPte, vmGetPageProt,
} from './pte.js';
export { ptepGetAndClear, ptepGetAndClearFull, ptepModifyRange, ptepMoveRange, ptepSetAccessFlags, ptepSetWrprotect, ptepTestAndClearYoung } from './pgtable.js';
export { flushTlbMm, flushTlbPage, flushTlbRange } from './tlb.js';
export { HAVE_RCU_TABLE_FREE, gupFastBegin, gupFastEnd } from './gup.js';
