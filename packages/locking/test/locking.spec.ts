import { describe, expect, it } from '@jest/globals';
import type { Scheduler, Step, Task, TaskStruct } from '@mmun/include';
import { allocate, newLayout, reserve, viewTable } from '@mmun/lib';
import {
  callRcu, callSrcu, current, downRead, downReadTrylock, downWrite, downWriteTrylock, downgradeWrite, isHeldForWrite, lockdepAssertHeld, mutexAt, mutexLock, mutexTrylock,
  mutexUnlock, nonBlockEnd, nonBlockStart, rcuDoBatch, rcuPending, rcuReadLock, rcuReadLockHeld, rcuReadUnlock, readSeqcountBegin, readSeqcountRetry, refcountAt, refcountDecAndTest,
  refcountInc, refcountIncNotZero, refcountRead, refcountSet, registerRcuCallback, registerSrcuCallback, reserveLocking, reserveRcu, reserveSrcu, run, runToCompletion, rwsemAt, seqcountAt,
  setCurrent, spinLock, spinTrylock, spinUnlock, spinlockAt, srcuBarrier, srcuDoBatch, srcuPending, srcuReadLock, srcuReadUnlock, synchronizeRcu, upRead, upWrite, viewLocking, viewRcu, viewSrcu, writeSeqcountBegin, writeSeqcountEnd,
} from '@mmun/locking';
import type { LockingMachine, RcuMachine, SrcuMachine } from '@mmun/locking';
import { gate } from '@mmun/test-support';

const NR_TASKS = 4;

function machine() {
  const layout = newLayout();
  const locking = reserveLocking(layout, { nrTasks: NR_TASKS });
  const rcu = reserveRcu(layout, 4);
  const words = reserve(layout, 'lock', 8, { word: 'i32' });
  const buffer = allocate(layout);
  const m: RcuMachine = { ...viewLocking(buffer, layout, locking, runToCompletion(() => m)), rcu: viewRcu(buffer, rcu) };
  return { m, word: viewTable(buffer, words).word };
}

function as(m: LockingMachine, task: number): void {
  setCurrent(m, task as TaskStruct);
}

const checked = gate('CHECKED');

