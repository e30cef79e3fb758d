export type { GracePeriod, InRcuRead, InSrcuRead, MaySleep, Sleep, Step, Task, UnderPteLock } from './task.js';
export type {
  AnonVma, AnonVmaChain, File, Inode, Mm, MmuNotifier, Mutex, Pfn, Pgd, Pgdp, Pgprot, Pgtable, Pmd, Pmdp, Pte, Ptep, Pud, Pudp,
  Refcount, Rwsem, Seqcount, Spinlock, TaskStruct, Vaddr, Vma, Where,
} from './handles.js';
export { E2BIG, EACCES, EAGAIN, EBADF, EBUSY, EEXIST, EFAULT, EINTR, EFBIG, EINVAL, EIO, ENODEV, ENOENT, ENOMEM, ENOSYS, EOPNOTSUPP, EOVERFLOW, EPERM, ESRCH, ERRNO_NAMES, MAX_ERRNO } from './errno.js';
export {
  CLONE_VFORK, CLONE_VM, F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, MADV_COLD, MADV_COLLAPSE, MADV_GUARD_INSTALL, MADV_GUARD_REMOVE, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED,
  MADV_DONTNEED_LOCKED, MADV_FREE, MADV_HUGEPAGE, MADV_KEEPONFORK, MADV_MERGEABLE, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_PAGEOUT,
  MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_RANDOM, MADV_REMOVE, MADV_SEQUENTIAL, MADV_UNMERGEABLE, MADV_WILLNEED,
  MADV_WIPEONFORK, MAP_32BIT, MAP_ABOVE4G, MAP_ANONYMOUS, MAP_DENYWRITE, MAP_DROPPABLE, MAP_EXECUTABLE, MAP_FIXED,
  MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB, MAP_LOCKED, MAP_NONBLOCK, MAP_NORESERVE, MAP_POPULATE, MAP_PRIVATE,
  MAP_SHARED, MAP_SHARED_VALIDATE, MAP_STACK, MAP_SYNC, MAP_TYPE, MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT,
  MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, MS_ASYNC, MS_INVALIDATE, MS_SYNC, PAGE_SHIFT, PAGE_SIZE, PF_INSTR, PF_PROT,
  PF_USER, PF_WRITE, PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_NONE, PROT_READ, PROT_SEM, PROT_WRITE,
} from './mman.js';
export {
  STACK_GUARD_GAP_PAGES, VM_ACCESS_FLAGS, VM_ACCOUNT, VM_DATA_DEFAULT_FLAGS, VM_DONTCOPY, VM_DROPPABLE, VM_DONTDUMP, VM_DONTEXPAND, VM_EXEC,
  VM_GROWSDOWN, VM_HUGEPAGE, VM_HUGETLB, VM_IO, VM_LOCKED, VM_MAYBE_GUARD, VM_SEALED, VM_LOCKED_MASK, VM_LOCKONFAULT, VM_MAYEXEC, VM_MAYREAD, VM_MAYSHARE,
  VM_MAYWRITE, VM_MERGEABLE, VM_MIXEDMAP, VM_NOHUGEPAGE, VM_NORESERVE, VM_PFNMAP, VM_RAND_READ, VM_READ, VM_SEQ_READ, VM_SHARED,
  VM_SOFTDIRTY, VM_SPECIAL, VM_STACK_FLAGS, VM_SYNC, VM_UFFD_MISSING, VM_WIPEONFORK, VM_WRITE,
} from './vm-flags.js';
export { ACQUIRE, ACQUIRE_SHARED, CALL, POINT_NAMES, READ, RELEASE, RELEASE_SHARED, WAIT, WRITE, YIELD } from './point.js';
export type { PointKind, Scheduler } from './point.js';
export type { Finding, FindingStep } from './finding.js';
export type { ImageConfig, KernelSettings, MachineConfig } from './machine.js';
export { VM_FAULT_MAJOR, VM_FAULT_NOPAGE, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_FAULT_SIGSEGV } from './image.js';
export type { BootedMachine, ExecLayout, ExecRow, InodeKind, InodeSpec, KernelImage, MapsRow, NewerCalls, NotifierCounts } from './image.js';
export type { InspectedImage, TlbVisitor, VmaVisitor } from './inspection.js';
export type { AsmHugetlb } from './asm-hugetlb.js';
export { TABLE_PGD, TABLE_PMD, TABLE_PTE, TABLE_PUD } from './asm-pgtable.js';
export type { AsmGeometry, AsmLevels, AsmPgtable, AsmPteValues, AsmPtepOps, AsmTlb, TableLevel } from './asm-pgtable.js';
export type { ColumnType, ColumnView, Table, TableSpec } from './table.js';
export type {
  AtomicOp, Design, DesignOps, MaySleepOp, MmuNotifierOps, NotifierOpContext, NotifierOps, OpEffects, OpName, RangeNotifierOps, RangeOpContext, RangeOpEffects,
} from './mmu-notifier.js';
export { PTE_LOOKUP_DIRTY, PTE_LOOKUP_WRITE } from './secondary-mmu.js';
export type {
  AttachedSecondary, InstallEntry, KernelServices, MappedArea, OwnCall, SecondaryCounters, SecondaryDriver, SecondaryImage, SecondaryMachine, SecondaryMmu, SecondaryMmuFor,
  SecondaryTable, Surroundings, TranslationVisitor,
} from './secondary-mmu.js';
