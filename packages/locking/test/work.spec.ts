import { describe, expect, it } from '@jest/globals';
import { ENOMEM } from '@mmun/include';
import type { MaySleep, Step, Task } from '@mmun/include';
import { allocate, newLayout, reserve, viewTable } from '@mmun/lib';
import {
  cancelWorkSync, flushWorkqueue, queueWork, registerWork, reserveLocking, reserveWork, run, runToCompletion, runWork, spinLock, spinUnlock, spinlockAt,
  viewLocking, viewWork, waitEvent, workPending,
} from '@mmun/locking';
import type { WorkMachine } from '@mmun/locking';
import { gate } from '@mmun/test-support';

function machine() {
  const layout = newLayout();
  const locking = reserveLocking(layout, { nrTasks: 2 });
  const work = reserveWork(layout, 2);
  const words = reserve(layout, 'word', 4, { word: 'i32' });
  const buffer = allocate(layout);
  const m: WorkMachine = { ...viewLocking(buffer, layout, locking, runToCompletion(() => m)), work: viewWork(buffer, work) };
  const ran: number[] = [];
  const { word } = viewTable(buffer, words);
  function* item(_m: never, arg: number): Task<Step> {
    ran.push(arg);
    word[1] += 1;
  }
  return { m, ran, word, func: registerWork(m.work, item) };
}

describe('work without a worker thread', () => {
  it('runs in the order of queueing, an item once', () => {
    const { m, ran, func } = machine();
    expect([run(m, queueWork(m, func, 5)), run(m, queueWork(m, func, 6)), run(m, queueWork(m, func, 5))]).toEqual([1, 1, 0]);
    run(m, flushWorkqueue(m));
    expect([ran, workPending(m)]).toEqual([[5, 6], false]);
    expect(run(m, queueWork(m, func, 5))).toBe(1);
  });

  it('says so when the queue is full, and has room again after a flush', () => {
    const { m, ran, func } = machine();
    expect([1, 2, 3].map((arg) => run(m, queueWork(m, func, arg)))).toEqual([1, 1, -ENOMEM]);
    run(m, runWork(m));
    expect(run(m, queueWork(m, func, 3))).toBe(1);
    run(m, runWork(m));
    expect(ran).toEqual([1, 2, 3]);
  });

  it('a cancelled item does not run; cancelling what is not queued says so', () => {
    const { m, ran, func } = machine();
    for (const arg of [1, 2]) run(m, queueWork(m, func, arg));
    expect([run(m, cancelWorkSync(m, func, 2)), run(m, cancelWorkSync(m, func, 2))]).toEqual([true, false]);
    run(m, queueWork(m, func, 3));
    run(m, flushWorkqueue(m));
    expect(ran).toEqual([1, 3]);
  });

  it('a waiter does the work that it waits for', () => {
    const { m, word, func } = machine();
    run(m, queueWork(m, func, 1));
    run(m, waitEvent(m, (word.byteOffset / 4 + 1) as never, -1, 1));
    expect(word[1]).toBe(1);
  });

  gate('CHECKED').it('may not be waited for under a spinlock', () => {
    const { m, word } = machine();
    const lock = spinlockAt(word, 2);
    function* wrong(): Task<MaySleep> {
      yield* spinLock(m, lock);
      yield* flushWorkqueue(m);
      yield* spinUnlock(m, lock);
    }
    expect(() => run(m, wrong())).toThrow(/flush_workqueue/);
  });
});
