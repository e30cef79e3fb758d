/** Reference counts. lib/refcount.c */
import { WRITE } from '@mmun/include';
import type { Refcount, Step, Task } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import { point } from '#point';
import type { LockingMachine } from './locking-machine.js';

/* @__NO_SIDE_EFFECTS__ */ export function refcountAt(column: Int32Array | Uint32Array, element: number): Refcount {
  return whereOf(column, element) as Refcount;
}

/** Before the object is visible to anyone else. */
export function refcountSet(m: LockingMachine, ref: Refcount, count: number): void {
  m.words[ref] = count;
}

export function refcountRead(m: LockingMachine, ref: Refcount): number {
  return m.words[ref];
}

export function* refcountInc(m: LockingMachine, ref: Refcount): Task<Step> {
  yield* point(m, WRITE, ref);
  bugOn(m.words[ref] <= 0, 'refcount-inc-on-zero');
  m.words[ref] = m.words[ref] + 1;
}

/** @returns false, and takes nothing, where the count was 0. */
export function* refcountIncNotZero(m: LockingMachine, ref: Refcount): Task<Step, boolean> {
  yield* point(m, WRITE, ref);
  if (m.words[ref] === 0) return false;
  m.words[ref] = m.words[ref] + 1;
  return true;
}

/** @returns true where this was the last reference. */
export function* refcountDecAndTest(m: LockingMachine, ref: Refcount): Task<Step, boolean> {
  yield* point(m, WRITE, ref);
  bugOn(m.words[ref] <= 0, 'refcount-underflow');
  m.words[ref] = m.words[ref] - 1;
  return m.words[ref] === 0;
}
