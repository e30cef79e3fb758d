/** What is timed: operations that the kernel, the model and a bare loop over arrays all do. */

/** A piece of memory in pages, mapped at ADDRESS. */
export const NR_PAGES = 512;
export const FORK_PAGES = 4096;
export const ADDRESS = 0x5000_0000_0000;
/** Not a whole table away, so that ptes are moved one by one. */
export const MOVED_TO: number = 0x5100_0000_0000 + 4096 * 8;

export type RowName = 'anonymous write fault' | 'read fault' | 'file fault' | 'munmap, touched' | 'mprotect, 512 present' | 'mprotect, split and merge' | 'mmap and munmap'
  | 'MADV_DONTNEED and refault' | 'mremap, pte by pte' | 'fork, 4096 present' | 'COW break';

export interface Row {
  readonly name: RowName;
  /** What the time is divided by. */
  readonly count: number;
  /** How often the model and the floor do it in one sample, where once is too short for a clock; each time leaves all as it was. */
  readonly rounds: number;
  /** What one of `count` is. */
  readonly unit: 'page' | 'call' | 'pair';
  /** At least so many times faster than the kernel, and the time that is aimed at; 0 where none is named. */
  readonly ratioWanted: number;
  readonly nsWanted: number;
}

export const ROWS: readonly Row[] = [
  { name: 'anonymous write fault', count: NR_PAGES, rounds: 1, unit: 'page', ratioWanted: 10, nsWanted: 20 },
  { name: 'read fault', count: NR_PAGES, rounds: 1, unit: 'page', ratioWanted: 10, nsWanted: 0 },
  { name: 'file fault', count: NR_PAGES, rounds: 1, unit: 'page', ratioWanted: 10, nsWanted: 0 },
  { name: 'munmap, touched', count: NR_PAGES, rounds: 1, unit: 'page', ratioWanted: 10, nsWanted: 8 },
  { name: 'mprotect, 512 present', count: 2 * NR_PAGES, rounds: 4, unit: 'page', ratioWanted: 10, nsWanted: 2 },
  { name: 'mprotect, split and merge', count: 20, rounds: 10, unit: 'call', ratioWanted: 10, nsWanted: 0 },
  { name: 'mmap and munmap', count: 10, rounds: 20, unit: 'pair', ratioWanted: 10, nsWanted: 200 },
  { name: 'MADV_DONTNEED and refault', count: NR_PAGES, rounds: 1, unit: 'page', ratioWanted: 10, nsWanted: 0 },
  { name: 'mremap, pte by pte', count: 2 * NR_PAGES, rounds: 2, unit: 'page', ratioWanted: 3, nsWanted: 7 },
  { name: 'fork, 4096 present', count: FORK_PAGES, rounds: 1, unit: 'page', ratioWanted: 10, nsWanted: 6 },
  { name: 'COW break', count: NR_PAGES, rounds: 1, unit: 'page', ratioWanted: 10, nsWanted: 0 },
];

/** All samples of one row on one side, in ns each. */
export interface Samples {
  readonly wall: number[];
  /** CPU time of the thread. */
  readonly cpu: number[];
}

/** @param q 0 up to 1 */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.round(q * (sorted.length - 1)))] as number;
}
