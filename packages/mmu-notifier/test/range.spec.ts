// The range design by itself, whatever design the image under test links.
import { EAGAIN, ENOMEM, READ } from '@mmun/include';
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, PointKind, RangeNotifierOps, Step, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { allocate, newLayout, poolUsed, whereOf } from '@mmun/lib';
import { mutexAt, mutexLock, reserveLocking, run, runToCompletion, srcuReadLockHeld, synchronizeSrcu, viewLocking } from '@mmun/locking';
import {
  addNotifierOps, mmuNotifier, mmuNotifierAgePage, mmuNotifierAlloc, mmuNotifierChangePte, mmuNotifierClearFlushYoung, mmuNotifierDoBatch, mmuNotifierFree, mmuNotifierInvalidatePage,
  mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, mmuNotifierInvalidateRangeStartNonblock, mmuNotifierMmInit, mmuNotifierPending, mmuNotifierPtep, mmuNotifierRegister, mmuNotifierRelease, mmuNotifierReleaseEarly,
  mmuNotifierUnregister, notifierCounts, notifierServices, reserveNotifier, viewNotifier,
} from '@mmun/mmu-notifier/range';
import type { NotifierHost, NotifierServices, RegisterHost } from '@mmun/mmu-notifier/range';
import { gate } from '@mmun/test-support';
import { threads } from './machine.js';

const MM = 1 as Mm;
const A = 0x1000 as Vaddr;
const B = 0x3000 as Vaddr;

function machine(): NotifierHost {
  const layout = newLayout();
  const locking = reserveLocking(layout, { nrTasks: 4 });
  const notifier = reserveNotifier(layout, { nrMms: 2, nrNotifiers: 4, nrTasks: 4 });
  const buffer = allocate(layout);
  const m: NotifierHost = { ...viewLocking(buffer, layout, locking, runToCompletion(() => m)), ...viewNotifier(buffer, notifier) };
  return m;
}

function registered(m: NotifierHost, ops: RangeNotifierOps): MmuNotifier {
  const mn = mmuNotifierAlloc(m, addNotifierOps(m, ops), 7);
  run(m, mmuNotifierRegister(m, mn, MM));
  return mn;
}

function recorder(m: NotifierHost, log: string[], name: string, young = 0): RangeNotifierOps {
  const note = (op: string, ...args: number[]): void => { log.push(`${name}.${op}(${args.join(', ')})${srcuReadLockHeld(m) ? '' : ' outside of SRCU'}`); };
  return {
    * release(_mn, mm): Task<InSrcuRead> { note('release', mm); },
    * invalidateRangeStart(_mn, _mm, start, end): Task<InSrcuRead> { note('start', start, end); },
    * invalidateRangeEnd(_mn, _mm, start, end): Task<InSrcuRead> { note('end', start, end); },
    * invalidatePage(_mn, _mm, address): Task<UnderPteLock> { note('page', address); },
    * clearFlushYoung(_mn, _mm, start, end): Task<UnderPteLock, number> { note('young', start, end); return young; },
    * changePte(_mn, _mm, address, pte): Task<UnderPteLock> { note('change', address, pte); },
  };
}

function say(log: string[], text: string, result = 0): () => Task<never, number> {
  return function* (): Task<never, number> { log.push(text); return result; };
}

/** What of mm registering calls, written down. */
function hostOf(log: string[]): RegisterHost {
  return {
    mmapWriteLock: say(log, 'lock'), mmapWriteUnlock: say(log, 'unlock'), mmTakeAllLocks: say(log, 'take'), mmDropAllLocks: say(log, 'drop'),
    mmgrab: say(log, 'grab'), mmdrop: say(log, 'mmdrop'),
  } as unknown as RegisterHost;
}

/** A driver that has one notifier for each mm, whoever asks. */
function counted(m: NotifierHost, log: string[]): NotifierServices {
  const ops: RangeNotifierOps = {
    ...recorder(m, log, 'a'),
    * allocNotifier(): Task<MaySleep, number> {
      log.push('alloc');
      const mn = services.mmuNotifierAlloc(5);
      return mn === 0 ? -ENOMEM : mn;
    },
    * freeNotifier(mn: MmuNotifier): Task<Step> {
      log.push(`free of ${services.notifierInstance(mn)}`);
      services.mmuNotifierFree(mn);
    },
  };
  const services = notifierServices(m, () => index, hostOf(log));
  const index = addNotifierOps(m, ops);
  return services;
}

