/** What a race needs of an image besides what oracles look at: the kernel threads, and calls that no program makes. */
import type { File, Inode, InodeSpec, MachineConfig, MaySleep, Mm, Pfn, Step, Task, Vaddr } from '@mmun/include';
import type { WatchedImage, WatchedMachine } from '@mmun/oracle';

/** An image that races run on: one of arch toy. */
export type RaceImage = WatchedImage & KernelThreads & KernelCalls & { readonly toyConfig: MachineConfig };

interface KernelThreads {
  /** Another thread runs work from now on. */
  hasWorker(m: WatchedMachine): void;
  workerThread(m: WatchedMachine): Task<MaySleep>;
  reclaimPage(m: WatchedMachine, pfn: Pfn): Task<MaySleep, number>;
  shrinkZone(m: WatchedMachine, nrWanted: number): Task<MaySleep, number>;
  lruAddDrain(m: WatchedMachine): Task<Step>;
}

interface KernelCalls {
  newInode(m: WatchedMachine, spec: InodeSpec): Inode;
  truncatePageRange(m: WatchedMachine, inode: Inode, from: number, to: number): Task<MaySleep>;
  filemapFdatawrite(m: WatchedMachine, inode: Inode, from: number, to: number): Task<MaySleep>;
  filpOpen(m: WatchedMachine, inode: Inode, mode: { readonly isReadable: boolean; readonly isWritable: boolean }): File;
  mwriteprotectRange(m: WatchedMachine, mm: Mm, address: Vaddr, lenBytes: number): Task<MaySleep, number>;
  getUserPageOf(m: WatchedMachine, mm: Mm, address: Vaddr, isWrite: boolean): Task<MaySleep, number>;
  getUserPagesFast(m: WatchedMachine, address: Vaddr, isWrite: boolean): Task<MaySleep, number>;
  putPage(m: WatchedMachine, pfn: Pfn): Task<Step>;
}
