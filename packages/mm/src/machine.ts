// Models start_kernel in init/main.c (6.18), as far as mm goes.
/** Boot: a machine is one allocation, laid out by its config. */
import { PAGE_SIZE } from '@mmun/include';
import type { ImageConfig, MachineConfig, MaySleep, Mm, SecondaryMmu, Task, TaskStruct } from '@mmun/include';
import { allocate, newLayout } from '@mmun/lib';
import {
  BUILD, current, rcuDoBatch as rcuOnlyBatch, rcuPending, reserveLocking, reserveRcu, reserveWork, run as runToEnd, runToCompletion, runWork, setCurrent, viewLocking, viewRcu,
  viewWork, workPending,
} from '@mmun/locking';
import { ARCH, reserveArch, viewArch } from '#asm';
import { DESIGN, MMU_NOTIFIER, mmuNotifierDoBatch, mmuNotifierPending, reserveNotifier, viewNotifier } from '#mmu-notifier';
import { mmAlloc, newTask } from './fork.js';
import { declareMmLocks } from './lock-order.js';
import type { Machine } from './mm-types.js';
import { groupLeader, reserveMm, viewMm } from './mm-types.js';
import { pagingInit } from './page-alloc.js';
import { reserveSecondary, viewSecondary } from './services.js';

export const config: ImageConfig = { arch: ARCH, design: DESIGN, build: BUILD };

/** Enough for an ordinary tree of processes; memory that is not used costs nothing until it is touched. */
export const defaultConfig: MachineConfig = {
  nrCpus: 4, nrTasks: 1024, nrMms: 256, nrVmas: 65536, nrAnonVmas: 65536, nrAnonVmaChains: 131072,
  nrFrames: 262144, nrSwapSlots: 0, nrHugePages: 0, nrTables: 16384, nrInodes: 4096, nrFiles: 16384, nrNotifiers: 256, pageContentWords: 1, tlbEntries: 0,
  settings: {
    overcommitMemory: 0, totalRamPages: Infinity, maxMapCount: 65530, mmapMinAddr: 65536, transparentHugepage: 'madvise',
    capIpcLock: true, dacMmapMinAddr: 0, rlimitStack: 8388608, rlimitData: Infinity, rlimitAs: Infinity, rlimitMemlock: 8388608,
    faultAroundBytes: 65536, splitPtlockCpus: 4, maxFileBytes: 2 ** 44 - PAGE_SIZE,
  },
};

/**
 * A machine of a few KiB, to be explored whole: two CPUs with TLBs, four threads of two processes. It fits every arch; an
 * image of arch toy is the one it is made for, whose 16 pages are all the addresses there are.
 */
export const toyConfig: MachineConfig = {
  nrCpus: 2, nrTasks: 4, nrMms: 2, nrVmas: 8, nrAnonVmas: 6, nrAnonVmaChains: 12,
  nrFrames: 8, nrSwapSlots: 0, nrHugePages: 0, nrTables: 10, nrInodes: 2, nrFiles: 2, nrNotifiers: 2, pageContentWords: 1, tlbEntries: 4,
  settings: {
    ...defaultConfig.settings,
    mmapMinAddr: PAGE_SIZE, transparentHugepage: 'never', rlimitStack: 4 * PAGE_SIZE, faultAroundBytes: PAGE_SIZE, splitPtlockCpus: 2,
  },
};

/** @param plugins the secondary MMUs that may be attached: their tables lie in the machine's buffer too */
export function boot(bootConfig: MachineConfig, plugins: readonly SecondaryMmu[] = []): Machine {
  const layout = newLayout();
  const locking = reserveLocking(layout, bootConfig);
  const rcu = reserveRcu(layout, bootConfig.nrNotifiers);
  const work = reserveWork(layout, bootConfig.nrNotifiers);
  const arch = reserveArch(layout, bootConfig);
  const notifier = reserveNotifier(layout, bootConfig);
  const mm = reserveMm(layout, bootConfig);
  const secondary = reserveSecondary(layout, bootConfig, plugins);
  const buffer = allocate(layout);
  const m: Machine = {
    bootConfig,
    ...viewLocking(buffer, layout, locking, runToCompletion(() => m)),
    rcu: viewRcu(buffer, rcu),
    work: viewWork(buffer, work),
    ...viewArch(buffer, arch),
    ...viewNotifier(buffer, notifier),
    ...viewMm(buffer, mm),
    ...viewSecondary(buffer, secondary),
  };
  for (let task = 1; task <= bootConfig.nrTasks; task++) m.thread.cpu[task] = (task - 1) % bootConfig.nrCpus;
  declareMmLocks(m);
  pagingInit(m);
  m.vm.nextShmemIno[0] = 1024;
  return m;
}

/** Runs a task to its end on the current thread, and after it the RCU callbacks and the work that have become due. */
export function run<R>(m: Machine, task: Task<string, R> | R): R {
  const result = runToEnd(m, task);
  if (rcuPending(m) || (MMU_NOTIFIER && mmuNotifierPending(m))) runToEnd(m, rcuDoBatch(m));
  if (workPending(m)) runToEnd(m, runWork(m));
  return result;
}

/** What the callback threads of RCU and, where the design has one, SRCU do: a batch of each. */
export function* rcuDoBatch(m: Machine): Task<MaySleep> {
  yield* rcuOnlyBatch(m);
  yield* mmuNotifierDoBatch(m);
}

/** The first thread of a process with an empty address space. @returns 0 when a table is full */
export function newProcess(m: Machine): TaskStruct {
  const task = newTask(m);
  if (task === 0) return task;
  const mm = run(m, mmAlloc(m, 0));
  m.task.mm[task] = mm < 0 ? 0 : mm;
  return task;
}

/** Puts a thread on a CPU; at boot they are dealt out in turn. @context the thread is between two system calls */
export function setTaskCpu(m: Machine, task: TaskStruct, cpu: number): void {
  m.thread.cpu[task] = cpu;
}

export function mmOf(m: Machine, task: TaskStruct): Mm {
  return m.task.mm[task] as Mm;
}

/** include/uapi/asm-generic/resource.h */
const RLIMIT_DATA = 2;
const RLIMIT_STACK = 3;
const RLIMIT_MEMLOCK = 8;
const RLIMIT_AS = 9;

export function setRlimit(m: Machine, task: TaskStruct, resource: number, softBytes: number): void {
  const leader = groupLeader(m, task);
  switch (resource) {
    case RLIMIT_DATA: m.task.rlimitData[leader] = softBytes; break;
    case RLIMIT_STACK: m.task.rlimitStack[leader] = softBytes; break;
    case RLIMIT_MEMLOCK: m.task.rlimitMemlock[leader] = softBytes; break;
    case RLIMIT_AS: m.task.rlimitAs[leader] = softBytes; break;
    default: break;
  }
}

export { current as getCurrent, setCurrent };
