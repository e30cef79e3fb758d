/** What model and kernel have in common before the first operation. */
import type { KernelSettings } from '@mmun/include';
import type { HardLimits } from './operation.js';
import type { Zone } from './zones.js';

export interface WorldRow {
  readonly start: number;
  readonly end: number;
  /** `r-xp` */
  readonly perms: string;
  readonly offset: number;
  readonly ino: number;
  readonly name: string;
}

export interface WorldFile {
  readonly path: string;
  readonly kind: 'regular' | 'shmem';
  readonly ino: number;
  readonly thpAligned: boolean;
}

export interface World {
  /** Release of the kernel; for reports. */
  readonly kernel: string;
  /** What execve and the server mapped. */
  readonly rows: readonly WorldRow[];
  /** Where the kernel puts what it may put anywhere. */
  readonly top: Zone;
  readonly settings: Partial<KernelSettings>;
  readonly hardLimits: HardLimits;
  /** Of initialized data of the server's program. */
  readonly dataBytes: number;
  /** Read-write and read-only descriptors share the first. */
  readonly file: WorldFile;
  readonly memfd: WorldFile;
  /** pagemap tells frames, so that it can be seen which addresses share one. */
  readonly knowsFrames: boolean;
  readonly hasSwap: boolean;
  /** There are so many huge pages that the pool is never short; else operations leave them out. */
  readonly hasHugePages: boolean;
  /** Frame of the zero page; -1 where frames cannot be told. */
  readonly zeroFrame: number;
  /** VMAs come from an ioctl; where it is missing, from the text, one operation at a time. */
  readonly hasProcmapQuery: boolean;
}
