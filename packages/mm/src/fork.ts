// Models kernel/fork.c as far as it makes threads and address spaces (6.18).
/**
 * Lock order: the parent's mmap_sem for write, then the child's page tables; the
 * child's mm is not visible to anyone yet.
 */
import {
  CLONE_VM, EAGAIN, ENOMEM, READ, VM_ACCOUNT, VM_DONTCOPY, VM_LOCKED_MASK, VM_NOHUGEPAGE, VM_WIPEONFORK, WRITE,
} from '@mmun/include';
import type { MaySleep, Mm, Step, Task, TaskStruct, Vma } from '@mmun/include';
import { bugOn, poolAlloc, poolFree, poolIsLive, whereOf } from '@mmun/lib';
import { current, downWrite, refcountAt, refcountDecAndTest, refcountInc, refcountSet, touch, upWrite } from '@mmun/locking';
import { flushTlbMm } from '#asm';
import { mmuNotifierMmInit } from '#mmu-notifier';
import { exitMmap } from './exit-mmap.js';
import { vmaLinkFile } from './i-mmap.js';
import { vmEnoughMemory, vmStatAccount } from './limits.js';
import { copyPageRange } from './memory-copy.js';
import { mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { pgdAlloc, pgdFree } from './pgalloc.js';
import { anonVmaFork } from './rmap.js';
import { removeVma, vmAreaDup, vmaPages } from './vma.js';
import { vmaLink } from './vma-tree.js';

/**
 * A thread that shares the mm of the current one (CLONE_VM) or gets a copy of it.
 * @returns the new thread, -EAGAIN when no thread fits, -ENOMEM
 */
export function* sysClone(m: Machine, cloneFlags: number): Task<MaySleep, number> {
  const parent = current(m);
  const child = newTask(m);
  if (child === 0) return -EAGAIN;
  const t = m.task;
  t.rlimitData[child] = t.rlimitData[parent];
  t.rlimitStack[child] = t.rlimitStack[parent];
  t.rlimitMemlock[child] = t.rlimitMemlock[parent];
  t.rlimitAs[child] = t.rlimitAs[parent];
  const mm = t.mm[parent] as Mm;
  const isThread = (cloneFlags & CLONE_THREAD) !== 0;
  t.groupLeader[child] = isThread ? t.groupLeader[parent] : child;
  if ((cloneFlags & CLONE_VM) !== 0) {
    yield* refcountInc(m, refcountAt(m.mm.mmUsers, mm));
    t.mm[child] = mm;
    return child;
  }
  const copy = yield* dupMm(m, mm);
  if (copy < 0) {
    freeTask(m, child);
    return copy;
  }
  t.mm[child] = copy;
  return child;
}

/** include/uapi/linux/sched.h */
const CLONE_THREAD = 0x10000;

/** A thread without an mm, its own process until told otherwise. @returns 0 when the table is full */
export function newTask(m: Machine): TaskStruct {
  const task = poolAlloc(m.taskPool) as TaskStruct;
  if (task === 0) return task;
  const { settings } = m.bootConfig;
  const t = m.task;
  t.mm[task] = 0;
  t.groupLeader[task] = task;
  t.rlimitData[task] = settings.rlimitData;
  t.rlimitStack[task] = settings.rlimitStack;
  t.rlimitMemlock[task] = settings.rlimitMemlock;
  t.rlimitAs[task] = settings.rlimitAs;
  return task;
}

export function freeTask(m: Machine, task: TaskStruct): void {
  poolFree(m.taskPool, task);
}

/** An address space with nothing in it. mm_alloc() @returns -ENOMEM when a table is full */
export function* mmAlloc(m: Machine, defFlags: number): Task<MaySleep, Mm | number> {
  const mm = poolAlloc(m.mmPool) as Mm;
  if (mm === 0) return -ENOMEM;
  const t = m.mm;
  refcountSet(m, refcountAt(t.mmUsers, mm), 1);
  refcountSet(m, refcountAt(t.mmCount, mm), 1);
  t.mmapSem[mm] = 0;
  t.pageTableLock[mm] = 0;
  t.isUnstable[mm] = 0;
  t.vmaRoot[mm] = t.mmap[mm] = t.mapCount[mm] = 0;
  t.totalVm[mm] = t.lockedVm[mm] = t.dataVm[mm] = t.execVm[mm] = t.stackVm[mm] = 0;
  t.defFlags[mm] = defFlags & VM_NOHUGEPAGE;
  t.startBrk[mm] = t.brk[mm] = t.startStack[mm] = t.argStart[mm] = t.dataBytes[mm] = t.mmapBase[mm] = 0;
  t.rssAnon[mm] = t.rssFile[mm] = t.rssShmem[mm] = t.nrSwapents[mm] = t.nrPgtables[mm] = t.pgtableList[mm] = 0;
  mmuNotifierMmInit(m, mm);
  if (yield* pgdAlloc(m, mm)) return mm;
  poolFree(m.mmPool, mm);
  return -ENOMEM;
}

/** One user of an address space less; the last one tears it down. */
export function* mmput(m: Machine, mm: Mm): Task<MaySleep> {
  if (!(yield* refcountDecAndTest(m, refcountAt(m.mm.mmUsers, mm)))) return;
  yield* exitMmap(m, mm);
  yield* mmdrop(m, mm);
}

/** Keeps the struct, not the address space. */
export function* mmgrab(m: Machine, mm: Mm): Task<Step> {
  yield* refcountInc(m, refcountAt(m.mm.mmCount, mm));
}

/** One reference to the struct less; with the last one it goes. */
export function* mmdrop(m: Machine, mm: Mm): Task<Step> {
  if (!(yield* refcountDecAndTest(m, refcountAt(m.mm.mmCount, mm)))) return;
  yield* pgdFree(m, mm);
  touch(m, WRITE, whereOf(m.mmPool.rows.gen, mm));
  poolFree(m.mmPool, mm);
}

/** The struct is there: a driver that kept its address without a reference is found out here. @context any; part of the step under way */
export function mustPinMm(m: Machine, mm: Mm): void {
  touch(m, READ, whereOf(m.mmPool.rows.gen, mm));
  bugOn(!poolIsLive(m.mmPool, mm), 'mm-use-after-free');
}

function* dupMm(m: Machine, oldMm: Mm): Task<MaySleep, Mm | number> {
  const t = m.mm;
  const mm = yield* mmAlloc(m, t.defFlags[oldMm]);
  if (mm < 0) return mm;
  t.startBrk[mm] = t.startBrk[oldMm];
  t.brk[mm] = t.brk[oldMm];
  t.startStack[mm] = t.startStack[oldMm];
  t.argStart[mm] = t.argStart[oldMm];
  t.dataBytes[mm] = t.dataBytes[oldMm];
  t.mmapBase[mm] = t.mmapBase[oldMm];
  yield* downWrite(m, mmapSemOf(m, oldMm));
  const error = yield* dupMmap(m, mm as Mm, oldMm);
  yield* flushTlbMm(m, oldMm);
  yield* upWrite(m, mmapSemOf(m, oldMm));
  if (error === 0) return mm;
  yield* mmput(m, mm as Mm);
  return error;
}

/**
 * Copies every VMA but those that are not to be copied. Nothing merges, no lock is inherited, and a VMA that is wiped
 * on fork starts without pages and without an anon_vma.
 * @locks mmap_sem of oldMm W @returns 0 or -ENOMEM
 */
function* dupMmap(m: Machine, mm: Mm, oldMm: Mm): Task<MaySleep, number> {
  const v = m.vma;
  for (let mpnt = m.mm.mmap[oldMm] as Vma; mpnt !== 0; mpnt = v.vmNext[mpnt] as Vma) {
    const vmFlags = v.vmFlags[mpnt];
    if ((vmFlags & VM_DONTCOPY) !== 0) continue;
    if ((vmFlags & VM_ACCOUNT) !== 0 && !vmEnoughMemory(m, vmaPages(m, mpnt))) return -ENOMEM;
    const tmp = vmAreaDup(m, mpnt);
    if (tmp === 0) return -ENOMEM;
    v.vmMm[tmp] = mm;
    v.resvMap[tmp] = 0; // hugetlb_dup_vma_private()
    const isWiped = (vmFlags & VM_WIPEONFORK) !== 0;
    const error = isWiped ? 0 : yield* anonVmaFork(m, tmp, mpnt);
    if (error !== 0) {
      v.anonVma[tmp] = 0;
      yield* removeVma(m, tmp);
      return error;
    }
    if (isWiped) v.anonVma[tmp] = 0;
    v.vmFlags[tmp] = vmFlags & ~VM_LOCKED_MASK;
    vmaLink(m, mm, tmp);
    yield* vmaLinkFile(m, tmp);
    m.mm.mapCount[mm]++;
    vmStatAccount(m, mm, vmFlags, vmaPages(m, tmp));
    const copied = isWiped ? 0 : yield* copyPageRange(m, tmp, mpnt);
    if (copied !== 0) return copied;
  }
  return 0;
}

