/**
 * The symbol table of an image: what a linked kernel offers to those who drive it.
 *
 * Replay, benches and the explorer take an image as a value of this type and work
 * with every variant. In a checked image a task is a generator; in a fast one the
 * function has already returned its result. `run` accepts both.
 */
import type { File, Inode, Mm, TaskStruct, Vaddr } from './handles.js';
import type { ImageConfig, MachineConfig } from './machine.js';
import type { Finding } from './finding.js';
import type { SecondaryMmu } from './secondary-mmu.js';
import type { MaySleep, Task } from './task.js';

/** A booted machine, opaque to those who drive it. */
export interface BootedMachine {
  /** All state. A copy of it is a snapshot. */
  readonly buffer: ArrayBuffer;
  readonly bootConfig: MachineConfig;
}

/** What stands behind a file mapping. */
export type InodeKind = 'regular' | 'shmem' | 'zero' | 'hugetlb';

export interface InodeSpec {
  /** As maps prints it. */
  readonly path: string;
  readonly kind: InodeKind;
  readonly major: number;
  readonly minor: number;
  readonly ino: number;
  /** Bytes. */
  readonly size: number;
  /** The file system asks for huge-page aligned mappings (ext4 does). */
  readonly thpAligned: boolean;
  /** Mounted noexec, or of a file system that holds no programs: its mappings are never executable. */
  readonly isNoexec?: boolean;
  /** VM_ bits that the driver's own mmap adds. */
  readonly driverVmFlags?: number;
}

/** One mapping that execve itself makes, in the order in which it makes them. */
export interface ExecRow {
  readonly kind: 'stack' | 'file' | 'bss' | 'vdso' | 'vvar';
  readonly start: Vaddr;
  readonly end: Vaddr;
  /** PROT_ bits. */
  readonly prot: number;
  /** 0 where no file is mapped. */
  readonly file: File;
  /** Pages. */
  readonly pgoff: number;
  /** `[vdso]`, `[vvar]`, ...; empty for the others. */
  readonly name: string;
}

/** The outcome of execve with its random choices made. fs/binfmt_elf.c */
export interface ExecLayout {
  readonly rows: readonly ExecRow[];
  /** Upper end of the downward search. */
  readonly mmapBase: Vaddr;
  readonly startBrk: Vaddr;
  readonly startStack: Vaddr;
  /** From the page of this address to the stack's end the pages are filled by execve itself. */
  readonly argStart: Vaddr;
  /** Of initialized data of the program, which RLIMIT_DATA counts with the break; 0 where unknown. end_data - start_data */
  readonly dataBytes?: number;
}

/** One row of /proc/PID/maps with what smaps adds to it. */
export interface MapsRow {
  readonly start: number;
  readonly end: number;
  /** `rw-p` */
  readonly perms: string;
  /** Bytes. */
  readonly offset: number;
  readonly major: number;
  readonly minor: number;
  readonly ino: number;
  /** Path, `[heap]`, `[stack]`, `[vdso]` ... or empty. */
  readonly name: string;
  /** VM_ bits. */
  readonly vmFlags: number;
  /** Pages. */
  readonly anonymous: number;
  readonly rss: number;
  /** Ptes that hold swap entries; a row that is read from a file may lack it. */
  readonly swap?: number;
  /** Of hugetlb memory, and only there: small pages that huge ones stand for. They count in no other field. */
  readonly privateHugetlb?: number;
  readonly sharedHugetlb?: number;
}

/** Calls by kind since boot; null in an image without notifiers. */
export interface NotifierCounts {
  readonly invalidatePage: number;
  readonly invalidatePages: number;
  /** Under its later name, clear_flush_young, too. */
  readonly agePage: number;
  readonly release: number;
  readonly invalidateRangeStart: number;
  readonly invalidateRangeEnd: number;
  readonly changePte: number;
}

export interface KernelImage<M extends BootedMachine = BootedMachine> {
  readonly config: ImageConfig;
  /** Capacities that hold an ordinary process tree; every field can be replaced. */
  readonly defaultConfig: MachineConfig;
  /** The first address that no user mapping can hold; absent where nobody needs to know. */
  readonly TASK_SIZE?: Vaddr;
  /** @param plugins the secondary MMUs that may be attached: their tables lie in the machine's buffer */
  boot(config: MachineConfig, plugins?: readonly SecondaryMmu[]): M;
  /** Runs a task to completion on the current thread. Throws KernelBug where the kernel would have stopped. */
  run<R>(m: M, task: Task<string, R> | R): R;

