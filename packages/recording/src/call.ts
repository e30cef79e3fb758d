import type { EffectPoint, SyscallName } from './syscalls.js';

/** A system call as strace printed it, with its result where it returned. */
export interface Call {
  readonly kind: 'call';
  readonly name: SyscallName;
  readonly point: EffectPoint;
  /** Entry, in ns on the recording's clock (see `Clock`); NaN where the trace has no times. */
  time: number;
  /** Line of the trace that shows the entry. */
  readonly line: number;
  readonly tid: number;
  /** Thread group; filled in by the order, `tid` until then. */
  pid: number;
  /**
   * Numeric arguments in the call's own order; a pointer, a flag word, a length or
   * an fd. Exact below 2^53, rounded above. NaN where strace printed no number
   * (a string, a structure) or a name that is unknown. clone and clone3 hold
   * `[flags, stack]`, whatever their own order.
   */
  readonly args: readonly number[];
  /** What the call returned; `-errno` where it failed. NaN while it has not returned. */
  result: number;
  /** False for `= ?`: the call never came back, or is restarted and printed again. */
  hasReturned: boolean;
  /** Path of the fd argument as the kernel names it (`/memfd:x (deleted)`); null without one or without -y. */
  readonly fdPath: string | null;
  /** The first string argument: execve's program, open's path, memfd_create's name; mbind's nodes. Escapes are resolved, "..." cuts it. */
  readonly text: string | null;
  /** Path of the fd that the call returned. */
  resultPath: string | null;
  /** Limits in bytes given to prlimit64 or setrlimit, Infinity for none; null where none were set. */
  readonly limits: { readonly cur: number; readonly max: number } | null;
  /** What process_madvise advises on; null for every other call, and where the trace does not say. */
  readonly ranges: readonly Range[] | null;
  /** The file behind a mapping, from the MMAP2 of an mmap; null where the recording shows none. */
  mapped: MappedFile | null;
}

/** One entry of an iovec. */
export interface Range {
  readonly startVaddr: number;
  readonly lenBytes: number;
}

/** What only a PERF_RECORD_MMAP2 knows of a mapping. */
export interface MappedFile {
  /** `MAJ:MIN` in hexadecimal, as maps prints it. */
  readonly device: string;
  readonly inode: number;
  /** Path, or `//anon`, `[stack]`, `[vdso]`, `/dev/zero (deleted)`. */
  readonly name: string;
  /** Of the inode; 0 or absent where unknown. */
  readonly generation?: number;
  /** Of the whole VMA; absent where no event said it. */
  readonly lenBytes?: number;
}

/** The second half of a call whose line was interrupted by another thread. */
export interface Resumed {
  readonly kind: 'resumed';
  readonly time: number;
  readonly line: number;
  readonly tid: number;
  readonly name: SyscallName;
  readonly result: number;
  readonly hasReturned: boolean;
  readonly resultPath: string | null;
}

/** A thread ended, or was swallowed by another thread's execve. */
export interface Ended {
  readonly kind: 'ended';
  readonly time: number;
  readonly line: number;
  readonly tid: number;
  readonly how: 'exited' | 'killed' | 'superseded';
  /** The thread whose execve superseded this one; 0 otherwise. */
  readonly by: number;
}

export type StraceRecord = Call | Resumed | Ended;
