/** Sequence counts: odd while a writer is inside. include/linux/seqlock.h */
import { READ, WAIT, WRITE } from '@mmun/include';
import type { Seqcount, Step, Task } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { point, pointUntil } from '#point';
import type { LockingMachine } from './locking-machine.js';

/* @__NO_SIDE_EFFECTS__ */ export function seqcountAt(column: Int32Array | Uint32Array, element: number): Seqcount {
  return whereOf(column, element) as Seqcount;
}

/** Writers exclude each other by a lock of their own. */
export function* writeSeqcountBegin(m: LockingMachine, seq: Seqcount): Task<Step> {
  yield* point(m, WRITE, seq);
  m.words[seq] = m.words[seq] + 1;
}

export function* writeSeqcountEnd(m: LockingMachine, seq: Seqcount): Task<Step> {
  yield* point(m, WRITE, seq);
  m.words[seq] = m.words[seq] + 1;
}

/** Waits for a writer to leave. @returns what readSeqcountRetry takes */
export function* readSeqcountBegin(m: LockingMachine, seq: Seqcount): Task<Step, number> {
  yield* pointUntil(m, WAIT, seq, 1, 0);
  return m.words[seq];
}

/** @returns true where a writer was inside since `begin`: what was read must be thrown away. */
export function* readSeqcountRetry(m: LockingMachine, seq: Seqcount, begin: number): Task<Step, boolean> {
  yield* point(m, READ, seq);
  return m.words[seq] !== begin;
}
