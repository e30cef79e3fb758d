/** Drivers that look a page up, and install what they found although it is no longer so. */
import { EFAULT, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, Pfn, SecondaryDriver, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { defineRace } from '../define.js';
import type { Race } from '../define.js';
import { RANGE, accessEntry, bumpSeq, entryRow, faultWithoutRetry, install, lockOf, mmOfTiny, rangeOps, sampleSeq, tinyMmu, zap } from '../drivers/tiny-mmu.js';
import type { Tiny, TinyMmu } from '../drivers/tiny-mmu.js';
import type { RaceContext } from '../race-context.js';
import { cachedPage, onePage } from '../set-ups.js';
import type { Page } from '../set-ups.js';

/** radeon before 2019: range_start idles the GPU and drops its mapping; nothing tells a bind that is under way. */
const startOnly = tinyMmu('radeon', {
  designs: RANGE,
  drive: (t) => {
    const { release } = rangeOps(t);
    return {
      ops: {
        release,
        * invalidateRangeStart(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
          const instance = t.s.notifierInstance(mn);
          yield* t.s.spinLock(lockOf(t, instance));
          yield* zap(t, instance, start, end);
          yield* t.s.spinUnlock(lockOf(t, instance));
        },
      },
      fault: (instance, address, isWrite) => faultWithoutRetry(t, instance, address, isWrite),
    };
  },
});
const countsAndRetries = tinyMmu('radeon', { designs: RANGE, drive: (t) => ({ ops: rangeOps(t) }) });

const slotSpec = { isThere: 'u32' } as const;

interface Slotted extends SecondaryDriver {
  removeSlot(instance: number): Task<MaySleep>;
}

/** Book3S HV: removing a memory slot flushes its entries under the lock; a fault that read the slot before may come after. */
function slotted(bumpsSeq: boolean): TinyMmu<Slotted> {
  return tinyMmu<typeof slotSpec, Slotted>('book3s', {
    designs: RANGE,
    own: slotSpec,
    drive: (t) => {
      const { s, own } = t;
      own.isThere.fill(1);
      return {
        ops: rangeOps(t),
        * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
          const seq = yield* sampleSeq(t, instance);
          yield* s.step(READ, whereOf(own.isThere, instance));
          if (own.isThere[instance] === 0) return -EFAULT;
          return yield* installUnlessSeq(t, instance, address, isWrite, seq);
        },
        * removeSlot(instance: number): Task<MaySleep> {
          yield* s.step(WRITE, whereOf(own.isThere, instance));
          own.isThere[instance] = 0;
          yield* s.spinLock(lockOf(t, instance));
          if (bumpsSeq) yield* bumpSeq(t, instance);
          yield* zap(t, instance, 0 as Vaddr, (16 * PAGE_SIZE) as Vaddr);
          yield* s.spinUnlock(lockOf(t, instance));
        },
      };
    },
  });
}

function* installUnlessSeq(t: Tiny, instance: number, address: Vaddr, isWrite: boolean, seq: number): Task<MaySleep, number> {
  const pfn = yield* t.s.getUserPages(mmOfTiny(t, instance), address, isWrite);
  if (pfn < 0) return pfn;
  yield* t.s.spinLock(lockOf(t, instance));
  if (t.dev.count[instance] === 0 && t.dev.seq[instance] === seq) yield* install(t, instance, address, pfn as Pfn, isWrite);
  yield* t.s.spinUnlock(lockOf(t, instance));
  yield* t.s.putPage(pfn as Pfn);
  return 0;
}

/** arm-smmu-v3 SVA: the device's TLB holds what the CPU's table said, and hears of no upgrade. */
function smmu(flushesOnUpgrade: boolean): TinyMmu<SecondaryDriver> {
  return tinyMmu('smmu', {
    designs: RANGE,
    drive: (t) => ({
      ops: rangeOps(t),
      * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
        const isCached = t.entry.word[entryRow(instance, address)] !== 0;
        const seq = yield* sampleSeq(t, instance);
        if (!isCached || flushesOnUpgrade) return yield* installUnlessSeq(t, instance, address, isWrite, seq);
        // the CPU's pte is made writable, and the entry that is cached stays
        const pfn = yield* t.s.getUserPages(mmOfTiny(t, instance), address, isWrite);
        if (pfn < 0) return pfn;
        yield* t.s.putPage(pfn as Pfn);
        return 0;
      },
      access: (instance: number, address: Vaddr, isWrite: boolean) => accessEntry(t, instance, address, isWrite),
    }),
  });
}

export const driverRetry: readonly Race[] = [
  defineRace<Page>({
    id: 'radeon-start-only',
    title: 'B03: a driver that implements only range_start and retries nothing',
    source: '20191112202231.3856-8-jgg@ziepe.ca',
    finds: ['incoherent', 'stale-translation', 'stale-after-return', 'lost-write'],
    variants: { buggy: { plugin: startOnly, image: 'toy-range' }, fixed: { plugin: countsAndRetries, image: 'toy-range' } },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.madvise(a), dev0: (t, { a }) => t.dev.read(a) },
  }),
  defineRace<Page>({
    id: 'book3s-slot-flush',
    title: 'B40: the flush of a memory slot does not bump the sequence that faults compare',
    source: '20200918020110.2063155-290-sashal@kernel.org',
    finds: ['stale-after-return'],
    variants: { buggy: { plugin: slotted(false), image: 'toy-range' }, fixed: { plugin: slotted(true), image: 'toy-range' } },
    setup: onePage,
    actors: {
      * ioctl(t: RaceContext, { a }: Page): Task<MaySleep> {
        yield* t.driver<Slotted>().removeSlot(t.dev.instance);
        t.assert((yield* t.dev.access(a, false)) === 0, 'stale-after-return', 'the slot was removed, and the guest still reaches it');
      },
      vcpu: (t, { a }) => t.dev.fault(a, false),
    },
    atEnd: (t) => { t.devs[0]?.driver.audit(() => { t.assert(false, 'stale-after-return', 'the slot was removed, and an entry of it is left'); }); },
  }),
  defineRace<Page>({
    id: 'smmu-permission-upgrade',
    title: 'B48: a pte becomes writable, and the device\'s TLB keeps what it had',
    source: 'cover.1eca029b8603ef4eebe5b41eae51facfc5920c41.1690292440.git-series.apopple@nvidia.com',
    finds: ['retry-livelock'],
    variants: { buggy: { plugin: smmu(false), image: 'toy-range' }, fixed: { plugin: smmu(true), image: 'toy-range' } },
    setup: cachedPage,
    actors: { dev0: (t, { a }) => t.dev.write(a) },
  }),
] as unknown as readonly Race[];