  /** The first thread of a process with an mm of its own that maps nothing. 0: out of tasks or mms. */
  newProcess(m: M): TaskStruct;
  setCurrent(m: M, task: TaskStruct): void;
  getCurrent(m: M): TaskStruct;
  /** 0 after exit_mm. */
  mmOf(m: M, task: TaskStruct): Mm;
  /** Limits of the thread's process, in bytes: resource 2 data, 3 stack, 8 memlock, 9 address space. */
  setRlimit(m: M, task: TaskStruct, resource: number, softBytes: number): void;

  newInode(m: M, spec: InodeSpec): Inode;
  /** ftruncate as far as mm sees it: unmaps what lies behind the new end. */
  truncateSetsize(m: M, inode: Inode, sizeBytes: number): Task<MaySleep, number>;
  /** @returns 0 when the file table is full. */
  filpOpen(m: M, inode: Inode, mode: { readonly isReadable: boolean; readonly isWritable: boolean }): File;
  filpClose(m: M, file: File): Task<MaySleep>;

  /**
   * Each system call acts for the current thread and returns what the kernel returns: a result or a negative
   * errno. `file` stands for the descriptor; 0 with a mapping that is not anonymous is EBADF.
   */
  sysMmap(m: M, addr: Vaddr, lenBytes: number, prot: number, flags: number, file: File, offsetBytes: number): Task<MaySleep, number>;
  sysMunmap(m: M, addr: Vaddr, lenBytes: number): Task<MaySleep, number>;
  sysMprotect(m: M, addr: Vaddr, lenBytes: number, prot: number): Task<MaySleep, number>;
  sysMremap(m: M, addr: Vaddr, oldLenBytes: number, newLenBytes: number, flags: number, newAddr: Vaddr): Task<MaySleep, number>;
  sysBrk(m: M, brk: Vaddr): Task<MaySleep, number>;
  sysMadvise(m: M, addr: Vaddr, lenBytes: number, advice: number): Task<MaySleep, number>;
  sysMlock(m: M, addr: Vaddr, lenBytes: number): Task<MaySleep, number>;
  sysMlock2(m: M, addr: Vaddr, lenBytes: number, flags: number): Task<MaySleep, number>;
  sysMunlock(m: M, addr: Vaddr, lenBytes: number): Task<MaySleep, number>;
  sysMlockall(m: M, flags: number): Task<MaySleep, number>;
  sysMunlockall(m: M): Task<MaySleep, number>;
  sysMsync(m: M, addr: Vaddr, lenBytes: number, flags: number): Task<MaySleep, number>;
  /** `vec` gets one byte a page, bit 0 resident. */
  sysMincore(m: M, addr: Vaddr, lenBytes: number, vec: Uint8Array): Task<MaySleep, number>;
  /** clone, clone3, fork, vfork: CLONE_VM decides. @returns the child thread, or a negative errno. */
  sysClone(m: M, cloneFlags: number): Task<MaySleep, number>;
  /** Gives the current process a new mm with what execve maps. */
  sysExecve(m: M, layout: ExecLayout): Task<MaySleep, number>;
  /** The current thread ends; with the last one its mm goes. */
  sysExit(m: M): Task<MaySleep, number>;

  /**
   * A page fault of the current thread, as the processor reports it.
   * @param errorCode PF_ bits @returns 0, or a VM_FAULT_ code: SIGSEGV and SIGBUS mean that no page came
   */
  doPageFault(m: M, address: Vaddr, errorCode: number): Task<MaySleep, number>;

  /** Rows of /proc/PID/maps, lowest address first, with their smaps counts. */
  procMaps(m: M, mm: Mm): MapsRow[];
  notifierCounts(m: M): NotifierCounts | null;
  /** Walks all counts, maps and lists of the machine and says what does not add up. Empty: consistent. */
  checkMachine(m: M): Finding[];
}

/** What few programs ask for: who drives an image with it asks for it by this type. */
export interface NewerCalls<M extends BootedMachine = BootedMachine> {
  sysMseal(m: M, addr: Vaddr, lenBytes: number, flags: number): Task<MaySleep, number>;
  /** @param pgoff pages into the file */
  sysRemapFilePages(m: M, addr: Vaddr, lenBytes: number, prot: number, pgoff: number, flags: number): Task<MaySleep, number>;
  /** @param policy equal words are equal policies, 0 is the default */
  sysMbind(m: M, addr: Vaddr, lenBytes: number, policy: number): Task<MaySleep, number>;
  /** fcntl(F_ADD_SEALS) that succeeded. @param seals F_SEAL_ bits; what was sealed stays so */
  memfdAddSeals(m: M, inode: Inode, seals: number): void;
}

/** What a fault ended with. include/linux/mm_types.h */
export const VM_FAULT_OOM = 0x1;
export const VM_FAULT_SIGBUS = 0x2;
export const VM_FAULT_MAJOR = 0x4;
export const VM_FAULT_SIGSEGV = 0x40;
export const VM_FAULT_NOPAGE = 0x100;
