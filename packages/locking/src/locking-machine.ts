/**
 * The part of a machine that locks and RCU stand on: the words of the buffer, the
 * threads, and the scheduler that is asked at every point.
 */
import type { MachineConfig, Scheduler, TaskStruct } from '@mmun/include';
import { reserve, viewTable } from '@mmun/lib';
import type { Layout, Reserved, Table } from '@mmun/lib';

/** Locks that one thread can hold at once. */
export const MAX_HELD_LOCKS = 24;

/** struct task_struct as far as locking and RCU see it. Row 0 is the boot thread. */
type TaskSpec = {
  readonly cpu: 'u32'; readonly preemptCount: 'i32'; readonly rcuNesting: 'i32'; readonly nonBlockCount: 'i32'; readonly nrHeld: 'i32';
  readonly held: readonly ['u32', number];
};
const taskSpec: TaskSpec = {
  /** The CPU that the thread runs on: task_cpu(). Written at boot, and by who drives the machine; threads do not migrate. */
  cpu: 'u32',
  /** Spinlocks held: above 0 the thread is atomic. preempt_count() */
  preemptCount: 'i32',
  /** Depth of nested rcu_read_lock. */
  rcuNesting: 'i32',
  /** Above 0 the thread may be preempted, but not wait. */
  nonBlockCount: 'i32',
  /** Locks held, oldest first, as word indices. */
  nrHeld: 'i32',
  held: ['u32', MAX_HELD_LOCKS],
};

const cpuSpec = { current: 'u32' } as const;

export type ThreadTable = Table<TaskSpec>;

/** Locks that take one place in the order of locks: a column. struct lock_class_key */
export interface LockClass {
  readonly name: string;
  /** Its words. */
  readonly first: number;
  readonly last: number;
  /** A lock is only waited for while those held have lower ranks. 0: the class has no place. */
  readonly rank: number;
  /** Several of one class are held at once only where the later ones are taken as nested (spinLockNested). */
  readonly isNestedByName: boolean;
}

export interface LockingMachine {
  readonly buffer: ArrayBuffer;
  /** The whole buffer as words; a lock is an index into it. */
  readonly words: Int32Array;
  readonly layout: Layout;
  /** Replaced by an explorer; at boot it runs each thread to completion. */
  sched: Scheduler;
  readonly thread: ThreadTable;
  readonly cpu: Table<typeof cpuSpec>;
  /** Written at boot. */
  readonly lockClasses: LockClass[];
  /** Where the held locks were taken, as `held` has them: empty unless someone wants to know (recordLockSites). No state of the machine. */
  lockSites: string[] | null;
}

export interface ReservedLocking {
  readonly thread: Reserved<TaskSpec>;
  readonly cpu: Reserved<typeof cpuSpec>;
}

export function reserveLocking(layout: Layout, config: Pick<MachineConfig, 'nrTasks'>): ReservedLocking {
  return { thread: reserve(layout, 'thread', config.nrTasks + 1, taskSpec), cpu: reserve(layout, 'cpu', 1, cpuSpec) };
}

export function viewLocking(buffer: ArrayBuffer, layout: Layout, reserved: ReservedLocking, sched: Scheduler): LockingMachine {
  return {
    buffer, layout, sched,
    words: new Int32Array(buffer, 0, buffer.byteLength >>> 2),
    thread: viewTable(buffer, reserved.thread),
    cpu: viewTable(buffer, reserved.cpu),
    lockClasses: [], lockSites: null,
  };
}

/** The thread that runs. 0 is the boot thread. */
export function current(m: LockingMachine): TaskStruct {
  return m.cpu.current[0] as TaskStruct;
}

export function setCurrent(m: LockingMachine, task: TaskStruct): void {
  m.cpu.current[0] = task;
}
