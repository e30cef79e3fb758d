/** Calls that only one driver has, each beside the operations of mm, the device's accesses, itself and the others. */
import { MADV_DONTNEED, PAGE_SIZE, READ } from '@mmun/include';
import type { MaySleep, Mm, SecondaryDriver, Task, Vaddr, Where } from '@mmun/include';
import { Violation } from '@mmun/oracle';
import { onePage } from '@mmun/races';
import type { RaceContext, Setup } from '@mmun/races';
import type { Stage } from './operations.js';
import { rangeAt } from './pairs.js';
import { drawn } from './race-of.js';
import type { Drawn } from './race-of.js';
import type { DesignName, DeviceCall, Scenario } from './scenarios.js';

/** Another process, with a notifier and an area that the driver may want there. */
const ROOM = { nrMms: 4, nrTasks: 8, nrNotifiers: 5, nrVmas: 12, nrFrames: 12, nrTables: 20 };

export function ofCalls(design: DesignName, calls: readonly DeviceCall[]): Scenario[] {
  return calls.flatMap((call, i) => (call.prepare !== undefined ? [twice(call), besideRange(call)] : [
    ...besideMm(call), ...afterwards(call),
    { name: `${call.name}-write`, isQuick: true, config: ROOM, setup: withOther, actors: { dev0: made(call), dev1: (t: RaceContext, { a }: Stage) => t.dev.write(a) } },
    twice(call),
    ...calls.slice(i + 1).filter(({ prepare }) => prepare === undefined).map((second) => ({ name: `${call.name}-${second.name}`, isQuick: false, config: ROOM, setup: withOther, actors: { dev0: made(call), dev1: made(second) } })),
  ] satisfies Drawn[] as Drawn[]).filter(({ designs }) => designs?.includes(design) !== false).map((one) => drawn(design, { ...one, isQuick: one.isQuick && call.isLong !== true, look: 'light' as const })));
}

function besideMm(call: DeviceCall): Drawn[] {
  const beside = (name: string, isQuick: boolean, act: (t: RaceContext, s: Stage) => Task<MaySleep, unknown>): Drawn =>
    ({ name: `${name}-${call.name}`, isQuick, config: ROOM, setup: withOther, actors: { cpu0: act, dev0: madeThenRead(call) } });
  return [
    beside('munmap', true, (t, { a }) => t.munmap(a)),
    beside('dontneed', false, (t, { a }) => t.madvise(a, MADV_DONTNEED)),
    beside('exit', false, (t) => t.exit()),
    // what the driver leaves to a queue is done by a thread of its own
    { name: `dontneed-worker-${call.name}`, isQuick: false, config: ROOM, setup: withOther, actors: { cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED), dev0: made(call), kworker: (t) => t.work() } },
    { name: `range-refused-${call.name}`, designs: ['range'], isQuick: false, isRefusing: true, config: ROOM, setup: withOther, actors: { dev0: made(call), dev1: (t, { a }) => rangeAt(t, a) } },
    // both come to the numbers that the driver gives out
    { name: `fault-${call.name}`, isQuick: false, config: ROOM, setup: withGuest, actors: { dev0: (t, { a }) => t.dev.read(a), dev1: made(call) } },
    { ...beside('other-exit', true, (t) => t.exit()), actors: { other: { as: ({ child }) => child, run: (t) => t.exit() }, dev0: made(call) } },
  ];
}

/** What was prepared goes while mm tells of its page. */
function besideRange(call: DeviceCall): Drawn {
  return { name: `range-${call.name}`, designs: ['range'], isQuick: false, config: ROOM, setup: withPrepared(call), actors: { dev0: made(call), dev1: (t, { a }) => rangeAt(t, a) } };
}

/** What a call has left behind, when mm tells of its pages and the other process ends. */
function afterwards(call: DeviceCall): Drawn[] {
  const left = (t: Setup): Stage => {
    const s = withOther(t);
    t.write(s.b, 8);
    t.dev.write(s.b);
    t.dev.own(call.run(t.dev.driver as never, t.dev.instance, s.a, { other: s.other as Mm, isAlone: false }));
    return s;
  };
  return [
    { name: `range-other-exit-after-${call.name}`, designs: ['range'], isQuick: false, config: ROOM, setup: left, actors: { dev0: (t, { a }) => rangeAt(t, a), other: { as: ({ child }) => child, run: (t) => t.exit() } } },
    { name: `two-ranges-refused-after-${call.name}`, designs: ['range'], isQuick: false, isRefusing: true, config: ROOM, setup: left, actors: { dev0: (t, { a }) => rangeAt(t, a), dev1: (t, { b }) => rangeAt(t, b) } },
  ];
}

