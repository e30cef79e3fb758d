// No kernel original: in C a driver calls these functions by name; here it is handed them, and imports nothing.
/** What kernel/locking, kernel/rcu and kernel/workqueue.c do for a secondary MMU. Contracts in include/secondary-mmu.ts. */
import type { GracePeriod, KernelServices, MaySleep, Step, Task } from '@mmun/include';
import { KernelBug, whereOf } from '@mmun/lib';
import {
  callRcu, cancelWorkSync, downRead, downReadTrylock, downWrite, flushWorkqueue, lockdepAssertHeld, mutexAt, mutexLock, mutexTrylock, mutexUnlock, queueWork,
  rcuReadLock, rcuReadUnlock, refcountAt, refcountDecAndTest, refcountInc, refcountIncNotZero, refcountSet, registerRcuCallback, registerWork, rwsemAt,
  spinLock, spinTrylock, spinUnlock, spinlockAt, srcuReadLock, srcuReadUnlock, synchronizeRcu, synchronizeSrcu, upRead, upWrite, waitEvent,
} from '@mmun/locking';
import type { SrcuMachine } from '@mmun/locking';
import { shouldFail } from './fault-inject.js';
import { declarePluginLock } from './lock-order.js';
import type { Machine } from './mm-types.js';

type Locks = 'spinlockAt' | 'spinLock' | 'spinTrylock' | 'spinUnlock' | 'lockdepAssertHeld' | 'mutexAt' | 'mutexLock' | 'mutexTrylock' | 'mutexUnlock'
  | 'rwsemAt' | 'downRead' | 'downReadTrylock' | 'upRead' | 'downWrite' | 'upWrite' | 'refcountAt' | 'refcountSet' | 'refcountInc' | 'refcountIncNotZero'
  | 'refcountDecAndTest' | 'waitEvent';
type Rcu = 'rcuReadLock' | 'rcuReadUnlock' | 'synchronizeRcu' | 'rcuCallback' | 'callRcu' | 'srcuReadLock' | 'srcuReadUnlock' | 'synchronizeSrcu';
type Work = 'workFunction' | 'queueWork' | 'flushWorkqueue' | 'cancelWorkSync' | 'shouldFail';

export type LockingServices = Pick<KernelServices, Locks | Rcu | Work>;

export function lockingServices(m: Machine): LockingServices {
  return { ...locks(m), ...rcu(m), ...work(m) };
}

function locks(m: Machine): Pick<KernelServices, Locks> {
  return {
    mutexAt, rwsemAt, refcountAt,
    spinlockAt: (column, row) => {
      declarePluginLock(m, column);
      return spinlockAt(column, row);
    },
    spinLock: (lock) => spinLock(m, lock),
    spinTrylock: (lock) => spinTrylock(m, lock),
    spinUnlock: (lock) => spinUnlock(m, lock),
    lockdepAssertHeld: (lock) => { lockdepAssertHeld(m, lock); },
    mutexLock: (lock) => mutexLock(m, lock),
    mutexTrylock: (lock) => mutexTrylock(m, lock),
    mutexUnlock: (lock) => mutexUnlock(m, lock),
    downRead: (lock) => downRead(m, lock),
    downReadTrylock: (lock) => downReadTrylock(m, lock),
    upRead: (lock) => upRead(m, lock),
    downWrite: (lock) => downWrite(m, lock),
    upWrite: (lock) => upWrite(m, lock),
    refcountSet: (ref, count) => { refcountSet(m, ref, count); },
    refcountInc: (ref) => refcountInc(m, ref),
    refcountIncNotZero: (ref) => refcountIncNotZero(m, ref),
    refcountDecAndTest: (ref) => refcountDecAndTest(m, ref),
    waitEvent: (column, row, mask, value) => waitEvent(m, whereOf(column, row), mask, value),
  };
}

function rcu(m: Machine): Pick<KernelServices, Rcu> {
  return {
    rcuReadLock: () => rcuReadLock(m),
    rcuReadUnlock: () => rcuReadUnlock(m),
    synchronizeRcu: () => synchronizeRcu(m),
    rcuCallback: (callback) => registerRcuCallback(m.rcu, (_m: never, arg: number): Task<Step> => callback(arg)),
    callRcu: (callback, arg) => callRcu(m, callback, arg),
    srcuReadLock: () => srcuReadLock(withSrcu(m)),
    srcuReadUnlock: (index) => srcuReadUnlock(withSrcu(m), index),
    synchronizeSrcu: (): Task<GracePeriod<'synchronize_srcu'>> => synchronizeSrcu(withSrcu(m)),
  };
}

function work(m: Machine): Pick<KernelServices, Work> {
  return {
    workFunction: (func) => registerWork(m.work, (_m: never, arg: number): Task<MaySleep> => func(arg)),
    queueWork: (func, arg) => queueWork(m, func, arg),
    flushWorkqueue: () => flushWorkqueue(m),
    cancelWorkSync: (func, arg) => cancelWorkSync(m, func, arg),
    shouldFail: (what) => shouldFail(m, what),
  };
}

/** The design that needs SRCU brings it. */
function withSrcu(m: object): SrcuMachine {
  if ('srcu' in m) return m as SrcuMachine;
  throw new KernelBug('no-srcu-in-this-image', 'SRCU comes with design range');
}
