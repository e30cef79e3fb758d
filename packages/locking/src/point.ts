/** Scheduling points as tasks: the form that works wherever no tool rewrites the source. */
import type { PointKind, Step, Task, Where } from '@mmun/include';
import type { LockingMachine } from './locking-machine.js';

/** Which of the two builds this is; part of an image's config. */
export const BUILD: 'checked' | 'fast' = 'checked';

/**
 * A visible operation comes next.
 * @context any
 */
export function* point(m: LockingMachine, kind: PointKind, where: Where): Task<Step> {
  if (m.sched.point(kind, where)) yield 'step';
}

/**
 * A visible operation comes next that is possible only while `(words[where] & mask) === value`.
 * Returns when it is possible and this thread has the turn, so the operation itself follows without another point.
 * @context any; whether waiting is a sleep is for the caller to say
 */
export function* pointUntil(m: LockingMachine, kind: PointKind, where: Where, mask: number, value: number): Task<Step> {
  while (m.sched.until(kind, where, mask, value)) yield 'step';
}

/** The step that began at the last point touches this word as well; nobody runs in between. @context any */
export function touch(m: LockingMachine, kind: PointKind, where: Where): void {
  m.sched.touch(kind, where);
}
