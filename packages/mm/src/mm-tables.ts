// Models the structs of include/linux/mm_types.h, fs.h, mmzone.h and swap.h (6.18; hook-related fields as in 2.6.24).
/** Columns of mm's tables, one row per object, row 0 is NULL. Fields are grouped by the lock that guards them. */

export const mmSpec = {
  /** @guardedBy itself: atomic. Threads that use the address space; at 0 it is torn down. */
  mmUsers: 'i32',
  /** @guardedBy itself: atomic. References to the struct; all users together hold one. */
  mmCount: 'i32',
  /** The sleeping lock of the address space, mmap_lock since 5.8. */
  mmapSem: 'i32',
  /** @guardedBy each ptl for readers; set once, under mmap_sem R. The OOM reaper takes pages away. MMF_UNSTABLE */
  isUnstable: 'u32',
  /** Guards page tables that are not split, and making new ones. */
  pageTableLock: 'i32',

  /** @guardedBy mmapSem, all below. Root of the VMA tree. */
  vmaRoot: 'u32',
  /** First VMA of the list that is sorted by address. */
  mmap: 'u32',
  mapCount: 'u32',
  /** Frame of the top-level page table. */
  pgd: 'u32',
  /** Pages, by kind; what the limits are compared with. */
  totalVm: 'f64', lockedVm: 'f64', dataVm: 'f64', execVm: 'f64', stackVm: 'f64',
  /** VM_ flags that every new mapping gets (mlockall). */
  defFlags: 'u32',
  startBrk: 'f64', brk: 'f64', startStack: 'f64', argStart: 'f64', dataBytes: 'f64',
  /** Upper end of the downward search for room. */
  mmapBase: 'f64',

  /** @guardedBy the ptl of each page, atomic. Pages mapped, by kind. */
  rssAnon: 'i32', rssFile: 'i32', rssShmem: 'i32',
  /** Ptes that hold swap entries. */
  nrSwapents: 'i32',
  /** @guardedBy pageTableLock. Page tables, all levels. */
  nrPgtables: 'i32',
  /** @guardedBy pageTableLock. Where two tables of ptes share a page: the first page that has room for another. */
  pgtableList: 'u32',
} as const;

export const vmaSpec = {
  /** @guardedBy mmapSem of vmMm. `[vmStart, vmEnd)`, bytes. */
  vmStart: 'f64', vmEnd: 'f64',
  vmMm: 'u32',
  vmFlags: 'u32',
  /** Pages: into the file, or the address of birth for anonymous memory. */
  vmPgoff: 'f64',
  vmFile: 'u32',
  /** @guardedBy iMmapLock of the file. Neighbours in its i_mmap, and whether the VMA is in it at all. */
  sharedNext: 'u32', sharedPrev: 'u32', isInIMmap: 'u8',
  /** What mbind gave it, 0 nothing (mempolicy.ts). */
  vmPolicy: 'u32',
  /** VM_OPS_ kind. */
  vmOps: 'u8',
  /** What the driver whose area it is knows it by. */
  vmPrivateData: 'u32',
  /** Index into the machine's special names; 0 none. */
  vmName: 'u32',
  /** Of private hugetlb memory: to whom its pages are promised (hugetlb-pool.ts); 0 to nobody. */
  resvMap: 'u32',
  anonVma: 'u32',
  /** First anon_vma_chain of this VMA. */
  anonVmaChain: 'u32',
  /** Neighbours by address. */
  vmPrev: 'u32', vmNext: 'u32',
  /** The tree: children, parent, height, and the largest gap below any VMA of the subtree, in bytes. */
  left: 'u32', right: 'u32', parent: 'u32', height: 'u8', subtreeGap: 'f64',
} as const;

export const anonVmaSpec = {
  /** The oldest ancestor. */
  root: 'u32',
  /** Forked from. A root is its own parent. */
  parent: 'u32',
  refcount: 'i32',
  /** Children, plus one for a root: its own parent. */
  numChildren: 'i32',
  /** VMAs whose anonVma this is. */
  numActiveVmas: 'i32',
  /** First anon_vma_chain that leads to a VMA. */
  rbRoot: 'u32',
  /** @guards the chains of all anon_vmas with this root. */
  lock: 'i32',
  /** @guardedBy mm_all_locks_mutex. Of a root: the holder of that mutex has taken it. */
  isAllLocked: 'u8',
} as const;

export const avcSpec = {
  vma: 'u32', anonVma: 'u32',
  /** Next chain of the same VMA, oldest anon_vma first, and of the same anon_vma. */
  sameVma: 'u32', sameAnonVma: 'u32',
} as const;

