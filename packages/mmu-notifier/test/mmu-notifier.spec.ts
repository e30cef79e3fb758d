import { CALL, READ, WRITE } from '@mmun/include';
import type { MaySleep, MmuNotifier, MmuNotifierOps, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { LIST_POISON1, LIST_POISON2, allocate, newLayout, whereOf } from '@mmun/lib';
import { rcuReadLockHeld, run } from '@mmun/locking';
import {
  mmuNotifier, mmuNotifierAgePage, mmuNotifierAlloc, mmuNotifierFree, mmuNotifierInstance, mmuNotifierMmInit, mmuNotifierPtep,
  mmuNotifierRegister, mmuNotifierRelease, mmuNotifierUnregister, notifierCounts,
} from '@mmun/mmu-notifier';
import * as off from '@mmun/mmu-notifier/off';
import { gate } from '@mmun/test-support';
import { MM, machine, notifierWith, recordPoints } from './machine.js';
import type { TestMachine } from './machine.js';

const A = 0x1000 as Vaddr;
const B = 0x3000 as Vaddr;

/** Ops that write down what they are called with. */
function recorder(m: TestMachine, log: string[], name: string, young = 0): MmuNotifier {
  const ops: MmuNotifierOps = {
    * release(_mn, mm): Task<MaySleep> { log.push(`${name}.release(${mm})`); },
    * invalidatePage(_mn, mm, address): Task<UnderPteLock> { log.push(`${name}.invalidatePage(${mm}, ${address})`); },
    * invalidatePages(_mn, mm, start, end): Task<UnderPteLock> { log.push(`${name}.invalidatePages(${mm}, ${start}, ${end})`); },
    * agePage(_mn, mm, address): Task<UnderPteLock, number> { log.push(`${name}.agePage(${mm}, ${address})`); return young; },
  };
  return notifierWith(m, ops);
}

function registered(m: TestMachine, mn: MmuNotifier): MmuNotifier {
  run(m, mmuNotifierRegister(m, mn, MM));
  return mn;
}

describe('v5', () => {
  it('calls the notifier that registered last first', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'old'));
    registered(m, recorder(m, log, 'new'));
    run(m, mmuNotifier(m, MM, 'invalidatePage', A));
    run(m, mmuNotifier(m, MM, 'invalidatePages', A, B));
    expect(log).toEqual(['new.invalidatePage(1, 4096)', 'old.invalidatePage(1, 4096)', 'new.invalidatePages(1, 4096, 12288)', 'old.invalidatePages(1, 4096, 12288)']);
  });

  it('calls nobody for another mm, and a new mm starts with nobody', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'a'));
    run(m, mmuNotifier(m, 2 as typeof MM, 'invalidatePage', A));
    mmuNotifierMmInit(m, MM);
    run(m, mmuNotifierPtep(m, MM, 'invalidatePage', A));
    expect(log).toEqual([]);
  });

  gate('CHECKED').it('costs one read of the list head where nobody is registered', () => {
    const m = machine();
    const points = recordPoints(m);
    run(m, mmuNotifier(m, MM, 'invalidatePage', A));
    expect(points).toEqual([{ kind: READ, where: whereOf(m.notifierHead.first, MM) }]);
  });

  gate('CHECKED').it('shows every link that it follows as a point, and each call into a driver', () => {
    const m = machine();
    const mn = registered(m, recorder(m, [], 'a'));
    const points = recordPoints(m);
    run(m, mmuNotifier(m, MM, 'invalidatePage', A));
    const head = whereOf(m.notifierHead.first, MM);
    const nesting = whereOf(m.thread.rcuNesting, 0);
    expect(points).toEqual([
      { kind: READ, where: head }, { kind: WRITE, where: nesting }, { kind: READ, where: head }, { kind: READ, where: whereOf(m.notifier.ops, mn) },
      { kind: CALL, where: whereOf(m.notifier.ops, mn) }, { kind: READ, where: whereOf(m.notifier.next, mn) }, { kind: WRITE, where: nesting },
    ]);
  });

  it('passes a notifier by whose op is absent', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'a', 1));
    registered(m, notifierWith(m, {}));
    run(m, mmuNotifier(m, MM, 'invalidatePage', A));
    expect(run(m, mmuNotifierAgePage(m, MM, A))).toBe(1);
    run(m, mmuNotifierRelease(m, MM));
    expect(log).toEqual(['a.invalidatePage(1, 4096)', 'a.agePage(1, 4096)', 'a.release(1)']);
    expect(notifierCounts(m)).toEqual({ invalidatePage: 1, invalidatePages: 0, agePage: 1, release: 1, invalidateRangeStart: 0, invalidateRangeEnd: 0, changePte: 0 });
  });

  it('ages a page as young when any notifier used it, and still asks the others', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'idle', 0));
    registered(m, recorder(m, log, 'busy', 1));
    registered(m, recorder(m, log, 'idle too', 0));
    expect(run(m, mmuNotifierAgePage(m, MM, A))).toBe(1);
    expect(log).toHaveLength(3);
  });

  it('holds rcu_read_lock around the atomic ops and not around release', () => {
    const m = machine();
    const held: boolean[] = [];
    registered(m, notifierWith(m, {
      * invalidatePage(): Task<UnderPteLock> { held.push(rcuReadLockHeld(m)); },
      * release(): Task<MaySleep> { held.push(rcuReadLockHeld(m)); },
    }));
    run(m, mmuNotifier(m, MM, 'invalidatePage', A));
    run(m, mmuNotifierRelease(m, MM));
    expect(held).toEqual([true, false]);
  });

  it('takes each notifier off the list, and poisons it, before it calls release', () => {
    const m = machine();
    const seen: string[] = [];
    const ops: MmuNotifierOps = {
      * release(mn): Task<MaySleep> {
        seen.push(`${mn} of ${m.notifierHead.first[MM]}: ${m.notifier.next[mn] === LIST_POISON1 && m.notifier.pprev[mn] === LIST_POISON2}`);
      },
    };
    const first = registered(m, notifierWith(m, ops));
    const second = registered(m, notifierWith(m, ops));
    run(m, mmuNotifierRelease(m, MM));
    expect(seen).toEqual([`${second} of ${first}: true`, `${first} of 0: true`]);
    run(m, mmuNotifierRelease(m, MM));
    expect(seen).toHaveLength(2);
  });

  it('lets release free its notifier, for the walk has read the next one before', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'a'));
    registered(m, notifierWith(m, { * release(mn): Task<MaySleep> { mmuNotifierFree(m, mn); } }));
    run(m, mmuNotifierRelease(m, MM));
    expect(log).toEqual(['a.release(1)']);
  });

  it('stops the machine when a notifier is unregistered after its release', () => {
    const m = machine();
    const mn = registered(m, recorder(m, [], 'a'));
    run(m, mmuNotifierRelease(m, MM));
    expect(() => run(m, mmuNotifierUnregister(m, mn, MM))).toThrow(expect.objectContaining({ code: 'list-poison-written' }));
  });

  it('stops the machine when a notifier is unregistered twice', () => {
    const m = machine();
    const mn = registered(m, recorder(m, [], 'a'));
    run(m, mmuNotifierUnregister(m, mn, MM));
    expect(() => run(m, mmuNotifierUnregister(m, mn, MM))).toThrow(expect.objectContaining({ code: 'list-poison-written' }));
  });

  it('unregisters out of the middle', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'a'));
    const middle = registered(m, recorder(m, log, 'b'));
    registered(m, recorder(m, log, 'c'));
    run(m, mmuNotifierUnregister(m, middle, MM));
    run(m, mmuNotifier(m, MM, 'invalidatePage', A));
    expect(log.map((line) => line[0])).toEqual(['c', 'a']);
  });

  it('stops the machine when a walk meets a notifier that was freed while registered', () => {
    const m = machine();
    mmuNotifierFree(m, registered(m, recorder(m, [], 'a')));
    expect(() => run(m, mmuNotifier(m, MM, 'invalidatePage', A))).toThrow(expect.objectContaining({ code: 'notifier-use-after-free' }));
  });

  it('has no more notifiers than the machine was booted with', () => {
    const m = machine(2);
    expect([mmuNotifierAlloc(m, 0, 7), mmuNotifierAlloc(m, 0, 8), mmuNotifierAlloc(m, 0, 9)]).toEqual([1, 2, 0]);
    expect(mmuNotifierInstance(m, 2 as MmuNotifier)).toBe(8);
  });

  it('is restored with the buffer', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'a'));
    const snapshot = new Uint8Array(m.buffer).slice();
    registered(m, recorder(m, log, 'b'));
    run(m, mmuNotifier(m, MM, 'invalidatePage', A));
    new Uint8Array(m.buffer).set(snapshot);
    run(m, mmuNotifier(m, MM, 'invalidatePage', A));
    expect(log.map((line) => line[0])).toEqual(['b', 'a', 'a']);
    expect(notifierCounts(m)?.invalidatePage).toBe(1);
  });
});

