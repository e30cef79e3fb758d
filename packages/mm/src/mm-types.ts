// Models include/linux/mm_types.h (6.18; hook-related fields as in 2.6.24).
/**
 * The tables of mm: one row per object, row 0 is NULL. Fields are grouped by the
 * lock that guards them.
 */
import { PAGE_SIZE } from '@mmun/include';
import type { BootedMachine, Inode, MachineConfig, Mm, Rwsem, SecondaryMachine, Spinlock, TaskStruct, Vma } from '@mmun/include';
import { reserve, reservePool, viewPool, viewTable } from '@mmun/lib';
import type { Layout, Pool, Reserved, ReservedPool, Table } from '@mmun/lib';
import { current, rwsemAt, spinlockAt } from '@mmun/locking';
import type { RcuMachine, WorkMachine } from '@mmun/locking';
import { HPAGE_SIZE } from '#asm';
import type { ArchMachine, ArchTables } from '#asm';
import type { NotifierMachine } from '#mmu-notifier';

const mmSpec = {
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
  startBrk: 'f64', brk: 'f64', startStack: 'f64', argStart: 'f64',
  /** Upper end of the downward search for room. */
  mmapBase: 'f64',

  /** @guardedBy the ptl of each page, atomic. Pages mapped, by kind. */
  rssAnon: 'i32', rssFile: 'i32', rssShmem: 'i32',
  /** Ptes that hold swap entries. */
  nrSwapents: 'i32',
  /** @guardedBy pageTableLock. Page-table pages, all levels. */
  nrPgtables: 'i32',
} as const;

