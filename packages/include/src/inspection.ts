/**
 * What a kernel debugger offers: looking at a machine from outside, at any moment and without a step of its own.
 *
 * Those who judge a machine (oracles, tests, viewers) read through these functions and never through the tables of mm, so
 * that they work with every image. None of them changes the machine, takes a lock or is a scheduling point.
 *
 * A judgement that is made in the middle of a run depends on every word that it read: the `...Where` functions name those
 * words, so that the one who judges can tell the scheduler (`Scheduler.touch`), and no order of steps that would have been
 * judged otherwise is left out of a search.
 */
import type { Inode, Mm, Pfn, TaskStruct, Vaddr, Where } from './handles.js';
import type { BootedMachine } from './image.js';
import type { MaySleep, Task } from './task.js';

/** One translation that a CPU has cached. */
export type TlbVisitor = (cpu: number, mm: Mm, address: Vaddr, pfn: Pfn, isWritable: boolean) => void;

/** A VMA: VM_ bits, bytes into its file, and the file's number; 0 and 0 for anonymous memory. */
export type VmaVisitor = (start: number, end: number, vmFlags: number, offsetBytes: number, ino: number) => void;

/** The part of an image that is for those who look and judge. */
export interface InspectedImage<M extends BootedMachine = BootedMachine> {
  /** The word that decides what `address` translates to: the slot of its pte, or of the lowest entry above that is none. */
  translationWhere(m: M, mm: Mm, address: Vaddr): Where;
  /** The entry by which that slot is reached, where it may go while the slot stays: a shared table of huge pages. Else as translationWhere. */
  tableWhere(m: M, mm: Mm, address: Vaddr): Where;
  /** The word that changes whenever the frame is given out or taken back. */
  frameWhere(m: M, pfn: Pfn): Where;
  /** The word that counts its references, of a part of a huge page that of its head: isFrameLive looks at it too. */
  refcountWhere(m: M, pfn: Pfn): Where;
  /** The value of that word: odd while the frame is in use, never the same for two owners. */
  frameGeneration(m: M, pfn: Pfn): number;
  /** The word of the frame's content that stands for `address`. */
  contentWhere(m: M, pfn: Pfn, address: Vaddr): Where;
  /** The word at `address` of an anonymous page as the process would find it, be it in a frame or in swap; 0 where nothing was written yet. */
  wordAt(m: M, mm: Mm, address: Vaddr): number;
  /** Some pte of the frame, or the page itself, is marked as written. Walks all address spaces. */
  isPageDirty(m: M, pfn: Pfn): boolean;
  /** The page belongs to a file, which must get what was written to it. */
  isPageOfFile(m: M, pfn: Pfn): boolean;
  /** The file that a small page belongs to, 0 where it belongs to none; `pageIndex` is its place there, in pages. */
  inodeOfPage(m: M, pfn: Pfn): Inode;
  /** The word by which it belongs there. */
  mappingWhere(m: M, pfn: Pfn): Where;
  pageIndex(m: M, pfn: Pfn): number;
  /** Odd while the file is in use, never the same for two that had the same row. */
  inodeGeneration(m: M, inode: Inode): number;
  /** The first word of a file's page as a reader would find it, in memory or on its disk; undefined where the file ends before it. */
  fileWordAt(m: M, inode: Inode, index: number): number | undefined;
  /** What the page of a file holds is on its disk: it was written back, and not changed since. */
  isPageStored(m: M, pfn: Pfn): boolean;
  /** /proc/PID/pagemap: 0 without a present pte, whatever the VMA allows; else 4 * pfn, plus 2 where nothing else maps the page, plus 1 where it is a file's. */
  pagemapEntry(m: M, mm: Mm, address: Vaddr): number;
  /** Shows the VMAs of an address space, lowest address first: what procMaps says, without counting pages. */
  auditVmas(m: M, mm: Mm, visit: VmaVisitor): void;
  /** What one CPU has cached for `address`: 2 * pfn, plus 1 where it may write; 0 without an entry. */
  tlbTranslation(m: M, cpu: number, mm: Mm, address: Vaddr): number;
  /** Shows what all CPUs have cached. */
  auditTlb(m: M, visit: TlbVisitor): void;
  /** The CPU that a thread runs on. */
  taskCpu(m: M, task: TaskStruct): number;
  setTaskCpu(m: M, task: TaskStruct, cpu: number): void;
  /** Locks that a thread holds, oldest first. */
  heldLocks(m: M, task: TaskStruct): Where[];
  /** `vma.vmStart[12]`: what a word of the buffer is called. */
  nameOfWhere(m: M, where: Where): string;
  /** `0x3000 -> frame 4, writable` for the words of page tables and the like; empty where the number says it all. */
  describeWord(m: M, where: Where, value: number): string;

  /** A thread without an address space, as those that serve a device are. @returns 0 where the table is full */
  kernelThread(m: M): TaskStruct;
  /** Reads the 32-bit word at `address` as the current thread, on its CPU. @returns the word, or -EFAULT where a signal would come */
  userRead(m: M, address: Vaddr): Task<MaySleep, number>;
  /** Writes it. @returns 0, or -EFAULT where a signal would come */
  userWrite(m: M, address: Vaddr, word: number): Task<MaySleep, number>;
  /** What the OOM reaper does to an address space whose process is to die; its struct is pinned. @returns false: try again later */
  oomReapTaskMm(m: M, mm: Mm): Task<MaySleep, boolean>;
  /** Runs the RCU callbacks, and SRCU's, that are queued, after a grace period: what their threads do. */
  rcuDoBatch(m: M): Task<MaySleep>;
  /** What the worker thread does, for ever; hasWorker says before the machine runs that there is one. */
  workerThread(m: M): Task<MaySleep>;
  hasWorker(m: M): void;
}
