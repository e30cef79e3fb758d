/** Drivers that use something after they gave it up, or before they have it. */
import { ENOMEM, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, Pfn, SecondaryDriver, Step, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { kernelAssert } from '../assertion.js';
import { defineRace } from '../define.js';
import type { Race } from '../define.js';
import { intervalNotifier } from '../drivers/interval-notifier.js';
import type { IntervalDriver } from '../drivers/interval-notifier.js';
import {
  RANGE, closeTiny, freeInstance, install, lockOf, mmOfTiny, newInstance, openTiny, rangeOps, tinyMmu, zapLocked,
} from '../drivers/tiny-mmu.js';
import type { Tiny, TinyMmu } from '../drivers/tiny-mmu.js';
import type { RaceContext } from '../race-context.js';
import { onePage } from '../set-ups.js';
import type { Page } from '../set-ups.js';

/** hfi1: what was pinned is given back to the mm's account after unregister, whose reference was the last. */
function accountant(holdsOwn: boolean): TinyMmu<SecondaryDriver> {
  return tinyMmu('hfi1', {
    designs: RANGE,
    own: { pinned: 'u32' },
    drive: (t) => ({
      ops: rangeOps(t),
      * create(mm: Mm): Task<MaySleep, number> {
        const instance = yield* openTiny(t, mm);
        t.own.pinned[instance] = 1;
        if (holdsOwn) yield* t.s.mmgrab(mm);
        return instance;
      },
      * destroy(instance: number): Task<MaySleep> {
        const mm = mmOfTiny(t, instance);
        yield* closeTiny(t, instance);
        yield* t.s.mmapReadLock(mm);
        t.own.pinned[instance] = 0;
        yield* t.s.mmapReadUnlock(mm);
        if (holdsOwn) yield* t.s.mmdrop(mm);
      },
    }),
  });
}

/** mlx5: invalidations arrive as soon as the umem is registered, and the memory region is assigned after that. */
function lateAssignment(asksFirst: boolean): TinyMmu<SecondaryDriver> {
  return tinyMmu('mlx5', {
    designs: RANGE,
    own: { mr: 'u32' },
    drive: (t) => {
      const usual = rangeOps(t);
      return {
        ops: {
          ...usual,
          * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
            const instance = t.s.notifierInstance(mn);
            yield* t.s.step(READ, whereOf(t.own.mr, instance));
            kernelAssert(asksFirst || t.own.mr[instance] !== 0, 'use-after-free', 'NULL pointer: the invalidation looks into a memory region that is not there yet');
            yield* usual.invalidateRangeStart(mn, mm, start, end, true);
          },
        },
        * create(mm: Mm): Task<MaySleep, number> {
          const instance = yield* openTiny(t, mm);
          if (instance < 0) return instance;
          yield* t.s.step(WRITE, whereOf(t.own.mr, instance));
          t.own.mr[instance] = 1;
          return instance;
        },
      };
    },
  });
}

interface Parent extends SecondaryDriver {
  freeParent(): Task<MaySleep>;
}

const parentSpec = { isAlive: 'u32', hasChild: 'u32', nrDeferred: 'u32' } as const;

/** mlx5 implicit MRs: an invalidated child is destroyed by SRCU callback and work, both of which need the parent. */
function implicitParent(waitsForDeferred: boolean): TinyMmu<Parent> {
  return tinyMmu<typeof parentSpec, Parent>('implicit', {
    designs: RANGE,
    own: parentSpec,
    drive: (t) => {
      const { s, own } = t;
      const usual = rangeOps(t);
      const work = s.workFunction(function* (row: number): Task<MaySleep> {
        yield* s.step(WRITE, whereOf(own.nrDeferred, row));
        kernelAssert(own.isAlive[row] === 1, 'use-after-free', 'the work that destroys a child runs, and its parent is freed');
        own.nrDeferred[row] -= 1;
      });
      const callback = s.rcuCallback(function* (row: number): Task<Step> {
        yield* s.queueWork(work, row);
      });
      own.isAlive[1] = own.hasChild[1] = 1;
      return {
        ops: {
          ...usual,
          * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
            yield* usual.invalidateRangeStart(mn, mm, start, end, true);
            yield* s.spinLock(lockOf(t, 1));
            const isOurs = own.hasChild[1] === 1;
            own.hasChild[1] = 0;
            if (isOurs) own.nrDeferred[1] += 1;
            yield* s.spinUnlock(lockOf(t, 1));
            if (isOurs) yield* s.callRcu(callback, 1);
          },
        },
        * freeParent(): Task<MaySleep> {
          yield* s.spinLock(lockOf(t, 1));
          own.hasChild[1] = 0;
          yield* s.spinUnlock(lockOf(t, 1));
          yield* s.synchronizeRcu();
          yield* s.flushWorkqueue();
          if (waitsForDeferred) yield* s.waitEvent(own.nrDeferred, 1, -1, 0);
          yield* s.step(WRITE, whereOf(own.nrDeferred, 1));
          own.isAlive[1] = 0;
        },
      };
    },
  });
}

