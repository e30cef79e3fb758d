/**
 * Scheduling points that decide in place. The build rewrites `yield* point(..);` to
 * `if (point(..)) yield 'step';` and `yield* pointUntil(..);` to `while (pointUntil(..)) yield 'step';`,
 * so that a point where nobody switches costs a call and not a generator.
 */
import type { PointKind, Step, Task, Where } from '@mmun/include';
import type { LockingMachine } from './locking-machine.js';

export const BUILD: 'checked' | 'fast' = 'checked';

/** The rewritten call site takes a boolean; its source, and so its type, is that of a task. */
type Rewritten = Task<Step>;

export function point(m: LockingMachine, kind: PointKind, where: Where): Rewritten {
  return m.sched.point(kind, where) as unknown as Rewritten;
}

export function pointUntil(m: LockingMachine, kind: PointKind, where: Where, mask: number, value: number): Rewritten {
  return m.sched.until(kind, where, mask, value) as unknown as Rewritten;
}

export function touch(m: LockingMachine, kind: PointKind, where: Where): void {
  m.sched.touch(kind, where);
}
