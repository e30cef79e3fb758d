/** vm_flags of a VMA, 6.18 values. include/linux/mm.h */
export const VM_READ = 0x1;
export const VM_WRITE = 0x2;
export const VM_EXEC = 0x4;
export const VM_SHARED = 0x8;
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
export const VM_MAYSHARE = 0x80;
export const VM_GROWSDOWN = 0x100;
export const VM_UFFD_MISSING = 0x200;
export const VM_PFNMAP = 0x400;
/** Somewhere in the mapping there is, or was, a guard region: fork copies its page tables. */
export const VM_MAYBE_GUARD = 0x800;
/** Deviation: bit 38 in 6.18, beyond what a word of the model holds; this is the bit of VM_UFFD_WP. */
export const VM_DROPPABLE = 0x1000;
export const VM_LOCKED = 0x2000;
export const VM_IO = 0x4000;
export const VM_SEQ_READ = 0x8000;
export const VM_RAND_READ = 0x10000;
export const VM_DONTCOPY = 0x20000;
export const VM_DONTEXPAND = 0x40000;
export const VM_LOCKONFAULT = 0x80000;
export const VM_ACCOUNT = 0x100000;
export const VM_NORESERVE = 0x200000;
export const VM_HUGETLB = 0x400000;
export const VM_SYNC = 0x800000;
/** Deviation: bit 42 in 6.18, beyond a word; this is a bit of the arch's. */
export const VM_SEALED = 0x1000000;
export const VM_WIPEONFORK = 0x2000000;
export const VM_DONTDUMP = 0x4000000;
export const VM_SOFTDIRTY = 0x8000000;
export const VM_MIXEDMAP = 0x10000000;
export const VM_HUGEPAGE = 0x20000000;
export const VM_NOHUGEPAGE = 0x40000000;
export const VM_MERGEABLE = 0x80000000;

export const VM_ACCESS_FLAGS: number = VM_READ | VM_WRITE | VM_EXEC;
export const VM_SPECIAL: number = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP;
export const VM_LOCKED_MASK: number = VM_LOCKED | VM_LOCKONFAULT;
/** What a stack is made of before its flags are decided. VM_STACK_FLAGS */
export const VM_STACK_FLAGS: number = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN | VM_ACCOUNT;
/** VM_DATA_DEFAULT_FLAGS of x86-64. */
export const VM_DATA_DEFAULT_FLAGS: number = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
/** Pages between a stack and what lies below it. mm/mmap.c, stack_guard_gap */
export const STACK_GUARD_GAP_PAGES = 256;
