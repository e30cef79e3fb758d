export { BUILD, point, pointUntil, touch } from '#point';
export {
  declareColumn, declareLockOrder, isLockHeld, lockAcquired, lockReleased, lockdepAssertHeld, lockdepMayWait, mightSleep, nonBlockEnd, nonBlockStart, recordLockSites,
} from '#lockdep';
export { MAX_HELD_LOCKS, current, reserveLocking, setCurrent, viewLocking } from './locking-machine.js';
export type { LockClass, LockingMachine, ReservedLocking, ThreadTable } from './locking-machine.js';
export { spinLock, spinLockNested, spinTrylock, spinUnlock, spinlockAt } from '#spinlock';
export { mutexAt, mutexLock, mutexLockNest, mutexTrylock, mutexUnlock, mutexUnlockNest } from '#mutex';
export { downRead, downReadTrylock, downWrite, downWriteTrylock, downgradeWrite, isHeldForWrite, rwsemAt, upRead, upWrite } from '#rwsem';
export { refcountAt, refcountDecAndTest, refcountInc, refcountIncNotZero, refcountRead, refcountSet } from './refcount.js';
export { readSeqcountBegin, readSeqcountRetry, seqcountAt, writeSeqcountBegin, writeSeqcountEnd } from './seqcount.js';
export { callRcu, rcuDoBatch, rcuPending, rcuReadLock, rcuReadLockHeld, rcuReadUnlock, registerRcuCallback, reserveRcu, synchronizeRcu, viewRcu, waitForReaders } from './rcu.js';
export type { RcuCallback, RcuMachine, RcuTables, ReservedRcu } from './rcu.js';
export {
  callSrcu, registerSrcuCallback, reserveSrcu, srcuBarrier, srcuDoBatch, srcuPending, srcuReadLock, srcuReadLockHeld, srcuReadUnlock, synchronizeSrcu, viewSrcu,
} from './srcu.js';
export type { ReservedSrcu, SrcuMachine, SrcuTables } from './srcu.js';
export {
  cancelWorkSync, flushWorkqueue, hasWorker, queueWork, registerWork, reserveWork, runWork, viewWork, waitEvent, workPending, workerThread,
} from './work.js';
export type { ReservedWork, WorkFunction, WorkMachine, WorkTables } from './work.js';
export { run, runToCompletion } from './run.js';
export { hlistAddHeadRcu, hlistDelInitRcu, hlistDelPoison, hlistDelRcu, hlistFirst, hlistIsUnhashed, hlistNext } from './rculist.js';
