/** Calls that only one driver has, each beside the operations of mm, the device's accesses, itself and the others. */
import type { MaySleep, Mm, Task, Vaddr } from '@mmun/include';
import { MADV_DONTNEED } from '@mmun/include';
import { Violation } from '@mmun/oracle';
import { onePage } from '@mmun/races';
import type { RaceContext, Setup } from '@mmun/races';
import type { Stage } from './operations.js';
import { drawn } from './race-of.js';
import type { Drawn } from './race-of.js';
import type { DesignName, DeviceCall, Scenario } from './scenarios.js';

/** Another process, with a notifier and an area that the driver may want there. */
const ROOM = { nrMms: 3, nrTasks: 7, nrNotifiers: 4, nrVmas: 12, nrFrames: 12, nrTables: 16 };

export function ofCalls(design: DesignName, calls: readonly DeviceCall[]): Scenario[] {
  return calls.flatMap((call, i) => ([
    ...besideMm(call),
    { name: `${call.name}-write`, isQuick: true, config: ROOM, setup: withOther, actors: { dev0: made(call), dev1: (t: RaceContext, { a }: Stage) => t.dev.write(a) } },
    twice(call),
    ...calls.slice(i + 1).map((second) => ({ name: `${call.name}-${second.name}`, isQuick: false, config: ROOM, setup: withOther, actors: { dev0: made(call), dev1: made(second) } })),
  ] satisfies Drawn[]).map((one) => drawn(design, { ...one, isQuick: one.isQuick && call.isLong !== true, look: 'light' as const })));
}

function besideMm(call: DeviceCall): Drawn[] {
  const beside = (name: string, isQuick: boolean, act: (t: RaceContext, s: Stage) => Task<MaySleep, unknown>): Drawn =>
    ({ name: `${name}-${call.name}`, isQuick, config: ROOM, setup: withOther, actors: { cpu0: act, dev0: madeThenRead(call) } });
  return [
    beside('munmap', true, (t, { a }) => t.munmap(a)),
    beside('dontneed', false, (t, { a }) => t.madvise(a, MADV_DONTNEED)),
    beside('exit', false, (t) => t.exit()),
    { ...beside('other-exit', true, (t) => t.exit()), actors: { other: { as: ({ child }) => child, run: (t) => t.exit() }, dev0: made(call) } },
  ];
}

/** The same by two at once. What each was given is kept beside the machine: every execution sets both anew before they are compared. */
function twice(call: DeviceCall): Drawn {
  const given: unknown[] = [];
  const by = (i: number): ((t: RaceContext, s: Stage) => Task<MaySleep>) => {
    const make = made(call);
    return function* (t, s): Task<MaySleep> {
      given[i] = yield* make(t, s);
    };
  };
  return {
    name: `${call.name}-${call.name}`, isQuick: true, config: ROOM, setup: withOther, actors: { dev0: by(0), dev1: by(1) },
    atEnd: () => {
      const isShared = typeof given[0] === 'number' && given[0] > 0 && given[0] === given[1];
      if (isShared) throw new Violation({ code: 'bad-plugin', message: `call \`${call.name}\`, made by two at once, gives both ${String(given[0])}` });
    },
  };
}

function withOther(t: Setup): Stage {
  const { a } = onePage(t);
  t.dev.write(a);
  const child = t.process();
  return { a, b: 0 as Vaddr, file: null, child, other: t.image.mmOf(t.m as never, child) };
}

function made(call: DeviceCall): (t: RaceContext, s: Stage) => Task<MaySleep, unknown> {
  return function* (t, { a, other }): Task<MaySleep, unknown> {
    const said = yield* t.dev.own(call.run(t.dev.driver as never, t.dev.instance, a, { other: other as Mm, isAlone: false }));
    mustBeSilent(call, said);
    return said;
  };
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
