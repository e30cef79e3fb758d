/** How an address space and its notifiers part: unlink, release, free, and who waits for whom. */
import { PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, RangeNotifierOps, Step, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { kvm } from '@mmun/plugin-kvm';
import { kernelAssert } from '../assertion.js';
import { defineRace } from '../define.js';
import type { Race, SourceEdit } from '../define.js';
import { RANGE, freeInstance, lockOf, mutexOf, newInstance, notifierOf, rangeOps, tinyMmu, zapLocked } from '../drivers/tiny-mmu.js';
import type { Tiny } from '../drivers/tiny-mmu.js';
import type { Page } from '../set-ups.js';

const NOTIFIER = 'mmu-notifier/src/mmu-notifier-range.ts';
const REGISTER = 'mmu-notifier/src/mmu-notifier-register.ts';

/** 3ad3d901bbcf made it release first; 751efd8610d3 undid that at exit, and d34883d4e35c did it again. */
const UNREGISTER_UNLINKS_FIRST: SourceEdit = {
  file: REGISTER,
  find: `    const idx = yield* srcuReadLock(m);
    yield* callRelease(m, mn, mm);
    yield* srcuReadUnlock(m, idx);
    const lock = headLock(m, mm);
    yield* spinLock(m, lock);
    yield* hlistDelInitRcu(m, m.notifier, mn);
    yield* spinUnlock(m, lock);
`,
  replace: `    const idx = yield* srcuReadLock(m);
    const lock = headLock(m, mm);
    yield* spinLock(m, lock);
    yield* hlistDelInitRcu(m, m.notifier, mn);
    yield* spinUnlock(m, lock);
    yield* callRelease(m, mn, mm);
    yield* srcuReadUnlock(m, idx);
`,
};

const EXIT_UNLINKS_FIRST: SourceEdit = {
  file: NOTIFIER,
  find: `  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* nextOf(m, mn)) yield* callRelease(m, mn, mm);
  const lock = headLock(m, mm);
  yield* spinLock(m, lock);
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* firstOf(m, mm)) yield* hlistDelInitRcu(m, m.notifier, mn);
  yield* spinUnlock(m, lock);
`,
  replace: `  const lock = headLock(m, mm);
  for (let mn = yield* firstOf(m, mm); mn !== 0; mn = yield* firstOf(m, mm)) {
    yield* spinLock(m, lock);
    yield* hlistDelInitRcu(m, m.notifier, mn);
    yield* spinUnlock(m, lock);
    yield* callRelease(m, mn, mm);
  }
`,
};

const UNLINKS_WITHOUT_INIT: SourceEdit = {
  file: REGISTER,
  find: `    yield* hlistDelInitRcu(m, m.notifier, mn);
    yield* spinUnlock(m, lock);
  }
  yield* synchronizeSrcu(m);
`,
  replace: `    yield* hlistDelRcu(m, m.notifier, mn);
    yield* spinUnlock(m, lock);
  }
  yield* synchronizeSrcu(m);
`,
};

const NO_GRACE_PERIOD: SourceEdit = {
  file: REGISTER,
  find: `    yield* spinUnlock(m, lock);
  }
  yield* synchronizeSrcu(m);
`,
  replace: `    yield* spinUnlock(m, lock);
  }
`,
};

/** 2.6.27 up to 3.6: the walk is an RCU read section, and a grace period is over when every reader has slept. */
const RCU_INSTEAD_OF_SRCU: readonly SourceEdit[] = [
  { file: NOTIFIER, find: 'srcuReadLock, srcuReadUnlock, synchronizeSrcu }', replace: 'rcuReadLock as srcuReadLock, rcuReadUnlock as srcuReadUnlock, synchronizeRcu as synchronizeSrcu }' },
  { file: REGISTER, find: 'srcuReadLock,\n  srcuReadUnlock, synchronizeSrcu,', replace: 'rcuReadLock as srcuReadLock, rcuReadUnlock as srcuReadUnlock, synchronizeRcu as synchronizeSrcu,' },
];

const dirtyPage = (t: { mmap(pages: number): Vaddr; write(a: Vaddr, value: number): number; dev: { write(a: Vaddr): unknown } }): Page => {
  const a = t.mmap(1);
  t.write(a, 7);
  t.dev.write(a);
  return { a };
};

/** Leaves it to release to take its entries away. */
const leaver = tinyMmu('leaver', { designs: RANGE, drive: (t) => ({ ops: rangeOps(t) }) });

/** Start and end take a mutex, as i915's do. */
const sleeper = tinyMmu('sleeper', {
  designs: RANGE,
  drive: (t) => ({ ops: { ...rangeOps(t), ...sleepingStart(t) } }),
});

function sleepingStart(t: Tiny): Pick<RangeNotifierOps, 'invalidateRangeStart'> {
  const usual = rangeOps(t);
  return {
    * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
      const mutex = mutexOf(t, t.s.notifierInstance(mn));
      yield* t.s.mutexLock(mutex);
      yield* usual.invalidateRangeStart(mn, mm, start, end, true);
      yield* t.s.mutexUnlock(mutex);
    },
  };
}