describe('range', () => {
  it('calls every op inside SRCU, the newest notifier first, and counts', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'old', 1));
    registered(m, recorder(m, log, 'new'));
    run(m, mmuNotifierInvalidateRangeStart(m, MM, A, B));
    run(m, mmuNotifierInvalidateRangeEnd(m, MM, A, B));
    run(m, mmuNotifierInvalidatePage(m, MM, A));
    expect(run(m, mmuNotifierClearFlushYoung(m, MM, A, B))).toBe(1);
    run(m, mmuNotifierChangePte(m, MM, A, 5 as never));
    expect(log).toEqual(['start(4096, 12288)', 'end(4096, 12288)', 'page(4096)', 'young(4096, 12288)', 'change(4096, 5)'].flatMap((call) => [`new.${call}`, `old.${call}`]));
    expect(notifierCounts(m)).toEqual({ invalidatePage: 2, invalidatePages: 0, agePage: 2, release: 0, invalidateRangeStart: 2, invalidateRangeEnd: 2, changePte: 2 });
  });

  it('has no use for the hooks of v5', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'a', 1));
    run(m, mmuNotifier(m, MM, 'invalidatePage', A));
    run(m, mmuNotifier(m, MM, 'invalidatePages', A, B));
    run(m, mmuNotifierPtep(m, MM, 'invalidatePage', A));
    run(m, mmuNotifierRelease(m, MM));
    expect(run(m, mmuNotifierAgePage(m, MM, A))).toBe(0);
    expect(log).toEqual([]);
  });

  gate('CHECKED').it('costs one read where nobody ever registered', () => {
    const m = machine();
    const points: { kind: PointKind; where: number }[] = [];
    const inner = m.sched;
    m.sched = { ...inner, point: (kind, where) => { points.push({ kind, where }); return inner.point(kind, where); } };
    run(m, mmuNotifierInvalidateRangeStart(m, MM, A, B));
    run(m, mmuNotifierReleaseEarly(m, MM));
    expect(points).toEqual([1, 2].map(() => ({ kind: READ, where: whereOf(m.notifierHead.isSet, MM) })));
  });

  it('calls release while the notifier is on the list, then takes it off, and unregister afterwards is allowed', () => {
    const m = machine();
    const seen: number[] = [];
    const ops: RangeNotifierOps = { * release(): Task<InSrcuRead> { seen.push(m.notifierHead.first[MM]); } };
    const mn = registered(m, ops);
    run(m, mmuNotifierReleaseEarly(m, MM));
    expect([seen, m.notifierHead.first[MM]]).toEqual([[mn], 0]);
    run(m, mmuNotifierUnregister(m, mn, MM));
    expect(seen).toHaveLength(1);
    mmuNotifierFree(m, mn);
  });

  it('calls release from unregister where the mm lives on', () => {
    const m = machine();
    const log: string[] = [];
    const mn = registered(m, recorder(m, log, 'a'));
    run(m, mmuNotifierUnregister(m, mn, MM));
    run(m, mmuNotifierInvalidateRangeStart(m, MM, A, B));
    run(m, mmuNotifierReleaseEarly(m, MM));
    expect(log).toEqual(['a.release(1)']);
  });

  it('starts anew with an mm that takes the place of one that is gone', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'a'));
    mmuNotifierMmInit(m, MM);
    run(m, mmuNotifierInvalidateRangeStart(m, MM, A, B));
    expect(log).toEqual([]);
  });

  it('registers with every lock of the mm and pins it; unregister gives the pin back', () => {
    const m = machine();
    const log: string[] = [];
    const host = hostOf(log);
    const ops = addNotifierOps(m, {});
    const services = notifierServices(m, () => ops, host);
    const mn = services.mmuNotifierAlloc(3);
    expect(services.notifierInstance(mn)).toBe(3);
    expect(run(m, services.mmuNotifierRegister(mn, MM))).toBe(0);
    run(m, services.mmuNotifierUnregister(mn, MM));
    expect(log).toEqual(['lock', 'take', 'grab', 'drop', 'unlock', 'mmdrop']);
    const interrupted = notifierServices(m, () => ops, { ...host, mmTakeAllLocks: say(log, 'signal', -4) });
    expect(run(m, interrupted.mmuNotifierRegister(mn, MM))).toBe(-4);
    expect(m.notifierHead.first[MM]).toBe(0);
  });

  gate('CHECKED').it('does not return from unregister while an op sleeps on another CPU', () => {
    const m = machine();
    let isInside = false;
    const mn = registered(m, {
      * invalidateRangeStart(): Task<InSrcuRead> {
        isInside = true;
        for (let i = 0; i < 10; i++) yield 'step';
        isInside = false;
      },
    });
    const { step } = threads(m, [mmuNotifierInvalidateRangeStart(m, MM, A, B), mmuNotifierUnregister(m, mn, MM)]);
    while (!isInside) step(0);
    for (let i = 0; i < 200; i++) expect(step(1)).toBe(false);
    expect(m.notifierHead.first[MM]).toBe(0);
    while (!step(0));
    let steps = 0;
    while (!step(1)) expect(steps++).toBeLessThan(200);
  });

  it('stops the machine where an op waits for the readers that it is one of', () => {
    const m = machine();
    registered(m, { * invalidateRangeStart(): Task<InSrcuRead> { yield* synchronizeSrcu(m) as Task<never>; } });
    expect(() => run(m, mmuNotifierInvalidateRangeStart(m, MM, A, B))).toThrow(expect.objectContaining({ code: 'srcu-waits-for-itself' }));
  });
});

