/** Drivers that wait where they may not, or for someone who waits for them. */
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, Mutex, Pfn, SecondaryDriver, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { defineRace } from '../define.js';
import type { Race, SourceEdit } from '../define.js';
import { RANGE, entryRow, install, lockOf, mmOfTiny, mutexOf, openTiny, rangeOps, sampleSeq, tinyMmu } from '../drivers/tiny-mmu.js';
import type { Tiny, TinyMmu } from '../drivers/tiny-mmu.js';
import type { RaceContext } from '../race-context.js';
import { BRACKETED_RECLAIM } from './bracketed-reclaim.js';
import { cachedPage, onePage } from '../set-ups.js';
import type { Page } from '../set-ups.js';

interface Svm extends SecondaryDriver {
  pageRequest(): Task<MaySleep>;
  unbind(): Task<MaySleep>;
}

/** intel_svm: unbind drains the queue of page requests, whose work needs the mutex that unbind holds. */
function svm(dropsMutex: boolean): TinyMmu<Svm> {
  return tinyMmu<Record<never, never>, Svm>('svm', {
    designs: RANGE,
    drive: (t) => {
      const { s } = t;
      const mutex = mutexOf(t, 1);
      const work = s.workFunction(function* (): Task<MaySleep> {
        yield* s.mutexLock(mutex);
        yield* s.mutexUnlock(mutex);
      });
      return {
        ops: rangeOps(t),
        * pageRequest(): Task<MaySleep> {
          yield* s.queueWork(work, 1);
        },
        * unbind(): Task<MaySleep> {
          yield* s.mutexLock(mutex);
          if (dropsMutex) yield* s.mutexUnlock(mutex);
          yield* s.flushWorkqueue();
          if (dropsMutex) yield* s.mutexLock(mutex);
          yield* s.mutexUnlock(mutex);
        },
      };
    },
  });
}

type Marks = (t: Tiny, pfn: Pfn) => Task<MaySleep>;

/** i915 userptr: put_pages() marks what the GPU wrote as dirty, from inside the notifier; each form marks in its own way. */
function userptr(name: string, mark: Marks): TinyMmu<SecondaryDriver> {
  return tinyMmu(name, {
    designs: RANGE,
    drive: (t) => {
      const usual = rangeOps(t);
      return {
        ops: {
          ...usual,
          * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
            const row = entryRow(t.s.notifierInstance(mn), start);
            yield* t.s.spinLock(lockOf(t, t.s.notifierInstance(mn)));
            const pfn = t.entry.dirty[row] === 0 ? 0 : t.entry.word[row] >>> 1;
            t.entry.dirty[row] = 0;
            yield* t.s.spinUnlock(lockOf(t, t.s.notifierInstance(mn)));
            if (pfn !== 0) yield* mark(t, pfn as Pfn) as Task<InSrcuRead>;
            yield* usual.invalidateRangeStart(mn, mm, start, end, true);
          },
        },
      };
    },
  });
}

const underPageLock = userptr('i915', function* ({ s }, pfn): Task<MaySleep> {
  yield* s.lockPage(pfn);
  yield* s.setPageDirty(pfn);
  yield* s.unlockPage(pfn);
});
const trylock = userptr('i915', function* ({ s }, pfn): Task<MaySleep> {
  if (!(yield* s.trylockPage(pfn))) return;
  yield* s.setPageDirty(pfn);
  yield* s.unlockPage(pfn);
});
const lockless = userptr('i915', ({ s }, pfn) => s.setPageDirty(pfn));

/** Recalls an entry under a mutex, from whatever op it is told by. */
const recaller = tinyMmu('recaller', {
  designs: RANGE,
  drive: (t) => {
    const usual = rangeOps(t);
    return {
      ops: {
        ...usual,
        * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
          yield* t.s.mutexLock(mutexOf(t, t.s.notifierInstance(mn)));
          yield* usual.invalidateRangeStart(mn, mm, start, end, true);
          yield* t.s.mutexUnlock(mutexOf(t, t.s.notifierInstance(mn)));
        },
        // the cast is the bug: what the type of the op forbids
        * invalidatePage(mn: MmuNotifier, mm: Mm, address: Vaddr): Task<UnderPteLock> {
          yield* t.s.mutexLock(mutexOf(t, t.s.notifierInstance(mn))) as unknown as Task<UnderPteLock>;
          yield* usual.invalidatePage(mn, mm, address);
          yield* t.s.mutexUnlock(mutexOf(t, t.s.notifierInstance(mn)));
        },
      },
    };
  },
});

interface Cached extends SecondaryDriver {
  dereg(): Task<MaySleep>;
  fill(): Task<MaySleep>;
}