describe('locks, run to completion', () => {
  checked.it('a spinlock makes its holder atomic and names it in its word', () => {
    const { m, word } = machine();
    const lock = spinlockAt(word, 1);
    as(m, 2);
    run(m, spinLock(m, lock));
    expect(word[1]).toBe(3);
    expect(m.thread.preemptCount[2]).toBe(1);
    expect(run(m, spinTrylock(m, lock))).toBe(false);
    run(m, spinUnlock(m, lock));
    expect(word[1]).toBe(0);
    expect(m.thread.preemptCount[2]).toBe(0);
    expect(current(m)).toBe(2);
  });

  checked.it('a mutex is taken once', () => {
    const { m, word } = machine();
    const mutex = mutexAt(word, 1);
    run(m, mutexLock(m, mutex));
    expect(run(m, mutexTrylock(m, mutex))).toBe(false);
    run(m, mutexUnlock(m, mutex));
    expect(run(m, mutexTrylock(m, mutex))).toBe(true);
  });

  checked.it('a rwsem lets readers share, keeps a writer alone, and a downgraded writer lets readers in', () => {
    const { m, word } = machine();
    const sem = rwsemAt(word, 1);
    run(m, downRead(m, sem));
    as(m, 1);
    expect(run(m, downReadTrylock(m, sem))).toBe(true);
    expect(run(m, downWriteTrylock(m, sem))).toBe(false);
    run(m, upRead(m, sem));
    as(m, 0);
    run(m, upRead(m, sem));
    run(m, downWrite(m, sem));
    expect(isHeldForWrite(m, sem)).toBe(true);
    as(m, 1);
    expect(run(m, downReadTrylock(m, sem))).toBe(false);
    as(m, 0);
    run(m, downgradeWrite(m, sem));
    as(m, 1);
    expect(run(m, downReadTrylock(m, sem))).toBe(true);
    run(m, upRead(m, sem));
    as(m, 0);
    run(m, upRead(m, sem));
    expect(word[1]).toBe(0);
    run(m, downWrite(m, sem));
    run(m, upWrite(m, sem));
    expect(word[1]).toBe(0);
  });

  it('a refcount that reached zero is not taken again', () => {
    const { m, word } = machine();
    const ref = refcountAt(word, 1);
    refcountSet(m, ref, 1);
    run(m, refcountInc(m, ref));
    expect(run(m, refcountDecAndTest(m, ref))).toBe(false);
    expect(run(m, refcountDecAndTest(m, ref))).toBe(true);
    expect(run(m, refcountIncNotZero(m, ref))).toBe(false);
    expect(refcountRead(m, ref)).toBe(0);
    expect(() => run(m, refcountDecAndTest(m, ref))).toThrow('refcount-underflow');
    expect(() => run(m, refcountInc(m, ref))).toThrow('refcount-inc-on-zero');
  });

  it('a reader of a seqcount retries when a writer was inside', () => {
    const { m, word } = machine();
    const seq = seqcountAt(word, 1);
    const begin = run(m, readSeqcountBegin(m, seq));
    expect(run(m, readSeqcountRetry(m, seq, begin))).toBe(false);
    run(m, writeSeqcountBegin(m, seq));
    run(m, writeSeqcountEnd(m, seq));
    expect(run(m, readSeqcountRetry(m, seq, begin))).toBe(true);
  });

  it('an RCU callback runs once, with its argument, and not before it is asked to', () => {
    const { m } = machine();
    const seen: number[] = [];
    const callback = registerRcuCallback(m.rcu, function* (_m: never, arg: number): Task<Step> { seen.push(arg); });
    run(m, rcuReadLock(m));
    expect(rcuReadLockHeld(m)).toBe(true);
    run(m, rcuReadUnlock(m));
    expect(run(m, callRcu(m, callback, 7))).toBe(true);
    expect(seen).toEqual([]);
    expect(rcuPending(m)).toBe(true);
    run(m, rcuDoBatch(m));
    expect(seen).toEqual([7]);
    expect(rcuPending(m)).toBe(false);
    run(m, synchronizeRcu(m));
  });

  it('a full callback queue is answered with false', () => {
    const { m } = machine();
    const callback = registerRcuCallback(m.rcu, function* (): Task<Step> { /* nothing to do */ });
    for (let i = 0; i < 4; i++) expect(run(m, callRcu(m, callback, i))).toBe(true);
    expect(run(m, callRcu(m, callback, 9))).toBe(false);
  });
});

describe('SRCU callbacks', () => {
  const srcuMachine = () => {
    const layout = newLayout();
    const reserved = { locking: reserveLocking(layout, { nrTasks: NR_TASKS }), srcu: reserveSrcu(layout, { nrTasks: NR_TASKS }, 2) };
    const buffer = allocate(layout);
    const m: SrcuMachine = { ...viewLocking(buffer, layout, reserved.locking, runToCompletion(() => m)), srcu: viewSrcu(buffer, reserved.srcu) };
    const seen: number[] = [];
    const callback = registerSrcuCallback(m.srcu, function* (_m: never, arg: number): Task<Step> { seen.push(arg); });
    return { m, seen, callback };
  };

  it('run oldest first, once, after a grace period, and a full queue is answered with false', () => {
    const { m, seen, callback } = srcuMachine();
    expect([1, 2, 3].map((arg) => run(m, callSrcu(m, callback, arg)))).toEqual([true, true, false]);
    expect([seen, srcuPending(m)]).toEqual([[], true]);
    run(m, srcuDoBatch(m));
    run(m, srcuDoBatch(m));
    expect([seen, srcuPending(m)]).toEqual([[1, 2], false]);
  });

  it('have run when a barrier returns', () => {
    const { m, seen, callback } = srcuMachine();
    run(m, callSrcu(m, callback, 7));
    run(m, srcuBarrier(m));
    expect(seen).toEqual([7]);
  });

  checked.it('wait for a reader that came before them, and so does a barrier', () => {
    const { m, seen, callback } = srcuMachine();
    as(m, 2);
    const idx = run(m, srcuReadLock(m));
    as(m, 1);
    run(m, callSrcu(m, callback, 7));
    m.sched = { point: () => false, until: (_kind, where, mask, value) => (m.words[where] & mask) !== value, choose: () => 0, touch: () => undefined };
    const barrier = srcuBarrier(m);
    for (let steps = 0; steps < 50; steps++) {
      as(m, 1);
      expect(barrier.next().done).toBe(false);
    }
    expect(seen).toEqual([]);
    as(m, 2);
    run(m, srcuReadUnlock(m, idx));
    as(m, 1);
    expect(barrier.next().done).toBe(true);
    expect(seen).toEqual([7]);
  });
});

