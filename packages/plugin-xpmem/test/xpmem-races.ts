/** What xpmem.kit.spec.ts explores. Loaded by linkRace, so that it runs in the form in which everybody's races do. */
import { PAGE_SIZE } from '@mmun/include';
import type { MaySleep, SecondaryMmu, Task, TaskStruct, Vaddr } from '@mmun/include';
import { beginCall, endCall, leaveUntracked } from '@mmun/oracle';
import { defineRace, deviceRaces } from '@mmun/races';
import type { Race, RaceContext, Setup } from '@mmun/races';
import { xpmem } from '@mmun/plugin-xpmem';
import type { XpmemDriver } from '@mmun/plugin-xpmem';
import { faultUnderOtherMutex, forcedUnderV5, ignoresOthers, inclusiveOverlap, mutexOverGup, onlyRangeEnd, unpinBeforeZap } from './wrong-xpmems.js';

interface Page {
  readonly a: Vaddr;
}

/** A page that two see: `id` is the second attachment of a partition, or the area of another process. */
interface Shared extends Page {
  readonly id: number;
  /** Where the other process has it, and that process. */
  readonly there: Vaddr;
  readonly other: TaskStruct;
}

const text = { title: 'a test', source: '20080520100111.GC30341', finds: ['stale-translation', 'stale-after-return', 'incoherent', 'lost-write', 'cow-leak', 'excess-permission'] } as const;

/** Only the wrong variants differ; the right one is always the same. */
function both(buggy: SecondaryMmu): Race['variants'] {
  return { buggy: { plugin: buggy, image: 'toy-range' }, fixed: { plugin: xpmem, image: 'toy-range' } };
}

const worker = { kworker: (t: RaceContext): Task<MaySleep> => t.work() };

function withWorker(race: Race): Race {
  return { ...race, id: `${race.id}-kworker`, actors: { ...race.actors, ...worker } };
}

function driverOf(t: { readonly dev: unknown }): XpmemDriver {
  return (t.dev as { readonly driver: XpmemDriver }).driver;
}

/** In a set-up: at once. */
function now<R>(t: Setup, task: Task<string, R>): R {
  return t.image.run(t.m, task);
}

function onePage(t: Setup): Page {
  const a = t.mmap(1);
  t.write(a, 7);
  return { a };
}

/** A second partition attaches the same segment by the same permit. */
function twoViews(t: Setup): Shared {
  return { ...onePage(t), id: now(t, driverOf(t).attachRemote(1)), there: 0 as Vaddr, other: 0 as TaskStruct };
}

/** Another process has attached the page, and mapped it if asked. */
function areaThere(t: Setup, isMapped: boolean): Shared {
  const { image, m } = t;
  const { a } = onePage(t);
  const other = image.newProcess(m);
  const mm = image.mmOf(m, other);
  const driver = driverOf(t);
  const permit = now(t, driver.get(now(t, driver.make(t.dev.instance, a, PAGE_SIZE)), true));
  const id = now(t, driver.attachLocal(permit, mm));
  const there = driver.addressIn(id, a);
  leaveUntracked(m, mm, there, (there + PAGE_SIZE) as Vaddr);
  if (isMapped) now(t, driver.fault(id, a, true));
  return { a, id, there, other };
}

/** While the owner's call lasts, what the other process has of its page is in the open too. */
function* seenThere(t: RaceContext, { there, other }: Shared, call: () => Task<MaySleep, unknown>): Task<MaySleep> {
  const mm = t.image.mmOf(t.m, other);
  yield* beginCall(t.m, 'madvise', mm, there, (there + PAGE_SIZE) as Vaddr);
  yield* call();
  endCall(t.m, 'madvise', mm, there, (there + PAGE_SIZE) as Vaddr, true);
}

// ── races ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Each call of the catalogue against a partition that reads, and one that writes. */
const calls: readonly Race[] = deviceRaces('xpmem', () => both(faultUnderOtherMutex));