/** m2m1shot: the frame of a pte goes into the I/O page table; nobody holds it, and nobody is told when it goes. */
const noReference = tinyMmu('m2m1shot', {
  designs: RANGE,
  drive: (t) => ({
    ops: {},
    * create(mm: Mm): Task<MaySleep, number> {
      yield* t.s.mmgrab(mm);
      return newInstance(t, mm);
    },
    * destroy(instance: number): Task<MaySleep> {
      yield* zapLocked(t, instance, 0 as Vaddr, (16 * PAGE_SIZE) as Vaddr);
      freeInstance(t, instance);
      yield* t.s.mmdrop(mmOfTiny(t, instance));
    },
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      const found = yield* t.s.atomicPteLookup(mmOfTiny(t, instance), address);
      if (found === 0) return -ENOMEM;
      yield* install(t, instance, address, Math.floor(found / 4) as Pfn, isWrite);
      return 0;
    },
  }),
});
const followed = tinyMmu('m2m1shot', { designs: RANGE, drive: (t) => ({ ops: rangeOps(t) }) });

interface Secure extends SecondaryDriver {
  makeSecure(instance: number, address: Vaddr): Task<MaySleep>;
}

/** gmap_make_secure(): the page is looked up, then locked; in between it has an owner only if it is referenced. */
function secure(holdsPage: boolean): TinyMmu<Secure> {
  return tinyMmu<Record<never, never>, Secure>('uv', {
    designs: RANGE,
    drive: (t) => ({
      ops: rangeOps(t),
      * makeSecure(instance: number, address: Vaddr): Task<MaySleep> {
        const pfn = yield* findPage(t, mmOfTiny(t, instance), address, holdsPage);
        if (pfn <= 0) return;
        yield* t.s.lockPage(pfn as Pfn);
        yield* t.s.unlockPage(pfn as Pfn);
        if (holdsPage) yield* t.s.putPage(pfn as Pfn);
      },
    }),
  });
}

function* findPage(t: Tiny, mm: Mm, address: Vaddr, holdsPage: boolean): Task<MaySleep, number> {
  if (holdsPage) return yield* t.s.getUserPages(mm, address, true);
  return Math.floor((yield* t.s.atomicPteLookup(mm, address)) / 4);
}

interface Region extends SecondaryDriver {
  grow(): Task<MaySleep>;
  gpuFault(): Task<Step>;
  /** By a page. */
  shrink(): Task<MaySleep>;
  /** What the GPU does with every page that it has mapped. */
  gpuAccess(): Task<Step>;
}

const PAGES = 4;
const regionSpec = { lock: 'i32', size: 'u32', backing: 'u32', mapped: 'u32' } as const;

/** kbase JIT region: backing pages at their end, GPU mapping at the size that was read before the lock was dropped. */
function jitRegion(readsAgain: boolean): TinyMmu<Region> {
  return tinyMmu<typeof regionSpec, Region>('kbase', {
    designs: RANGE,
    own: regionSpec,
    rows: PAGES,
    drive: (t) => {
      const { s, own } = t;
      const lock = s.spinlockAt(own.lock, 0);
      const add = (old: number, page: number): void => {
        own.backing[own.size[0]] = page;
        own.mapped[old] = page;
        own.size[0] += 1;
      };
      return {
        ops: rangeOps(t),
        * grow(): Task<MaySleep> {
          yield* s.spinLock(lock);
          let old = own.size[0];
          yield* s.spinUnlock(lock);
          const page = yield* s.allocPage();
          yield* s.spinLock(lock);
          if (readsAgain) old = own.size[0];
          add(old, page);
          yield* s.spinUnlock(lock);
        },
        // its page comes from the pool, which need not be modelled: a number that no frame has
        * gpuFault(): Task<Step> {
          yield* s.spinLock(lock);
          add(own.size[0], POOL_PAGE + own.size[0]);
          yield* s.spinUnlock(lock);
        },
        * shrink(): Task<MaySleep> {
          let page = 0;
          yield* s.spinLock(lock);
          if (own.size[0] > 0) {
            own.size[0] -= 1;
            page = own.backing[own.size[0]];
            own.backing[own.size[0]] = own.mapped[own.size[0]] = 0;
          }
          yield* s.spinUnlock(lock);
          if (page !== 0 && page < POOL_PAGE) yield* s.putPage(page as Pfn);
        },
        * gpuAccess(): Task<Step> {
          yield* s.spinLock(lock);
          const isBacked = own.mapped.every((page) => page === 0 || own.backing.includes(page));
          kernelAssert(isBacked, 'stale-translation', 'the GPU maps a page that was taken from the region and freed');
          yield* s.spinUnlock(lock);
        },
      };
    },
  });
}