describe('a start that may not block', () => {
  it('tells every op so, and is 0 where nobody refuses', () => {
    const m = machine();
    const seen: boolean[] = [];
    const ops: RangeNotifierOps = { * invalidateRangeStart(_mn, _mm, _start, _end, isBlockable): Task<InSrcuRead> { seen.push(isBlockable); } };
    registered(m, ops);
    run(m, mmuNotifierInvalidateRangeStart(m, MM, A, B));
    expect(run(m, mmuNotifierInvalidateRangeStartNonblock(m, MM, A, B))).toBe(0);
    expect(seen).toEqual([true, false]);
  });

  it('asks everyone although one refuses, and whoever did not gets its end at once', () => {
    const m = machine();
    const log: string[] = [];
    registered(m, recorder(m, log, 'old'));
    registered(m, { * invalidateRangeStart(): Task<InSrcuRead, number> { log.push('refused'); return -EAGAIN; } });
    registered(m, recorder(m, log, 'new'));
    expect(run(m, mmuNotifierInvalidateRangeStartNonblock(m, MM, A, B))).toBe(-EAGAIN);
    expect(log).toEqual(['new.start(4096, 12288)', 'refused', 'old.start(4096, 12288)', 'new.end(4096, 12288)', 'old.end(4096, 12288)']);
  });

  it('stops the machine where an op refuses one that may block, or refuses and has an end', () => {
    const refusing: RangeNotifierOps = { * invalidateRangeStart(): Task<InSrcuRead, number> { return -EAGAIN; } };
    const blockable = machine();
    registered(blockable, refusing);
    expect(() => run(blockable, mmuNotifierInvalidateRangeStart(blockable, MM, A, B))).toThrow(expect.objectContaining({ code: 'notifier-start-failed' }));
    const ending = machine();
    registered(ending, { ...refusing, * invalidateRangeEnd(): Task<InSrcuRead> { /* never called for what was refused */ } });
    expect(() => run(ending, mmuNotifierInvalidateRangeStartNonblock(ending, MM, A, B))).toThrow(expect.objectContaining({ code: 'notifier-refuses-and-has-end' }));
  });

  gate('CHECKED').it('stops the machine where an op sleeps all the same', () => {
    const m = machine();
    registered(m, { * invalidateRangeStart(): Task<InSrcuRead> { yield* mutexLock(m, mutexAt(m.notifierHead.lock, 2)); } });
    run(m, mmuNotifierInvalidateRangeStart(m, MM, A, B));
    m.notifierHead.lock[2] = 0;
    expect(() => run(m, mmuNotifierInvalidateRangeStartNonblock(m, MM, A, B))).toThrow(expect.objectContaining({ code: 'sleep-non-block' }));
  });
});