function race<S extends Page>(id: string, buggy: SecondaryMmu, setup: (t: Setup) => S, actors: Race<S>['actors'], more: Partial<Race<S>> = {}): Race {
  return defineRace<S>({ ...text, id, variants: both(buggy), setup, actors, ...more }) as unknown as Race;
}

const shapes: readonly Race[] = [
  race<Page>('only-range-end', onlyRangeEnd, (t) => { const page = onePage(t); t.fork(); t.dev.read(page.a); return page; }, {
    cpu0: (t, { a }) => t.write(a, 9),
    cpu1: (t, { a }) => t.write(a, 5),
    dev0: (t, { a }) => t.dev.access(a, false),
  }),
  race<Page>('unpin-before-zap', unpinBeforeZap, (t) => { const page = onePage(t); t.dev.read(page.a); return page; }, {
    cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.access(a, false), ...worker,
  }),
  race<Page>('other-mutex', faultUnderOtherMutex, onePage, { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.read(a), ...worker }),
  race<Page & { readonly file: ReturnType<Setup['file']> }>('ignores-others', ignoresOthers, (t) => {
    const file = t.file();
    const a = t.mmap(1, { file, isShared: true });
    t.write(a, 7);
    t.dev.read(a);
    return { a, file };
  }, { other: (t, { file }) => t.truncate(file), dev0: (t, { a }) => t.dev.read(a), ...worker }),
  race<Page>('inclusive-overlap', inclusiveOverlap, (t) => {
    const a = t.mmap(2);
    t.write(a, 7);
    t.write((a + PAGE_SIZE) as Vaddr, 8);
    t.dev.read(a);
    return { a };
  }, {
    cpu0: (t, { a }) => t.munmap((a + PAGE_SIZE) as Vaddr),
    * dev0(t: RaceContext, { a }: Page): Task<MaySleep> {
      const pfn = yield* t.dev.access(a, false);
      t.assert(pfn !== 0, 'broken-claim', 'what lies behind a page was unmapped, and the page was recalled with it');
    },
  }, { finds: ['broken-claim'] }),
  race<Page>('mutex-over-gup', mutexOverGup, (t) => { const page = onePage(t); t.fork(); return page; }, {
    cpu1: (t, { a }) => t.write((a + 4) as Vaddr, 7), dev0: (t, { a }) => t.dev.write(a),
  }, { finds: ['self-deadlock', 'deadlock'] }),

  race<Page>('warm-munmap', unpinBeforeZap, (t) => { const page = onePage(t); t.dev.write(page.a); return page; }, {
    cpu0: (t, { a }) => t.munmap(a),
    * dev0(t: RaceContext, { a }: Page): Task<MaySleep> {
      yield* t.dev.read(a);
      yield* t.dev.access(a, true);
    },
    ...worker,
  }),
  // a page that one recall has taken is not gone before its answer, whoever else comes along
  race<Page>('two-recalls', unpinBeforeZap, (t) => { const page = onePage(t); t.dev.read(page.a); return page; }, {
    cpu0: (t, { a }) => t.madvise(a), cpu1: (t, { a }) => t.madvise(a), dev0: (t, { a }) => t.dev.access(a, false), ...worker,
  }),
  race<Shared>('two-partitions', faultUnderOtherMutex, twoViews, {
    cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.read(a), dev1: (t, { a, id }) => t.dev.read(a, id), ...worker,
  }, { config: { nrTasks: 8 } }),
  race<Shared>('detach-recall', unpinBeforeZap, (t) => { const page = twoViews(t); t.dev.read(page.a, page.id); return page; }, {
    cpu0: (t, { a }) => t.munmap(a), dev0: (t, { id }) => driverOf(t).detach(id), ...worker,
  }),
  // who detaches may have a CPU that still uses the view
  race<Shared>('detach-access', unpinBeforeZap, (t) => { const page = twoViews(t); t.dev.read(page.a, page.id); return page; }, {
    cpu0: (t, { a }) => t.munmap(a), dev0: (t, { id }) => driverOf(t).detach(id), dev1: (t, { a, id }) => t.dev.access(a, false, id),
  }),
  race<Page>('close-recall', unpinBeforeZap, (t) => { const page = onePage(t); t.dev.read(page.a); return page; }, {
    cpu0: (t, { a }) => t.munmap(a), dev0: (t) => t.dev.close(), ...worker,
  }),
  race<Page>('close-fault', faultUnderOtherMutex, onePage, { admin: (t) => t.dev.close(), dev0: (t, { a }) => t.dev.fault(a, true) }),
  race<Page & { readonly segment: number }>('remove-recall', unpinBeforeZap, (t) => {
    const page = onePage(t);
    const driver = driverOf(t);
    const segment = now(t, driver.make(t.dev.instance, page.a, PAGE_SIZE));
    t.dev.read(page.a);
    return { ...page, segment };
  }, { cpu0: (t, { a }) => t.munmap(a), admin: (t, { segment }) => driverOf(t).remove(segment) }),
  race<Page>('exit-close', unpinBeforeZap, (t) => { const page = onePage(t); t.dev.read(page.a); return page; }, { cpu0: (t) => t.exit(), dev0: (t) => t.dev.close(), ...worker }),
  race<Page>('remove-attached', faultUnderOtherMutex, onePage, { admin: (t) => driverOf(t).remove(1), dev0: (t, { a }) => t.dev.read(a), ...worker }),

  race<Shared>('area-munmap', unpinBeforeZap, (t) => areaThere(t, true), {
    cpu0: (t, page) => seenThere(t, page, () => t.munmap(page.a)), cpu1: { run: (t, { there }) => t.read(there), as: ({ other }) => other },
  }),
  race<Shared>('area-fault', faultUnderOtherMutex, (t) => areaThere(t, false), {
    cpu0: (t, page) => seenThere(t, page, () => t.munmap(page.a)),
    cpu1: {
      as: ({ other }) => other,
      * run(t: RaceContext, { a, id, there }: Shared): Task<MaySleep> {
        yield* driverOf(t).fault(id, a, true);
        yield* t.read(there);
      },
    },
  }),
  race<Shared>('area-detach', unpinBeforeZap, (t) => areaThere(t, true), { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { id }) => driverOf(t).detach(id) }),
  // the page may be seen for as long as detach holds the area's mmap_sem, and is pinned until then
  race<Shared>('area-detach-read', unpinBeforeZap, (t) => areaThere(t, true), {
    cpu0: (t, page) => seenThere(t, page, () => t.munmap(page.a)), cpu1: { run: (t, { there }) => t.read(there), as: ({ other }) => other }, dev0: (t, page) => seenThere(t, page, () => driverOf(t).detach(page.id)),
  }),
  race<Shared>('area-owner-exits', unpinBeforeZap, (t) => areaThere(t, true), {
    cpu0: (t, page) => seenThere(t, page, () => t.exit()), cpu1: { run: (t, { there }) => t.read(there), as: ({ other }) => other },
  }),
  race<Shared>('area-other-exits', unpinBeforeZap, (t) => areaThere(t, true), { cpu0: (t, { a }) => t.munmap(a), cpu1: { run: (t) => t.exit(), as: ({ other }) => other } }),
  race<Shared>('area-both-exit', unpinBeforeZap, (t) => areaThere(t, true), { cpu0: (t) => t.exit(), cpu1: { run: (t) => t.exit(), as: ({ other }) => other } }),
];

const onV5: Race = {
  ...race<Page>('forced-under-v5', forcedUnderV5, (t) => { const page = onePage(t); t.dev.read(page.a); return page; }, { cpu0: (t, { a }) => t.munmap(a) }, { finds: ['sleep-in-atomic'] }),
  variants: { buggy: { plugin: forcedUnderV5 }, fixed: { plugin: xpmem, image: 'toy-range' } },
};

export const races: readonly Race[] = [...calls, ...calls.map(withWorker), ...shapes, onV5];
