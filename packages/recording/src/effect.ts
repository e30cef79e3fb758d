import type { Call } from './call.js';
import type { FaultEvent, MmapEvent } from './perf-event.js';

/** A child was born. */
export interface ForkEffect {
  readonly kind: 'fork';
  readonly time: number;
  readonly line: number;
  /** The parent. */
  readonly pid: number;
  readonly tid: number;
  readonly childPid: number;
  readonly childTid: number;
  /** CLONE_ flags as the replay needs them: CLONE_VM where the mm is shared, CLONE_THREAD for a thread. */
  readonly cloneFlags: number;
}

/** A new program: the process gets a new mm that holds `rows`. */
export interface ExecEffect {
  readonly kind: 'exec';
  readonly time: number;
  readonly line: number;
  readonly pid: number;
  readonly tid: number;
  /** What execve was asked for; null where the trace does not show it. */
  readonly path: string | null;
  /** The thread's new name; null where the recording does not show it. */
  readonly comm: string | null;
  /** What execve mapped, in its order; empty without perf. */
  readonly rows: readonly MmapEvent[];
  /** What the new program's first brk(NULL) returned, where that was its first call; else null. */
  readonly firstBrk: number | null;
}

/** A thread ended. */
export interface ExitEffect {
  readonly kind: 'exit';
  readonly time: number;
  readonly line: number;
  readonly pid: number;
  readonly tid: number;
}

/** The .end files of this process were read now. */
export interface CompareEffect {
  readonly kind: 'compare';
  readonly time: number;
  readonly line: number;
  readonly pid: number;
  readonly tid: number;
}

/** perf lost events here; the replay cannot be trusted from now on. */
export interface LostEffect {
  readonly kind: 'lost';
  readonly time: number;
  readonly line: number;
  readonly pid: number;
  readonly tid: number;
  readonly nrLost: number;
}

/**
 * One thing that happened, in the order in which it took effect. `line` is that
 * of the trace for calls, of events.perf for everything that perf saw.
 */
export type Effect = Call | FaultEvent | ForkEffect | ExecEffect | ExitEffect | CompareEffect | LostEffect;