/** Gives its queue back in release; `isGuarded` looks whether it has done so before. */
function queueOwner(isGuarded: boolean): ReturnType<typeof tinyMmu> {
  return tinyMmu(isGuarded ? 'guarded' : 'trusting', {
    designs: RANGE,
    own: { hasQueue: 'u32' },
    drive: (t) => {
      const usual = rangeOps(t);
      t.own.hasQueue.fill(1);
      return {
        ops: {
          ...rangeOps(t),
          * release(mn: MmuNotifier, mm: Mm): Task<InSrcuRead> {
            const instance = t.s.notifierInstance(mn);
            yield* usual.release(mn, mm);
            yield* t.s.spinLock(lockOf(t, instance));
            kernelAssert(isGuarded || t.own.hasQueue[instance] === 1, 'double-free', 'release frees the queue of the instance a second time');
            t.own.hasQueue[instance] = 0;
            yield* t.s.spinUnlock(lockOf(t, instance));
          },
        },
      };
    },
  });
}

/** One notifier for each process, counted by the core; `waits` frees the object behind it when the core says that nobody calls any more. */
function counted(waits: boolean): ReturnType<typeof tinyMmu> {
  return tinyMmu('counted', {
    designs: RANGE,
    own: { isThere: 'u32' },
    drive: (t) => {
      const usual = rangeOps(t);
      return {
        ops: {
          ...usual,
          * allocNotifier(mm: Mm): Task<MaySleep, number> {
            const instance = newInstance(t, mm);
            t.own.isThere[instance] = 1;
            return notifierOf(t, instance);
          },
          * freeNotifier(mn: MmuNotifier): Task<Step> {
            const instance = t.s.notifierInstance(mn);
            yield* t.s.step(WRITE, whereOf(t.own.isThere, instance));
            t.own.isThere[instance] = 0;
            freeInstance(t, instance);
          },
          * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
            const instance = t.s.notifierInstance(mn);
            yield* t.s.step(READ, whereOf(t.own.isThere, instance));
            kernelAssert(t.own.isThere[instance] === 1, 'use-after-free', 'a callback looks into the object of a notifier that was put, and it is freed');
            yield* usual.invalidateRangeStart(mn, mm, start, end, true);
          },
        },
        * create(mm: Mm): Task<MaySleep, number> {
          const mn = yield* t.s.mmuNotifierGet(mm);
          return mn < 0 ? mn : t.s.notifierInstance(mn as MmuNotifier);
        },
        * destroy(instance: number): Task<MaySleep> {
          yield* zapLocked(t, instance, 0 as Vaddr, (16 * PAGE_SIZE) as Vaddr);
          yield* t.s.mmuNotifierPut(notifierOf(t, instance));
          if (waits) {
            yield* t.s.mmuNotifierSynchronize();
            return;
          }
          yield* t.s.step(WRITE, whereOf(t.own.isThere, instance));
          t.own.isThere[instance] = 0;
        },
      };
    },
  });
}

