/** What gru.toy.spec.ts explores: contexts against each call; wrong drivers and wrong hardware, each some lines away from the right ones. */
import { MADV_DONTNEED, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { Design, MaySleep, Mm, TaskStruct, Task, Vaddr } from '@mmun/include';
import { gru, gruWith } from '@mmun/plugin-gru';
import type { GruDriver, GruMmu } from '@mmun/plugin-gru';
import { kvm } from '@mmun/plugin-kvm';
import { defineRace, deviceRaces, lookupThenInstall } from '@mmun/races';
import type { Race, RaceContext, Setup, SourceEdit, Variant } from '@mmun/races';

type On = Exclude<Design, 'off'>;
const DESIGNS: readonly On[] = ['v5', 'range'];
const imageOf = (design: On): NonNullable<Variant['image']> => (design === 'v5' ? 'toy' : 'toy-range');

/** v5 forgot fork, whoever asks. */
export const calls: readonly Race[] = DESIGNS.flatMap((design) => [gru, gruWith({ mode: 'polling' })].flatMap((plugin) =>
  deviceRaces(`${design}-${plugin.name.replace(':', '-')}`, (call) => (call === 'fork' && design === 'v5' ? null : {
    buggy: { plugin: lookupThenInstall }, fixed: { plugin, image: imageOf(design) },
  }))));

interface Page {
  readonly a: Vaddr;
  /** Of a second context, or of another process. */
  readonly other: number;
}

interface Wrong extends Pick<Race<Page>, 'id' | 'title' | 'source' | 'finds' | 'setup' | 'actors'> {
  readonly on: readonly On[];
  readonly edit: SourceEdit;
  readonly plugin?: GruMmu;
  readonly config?: Race['config'];
}

const onePage = (t: Setup): Page => {
  const a = t.mmap(1);
  t.write(a, 7);
  return { a, other: 0 };
};

const readAgainstDontneed: Pick<Wrong, 'setup' | 'actors'> = {
  setup: onePage,
  actors: { cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED), dev0: (t, { a }) => t.dev.read(a) },
};
const STALE: Race['finds'] = ['stale-translation', 'stale-after-return', 'incoherent'];
const fault = 'plugin-gru/src/grufault.ts';
const main = 'plugin-gru/src/grumain.ts';
const purge = 'plugin-gru/src/grutlbpurge.ts';
const handles = 'plugin-gru/src/gruhandles.ts';
const file = 'plugin-gru/src/grufile.ts';

/** Contexts of the child come and go until its next one gets the ASID after the last. */
function useUpAsids(t: Setup, mm: Mm, page: Vaddr, times: number): void {
  for (let i = 0; i < times; i++) {
    const instance = t.dev.open(mm);
    t.dev.read(page, instance);
    t.dev.close(instance);
  }
}

const childOf = (t: Setup): Mm => t.image.mmOf(t.m, t.fork() as TaskStruct);
const ASIDS = 7;

