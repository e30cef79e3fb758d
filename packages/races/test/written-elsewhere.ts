/**
 * Races as somebody else would write them, who has docs/writing-a-race.md and the packages' types and nothing more: a call of
 * each kind, drivers of their own, and a wrong one of each.
 */
import { MADV_PAGEOUT, PROT_READ, READ, WRITE } from '@mmun/include';
import type { MaySleep, Mm, Pfn, SecondaryDriver, Task, TaskStruct, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { RANGE, defineRace, install, kernelAssert, kvm, mmOfTiny, onePage, rangeOps, tinyMmu } from '@mmun/races';
import type { Page, Race, RaceContext, RaceFile, TinyMmu } from '@mmun/races';

const text = { title: 'a test', source: 'none' };

/** Starts and ends are counted, and the fault does not look. */
const careless = tinyMmu('careless', {
  designs: RANGE,
  drive: (t) => ({
    ops: rangeOps(t),
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      const pfn = yield* t.s.getUserPages(mmOfTiny(t, instance), address, isWrite);
      if (pfn < 0) return pfn;
      yield* install(t, instance, address, pfn as Pfn, isWrite);
      yield* t.s.putPage(pfn as Pfn);
      return 0;
    },
  }),
});
const careful = tinyMmu('careful', { designs: RANGE, drive: (t) => ({ ops: rangeOps(t) }) });

interface Queue extends SecondaryDriver {
  submit(): Task<MaySleep>;
  stop(): Task<MaySleep>;
}

const queueSpec = { isThere: 'u32' } as const;

function queue(cancels: boolean): TinyMmu<Queue> {
  return tinyMmu<typeof queueSpec, Queue>('queue', {
    designs: RANGE,
    own: queueSpec,
    drive: (t) => {
      const work = t.s.workFunction(function* (row: number): Task<MaySleep> {
        yield* t.s.step(READ, whereOf(t.own.isThere, row));
        kernelAssert(t.own.isThere[row] === 1, 'use-after-free', 'work runs on a buffer that is freed');
      });
      t.own.isThere[1] = 1;
      return {
        ops: rangeOps(t),
        * submit(): Task<MaySleep> {
          yield* t.s.queueWork(work, 1);
        },
        * stop(): Task<MaySleep> {
          if (cancels) yield* t.s.cancelWorkSync(work, 1);
          yield* t.s.step(WRITE, whereOf(t.own.isThere, 1));
          t.own.isThere[1] = 0;
        },
      };
    },
  });
}

const fallible = (looks: boolean): TinyMmu<SecondaryDriver> => tinyMmu('fallible', {
  designs: RANGE,
  drive: (t) => ({
    ops: rangeOps(t),
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      const page = yield* t.s.allocPage();
      if (looks && page === 0) return -12;
      yield* t.s.putPage(page);
      return address >= 0 && isWrite && instance > 0 ? 0 : -14;
    },
  }),
});