const vmaSpec = {
  /** @guardedBy mmapSem of vmMm. `[vmStart, vmEnd)`, bytes. */
  vmStart: 'f64', vmEnd: 'f64',
  vmMm: 'u32',
  vmFlags: 'u32',
  /** Pages: into the file, or the address of birth for anonymous memory. */
  vmPgoff: 'f64',
  vmFile: 'u32',
  /** @guardedBy iMmapLock of the file. Neighbours in its i_mmap, and whether the VMA is in it at all. */
  sharedNext: 'u32', sharedPrev: 'u32', isInIMmap: 'u8',
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

const anonVmaSpec = {
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

const avcSpec = {
  vma: 'u32', anonVma: 'u32',
  /** Next chain of the same VMA, oldest anon_vma first, and of the same anon_vma. */
  sameVma: 'u32', sameAnonVma: 'u32',
} as const;

const pageSpec = {
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

const inodeSpec = {
  kind: 'u8', isThpAligned: 'u8', major: 'u32', minor: 'u32', ino: 'f64', size: 'f64',
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

const fileSpec = { inode: 'u32', refcount: 'i32', isReadable: 'u8', isWritable: 'u8' } as const;

const taskSpec = {
  /** Numbers as in the machine's process table; not the recorded pids. */
  mm: 'u32',
  /** First thread of the process. */
  groupLeader: 'u32',
  /** In bytes; @guardedBy the process being asked only by its own threads. */
  rlimitData: 'f64', rlimitStack: 'f64', rlimitMemlock: 'f64', rlimitAs: 'f64',
} as const;

const vmSpec = {
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
const hugeResvSpec = { map: 'u32', index: 'f64' } as const;

/** Rows of lru. */
export const LRU_INACTIVE = 1;
export const LRU_ACTIVE = 2;

/** @guardedBy lruLock. A list of pages: its newest, its oldest, and how many. */
const lruSpec = { first: 'u32', last: 'u32', nr: 'u32' } as const;

/** A page's worth of store: swap_map, the swap cache and a disk's block map in one. */
const swapSpec = {
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
const FREE_PTE_NR = 506;

/** What one thread has taken out of page tables and may free only after the TLB flush. struct mmu_gather */
const gatherSpec: { readonly mm: 'u32'; readonly isFull: 'u8'; readonly hasTable: 'u8'; readonly nr: 'u32'; readonly pages: readonly ['u32', number] } = {
  /** 0: the thread gathers nothing. */
  mm: 'u32',
  /** The whole mm goes, so nobody uses its tables. */
  isFull: 'u8',
  /** Some page of it is a table. */
  hasTable: 'u8',
  nr: 'u32',
  pages: ['u32', 1],
};

/** Values of inode.kind. */
export const INODE_REGULAR = 0;
export const INODE_SHMEM = 1;
/** A shared anonymous mapping's, or /dev/zero's. */
export const INODE_ZERO = 2;
export const INODE_HUGETLB = 3;

export const VM_OPS_ANON = 0;
export const VM_OPS_FILE = 1;
export const VM_OPS_SHMEM = 2;
/** [vdso], [vvar] and their like: never merged, no rmap. */
export const VM_OPS_SPECIAL = 3;
/** VM_HUGETLB is set too. */
export const VM_OPS_HUGETLB = 4;
/** A driver's, which maps pages there itself: a fault finds nothing. */
export const VM_OPS_DRIVER = 5;

export type VmaTable = Table<typeof vmaSpec>;

/** A booted machine as mm sees it. */
export interface Machine extends BootedMachine, RcuMachine, WorkMachine, ArchMachine, NotifierMachine, SecondaryMachine {
  readonly bootConfig: MachineConfig;
  readonly mm: Table<typeof mmSpec>;
  readonly mmPool: Pool;
  readonly vma: VmaTable;
  readonly vmaPool: Pool;
  readonly anonVma: Table<typeof anonVmaSpec>;
  readonly anonVmaPool: Pool;
  readonly avc: Table<typeof avcSpec>;
  readonly avcPool: Pool;
  /** Rows 1 up to nrFrames are user frames, the nrTables after them hold page tables. */
  readonly page: Table<typeof pageSpec>;
  readonly framePool: Pool;
  readonly tablePool: Pool;
  /** Content of user frames, pageContentWords words each. */
  readonly pageContent: Uint32Array;
  /** Heads of the page cache's chains; a power of two of them. */
  readonly pageHash: Uint32Array;
  readonly lru: Table<typeof lruSpec>;
  readonly swap: Table<typeof swapSpec>;
  readonly swapPool: Pool;
  /** Content of slots, as of frames. */
  readonly swapContent: Uint32Array;
  /** Heads of the chains of files' blocks; a power of two of them. */
  readonly blockHash: Uint32Array;
  /** Row r stands for the r-th huge page (hugetlb-pool.ts). */
  readonly hugePool: Pool;
  readonly hugeResv: Table<typeof hugeResvSpec>;
  readonly hugeResvPool: Pool;
  /** In the pool and out of it, together. */
  readonly nrHugePages: number;
  readonly inode: Table<typeof inodeSpec>;
  readonly inodePool: Pool;
  readonly file: Table<typeof fileSpec>;
  readonly filePool: Pool;
  readonly task: Table<typeof taskSpec>;
  readonly taskPool: Pool;
  readonly vm: Table<typeof vmSpec>;
  readonly mmuGather: Table<typeof gatherSpec>;
  /** Pages that one gather holds before it must flush; 0: nothing is cached, so pages are freed at once. */
  readonly gatherPages: number;
  /** Paths by inode and names of special mappings: text that never changes once written, so it is no state. */
  readonly inodePaths: string[];
  readonly specialNames: string[];
}

export interface ReservedMm {
  readonly mm: Reserved<typeof mmSpec>; readonly mmPool: ReservedPool;
  readonly vma: Reserved<typeof vmaSpec>; readonly vmaPool: ReservedPool;
  readonly anonVma: Reserved<typeof anonVmaSpec>; readonly anonVmaPool: ReservedPool;
  readonly avc: Reserved<typeof avcSpec>; readonly avcPool: ReservedPool;
  readonly page: Reserved<typeof pageSpec>; readonly framePool: ReservedPool; readonly tablePool: ReservedPool;
  readonly pageContent: Reserved<{ readonly words: 'u32' }>;
  readonly pageHash: Reserved<{ readonly heads: 'u32' }>;
  readonly lru: Reserved<typeof lruSpec>;
  readonly swap: Reserved<typeof swapSpec>; readonly swapPool: ReservedPool;
  readonly swapContent: Reserved<{ readonly words: 'u32' }>;
  readonly blockHash: Reserved<{ readonly heads: 'u32' }>;
  readonly hugePool: ReservedPool; readonly hugeResv: Reserved<typeof hugeResvSpec>; readonly hugeResvPool: ReservedPool; readonly nrHugePages: number;
  readonly inode: Reserved<typeof inodeSpec>; readonly inodePool: ReservedPool;
  readonly file: Reserved<typeof fileSpec>; readonly filePool: ReservedPool;
  readonly task: Reserved<typeof taskSpec>; readonly taskPool: ReservedPool;
  readonly vm: Reserved<typeof vmSpec>;
  readonly mmuGather: Reserved<typeof gatherSpec>; readonly gatherPages: number;
}

export function reserveMm(layout: Layout, c: MachineConfig): ReservedMm {
  const gatherPages = c.tlbEntries === 0 ? 0 : Math.min(FREE_PTE_NR, c.nrFrames);
  const nrHugePages = HPAGE_SIZE === 0 ? 0 : Math.min(c.nrHugePages, Math.floor((c.nrFrames - 1) / (HPAGE_SIZE / PAGE_SIZE)));
  return {
    mm: reserve(layout, 'mm', c.nrMms + 1, mmSpec), mmPool: reservePool(layout, 'mm', c.nrMms + 1),
    vma: reserve(layout, 'vma', c.nrVmas + 1, vmaSpec), vmaPool: reservePool(layout, 'vma', c.nrVmas + 1),
    anonVma: reserve(layout, 'anonVma', c.nrAnonVmas + 1, anonVmaSpec), anonVmaPool: reservePool(layout, 'anonVma', c.nrAnonVmas + 1),
    avc: reserve(layout, 'avc', c.nrAnonVmaChains + 1, avcSpec), avcPool: reservePool(layout, 'avc', c.nrAnonVmaChains + 1),
    page: reserve(layout, 'page', c.nrFrames + c.nrTables + 1, pageSpec),
    framePool: reservePool(layout, 'frame', c.nrFrames + 1), tablePool: reservePool(layout, 'table', c.nrTables + 1),
    pageContent: reserve(layout, 'pageContent', (c.nrFrames + 1) * c.pageContentWords, { words: 'u32' }),
    pageHash: reserve(layout, 'pageHash', hashSize(c.nrFrames), { heads: 'u32' }),
    lru: reserve(layout, 'lru', LRU_ACTIVE + 1, lruSpec),
    swap: reserve(layout, 'swap', c.nrSwapSlots + 1, swapSpec), swapPool: reservePool(layout, 'swap', c.nrSwapSlots + 1),
    swapContent: reserve(layout, 'swapContent', (c.nrSwapSlots + 1) * c.pageContentWords, { words: 'u32' }),
    blockHash: reserve(layout, 'blockHash', hashSize(c.nrSwapSlots), { heads: 'u32' }),
    hugePool: reservePool(layout, 'huge', nrHugePages + 1), nrHugePages,
    hugeResv: reserve(layout, 'hugeResv', nrHugePages + 1, hugeResvSpec), hugeResvPool: reservePool(layout, 'hugeResv', nrHugePages + 1),
    inode: reserve(layout, 'inode', c.nrInodes + 1, inodeSpec), inodePool: reservePool(layout, 'inode', c.nrInodes + 1),
    file: reserve(layout, 'file', c.nrFiles + 1, fileSpec), filePool: reservePool(layout, 'file', c.nrFiles + 1),
    task: reserve(layout, 'task', c.nrTasks + 1, taskSpec), taskPool: reservePool(layout, 'task', c.nrTasks + 1),
    vm: reserve(layout, 'vm', 1, vmSpec),
    mmuGather: reserve(layout, 'mmuGather', c.nrTasks + 1, { ...gatherSpec, pages: ['u32', Math.max(gatherPages, 1)] }), gatherPages,
  };
}

/** Everything of a Machine that mm itself brings. */
export type MmTables = Omit<Machine, keyof RcuMachine | keyof WorkMachine | keyof ArchTables | keyof NotifierMachine | keyof SecondaryMachine | keyof BootedMachine>;

export function viewMm(buffer: ArrayBuffer, r: ReservedMm): MmTables {
  return {
    mm: viewTable(buffer, r.mm), mmPool: viewPool(buffer, r.mmPool),
    vma: viewTable(buffer, r.vma), vmaPool: viewPool(buffer, r.vmaPool),
    anonVma: viewTable(buffer, r.anonVma), anonVmaPool: viewPool(buffer, r.anonVmaPool),
    avc: viewTable(buffer, r.avc), avcPool: viewPool(buffer, r.avcPool),
    page: viewTable(buffer, r.page), framePool: viewPool(buffer, r.framePool), tablePool: viewPool(buffer, r.tablePool),
    pageContent: viewTable(buffer, r.pageContent).words, pageHash: viewTable(buffer, r.pageHash).heads,
    lru: viewTable(buffer, r.lru), swap: viewTable(buffer, r.swap), swapPool: viewPool(buffer, r.swapPool),
    swapContent: viewTable(buffer, r.swapContent).words, blockHash: viewTable(buffer, r.blockHash).heads,
    hugePool: viewPool(buffer, r.hugePool), hugeResv: viewTable(buffer, r.hugeResv), hugeResvPool: viewPool(buffer, r.hugeResvPool), nrHugePages: r.nrHugePages,
    inode: viewTable(buffer, r.inode), inodePool: viewPool(buffer, r.inodePool),
    file: viewTable(buffer, r.file), filePool: viewPool(buffer, r.filePool),
    task: viewTable(buffer, r.task), taskPool: viewPool(buffer, r.taskPool),
    vm: viewTable(buffer, r.vm), mmuGather: viewTable(buffer, r.mmuGather), gatherPages: r.gatherPages, inodePaths: [''], specialNames: [''],
  };
}

/** mm of the current thread. */
export function currentMm(m: Machine): Mm {
  return m.task.mm[current(m)] as Mm;
}

export function mmapSemOf(m: Machine, mm: Mm): Rwsem {
  return rwsemAt(m.mm.mmapSem, mm);
}

export function pageTableLockOf(m: Machine, mm: Mm): Spinlock {
  return spinlockAt(m.mm.pageTableLock, mm);
}

export function vmaMm(m: Machine, vma: Vma): Mm {
  return m.vma.vmMm[vma] as Mm;
}

/** The inode that a VMA maps; 0 for anonymous memory. */
export function vmaInode(m: Machine, vma: Vma): Inode {
  return m.file.inode[m.vma.vmFile[vma]] as Inode;
}

/** Anonymous: no file behind it, and not a special mapping. vma_is_anonymous() */
export function vmaIsAnonymous(m: Machine, vma: Vma): boolean {
  return m.vma.vmOps[vma] === VM_OPS_ANON;
}

export function groupLeader(m: Machine, task: TaskStruct): TaskStruct {
  return m.task.groupLeader[task] as TaskStruct;
}

function hashSize(nrFrames: number): number {
  let size = 16;
  while (size < nrFrames) size *= 2;
  return size;
}