describe('off', () => {
  it('keeps no state', () => {
    const layout = newLayout();
    const before = layout.bytes;
    const reserved = off.reserveNotifier(layout, { nrMms: 100, nrNotifiers: 100, nrTasks: 100 });
    expect(layout.bytes).toBe(before);
    expect(off.viewNotifier(allocate(layout), reserved)).toEqual({});
  });

  it('calls nobody, answers 0 and counts nothing', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'a', 1));
    run(m, off.mmuNotifier(m, MM, 'invalidatePage', A));
    run(m, off.mmuNotifier(m, MM, 'invalidatePages', A, B));
    run(m, off.mmuNotifierPtep(m, MM, 'invalidatePage', A));
    run(m, off.mmuNotifierRelease(m, MM));
    expect(run(m, off.mmuNotifierAgePage(m, MM, A))).toBe(0);
    expect(off.notifierCounts(m)).toBeNull();
    expect(log).toEqual([]);
  });

  it('touches no word of the machine', () => {
    const m = machine();
    const before = new Uint8Array(m.buffer).slice();
    run(m, off.mmuNotifierRegister(m, off.mmuNotifierAlloc(m, off.addNotifierOps(m, {}), 1), MM));
    off.mmuNotifierMmInit(m, MM);
    run(m, off.mmuNotifierUnregister(m, 1 as MmuNotifier, MM));
    off.mmuNotifierFree(m, 1 as MmuNotifier);
    expect(off.mmuNotifierInstance(m, 1 as MmuNotifier)).toBe(0);
    expect(new Uint8Array(m.buffer)).toEqual(before);
  });
});
