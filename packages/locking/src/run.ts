/** The driver that never switches: every task runs to its end on the current thread. */
import type { PointKind, Scheduler, Task, Where } from '@mmun/include';
import { KernelBug, nameOfWhere } from '@mmun/lib';
import type { LockingMachine } from './locking-machine.js';

/**
 * A scheduler with one thread. A wait that does not find its condition can never
 * end and is a deadlock.
 */
export function runToCompletion(machine: () => LockingMachine): Scheduler {
  return {
    point: (_kind: PointKind, _where: Where): boolean => false,
    until(_kind: PointKind, where: Where, mask: number, value: number): boolean {
      const m = machine();
      if ((m.words[where] & mask) === value) return false;
      throw new KernelBug('deadlock', `the only thread waits for ${nameOfWhere(m.layout, where)}`);
    },
    touch(_kind: PointKind, _where: Where): void {
      // nobody else runs
    },
    choose: (_nrOptions: number, _label: string): number => 0,
  };
}

/** @param task a task, or in the fast build its finished result */
export function run<R>(_m: LockingMachine, task: Task<string, R> | R): R {
  if (!isTask(task)) return task;
  const step = task.next();
  if (step.done === true) return step.value;
  throw new KernelBug('run-yielded', 'a scheduler asked for a switch, but only one thread runs');
}

function isTask<R>(task: Task<string, R> | R): task is Task<string, R> {
  return typeof task === 'object' && task !== null && typeof (task as Task<string, R>).next === 'function';
}
