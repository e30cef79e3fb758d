/**
 * What happens to two at once: two pages whose changes nothing orders but the driver's own lock, two devices that come and go. The pages
 * lie under different tables, so that each has a PT lock of its own.
 */
import { MADV_DONTNEED, PAGE_SIZE } from '@mmun/include';
import type { MaySleep, Mm, MmuNotifier, RangeNotifierOps, Task, TaskStruct, Vaddr } from '@mmun/include';
import type { RaceContext, Setup } from '@mmun/races';
import type { GuardedDriver } from './guarded-driver.js';
import { openTouchClose } from './operations.js';
import type { Stage } from './operations.js';
import { drawn } from './race-of.js';
import type { Act, Drawn } from './race-of.js';
import type { DesignName, Scenario } from './scenarios.js';

/** The last page of the first table of arch toy; the next is the first of the second. */
const LAST = (3 * PAGE_SIZE) as Vaddr;

export function ofPairs(design: DesignName): Scenario[] {
  return PAIRS.filter(({ designs }) => designs?.includes(design) !== false).map((pair) => drawn(design, pair));
}

const FIRST_MM = 1 as Mm;
/** Of the device that follows the first process. */
const FIRST_NOTIFIER = 1 as MmuNotifier;

/** Both pages there, and the device has an entry for each that it asks for. */
function twoPages(warm: 'none' | 'first' | 'both'): (t: Setup) => Stage {
  return (t) => {
    const a = t.mmap(1, { at: LAST });
    const b = t.mmap(1, { at: (LAST + PAGE_SIZE) as Vaddr });
    t.write(a, 7);
    t.write(b, 8);
    if (warm !== 'none') t.dev.write(a);
    if (warm === 'both') t.dev.write(b);
    return { a, b, file: null, child: 0 as TaskStruct, other: 0 };
  };
}

function twoInstances(t: Setup): Stage {
  const s = twoPages('first')(t);
  const other = t.dev.open(t.mm);
  t.dev.write(s.a, other);
  return { ...s, other };
}

/** The instance that was at work is over; another one of the address space has done nothing yet. */
function oneAfterAnother(t: Setup): Stage {
  const s = twoPages('none')(t);
  const other = t.dev.open(t.mm);
  t.dev.write(s.a);
  t.dev.close();
  return { ...s, other };
}

/** The same with the first still there. */
function oneBesideAnother(t: Setup): Stage {
  const s = twoPages('first')(t);
  return { ...s, other: t.dev.open(t.mm) };
}

/** As many instances as there is room for, and each has been at work: what they share has gone round. */
function many(t: Setup): Stage {
  const s = twoPages('first')(t);
  const others = Array.from({ length: MANY }, () => t.dev.open(t.mm)).filter((other) => other > 0);
  for (const other of others) t.dev.write(s.a, other);
  return { ...s, other: others[0] ?? t.dev.instance };
}

const MANY = 8;

/** The device has used so many pages since that it knows the first by its slowest way alone. */
function longAgo(t: Setup): Stage {
  const s = twoPages('first')(t);
  for (let page = 5; page < 13; page++) {
    const at = t.mmap(1, { at: (page * PAGE_SIZE) as Vaddr });
    t.write(at, page);
    t.dev.write(at);
  }
  return s;
}

/** Another process has a device too, and a page at the same address. */
function longAgoBesideOther(t: Setup): Stage {
  const s = longAgo(t);
  const child = t.process();
  t.as(child, () => {
    t.mmap(1, { at: s.a });
    t.write(s.a, 9);
  });
  return { ...s, child, other: t.dev.open(t.image.mmOf(t.m as never, child)) };
}

const dropFirst: Act = (t, { a }) => t.madvise(a, MADV_DONTNEED);
const dropSecond: Act = (t, { b }) => t.madvise(b, MADV_DONTNEED);
/** Some drivers let no fault through while any range is under way, and some have one place for both pages: so it is not said again and again. */
const faultOnce: Act = function* (t, { b }): Task<MaySleep> {
  yield* t.dev.fault(b, true);
  yield* t.dev.access(b, true);
};
/** mm tells of another range while that of `a` is under way: two at once, and which of them is over must not be taken for the other. */
const otherRange: Act = function* (t, { a, b }): Task<MaySleep> {
  yield* rangeAt(t, b);
  yield* t.dev.fault(a, false);
  yield* t.dev.access(a, false);
};

/** A device that is made, used, and whose page goes again: by a thread of the process. */
const useThenUnmap = (ofOther: boolean): Act => function* (t, { a, other }): Task<MaySleep> {
  const instance = ofOther ? other : yield* t.dev.open(FIRST_MM);
  if (instance <= 0) return;
  yield* t.dev.write(a, instance);
  yield* t.munmap(a);
  yield* t.dev.access(a, false, instance);
};

const faultOnly: Act = (t, { b }) => t.dev.fault(b, true);

const dropTwice: Act = function* (t, { a }): Task<MaySleep> {
  yield* t.madvise(a, MADV_DONTNEED);
  yield* t.munmap(a);
};

const dropThenFault: Act = function* (t, { a, b }): Task<MaySleep> {
  yield* t.madvise(a, MADV_DONTNEED);
  yield* t.dev.fault(b, true);
  yield* t.dev.access(b, true);
};