const cacheSpec = { cache: 'i32' } as const;

/** mlx5: the notifier takes umem_mutex, and an allocation under the cache lock may end in the notifier. */
function cachedMkeys(dropsUmem: boolean): TinyMmu<Cached> {
  return tinyMmu<typeof cacheSpec, Cached>('mkeys', {
    designs: RANGE,
    own: cacheSpec,
    drive: (t) => {
      const { s } = t;
      const usual = rangeOps(t);
      const umem = mutexOf(t, 1);
      const cache: Mutex = s.mutexAt(t.own.cache, 1);
      return {
        ops: {
          ...usual,
          * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
            yield* s.mutexLock(umem);
            yield* usual.invalidateRangeStart(mn, mm, start, end, true);
            yield* s.mutexUnlock(umem);
          },
        },
        * dereg(): Task<MaySleep> {
          yield* s.mutexLock(umem);
          if (dropsUmem) yield* s.mutexUnlock(umem);
          yield* s.mutexLock(cache);
          yield* s.mutexUnlock(cache);
          if (!dropsUmem) yield* s.mutexUnlock(umem);
        },
        * fill(): Task<MaySleep> {
          yield* s.mutexLock(cache);
          const pfn = yield* s.allocPage();
          if (pfn !== 0) yield* s.putPage(pfn);
          yield* s.mutexUnlock(cache);
        },
      };
    },
  });
}

/** XPMEM: one mutex lets either faults or invalidations in, and a fault that copies the page is both. */
function eitherOr(lookupInside: boolean): TinyMmu<SecondaryDriver> {
  return tinyMmu('xp', {
    designs: RANGE,
    drive: (t) => {
      const { s, dev } = t;
      const usual = rangeOps(t);
      return {
        ops: {
          ...usual,
          * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
            const instance = s.notifierInstance(mn);
            yield* s.mutexLock(mutexOf(t, instance));
            yield* usual.invalidateRangeStart(mn, mm, start, end, true);
            yield* s.mutexUnlock(mutexOf(t, instance));
          },
        },
        * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
          if (lookupInside) yield* s.mutexLock(mutexOf(t, instance));
          const seq = yield* sampleSeq(t, instance);
          const pfn = yield* s.getUserPages(mmOfTiny(t, instance), address, isWrite);
          if (pfn < 0) return pfn;
          if (!lookupInside) yield* s.mutexLock(mutexOf(t, instance));
          yield* s.spinLock(lockOf(t, instance));
          if (dev.count[instance] === 0 && dev.seq[instance] === seq) yield* install(t, instance, address, pfn as Pfn, isWrite);
          yield* s.spinUnlock(lockOf(t, instance));
          yield* s.mutexUnlock(mutexOf(t, instance));
          yield* s.putPage(pfn as Pfn);
          return 0;
        },
      };
    },
  });
}

/** Registers from its own mmap(), where mmap_sem is held; the reader's lock is as bad. */
function registrar(holdsMmapSem: boolean): TinyMmu<SecondaryDriver> {
  return tinyMmu('registrar', {
    designs: RANGE,
    drive: (t) => ({
      ops: rangeOps(t),
      * create(mm: Mm): Task<MaySleep, number> {
        if (holdsMmapSem) yield* t.s.mmapReadLock(mm);
        const instance = yield* openTiny(t, mm);
        if (holdsMmapSem) yield* t.s.mmapReadUnlock(mm);
        return instance;
      },
    }),
  });
}

/** SGI's atomic flag ignored: the locks of the rmap spin, as before 3.0, and the start of a driver sleeps all the same. */
const SPINNING_RMAP: readonly SourceEdit[] = [
  { file: 'mmu-notifier/src/mmu-notifier-range.ts', find: '  yield* mutexLock(m, lock as Where as Mutex);\n', replace: '  yield* spinLock(m, lock);\n' },
  { file: 'mmu-notifier/src/mmu-notifier-range.ts', find: '  yield* mutexUnlock(m, lock as Where as Mutex);\n', replace: '  yield* spinUnlock(m, lock);\n' },
];

const sharedFile = (t: Parameters<Race['setup']>[0]): Page => {
  const a = t.mmap(1, { file: t.file(), isShared: true });
  t.read(a);
  t.dev.write(a);
  return { a };
};

