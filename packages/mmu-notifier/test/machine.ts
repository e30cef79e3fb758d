import type { Mm, MmuNotifier, MmuNotifierOps, PointKind, Scheduler, Task, TaskStruct, Where } from '@mmun/include';
import { allocate, newLayout } from '@mmun/lib';
import { current, reserveLocking, reserveRcu, runToCompletion, setCurrent, viewLocking, viewRcu } from '@mmun/locking';
import type { LockingMachine, RcuMachine } from '@mmun/locking';
import { addNotifierOps, mmuNotifierAlloc, reserveNotifier, viewNotifier } from '@mmun/mmu-notifier';
import type { NotifierMachine } from '@mmun/mmu-notifier';

export type TestMachine = RcuMachine & NotifierMachine;

export const MM = 1 as Mm;

/** Locks, RCU and notifiers without an mm: two mms that are nothing but a list head. */
export function machine(nrNotifiers = 8): TestMachine {
  const layout = newLayout();
  const reserved = {
    locking: reserveLocking(layout, { nrTasks: 4 }), rcu: reserveRcu(layout, 8), notifier: reserveNotifier(layout, { nrMms: 2, nrNotifiers, nrTasks: 4 }),
  };
  const buffer = allocate(layout);
  const m: TestMachine = {
    ...viewLocking(buffer, layout, reserved.locking, runToCompletion(() => m)),
    rcu: viewRcu(buffer, reserved.rcu),
    ...viewNotifier(buffer, reserved.notifier),
  };
  return m;
}

export function notifierWith(m: TestMachine, ops: MmuNotifierOps, instance = 0): MmuNotifier {
  return mmuNotifierAlloc(m, addNotifierOps(m, ops), instance);
}

/** Records every point and never switches. */
export function recordPoints(m: TestMachine): { readonly kind: PointKind; readonly where: Where }[] {
  const seen: { kind: PointKind; where: Where }[] = [];
  const inner = m.sched;
  m.sched = { ...inner, point: (kind, where) => { seen.push({ kind, where }); return inner.point(kind, where); } };
  return seen;
}

/** Two or more tasks by hand: each `step` runs one thread up to its next point. */
export function threads(m: LockingMachine, tasks: readonly Task<string, unknown>[]): { step(thread: number): boolean; finish(thread: number): void } {
  const asked = new Set<TaskStruct>();
  const always: Scheduler = {
    point: () => true,
    until: (_kind, where, mask, value) => {
      const task = current(m);
      if (asked.has(task) && (m.words[where] & mask) === value) return !asked.delete(task);
      asked.add(task);
      return true;
    },
    choose: () => 0,
    touch: () => undefined,
  };
  m.sched = always;
  const step = (thread: number): boolean => {
    setCurrent(m, (thread + 1) as TaskStruct);
    return tasks[thread].next().done === true;
  };
  return {
    step,
    finish: (thread) => {
      for (let steps = 0; !step(thread); steps++) if (steps > 1000) throw new Error(`thread ${thread} does not finish`);
    },
  };
}
