import { CLONE_VM } from '@mmun/include';
import type { BootedMachine, TaskStruct } from '@mmun/include';
import { run } from './machine.js';
import type { Driven } from './machine.js';

const NONE = 0 as TaskStruct;
const CLONE_THREAD = 0x10000;

/** The recorded threads and the image's tasks that stand for them. */
export class ReplayThreads<M extends BootedMachine> {
  readonly #driven: Driven<M>;
  readonly #taskOf: Map<number, TaskStruct> = new Map();
  readonly #tidsOf: Map<number, Set<number>> = new Map();

  constructor(driven: Driven<M>) {
    this.#driven = driven;
  }

  /** The task of a thread, 0 where it has ended or never was. */
  get(tid: number): TaskStruct {
    return this.#taskOf.get(tid) ?? NONE;
  }

  /** A task of the process: its leader's, else any thread's; 0 where all have ended. */
  ofProcess(pid: number): TaskStruct {
    const leader = this.#taskOf.get(pid);
    if (leader !== undefined) return leader;
    for (const tid of this.#tidsOf.get(pid) ?? []) return this.get(tid);
    return NONE;
  }

  hasThreads(pid: number): boolean {
    return (this.#tidsOf.get(pid)?.size ?? 0) > 0;
  }

  /** The task of a thread; one that nothing announced becomes a thread of its process, or a process. 0: out of tasks. */
  require(tid: number, pid: number): TaskStruct {
    const known = this.get(tid);
    if (known !== NONE) return known;
    const sibling = this.ofProcess(pid);
    const { image, machine } = this.#driven;
    const task = sibling === NONE ? image.newProcess(machine) : this.#clone(sibling, CLONE_VM | CLONE_THREAD);
    if (task !== NONE) this.#add(tid, pid, task);
    return task;
  }

  /** @returns the child, or 0 where the image refused */
  fork(parent: TaskStruct, child: { tid: number; pid: number; cloneFlags: number }): TaskStruct {
    const task = this.#clone(parent, child.cloneFlags);
    if (task !== NONE) this.#add(child.tid, child.pid, task);
    return task;
  }

  /** The leader's number passes to the thread that called execve; its own is gone. */
  rename(pid: number): TaskStruct {
    const tids = this.#tidsOf.get(pid);
    const survivor = tids === undefined ? undefined : [...tids][0];
    if (tids === undefined || survivor === undefined) return NONE;
    const task = this.get(survivor);
    this.delete(survivor, pid);
    this.#add(pid, pid, task);
    return task;
  }

  delete(tid: number, pid: number): void {
    this.#taskOf.delete(tid);
    this.#tidsOf.get(pid)?.delete(tid);
  }

  /** Other threads of the process than `tid`. */
  othersOf(pid: number, tid: number): number[] {
    return [...(this.#tidsOf.get(pid) ?? [])].filter((other) => other !== tid);
  }

  #clone(parent: TaskStruct, cloneFlags: number): TaskStruct {
    const { image, machine } = this.#driven;
    image.setCurrent(machine, parent);
    const child = run(this.#driven, image.sysClone(machine, cloneFlags));
    return child > 0 ? (child as TaskStruct) : NONE;
  }

  #add(tid: number, pid: number, task: TaskStruct): void {
    this.#taskOf.set(tid, task);
    const tids = this.#tidsOf.get(pid) ?? new Set();
    tids.add(tid);
    this.#tidsOf.set(pid, tids);
  }
}