const POOL_PAGE = 100;

export const driverLifetime: readonly Race[] = [
  defineRace<Page>({
    id: 'hfi1-mm-after-unregister',
    title: 'B07: unregister drops the last reference to the mm, and what was pinned is then given back to it',
    source: '20220408133523.122165.72975.stgit@awfm-01.cornelisnetworks.com',
    finds: ['use-after-free'],
    variants: { buggy: { plugin: accountant(false), image: 'toy-range' }, fixed: { plugin: accountant(true), image: 'toy-range' } },
    setup: onePage,
    actors: { cpu0: (t) => t.exit(), dev0: (t) => t.dev.close() },
  }),
  defineRace<Page & { readonly mm: Mm }>({
    id: 'mlx5-notifier-before-object',
    title: 'B09: the notifier is live before the object behind it is set up',
    source: '20191009160934.3143-15-jgg@ziepe.ca',
    finds: ['use-after-free'],
    opensDevices: true,
    variants: { buggy: { plugin: lateAssignment(false), image: 'toy-range' }, fixed: { plugin: lateAssignment(true), image: 'toy-range' } },
    setup: (t) => ({ ...onePage(t), mm: t.mm }),
    actors: { cpu0: (t, { a }) => t.madvise(a), dev0: (t, { mm }) => t.dev.open(mm) },
  }),
  defineRace<Page>({
    id: 'mlx5-deferred-child',
    title: 'B23: a child that is destroyed later outlives its parent',
    source: '20200304173057.GA3963@ziepe.ca',
    finds: ['use-after-free'],
    variants: { buggy: { plugin: implicitParent(false), image: 'toy-range' }, fixed: { plugin: implicitParent(true), image: 'toy-range' } },
    setup: onePage,
    actors: {
      * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> {
        yield* t.munmap(a);
        yield* t.rcu();
      },
      dev0: (t) => t.driver<Parent>().freeParent(),
      kworker: (t) => t.work(),
    },
  }),
  defineRace<Page>({
    id: 'm2m1shot-no-reference',
    title: 'B26 (CVE-2024-44068): an I/O mapping of a frame that it neither holds nor follows',
    source: 'googleprojectzero/0days-in-the-wild, CVE-2024-44068',
    finds: ['stale-translation'],
    variants: { buggy: { plugin: noReference, image: 'toy-range' }, fixed: { plugin: followed, image: 'toy-range' } },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.read(a) },
  }),
  defineRace<Page>({
    id: 'uv-page-without-reference',
    title: 'B38: a page is looked up without a reference, then locked',
    source: 'ZEvIE9eqfRKrpZyt@nvidia.com',
    finds: ['use-after-free'],
    variants: { buggy: { plugin: secure(false), image: 'toy-range' }, fixed: { plugin: secure(true), image: 'toy-range' } },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.madvise(a), dev0: (t, { a }) => t.driver<Secure>().makeSecure(t.dev.instance, a) },
  }),
  defineRace<Page & { readonly sub: number }>({
    id: 'interval-notifier-remove',
    title: 'B47, M37: mmu_interval_notifier_remove() looks at the sequence without the lock, and its caller frees what the end still uses',
    source: '319561669a59',
    finds: ['use-after-free'],
    variants: { buggy: { plugin: intervalNotifier(false), image: 'toy-range' }, fixed: { plugin: intervalNotifier(true), image: 'toy-range' } },
    setup: (t) => {
      const page = onePage(t);
      return { ...page, sub: t.driver<IntervalDriver>().insert(page.a, (page.a + PAGE_SIZE) as Vaddr) };
    },
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { sub }) => t.driver<IntervalDriver>().removeAndFree(sub) },
  }),
  defineRace({
    id: 'kbase-jit-grow',
    title: 'B04 (CVE-2023-6241): the size is read, the lock dropped for memory, and the GPU grows the region meanwhile',
    source: 'github/securitylab, SecurityExploits/Android/Mali/CVE_2023_6241',
    finds: ['stale-translation'],
    variants: { buggy: { plugin: jitRegion(false), image: 'toy-range' }, fixed: { plugin: jitRegion(true), image: 'toy-range' } },
    setup: () => ({}),
    actors: {
      * cpu0(t: RaceContext): Task<MaySleep> {
        const region = t.driver<Region>();
        yield* region.grow();
        yield* region.shrink();
        yield* region.gpuAccess();
        yield* region.shrink();
      },
      gpu: (t) => t.driver<Region>().gpuFault(),
    },
  }),
] as unknown as readonly Race[];