export const notifierRelease: readonly Race[] = [
  defineRace<Page>({
    id: 'unlink-before-release',
    title: 'B02: unregister takes the notifier off the list, reclaim finds nobody to tell, and release comes too late',
    source: '5187449A.1000202@linux.vnet.ibm.com',
    finds: ['stale-translation', 'use-after-free'],
    variants: { buggy: { plugin: leaver, image: 'toy-range', edit: UNREGISTER_UNLINKS_FIRST }, fixed: { plugin: leaver, image: 'toy-range' } },
    config: { nrSwapSlots: 2 },
    setup: dirtyPage,
    actors: { dev0: (t) => t.dev.close(), kswapd: (t, { a }) => t.reclaim(a) },
  }),
  defineRace<Page>({
    id: 'exit-unlinks-before-release',
    title: 'B02 again: at exit 751efd8610d3 unlinks first, as before 3ad3d901bbcf',
    source: '516CF235.4060103@linux.vnet.ibm.com',
    finds: ['stale-translation', 'use-after-free'],
    variants: { buggy: { plugin: leaver, image: 'toy-range', edit: EXIT_UNLINKS_FIRST }, fixed: { plugin: leaver, image: 'toy-range' } },
    config: { nrSwapSlots: 2 },
    setup: dirtyPage,
    actors: { cpu0: (t) => t.exit(), kswapd: (t, { a }) => t.reclaim(a) },
  }),
  defineRace<Page>({
    id: 'unlinked-twice',
    title: 'B16: exit and unregister both take the notifier off the list',
    source: '5187449A.1000202@linux.vnet.ibm.com',
    finds: ['rcu-misuse'],
    variants: {
      buggy: { plugin: kvm, image: 'toy-range', edit: [UNLINKS_WITHOUT_INIT, { file: REGISTER, find: "} from '@mmun/locking';\n", replace: "} from '@mmun/locking';\nimport { hlistDelRcu } from '@mmun/locking';\n" }] },
      fixed: { plugin: kvm, image: 'toy-range' },
    },
    setup: (t) => ({ a: t.mmap(1) }),
    actors: { cpu0: (t) => t.exit(), dev0: (t) => t.dev.close() },
  }),
  defineRace<Page>({
    id: 'freed-without-grace-period',
    title: 'B18: the driver frees its object while a callback that was called before still runs in it',
    source: '20190624210110.5098-2-jgg@ziepe.ca',
    finds: ['use-after-free', 'callback-after-unregister'],
    variants: { buggy: { plugin: kvm, image: 'toy-range', edit: NO_GRACE_PERIOD }, fixed: { plugin: kvm, image: 'toy-range' } },
    setup: dirtyPage,
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t) => t.dev.close() },
  }),
  defineRace<Page>({
    id: 'freed-after-put',
    title: 'B18, its twin in amdkfd: the error path frees the object of a notifier that may still be called',
    source: '20190806231548.25242-10-jgg@ziepe.ca',
    finds: ['use-after-free', 'callback-after-unregister'],
    variants: { buggy: { plugin: counted(false), image: 'toy-range' }, fixed: { plugin: counted(true), image: 'toy-range' } },
    setup: dirtyPage,
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t) => t.dev.close() },
  }),
  defineRace<Page>({
    id: 'callback-sleeps-under-rcu',
    title: 'B20: the list is walked under RCU, and a callback sleeps',
    source: '1345744875-26224-2-git-send-email-aarcange@redhat.com',
    finds: ['sleep-in-atomic', 'use-after-free'],
    variants: { buggy: { plugin: sleeper, image: 'toy-range', edit: RCU_INSTEAD_OF_SRCU }, fixed: { plugin: sleeper, image: 'toy-range' } },
    setup: dirtyPage,
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t) => t.dev.close() },
  }),
  defineRace<Page>({
    id: 'released-twice',
    title: 'M23: unregister and exit both call release, and the driver frees its queue in it',
    source: '5187449A.1000202@linux.vnet.ibm.com',
    finds: ['double-free'],
    variants: { buggy: { plugin: queueOwner(false), image: 'toy-range' }, fixed: { plugin: queueOwner(true), image: 'toy-range' } },
    setup: (t) => ({ a: t.mmap(1) }),
    actors: { cpu0: (t) => t.exit(), dev0: (t) => t.dev.close() },
  }),
] as unknown as readonly Race[];