export const pageSpec = {
  /** PG_ bits. */
  flags: 'u32',
  /** References; a free frame has none. */
  refcount: 'i32',
  /** Page-table entries that map the frame. */
  mapcount: 'i32',
  /** References that drivers keep for long: while there are any the page is not unmapped by reclaim. folio_maybe_dma_pinned() */
  pincount: 'i32',
  /** 2 * inode, or 2 * anon_vma + 1, or 0. */
  mapping: 'u32',
  /** Pages: into the file, or of the address as seen by the VMA's pgoff. */
  index: 'f64',
  /** Next frame in the same bucket of the page cache. */
  hashNext: 'u32',
  /** @guardedBy lruLock. Neighbours in the list that the page is in. */
  lruNext: 'u32', lruPrev: 'u32',
  /** @guardedBy swapLock, and the page lock to clear it. Slot of a page in the swap cache. page_private() */
  swapSlot: 'u32',
  /** The split page-table lock, in frames that hold a table. */
  ptl: 'i32',
} as const;

export const inodeSpec = {
  kind: 'u8', isThpAligned: 'u8',
  /** F_SEAL_ bits of a memfd. */
  seals: 'u8', isNoexec: 'u8', driverVmFlags: 'u32',
  major: 'u32', minor: 'u32', ino: 'f64', size: 'f64',
  refcount: 'i32', nrPages: 'u32',
  /** Guards the tree of VMAs that map the file: i_mmap_lock. */
  iMmapLock: 'i32',
  /** @guardedBy treeLock. Pages that the file has on disk. */
  nrBlocks: 'u32',
  /** @guardedBy iMmapLock. First VMA that maps the file. */
  iMmap: 'u32',
  /** @guardedBy mm_all_locks_mutex, whose holder has taken iMmapLock. AS_MM_ALL_LOCKS */
  isAllLocked: 'u8',
} as const;

export const fileSpec = { inode: 'u32', refcount: 'i32', isReadable: 'u8', isWritable: 'u8' } as const;

export const taskSpec = {
  /** Numbers as in the machine's process table; not the recorded pids. */
  mm: 'u32',
  /** First thread of the process. */
  groupLeader: 'u32',
  /** In bytes; @guardedBy the process being asked only by its own threads. */
  rlimitData: 'f64', rlimitStack: 'f64', rlimitMemlock: 'f64', rlimitAs: 'f64',
} as const;

export const vmSpec = {
  /** The frame that every untouched anonymous page reads from. */
  zeroPfn: 'u32',
  /** Where the search for clean file pages to drop goes on. */
  reclaimHand: 'u32',
  /** ino of the next shared anonymous mapping. */
  nextShmemIno: 'u32',
  /** Buckets of the page cache are guarded by this. */
  treeLock: 'i32',
  /** Reclaim's lists. zone->lru_lock */
  lruLock: 'i32',
  /** @guardedBy lruLock, but for freeing, which sets it back. Pages that reclaim looked at since one was freed. zone->pages_scanned */
  pagesScanned: 'u32',
  /** Slots' counts, and the swap cache. */
  swapLock: 'i32',
  /** Whoever takes more than one rmap lock at once. mm_all_locks_mutex */
  mmAllLocksMutex: 'i32',
  /** The pool of huge pages and what is promised of it. */
  hugetlbLock: 'i32',
  /** One fault on hugetlb memory at a time, so that no page is wanted twice. */
  hugetlbInstantiationMutex: 'i32',
  /** @guardedBy mmapSem of whoever maps, atomic. The last resvMap that was given out. */
  nextResvMap: 'u32',
} as const;

/** @guardedBy hugetlbLock. A huge page that is promised: to whom, and for which page of the file. */
export const hugeResvSpec = { map: 'u32', index: 'f64' } as const;

/** Rows of lru. */
export const LRU_INACTIVE = 1;
export const LRU_ACTIVE = 2;

/** @guardedBy lruLock. A list of pages: its newest, its oldest, and how many. */
export const lruSpec = { first: 'u32', last: 'u32', nr: 'u32' } as const;

/** A page's worth of store: swap_map, the swap cache and a disk's block map in one. */
export const swapSpec = {
  /** @guardedBy swapLock. Swap entries in ptes, plus one for the swap cache. */
  count: 'i32',
  /** @guardedBy swapLock. Frame that stands for the slot in the swap cache. */
  page: 'u32',
  /** @guardedBy treeLock. The page of a file that lies here: inode 0 for swap. */
  inode: 'u32', index: 'f64',
  /** @guardedBy treeLock. Next block in the same bucket. */
  hashNext: 'u32',
} as const;

/** Pages of one gather. asm-generic/tlb.h, 2.6.24 */
export const FREE_PTE_NR: number = 506;

/** What one thread has taken out of page tables and may free only after the TLB flush. struct mmu_gather */
export const gatherSpec: { readonly mm: 'u32'; readonly isFull: 'u8'; readonly hasTable: 'u8'; readonly nr: 'u32'; readonly pages: readonly ['u32', number] } = {
  /** 0: the thread gathers nothing. */
  mm: 'u32',
  /** The whole mm goes, so nobody uses its tables. */
  isFull: 'u8',
  /** Some page of it is a table. */
  hasTable: 'u8',
  nr: 'u32',
  pages: ['u32', 1],
};