/** What stood for the page stands for that of the other process. */
const dropThenOther: Act = function* (t, { a, other }): Task<MaySleep> {
  yield* t.madvise(a, MADV_DONTNEED);
  yield* t.dev.fault(a, true, other);
  yield* t.dev.access(a, true, other);
};

/** All that mm tells a driver of a page, and nothing that mm does. */
export function* rangeAt(t: RaceContext, page: Vaddr): Task<MaySleep> {
  const { ops, asMm } = t.dev.driver as GuardedDriver & { readonly ops: RangeNotifierOps };
  const end = (page + PAGE_SIZE) as Vaddr;
  const { invalidateRangeStart: start, invalidateRangeEnd: over } = ops;
  if (start !== undefined) yield* asMm(() => start(FIRST_NOTIFIER, FIRST_MM, page, end, true));
  if (over !== undefined) yield* asMm(() => over(FIRST_NOTIFIER, FIRST_MM, page, end));
}

const ROOM = { nrNotifiers: 4 };
const CROWD = { nrNotifiers: 5 };

const PAIRS: readonly Drawn[] = [
  { name: 'two-pages-two-calls', isQuick: true, setup: twoPages('both'), actors: { cpu0: dropFirst, cpu1: dropSecond } },
  { name: 'two-pages-call-fault', isQuick: true, setup: twoPages('first'), actors: { cpu0: dropFirst, dev0: faultOnce } },
  { name: 'two-pages-two-faults', isQuick: true, setup: twoPages('none'), actors: { dev0: (t, s) => faultOnce(t, { ...s, b: s.a }), dev1: faultOnce } },
  { name: 'two-ranges', designs: ['range'], isQuick: true, setup: twoPages('none'), actors: { cpu0: dropFirst, dev0: otherRange } },
  // where reclaim asks for the use of a page, its entry goes and the place of the entry is given to another
  {
    name: 'age-reuse', isQuick: true, config: { nrSwapSlots: 2 }, setup: twoPages('first'),
    actors: { kswapd: (t) => t.kswapd(1), cpu0: dropThenFault },
  },
  { name: 'two-devices-open', isQuick: true, look: 'light', config: ROOM, opensDevices: true, setup: twoPages('none'), actors: { dev0: openTouchClose, dev1: openTouchClose } },
  { name: 'two-devices-close', isQuick: true, look: 'light', config: ROOM, setup: twoInstances, actors: { dev0: (t) => t.dev.close(), dev1: (t, { other }) => t.dev.close(other) } },
  { name: 'open-exit', isQuick: true, look: 'light', opensDevices: true, setup: twoPages('none'), actors: { cpu0: (t) => t.exit(), dev0: openTouchClose } },
  // what a driver leaves to a work queue is done by a thread of its own
  { name: 'munmap-worker', isQuick: true, look: 'light', setup: twoPages('none'), actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.read(a), kworker: (t) => t.work() } },
  { name: 'open-open-munmap', isQuick: false, config: ROOM, opensDevices: true, setup: twoPages('none'), actors: { cpu0: useThenUnmap(false), dev0: openTouchClose } },
  { name: 'two-devices-open-failing', isQuick: false, config: { ...ROOM, faultInjection: true }, opensDevices: true, setup: twoPages('none'), actors: { dev0: openTouchClose, dev1: openTouchClose } },
  { name: 'two-devices-fault', isQuick: false, config: ROOM, setup: (t) => ({ ...twoPages('none')(t), other: t.dev.open(t.mm) }), actors: { dev0: (t, { a }) => t.dev.read(a), dev1: (t, { b, other }) => t.dev.read(b, other) } },
  { name: 'one-after-another', isQuick: false, config: ROOM, setup: oneAfterAnother, actors: { cpu0: dropTwice, dev0: (t, { a, other }) => t.dev.write(a, other) } },
  { name: 'one-for-another', isQuick: false, config: ROOM, setup: oneBesideAnother, actors: { cpu0: useThenUnmap(true), dev0: (t) => t.dev.close() } },
  { name: 'many-devices-close', isQuick: false, look: 'light', config: CROWD, setup: many, actors: { dev0: (t, { a }) => t.dev.read(a), dev1: (t, { other }) => t.dev.close(other) } },
  { name: 'many-devices-fault', isQuick: false, look: 'light', config: CROWD, setup: many, actors: { dev0: (t, { a }) => t.dev.read(a), dev1: (t, { b, other }) => t.dev.read(b, other) } },
  { name: 'long-ago', isQuick: false, config: { nrFrames: 16 }, setup: longAgo, actors: { cpu0: dropThenFault, dev0: (t, { a }) => t.dev.access(a, false) } },
  { name: 'long-ago-other', isQuick: false, config: { ...ROOM, nrFrames: 18, nrMms: 3, nrTables: 20, nrVmas: 16 }, setup: longAgoBesideOther, actors: { cpu0: dropThenOther, dev0: (t, { a }) => t.dev.access(a, false) } },
  { name: 'reap', designs: ['range'], isQuick: false, setup: twoPages('first'), actors: { reaper: (t) => t.oomReap(), dev0: faultOnly, kworker: (t) => t.work() } },
  { name: 'close-worker', isQuick: false, setup: twoPages('first'), actors: { cpu0: dropFirst, dev0: (t) => t.dev.close(), kworker: (t) => t.work() } },
];