describe('mmu_notifier_get and mmu_notifier_put', () => {
  it('make one notifier for all who ask, and free it a grace period after the last of them has put it', () => {
    const m = machine();
    const log: string[] = [];
    const services = counted(m, log);
    const mn = run(m, services.mmuNotifierGet(MM)) as MmuNotifier;
    expect(run(m, services.mmuNotifierGet(MM))).toBe(mn);
    expect(log.splice(0)).toEqual(['lock', 'alloc', 'take', 'grab', 'drop', 'unlock', 'lock', 'unlock']);
    run(m, services.mmuNotifierPut(mn));
    run(m, mmuNotifierInvalidateRangeStart(m, MM, A, B));
    expect(log.splice(0)).toEqual(['a.start(4096, 12288)']);
    run(m, services.mmuNotifierPut(mn));
    run(m, mmuNotifierInvalidateRangeStart(m, MM, A, B));
    expect([log.splice(0), mmuNotifierPending(m)]).toEqual([[], true]);
    run(m, mmuNotifierDoBatch(m));
    expect(log.splice(0)).toEqual(['free of 5', 'mmdrop']);
    expect(() => run(m, services.mmuNotifierPut(mn))).toThrow(expect.objectContaining({ code: 'notifier-put-underflow' }));
  });

  it('make another one after the last put, though the first is not freed yet', () => {
    const m = machine();
    const services = counted(m, []);
    const first = run(m, services.mmuNotifierGet(MM)) as MmuNotifier;
    run(m, services.mmuNotifierPut(first));
    const second = run(m, services.mmuNotifierGet(MM)) as MmuNotifier;
    expect([second === first, m.notifierHead.first[MM]]).toEqual([false, second]);
    run(m, services.mmuNotifierPut(second));
    run(m, services.mmuNotifierSynchronize());
    expect([poolUsed(m.notifierPool), mmuNotifierPending(m)]).toEqual([0, false]);
  });

  it('pass on why none could be made, with nothing left behind', () => {
    const m = machine();
    const log: string[] = [];
    const services = counted(m, log);
    while (services.mmuNotifierAlloc(1) !== 0);
    expect(run(m, services.mmuNotifierGet(MM))).toBe(-ENOMEM);
    const interrupted = machine();
    counted(interrupted, log);
    const signalled = notifierServices(interrupted, () => 1, { ...hostOf(log), mmTakeAllLocks: say(log, 'signal', -4) });
    expect(run(interrupted, signalled.mmuNotifierGet(MM))).toBe(-4);
    expect([poolUsed(interrupted.notifierPool), interrupted.notifierHead.first[MM]]).toEqual([0, 0]);
  });

  it('call release at the end of the mm, and put is allowed afterwards', () => {
    const m = machine();
    const log: string[] = [];
    const services = counted(m, log);
    const mn = run(m, services.mmuNotifierGet(MM)) as MmuNotifier;
    log.length = 0;
    run(m, mmuNotifierReleaseEarly(m, MM));
    run(m, services.mmuNotifierPut(mn));
    run(m, mmuNotifierDoBatch(m));
    expect(log).toEqual(['a.release(1)', 'free of 5', 'mmdrop']);
  });

  gate('CHECKED').it('do not free while an op sleeps on another CPU', () => {
    const m = machine();
    let isInside = false;
    let isFree = false;
    const ops: RangeNotifierOps = {
      * invalidateRangeStart(): Task<InSrcuRead> {
        isInside = true;
        for (let i = 0; i < 10; i++) yield 'step';
        isInside = false;
      },
      * allocNotifier(): Task<MaySleep, number> { return services.mmuNotifierAlloc(5); },
      * freeNotifier(mn: MmuNotifier): Task<Step> { isFree = true; services.mmuNotifierFree(mn); },
    };
    const services: NotifierServices = notifierServices(m, () => index, hostOf([]));
    const index = addNotifierOps(m, ops);
    const mn = run(m, services.mmuNotifierGet(MM)) as MmuNotifier;
    function* putAll(): Task<MaySleep> {
      yield* services.mmuNotifierPut(mn);
      yield* services.mmuNotifierSynchronize();
    }
    const { step } = threads(m, [mmuNotifierInvalidateRangeStart(m, MM, A, B), putAll()]);
    while (!isInside) step(0);
    for (let i = 0; i < 200; i++) expect(step(1)).toBe(false);
    expect([isInside, isFree]).toEqual([true, false]);
    while (!step(0));
    let steps = 0;
    while (!step(1)) expect(steps++).toBeLessThan(200);
    expect(isFree).toBe(true);
  });
});
