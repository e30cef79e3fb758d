export { reserveArch, reserveArchTables, viewArch, whereOfSlot } from './arch-machine.js';
export type { ArchConfig, ArchMachine, ArchTables, PageTables, ReservedArch, Tlb } from './arch-machine.js';
export {
  HPAGE_PMD_NR, PGDIR_SHIFT, PGDIR_SIZE, PGTABLES_PER_PAGE, PMD_SHIFT, PMD_SIZE, PTRS_PER_PGD, PTRS_PER_PMD, PTRS_PER_PTE, PTRS_PER_PUD, PUD_SHIFT, PUD_SIZE, TASK_SIZE,
  pgdClear, pgdNone, pgdOffset, pgdPopulate, pmdClear, pmdIsEmpty, pmdNone, pmdOffset, pmdPgtable, pmdPopulate, pteOffset, pudClear, pudNone, pudOffset, pudPopulate,
  tableInit, walkPte,
} from './pgtable-nofold.js';
export { entryTable, pgdPage, pmdPage, pudPage, storeEntry } from './pgtable-entry.js';
export { pgdClearNopud, pgdNoneNopud, pgdPopulateNopud, pudOffsetNopud } from './pgtable-nopud.js';
export {
  ARCH, hwTranslate, pfnPte, pteClear, pteDirty, pteMkclean, pteMkdirty, pteMkold, pteMkwrite, pteMkyoung, pteModify, pteNone, ptePfn, ptePresent, pteSame, pteToSwpEntry,
  pteWrite, pteWrprotect, pteYoung, ptepCopy, ptepFlags, ptepGet, ptepNone, ptepPfn, ptepPresent, setPteAt, swpEntryToPte, vmGetPageProt,
} from './pte.js';
export {
  flushCleared, hwMarkAccess, pageClearDirty, pageTestAndClearYoung, pageTestDirty, pgdAddrEnd, pmdAddrEnd, pteClearNotPresentFull, pudAddrEnd, ptepClearFlush, ptepClearFlushYoung, ptepGetAndClear, ptepGetAndClearFull,
  ptepModifyRange, ptepMoveRange, ptepSetAccessFlags, ptepSetWrprotect, ptepTestAndClearYoung,
} from './pgtable.js';
export { HPAGE_SIZE, HUGE_TABLE_LEVEL, hugePteOffset, pmdHuge, pmdMkhuge, pteHuge, pteMkhuge } from './hugetlb.js';
export {
  HAVE_RCU_TABLE_FREE, TLB_GATHERS_PAGES, archTlbGatherMmu, flushTlbMm, flushTlbPage, flushTlbRange, gupFastBegin, gupFastEnd, hwAccess, hwRetire, localFlushTlbPage, localFlushTlbRange, localIrqRestore,
  localIrqSave, smpProcessorId, tlbFlush,
} from './tlb.js';
