// Models include/linux/mm_types.h (6.18; hook-related fields as in 2.6.24).
/** A machine as mm sees it: the tables of mm-tables.ts over one buffer. */
import { PAGE_SIZE, VM_MAYBE_GUARD } from '@mmun/include';
import type { BootedMachine, Inode, MachineConfig, Mm, Rwsem, SecondaryMachine, Spinlock, TaskStruct, Vma } from '@mmun/include';
import { reserve, reservePool, viewPool, viewTable } from '@mmun/lib';
import type { Layout, Pool, Reserved, ReservedPool, Table } from '@mmun/lib';
import { current, rwsemAt, spinlockAt } from '@mmun/locking';
import type { RcuMachine, WorkMachine } from '@mmun/locking';
import { HPAGE_SIZE } from '#asm';
import type { ArchMachine, ArchTables } from '#asm';
import type { NotifierMachine } from '#mmu-notifier';
import {
  mmSpec, vmaSpec, anonVmaSpec, avcSpec, pageSpec, inodeSpec, fileSpec, taskSpec, vmSpec, hugeResvSpec, lruSpec, swapSpec, gatherSpec, LRU_ACTIVE,
  FREE_PTE_NR,
} from './mm-tables.js';

/** Values of inode.kind. */
export const INODE_REGULAR = 0;
export const INODE_SHMEM = 1;
/** A shared anonymous mapping's, or /dev/zero's. */
export const INODE_ZERO = 2;
export const INODE_HUGETLB = 3;

/** What keeps no two VMAs from merging, and what the merged one then has too. */
export const VM_STICKY: number = VM_MAYBE_GUARD;

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
