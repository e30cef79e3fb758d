/**
 * What a machine is booted with. All of its state lives in one ArrayBuffer whose
 * layout follows from these numbers; a table that is full answers -ENOMEM.
 */
export interface MachineConfig {
  /** CPUs, 1 up to 64. */
  readonly nrCpus: number;
  /** Threads that can exist at once, of all processes. */
  readonly nrTasks: number;
  /** mm_structs that can exist at once. */
  readonly nrMms: number;
  /** VMAs, of all mms. */
  readonly nrVmas: number;
  /** anon_vmas and the chains that tie them to VMAs. */
  readonly nrAnonVmas: number;
  readonly nrAnonVmaChains: number;
  /** Page frames that can hold user pages. */
  readonly nrFrames: number;
  /** Huge pages that are set aside at boot, out of nrFrames, as many as fit. vm.nr_hugepages */
  readonly nrHugePages: number;
  /**
   * Pages of backing store: swap, and what is written to files through mappings. 0: no swap, and a page of a file that was
   * written stays in memory; then reclaim unmaps nothing, as if memory were never short before it is out.
   */
  readonly nrSwapSlots: number;
  /** Frames that can hold page tables, of all levels. */
  readonly nrTables: number;
  readonly nrInodes: number;
  readonly nrFiles: number;
  /** Registered notifiers, of all mms; RCU callbacks that wait for a grace period; work items. */
  readonly nrNotifiers: number;
  /** 32-bit words of content that each frame keeps: 1 in a toy machine, 1024 for whole pages. */
  readonly pageContentWords: number;
  /** Entries of each CPU's TLB; 0: no access is cached, so no flush is needed. */
  readonly tlbEntries: number;
  /** Allocations, locks that a signal may interrupt, and what plugins ask by shouldFail: each is a choice of the explorer. Left out: nothing fails that need not. */
  readonly faultInjection?: boolean;
  readonly settings: KernelSettings;
}

/** What today's kernel lets an administrator choose; defaults are Debian's on 6.18. */
export interface KernelSettings {
  /** vm.overcommit_memory: 0 heuristic, 1 always, 2 never. */
  readonly overcommitMemory: number;
  /** Pages of memory and swap: what the heuristic refuses to promise at once; Infinity where unknown. */
  readonly totalRamPages: number;
  /** vm.max_map_count. */
  readonly maxMapCount: number;
  /** The lowest address that a hint is raised to, in bytes: vm.mmap_min_addr or the security module's minimum. */
  readonly mmapMinAddr: number;
  /** transparent_hugepage/enabled. */
  readonly transparentHugepage: 'always' | 'madvise' | 'never';
  /** Processes hold CAP_IPC_LOCK, so mlock is not limited. */
  readonly capIpcLock: boolean;
  /** A mapping with MAP_FIXED may not begin below this, in bytes: vm.mmap_min_addr; 0 where processes hold CAP_SYS_RAWIO. dac_mmap_min_addr */
  readonly dacMmapMinAddr: number;
  /** Process limits at boot, in bytes; Infinity is RLIM_INFINITY. */
  readonly rlimitStack: number;
  readonly rlimitData: number;
  readonly rlimitAs: number;
  readonly rlimitMemlock: number;
  /** Bytes that a read fault on a file maps around it. */
  readonly faultAroundBytes: number;
  /** Split page-table locks are used from this number of CPUs on. CONFIG_SPLIT_PTLOCK_CPUS */
  readonly splitPtlockCpus: number;
  /** Bytes that the file system lets a regular file have: ext4 with blocks of 4 KiB 2^44 - 4096. s_maxbytes */
  readonly maxFileBytes: number;
}

/** What an image was linked from. The builder compares it with what was asked. */
export interface ImageConfig {
  /** s390-256: s390 with the tables of 256 ptes that came with 2.6.25. */
  readonly arch: 'generic' | 'x86' | 's390' | 's390-256' | 'toy';
  readonly design: 'v5' | 'range' | 'off';
  readonly build: 'checked' | 'fast';
}
