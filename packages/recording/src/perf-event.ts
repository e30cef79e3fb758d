/** One event of `perf script`. `time` is in ns on the recording's clock, `line` in events.perf, `pid` the thread group. */
interface PerfBase {
  readonly time: number;
  readonly line: number;
  readonly pid: number;
  readonly tid: number;
}

/** A page fault, at exception entry. */
export interface FaultEvent extends PerfBase {
  readonly kind: 'fault';
  /** User virtual address in bytes. */
  readonly address: number;
  /** x86 error code: bit 0 page was present, 1 write, 2 user, 4 instruction; -1 where the recording does not say. */
  readonly errorCode: number;
}

/** The mmap lock was taken for writing. */
export interface LockEvent extends PerfBase {
  readonly kind: 'lock';
  /** The low 48 bits of the mm_struct's address: tells address spaces apart. */
  readonly mm: number;
}

/** PERF_RECORD_MMAP2: a mapping as it stands after merging. */
export interface MmapEvent extends PerfBase {
  readonly kind: 'mmap';
  readonly startVaddr: number;
  readonly lenBytes: number;
  /** File offset in bytes; the address itself for anonymous memory. */
  readonly offsetBytes: number;
  /** `MAJ:MIN`, hexadecimal, two digits at least. */
  readonly device: string;
  readonly inode: number;
  /** Tells a file from an earlier one with the same inode number; 0 where the event has none. */
  readonly generation: number;
  /** PROT_READ | PROT_WRITE | PROT_EXEC. */
  readonly prot: number;
  readonly isShared: boolean;
  /** Path, `//anon`, or a name in brackets. */
  readonly name: string;
}

/** A process (pid differs from the parent's) or a thread was born; the event is the parent's. */
export interface ForkEvent extends PerfBase {
  readonly kind: 'fork';
  readonly childPid: number;
  readonly childTid: number;
  readonly parentPid: number;
  readonly parentTid: number;
}

export interface ExitEvent extends PerfBase {
  readonly kind: 'exit';
}

/** A thread's name changed; with `isExec` a new program and a new mm begin here. */
export interface CommEvent extends PerfBase {
  readonly kind: 'comm';
  readonly comm: string;
  readonly isExec: boolean;
}

/** perf dropped events: what follows may lack some. */
export interface LostEvent extends PerfBase {
  readonly kind: 'lost';
  readonly nrLost: number;
}

export type PerfEvent = FaultEvent | LockEvent | MmapEvent | ForkEvent | ExitEvent | CommEvent | LostEvent;