const WRONG: readonly Wrong[] = [
  {
    id: 'uncancelled-fill', on: DESIGNS, title: 'hardware that fills what an invalidate overtook', source: '20080422152600.GP30298@sgi.com', finds: STALE,
    edit: { file: handles, find: 'if (g.tfh.state[tfh] === TFH_READ && isMeant(', replace: 'if (g.tfh.state[tfh] < 0 && isMeant(' },
    ...readAgainstDontneed,
  },
  {
    id: 'm50-ranges-before-record', on: ['range'], title: 'looks whether a range is under way before it reads the record', source: 'history 6, M50', finds: STALE,
    edit: {
      file: fault,
      find: "  const gts = yield* tfhRead(g, tfh);\n  if (gts === 0) return -EAGAIN; // the context was unloaded: its instruction will start over\n  if (yield* isRangeActive(g, gms)) return UPM_PFN;\n",
      replace: '  if (yield* isRangeActive(g, gms)) return UPM_PFN;\n  const gts = yield* tfhRead(g, tfh);\n  if (gts === 0) return -EAGAIN;\n',
    },
    ...readAgainstDontneed,
  },
  {
    id: 'invalidates-before-it-counts', on: ['range'], title: 'a start that invalidates before it counts the range', source: 'sgi-gru grutlbpurge.c', finds: STALE,
    edit: {
      file: purge,
      find: '      g.gms.rangeActive[gms] += 1;\n      yield* flushFor(g, gms, start, end);\n',
      replace: '      yield* flushFor(g, gms, start, end);\n      yield* g.s.step(WRITE, whereOf(g.gms.rangeActive, gms));\n      g.gms.rangeActive[gms] += 1;\n',
    },
    ...readAgainstDontneed,
  },
  {
    id: 'm52-write-without-dirty', on: DESIGNS, title: 'fills for a write from a pte that is not dirty', source: 'history 6, M52', finds: ['lost-dirty'],
    edit: { file: fault, find: 'isWrite ? PTE_LOOKUP_WRITE | PTE_LOOKUP_DIRTY : 0', replace: 'isWrite ? PTE_LOOKUP_WRITE : 0' },
    setup: (t) => {
      const a = t.mmap(1, { isShared: true });
      t.read(a);
      return { a, other: 0 };
    },
    actors: { dev0: (t, { a }) => t.dev.write(a), cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED) },
  },
  {
    id: 'cap-taken-for-all', on: DESIGNS, title: 'one invalidate for a range that is larger than it can name', source: 'sgi-gru, GRUMAXINVAL', finds: ['excess-permission', ...STALE],
    plugin: gruWith({ maxInval: 2, atMaxInval: 'pages' }),
    edit: { file: purge, find: "const stride = atMaxInval === 'all' ? nrPages : maxInval;", replace: 'const stride = nrPages;' },
    setup: (t) => {
      const a = t.mmap(3);
      for (let i = 0; i < 3; i++) t.write((a + i * PAGE_SIZE) as Vaddr, 7);
      t.dev.write((a + 2 * PAGE_SIZE) as Vaddr);
      return { a, other: 0 };
    },
    actors: { cpu0: (t, { a }) => t.mprotect(a, PROT_READ, 3), dev0: (t, { a }) => t.dev.write((a + 2 * PAGE_SIZE) as Vaddr) },
  },
  {
    id: 'asid-changed-under-a-context', on: DESIGNS, title: 'a new ASID for the address space while a context runs under the old one', source: '87419412371', finds: STALE,
    edit: { file: main, find: '(ctxMap[row] === 0 && asidGen[row] !== ', replace: '(asidGen[row] !== ' },
    setup: (t) => {
      const page = onePage(t);
      t.dev.read(page.a);
      useUpAsids(t, childOf(t), page.a, ASIDS);
      t.dev.read(page.a);
      const other = t.dev.open();
      t.dev.read(page.a, other);
      return { ...page, other };
    },
    actors: { * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> {
      yield* t.munmap(a);
      yield* t.dev.read(a);
    } },
  },
  {
    id: 'asids-reused-with-entries', on: DESIGNS, title: 'starts over with the ASIDs, and the entries of the first round are still there', source: 'sgi-gru grumain.c', finds: [...STALE, 'cow-leak'],
    edit: { file: main, find: '  yield* tghInvalidateAll(g, chip);\n', replace: '' },
    setup: (t) => {
      const page = onePage(t);
      const mm = childOf(t);
      t.write(page.a, 8);
      t.dev.read(page.a);
      t.dev.close();
      useUpAsids(t, mm, (page.a + PAGE_SIZE) as Vaddr, ASIDS - 1);
      return { ...page, other: mm };
    },
    actors: { * dev0(t: RaceContext, { a, other }: Page): Task<MaySleep> {
      const instance = yield* t.dev.open(other as Mm);
      yield* t.dev.fault((a + PAGE_SIZE) as Vaddr, false, instance);
      yield* t.dev.access(a, false, instance);
    } },
  },
  {
    id: 'gms-freed-under-a-flush', on: DESIGNS, title: 'lets the context go before it uses what that shares with others', source: '1926ee85a90', finds: ['use-after-free'],
    edit: {
      file: fault,
      find: '  if (g.gts.isClosed[gts] === 0) yield* gruFlushTlbRange(g, g.gts.gms[gts], start, lenBytes);\n  yield* g.s.mutexUnlock(lock);\n',
      replace: '  const gms = g.gts.gms[gts];\n  yield* g.s.mutexUnlock(lock);\n  yield* gruFlushTlbRange(g, gms, start, lenBytes);\n',
    },
    setup: onePage,
    actors: {
      cpu0: (t, { a }) => t.dev.own(t.driver<GruDriver>().userFlush(t.dev.instance, a, PAGE_SIZE)),
      dev0: (t) => t.dev.close(),
    },
  },
  {
    id: 'flush-to-the-end', on: ['v5'], title: 'a flush that takes the end of the range for its length', source: 'v2.6.27 gru_user_flush_tlb', finds: ['broken-claim'],
    edit: { file: fault, find: 'gruFlushTlbRange(g, g.gts.gms[gts], start, lenBytes);\n  yield* g.s.mutexUnlock', replace: 'gruFlushTlbRange(g, g.gts.gms[gts], start, start + lenBytes);\n  yield* g.s.mutexUnlock' },
    setup: (t) => {
      const a = t.mmap(2);
      for (const page of [a, (a + PAGE_SIZE) as Vaddr]) t.write(page, 7);
      for (const page of [a, (a + PAGE_SIZE) as Vaddr]) t.dev.read(page);
      return { a, other: 0 };
    },
    actors: { * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> {
      yield* t.driver<GruDriver>().userFlush(t.dev.instance, a, PAGE_SIZE);
      const first = yield* t.dev.access(a, false);
      const second = yield* t.dev.access((a + PAGE_SIZE) as Vaddr, false);
      t.assert(first === 0 && second !== 0, 'broken-claim', 'a flush of one page drops that page and no other');
    } },
  },
  {
    id: 'registration-failed', on: ['range'], title: 'follows an address space whose changes nobody reports', source: '7f2251b1bcd', finds: STALE,
    edit: { file, find: '  if (error === 0) return gms;\n', replace: '  if (error <= 0) return gms;\n' },
    config: { faultInjection: true },
    setup: (t) => {
      const page = onePage(t);
      t.dev.close();
      return page;
    },
    actors: { * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> {
      const instance = yield* t.dev.open();
      if (instance < 0) return;
      yield* t.dev.read(a, instance);
      yield* t.madvise(a, MADV_DONTNEED);
      yield* t.dev.access(a, false, instance);
    } },
  },
  {
    id: 'exit-hazard', on: ['range'], title: 'a release that sets a flag, while instructions may still be under way', source: 'history 4.2, exit hazard', finds: ['stale-translation'],
    edit: {
      file: purge,
      find: 'if (poolIsLive(g.gtsPool, gts) && g.gts.gms[gts] === gms) yield*',
      replace: 'if (gts < 0 && poolIsLive(g.gtsPool, gts)) yield*',
    },
    setup: (t) => {
      const page = onePage(t);
      t.dev.read(page.a);
      return page;
    },
    actors: { cpu0: (t) => t.exit(), dev0: (t, { a }) => t.dev.access(a, false) },
  },
];