export const driverLocks: readonly Race[] = [
  defineRace({
    id: 'svm-drain-under-mutex',
    title: 'B24: unbind waits for work that needs the mutex that it holds',
    source: '20210828070622.2437559-3-baolu.lu@linux.intel.com',
    finds: ['deadlock', 'self-deadlock'],
    variants: { buggy: { plugin: svm(false), image: 'toy-range' }, fixed: { plugin: svm(true), image: 'toy-range' } },
    setup: () => ({}),
    actors: {
      * dev0(t: RaceContext): Task<MaySleep> {
        yield* t.driver<Svm>().pageRequest();
        yield* t.driver<Svm>().unbind();
      },
      kworker: (t) => t.work(),
    },
  }),
  defineRace<Page>({
    id: 'i915-page-lock',
    title: 'B31: put_pages() takes the page lock that reclaim holds; the trylock that was shipped loses what the GPU wrote',
    source: '20191111133205.11590-1-chris@chris-wilson.co.uk',
    finds: ['deadlock', 'self-deadlock', 'lost-dirty', 'lost-write'],
    variants: {
      buggy: { plugin: underPageLock, image: 'toy-range', edit: BRACKETED_RECLAIM },
      fixed: { plugin: lockless, image: 'toy-range', edit: BRACKETED_RECLAIM },
      trylock: { plugin: trylock, image: 'toy-range', edit: BRACKETED_RECLAIM },
    },
    config: { nrSwapSlots: 2 },
    setup: sharedFile,
    actors: {
      * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> {
        yield* t.reclaim(a);
        t.assert((yield* t.read(a)) === 1, 'lost-write', 'what the GPU wrote to the file is not in it any more');
      },
    },
  }),
  defineRace<Page>({
    id: 'sleeping-invalidate-page',
    title: 'B36, M14: invalidate_page is called under the PT lock, and its user sleeps',
    source: '20170829201132.9292-1-jglisse@redhat.com',
    finds: ['sleep-in-atomic'],
    variants: { buggy: { plugin: recaller, image: 'toy-range' }, fixed: { plugin: recaller, image: 'toy-range', edit: BRACKETED_RECLAIM } },
    config: { nrSwapSlots: 2 },
    setup: cachedPage,
    actors: { kswapd: (t, { a }) => t.reclaim(a), dev0: (t, { a }) => t.dev.access(a, false) },
  }),
  defineRace<Page>({
    id: 'mlx5-cache-lock',
    title: 'B56: umem_mutex before the cache lock, and the cache lock before an allocation that ends in the notifier',
    source: '3c8f225a8a9fade647d19b014df1172544643e4a.1750061612.git.leon@kernel.org',
    finds: ['deadlock', 'lock-order'],
    variants: {
      buggy: { plugin: cachedMkeys(false), image: 'toy-range', edit: BRACKETED_RECLAIM },
      fixed: { plugin: cachedMkeys(true), image: 'toy-range', edit: BRACKETED_RECLAIM },
    },
    config: { nrFrames: 2, nrSwapSlots: 2 },
    setup: onePage,
    actors: { dereg: (t) => t.driver<Cached>().dereg(), alloc: (t) => t.driver<Cached>().fill() },
  }),
  defineRace<Page>({
    id: 'xpmem-waits-for-itself',
    title: 'M5: a write fault through gup copies the page, and the start of that copy waits for the mutex of the fault',
    source: '20080201220952.GA3875',
    finds: ['self-deadlock'],
    variants: { buggy: { plugin: eitherOr(true), image: 'toy-range' }, fixed: { plugin: eitherOr(false), image: 'toy-range' } },
    setup: (t) => {
      const page = onePage(t);
      t.fork();
      return page;
    },
    actors: { dev0: (t, { a }) => t.dev.write(a) },
  }),
  defineRace<Page & { readonly mm: Mm }>({
    id: 'register-under-mmap-sem',
    title: 'M32: a driver registers from its mmap(), with mmap_sem held',
    source: '20080505162113.GA18761',
    finds: ['self-deadlock', 'deadlock'],
    opensDevices: true,
    variants: { buggy: { plugin: registrar(true), image: 'toy-range' }, fixed: { plugin: registrar(false), image: 'toy-range' } },
    setup: (t) => ({ ...onePage(t), mm: t.mm }),
    actors: { dev0: (t, { mm }) => t.dev.open(mm) },
  }),
  defineRace({
    id: 'sleeping-start-under-i-mmap-lock',
    title: 'M31: truncate calls the start with i_mmap_lock held, which must not be a spinlock where a driver sleeps',
    source: '20080215193719.262c03a1.akpm@linux-foundation.org',
    finds: ['sleep-in-atomic'],
    variants: { buggy: { plugin: recaller, image: 'toy-range', edit: SPINNING_RMAP }, fixed: { plugin: recaller, image: 'toy-range' } },
    setup: (t) => {
      const file = t.file();
      const a = t.mmap(1, { file, isShared: true });
      t.write(a, 7);
      return { file };
    },
    actors: { other: (t, { file }) => t.truncate(file) },
  }),
] as unknown as readonly Race[];