export const elsewhere: readonly Race[] = [
  defineRace<Page>({
    ...text, id: 'own-driver', finds: ['stale-translation'],
    variants: { buggy: { plugin: careless, image: 'toy-range' }, fixed: { plugin: careful, image: 'toy-range' } },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.read(a) },
  }),
  defineRace({
    ...text, id: 'work-cancelled', finds: ['use-after-free'],
    variants: { buggy: { plugin: queue(false), image: 'toy-range' }, fixed: { plugin: queue(true), image: 'toy-range' } },
    setup: () => ({}),
    actors: {
      * dev0(t: RaceContext): Task<MaySleep> {
        yield* t.driver<Queue>().submit();
        yield* t.driver<Queue>().stop();
      },
      kworker: (t) => t.work(),
    },
  }),
  defineRace<Page>({
    ...text, id: 'two-plugins', finds: ['stale-translation'],
    variants: { buggy: { plugins: [kvm, careless], image: 'toy-range' }, fixed: { plugins: [kvm, careful], image: 'toy-range' } },
    setup: (t) => {
      const page = onePage(t);
      t.devs[0]?.read(page.a);
      return page;
    },
    actors: { cpu0: (t, { a }) => t.munmap(a), dev1: (t, { a }) => (t.devs[1] as RaceContext['dev']).fault(a, false) },
  }),
  defineRace<{ readonly b: Vaddr; readonly other: TaskStruct; readonly file: RaceFile }>({
    ...text, id: 'hole-in-another-process', finds: ['stale-translation', 'corruption', 'incoherent'],
    variants: {
      buggy: { edit: { file: 'mm/src/truncate.ts', find: '    if (pageMapped(m, pfn)) yield* unmapMappingRange(m, inode, index, index + 1, false);\n', replace: '' } },
      fixed: {},
    },
    setup: (t) => {
      const file = t.file();
      const other = t.process();
      let b = 0 as Vaddr;
      t.as(other, () => {
        b = t.mmap(1, { file, isShared: true });
        t.write(b, 5);
      });
      return { b, other, file };
    },
    actors: { cpu0: (t, { file }) => t.punchHole(file), cpu1: { as: ({ other }) => other, run: (t, { b }) => t.read(b) } },
  }),
  defineRace<Page & { readonly file: RaceFile }>({
    ...text, id: 'written-back', finds: ['lost-dirty', 'lost-write', 'excess-permission'],
    variants: {
      buggy: { plugin: kvm, image: 'toy-range', edit: { file: 'mm/src/rmap-walk.ts', find: '    yield* mmuNotifierInvalidatePage(m, mm, address);\n    if (!pteNone(entry))', replace: '    if (!pteNone(entry))' } },
      fixed: { plugin: kvm, image: 'toy-range' },
    },
    config: { nrSwapSlots: 2 },
    setup: (t) => {
      const file = t.file(1, 'regular');
      const a = t.mmap(1, { file, isShared: true });
      t.write(a, 7);
      t.dev.write(a);
      return { a, file };
    },
    actors: { flusher: (t, { file }) => t.writeback(file), dev0: (t, { a }) => t.dev.access(a, true) },
  }),
  defineRace<Page & { readonly mm: Mm }>({
    ...text, id: 'pinned-by-gup-fast', finds: ['broken-claim'],
    variants: {
      buggy: { edit: { file: 'mm/src/memory-wp.ts', find: '  if ((flags[pfn] & PG_ANON_EXCLUSIVE) !== 0) return true;\n', replace: '' } },
      fixed: {},
    },
    setup: (t) => ({ ...onePage(t), mm: t.mm }),
    actors: {
      * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> {
        const pfn = yield* t.gupFast(a, true);
        yield* t.mprotect(a, PROT_READ);
        yield* t.mprotect(a, 3);
        yield* t.write(a, 9);
        t.assert((yield* t.peek(pfn, a)) === 9, 'broken-claim', 'the pin and the process see different pages');
        yield* t.put(pfn);
      },
    },
  }),
  defineRace<Page>({
    ...text, id: 'out-and-in', finds: ['lost-write'],
    variants: {
      buggy: { edit: { file: 'mm/src/page-io.ts', find: '  for (let i = 0; i < words; i++) m.pageContent[pfn * words + i] = m.swapContent[slot * words + i];\n', replace: '  m.pageContent[pfn * words] = slot - slot;\n' } },
      fixed: {},
    },
    config: { nrSwapSlots: 2 },
    setup: onePage,
    actors: {
      * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> {
        yield* t.madvise(a, MADV_PAGEOUT);
        yield* t.read(a);
      },
    },
  }),
  defineRace<Page>({
    ...text, id: 'no-memory', finds: ['double-free', 'corruption', 'use-after-free'], config: { faultInjection: true },
    variants: { buggy: { plugin: fallible(false), image: 'toy-range' }, fixed: { plugin: fallible(true), image: 'toy-range' } },
    setup: onePage,
    actors: { dev0: (t, { a }) => t.dev.fault(a, true) },
  }),
] as unknown as readonly Race[];