/** Each on each design that it is wrong on: `range-exit-hazard`. */
export const wrong: readonly Race[] = WRONG.flatMap(({ on, edit, plugin = gru, config = {}, ...race }) => on.map((design) => defineRace<Page>({
  ...race, id: `${design}-${race.id}`, config,
  variants: { buggy: { plugin, image: imageOf(design), edit }, fixed: { plugin, image: imageOf(design) } },
}) as Race));

/** Several contexts of one process, and their comings and goings beside its own. */
const TOGETHER: readonly Pick<Race<Page>, 'id' | 'title' | 'source' | 'finds' | 'setup' | 'actors'>[] = [
  {
    id: 'two-contexts', title: 'two contexts are loaded and miss on one page at once', source: 'sgi-gru grumain.c', finds: STALE,
    setup: (t) => ({ ...onePage(t), other: t.dev.open() }),
    actors: { dev0: (t, { a }) => t.dev.read(a), dev1: (t, { a, other }) => t.dev.fault(a, false, other) },
  },
  {
    id: 'close-beside-open', title: 'the last context closes while another opens', source: '1926ee85a90', finds: ['use-after-free'],
    setup: (t) => ({ ...onePage(t), other: t.mm }),
    actors: {
      dev0: (t) => t.dev.close(),
      * dev1(t: RaceContext, { a, other: mm }: Page): Task<MaySleep> {
        const instance = yield* t.dev.open(mm as Mm);
        if (instance > 0) yield* t.dev.fault(a, false, instance);
      },
    },
  },
  {
    id: 'close-beside-exit', title: 'both contexts close while the process ends', source: '20080131171806.GN7185@v2.random', finds: ['use-after-free'],
    setup: (t) => ({ ...onePage(t), other: t.dev.open() }),
    actors: { cpu0: (t) => t.exit(), dev0: (t) => t.dev.close(), dev1: (t, { other }) => t.dev.close(other) },
  },
  {
    id: 'flush-beside-fault', title: 'the process has its context forget a page that it misses on', source: 'gru_user_flush_tlb', finds: STALE,
    setup: onePage,
    actors: {
      cpu0: (t, { a }) => t.dev.own(t.driver<GruDriver>().userFlush(t.dev.instance, a, PAGE_SIZE)),
      cpu1: (t, { a }) => t.munmap(a),
      dev0: (t, { a }) => t.dev.read(a),
    },
  },
];

/** A virtual machine and a context on one process, as on the machines that had both. */
const KVM_AND_GRU: Pick<Race<Page>, 'id' | 'title' | 'source' | 'finds' | 'setup' | 'actors'> = {
  id: 'kvm-and-gru', title: 'a virtual machine and a context miss on a page that goes', source: '20080422152600.GP30298@sgi.com', finds: STALE,
  setup: onePage,
  actors: { cpu0: (t, { a }) => t.munmap(a), * dev0(t: RaceContext, { a }: Page): Task<MaySleep> {
    yield* t.devs[0].read(a);
    yield* t.devs[1].read(a);
  } },
};

export const together: readonly Race[] = DESIGNS.flatMap((design) => [
  ...TOGETHER.map((race) => defineRace<Page>({
    ...race, id: `${design}-${race.id}`, variants: { buggy: { plugin: lookupThenInstall }, fixed: { plugin: gru, image: imageOf(design) } },
  }) as Race),
  defineRace<Page>({
    ...KVM_AND_GRU, id: `${design}-${KVM_AND_GRU.id}`,
    variants: { buggy: { plugins: [lookupThenInstall, gru] }, fixed: { plugins: [kvm, gru], image: imageOf(design) } },
  }) as Race,
]);

export const races: readonly Race[] = [...calls, ...together, ...wrong];