/** The same by two at once. What each was given is kept beside the machine: every execution sets both anew before they are compared. */
function twice(call: DeviceCall): Drawn {
  const given: unknown[] = [];
  const by = (i: number): ((t: RaceContext, s: Stage) => Task<MaySleep>) => {
    const make = made(call, i);
    return function* (t, s): Task<MaySleep> {
      given[i] = yield* make(t, s);
    };
  };
  return {
    name: `${call.name}-${call.name}`, isQuick: true, config: ROOM, setup: withPrepared(call), actors: { dev0: by(0), dev1: by(1) },
    atEnd: () => {
      const isShared = typeof given[0] === 'number' && given[0] > 0 && given[0] === given[1];
      if (isShared) throw new Violation({ code: 'bad-plugin', message: `call \`${call.name}\`, made by two at once, gives both ${String(given[0])}` });
    },
  };
}

interface Prepared extends Stage {
  /** The instance that makes the call. */
  readonly caller?: number;
  readonly prepared?: number;
}

function withOther(t: Setup): Stage {
  const { a } = onePage(t);
  t.dev.write(a);
  return { a, b: t.mmap(1, { at: (a + PAGE_SIZE) as Vaddr }), file: null, ...otherProcess(t, a) };
}

/** It has a page of its own at the same address. */
function otherProcess(t: Setup, a: Vaddr): Pick<Stage, 'child' | 'other'> {
  const child = t.process();
  t.as(child, () => {
    t.mmap(1, { at: a });
    t.write(a, 5);
  });
  return { child, other: t.image.mmOf(t.m as never, child) };
}

/** The device has done nothing yet, and a third process has an instance that makes calls. */
function withGuest(t: Setup): Prepared {
  const { a } = onePage(t);
  const guest = otherProcess(t, a);
  return { a, b: 0 as Vaddr, file: null, ...otherProcess(t, a), caller: t.dev.open(guest.other as Mm) };
}

function withPrepared(call: DeviceCall): (t: Setup) => Prepared {
  return (t) => {
    const s = withOther(t);
    return call.prepare === undefined ? s : { ...s, prepared: t.dev.own(call.prepare(t.dev.driver as never, t.dev.instance, s.a, { other: s.other as Mm, isAlone: false })) as number };
  };
}

function made(call: DeviceCall, turn = 0): (t: RaceContext, s: Stage) => Task<MaySleep, unknown> {
  return function* (t, { a, other, caller = t.dev.instance, prepared = 0 }: Prepared): Task<MaySleep, unknown> {
    // the start of a thread is no step: what the call looks at before its first lock would belong to none
    if (t.m.sched.point(READ, NOWHERE)) yield 'step';
    const said = yield* t.dev.own(call.run(t.dev.driver as never, caller, a, { other: other as Mm, isAlone: false, prepared, turn }), caller);
    mustBeSilent(call, said);
    return said;
  };
}

/** A word that nobody uses. */
const NOWHERE = 0 as Where;

/** A call by one thread, from what it prepares to its last turn. @returns what it said, last */
export function madeAlone(call: DeviceCall, driver: SecondaryDriver, instance: number, address: Vaddr, other: Mm, isAlone: boolean): Task<MaySleep, unknown> {
  return call.prepare === undefined ? call.run(driver as never, instance, address, { other, isAlone }) : inTurns(call, driver, instance, address, other, isAlone);
}

function* inTurns(call: DeviceCall, driver: SecondaryDriver, instance: number, address: Vaddr, other: Mm, isAlone: boolean): Task<MaySleep, unknown> {
  const prepared = (yield* call.prepare?.(driver as never, instance, address, { other, isAlone }) as Task<MaySleep, number>);
  for (const turn of [0, 1]) {
    const said = yield* call.run(driver as never, instance, address, { other, isAlone, prepared, turn });
    if (typeof said === 'string' && said !== '') return said;
  }
  return '';
}

/** @throws Violation with the sentence that a call of the driver's own ended in */
export function mustBeSilent({ name }: DeviceCall, said: unknown): void {
  if (typeof said === 'string' && said !== '') throw new Violation({ code: 'bad-plugin', message: `call \`${name}\`: ${said}` });
}

function madeThenRead(call: DeviceCall): (t: RaceContext, s: Stage) => Task<MaySleep> {
  const make = made(call);
  return function* (t, s): Task<MaySleep> {
    yield* make(t, s);
    yield* t.dev.read(s.a);
  };
}
