// inherited: the TLBs with their broadcast flush, which IDTE and CSP are
export { HAVE_RCU_TABLE_FREE, flushTlbMm, flushTlbRange, gupFastBegin, gupFastEnd, hwRetire, pteClearNotPresentFull, ptepModifyRange, smpProcessorId, viewArch, whereOfSlot } from '@mmun/arch-generic';
export type { ArchConfig, ArchMachine, ArchTables, Pgtable, ReservedArch, Tlb } from '@mmun/arch-generic';
export { HPAGE_SIZE, HUGE_TABLE_LEVEL, hugePteOffset, pmdHuge, pmdMkhuge, pteHuge, pteMkhuge } from './hugetlb.js';
// overridden: storage, with the keys
export { hwMarkAccess, reserveArch } from './s390-machine.js';
export {
  HPAGE_PMD_NR, PGDIR_SHIFT, PGDIR_SIZE, PMD_SHIFT, PMD_SIZE, PTRS_PER_PGD, PTRS_PER_PMD, PTRS_PER_PTE, PTRS_PER_PUD, PUD_SHIFT, PUD_SIZE, TASK_SIZE,
  pgdAddrEnd, pgdClear, pgdNone, pgdOffset, pgdPage, pgdPopulate, pmdAddrEnd, pmdClear, pmdIsEmpty, pmdNone, pmdOffset, pmdPage, pmdPopulate,
  pteOffset, pudAddrEnd, pudClear, pudNone, pudOffset, pudPage, pudPopulate, tableInit, walkPte,
} from './pgtable-nopud.js';
export {
  ARCH, hwTranslate, pfnPte, pteClear, pteDirty, pteMkclean, pteMkdirty, pteMkold, pteMkwrite, pteMkyoung, pteModify, pteNone, ptePfn, ptePresent, pteSame, pteToSwpEntry,
  pteWrite, pteWrprotect, pteYoung, ptepGet, ptepNone, ptepPfn, ptepPresent, setPteAt, swpEntryToPte, vmGetPageProt,
} from './pte.js';
export {
  flushTlbPage, hwAccess, pageClearDirty, pageTestAndClearYoung, pageTestDirty, ptepClearFlush, ptepClearFlushYoung, ptepGetAndClear, ptepGetAndClearFull,
  ptepSetAccessFlags, ptepSetWrprotect, ptepTestAndClearYoung,
} from './pgtable.js';
