export { boot, config, defaultConfig, getCurrent, mmOf, newProcess, run, setCurrent, setRlimit, setTaskCpu, toyConfig } from './machine.js';
export { VM_OPS_ANON, VM_OPS_FILE, VM_OPS_SHMEM, VM_OPS_SPECIAL, currentMm, mmapSemOf, pageTableLockOf } from './mm-types.js';
export type { Machine } from './mm-types.js';
export { filpClose, filpOpen, newInode } from './file-table.js';
export { doMmap, sysMmap } from './mmap.js';
export { doMunmap, sysMunmap } from './munmap.js';
export { sysMprotect } from './mprotect-fixup.js';
export { sysMremap } from './mremap-vma.js';
export { sysBrk } from './brk.js';
export { sysMadvise } from './madvise.js';
export { sysMlock, sysMlock2, sysMlockall, sysMunlock, sysMunlockall } from './mlock.js';
export { sysMsync } from './msync.js';
export { sysMincore } from './mincore.js';
export { mmAlloc, mmdrop, mmgrab, mmput, sysClone } from './fork.js';
export { sysExecve } from './exec.js';
export { sysExit } from './exit.js';
export { pagemapEntry, procMaps } from './task-mmu.js';
export { findVma, findVmaIntersection, findVmaPrev } from './vma-tree.js';
export { truncateSetsize } from './truncate.js';
export { doPageFault } from './fault.js';
export { checkMachine } from './check-machine.js';
export { notifierCounts } from '#mmu-notifier';
export { TASK_SIZE } from '#asm';
export { attachSecondaryMmu, attachedSecondaries, isFrameLive, isMmAlive, primaryTranslation, secondaryMmuRefusal, vmaAfter } from './services.js';
export { userRead, userWrite } from './uaccess.js';
export {
  auditTlb, contentWhere, describeWord, frameGeneration, frameWhere, heldLocks, isPageDirty, isPageOfFile, kernelThread, nameOfWhere, taskCpu, tlbTranslation, translationWhere,
} from './inspect.js';
export { rcuDoBatch } from '@mmun/locking';