describe('what the checked build refuses', () => {
  checked.it('a sleep while the thread may not be held up', () => {
    const { m, word } = machine();
    nonBlockStart(m);
    run(m, spinLock(m, spinlockAt(word, 1)));
    run(m, spinUnlock(m, spinlockAt(word, 1)));
    expect(() => run(m, mutexLock(m, mutexAt(word, 2)))).toThrow('sleep-non-block');
    nonBlockEnd(m);
    run(m, mutexLock(m, mutexAt(word, 2)));
  });

  checked.it('a sleep with a spinlock held', () => {
    const { m, word } = machine();
    run(m, spinLock(m, spinlockAt(word, 1)));
    expect(() => run(m, mutexLock(m, mutexAt(word, 2)))).toThrow('sleep-in-atomic');
  });

  checked.it('a sleep, and a grace period, inside a read section', () => {
    const { m, word } = machine();
    run(m, rcuReadLock(m));
    expect(() => run(m, downRead(m, rwsemAt(word, 1)))).toThrow('sleep-in-rcu');
    expect(() => run(m, synchronizeRcu(m))).toThrow('sleep-in-rcu');
  });

  checked.it('a lock that its own holder waits for, and one that nobody will leave', () => {
    const { m, word } = machine();
    const lock = spinlockAt(word, 1);
    run(m, spinLock(m, lock));
    expect(() => run(m, spinLock(m, lock))).toThrow('self-deadlock: lock.word[1]');
    as(m, 1);
    expect(() => run(m, spinLock(m, lock))).toThrow('deadlock: the only thread waits for lock.word[1]');
  });

  checked.it('leaving a lock that the thread does not hold, and claims about one', () => {
    const { m, word } = machine();
    expect(() => run(m, spinUnlock(m, spinlockAt(word, 1)))).toThrow('unlock-not-held');
    expect(() => lockdepAssertHeld(m, spinlockAt(word, 1))).toThrow('lockdep-not-held: lock.word[1]');
  });
});

describe('scheduling points', () => {
  checked.it('a thread yields exactly where the scheduler says so, and a wait asks again until its condition holds', () => {
    const { m, word } = machine();
    const asked: string[] = [];
    let isHeld = true;
    const sched: Scheduler = {
      point: (kind, where) => { asked.push(`point ${kind} ${where}`); return true; },
      until: (kind, where) => { asked.push(`until ${kind} ${where}`); return isHeld; },
      touch: () => { asked.push('touch'); },
      choose: () => 0,
    };
    m.sched = sched;
    const lock = spinlockAt(word, 3);
    const task = spinLock(m, lock);
    expect(task.next().done).toBe(false);
    expect(task.next().done).toBe(false);
    isHeld = false;
    expect(task.next().done).toBe(true);
    expect(asked).toEqual([`until 2 ${lock}`, `until 2 ${lock}`, `until 2 ${lock}`]);
    const unlock = spinUnlock(m, lock);
    expect(unlock.next().done).toBe(false);
    expect(word[3]).not.toBe(0);
    expect(unlock.next().done).toBe(true);
    expect(word[3]).toBe(0);
  });
});
