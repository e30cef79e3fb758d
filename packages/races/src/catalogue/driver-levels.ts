/** Drivers with more than one level of translation, which must change together: shadows of shadows, kernel mappings, dirty logs. */
import { EAGAIN, READ, WRITE } from '@mmun/include';
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, Pfn, SecondaryDriver, Step, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { kernelAssert } from '../assertion.js';
import { defineRace } from '../define.js';
import type { Race } from '../define.js';
import { RANGE, entryRow, lockOf, mmOfTiny, mutexOf, rangeOps, tinyMmu } from '../drivers/tiny-mmu.js';
import type { TinyMmu } from '../drivers/tiny-mmu.js';
import type { RaceContext } from '../race-context.js';
import { cachedPage, onePage } from '../set-ups.js';
import type { Page } from '../set-ups.js';

const vsieSpec = { shadow: 'u32', isInvalidated: 'u32' } as const;

interface Vsie extends SecondaryDriver {
  /** Makes the shadow entry of a page from the host's entry. @returns 0 or -EAGAIN */
  shadow(instance: number, address: Vaddr): Task<Step, number>;
  guestRead(instance: number, address: Vaddr): Task<Step, Pfn>;
}

/** A shadow of the host's entry. An invalidation takes both; a walk that is under way must hear of it. */
function vsie(marksPartial: boolean): TinyMmu<Vsie> {
  return tinyMmu<typeof vsieSpec, Vsie>('vsie', {
    designs: RANGE,
    own: vsieSpec,
    drive: (t) => {
      const { s, own, entry } = t;
      const usual = rangeOps(t);
      return {
        ops: {
          ...usual,
          * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
            yield* usual.invalidateRangeStart(mn, mm, start, end, true);
            const instance = s.notifierInstance(mn);
            yield* s.spinLock(lockOf(t, instance));
            yield* s.step(WRITE, whereOf(own.shadow, instance));
            own.shadow[instance] = 0;
            if (marksPartial) own.isInvalidated[instance] = 1;
            yield* s.spinUnlock(lockOf(t, instance));
          },
        },
        * shadow(instance: number, address: Vaddr): Task<Step, number> {
          yield* s.spinLock(lockOf(t, instance));
          own.isInvalidated[instance] = 0;
          yield* s.spinUnlock(lockOf(t, instance));
          const row = entryRow(instance, address);
          yield* s.step(READ, whereOf(entry.word, row));
          const word = entry.word[row];
          yield* s.spinLock(lockOf(t, instance));
          const isStale = own.isInvalidated[instance] !== 0;
          yield* s.step(WRITE, whereOf(own.shadow, instance));
          if (!isStale) own.shadow[instance] = word;
          yield* s.spinUnlock(lockOf(t, instance));
          return isStale ? -EAGAIN : 0;
        },
        * guestRead(instance: number, address: Vaddr): Task<Step, Pfn> {
          yield* s.spinLock(lockOf(t, instance)); // of the model: what is asserted is one moment's
          const pfn = (own.shadow[instance] >>> 1) as Pfn;
          kernelAssert(pfn === 0 || entry.word[entryRow(instance, address)] >>> 1 === pfn || t.dev.count[instance] > 0, 'stale-translation',
            `the guest's guest reads frame ${pfn} by a shadow entry whose source was invalidated`);
          yield* s.spinUnlock(lockOf(t, instance));
          return pfn;
        },
      };
    },
  });
}

const cacheSpec = { isValid: 'u32', pfn: 'u32', khva: 'u32', isMapped: 'u32', nextKhva: 'u32' } as const;

interface PfnCache extends SecondaryDriver {
  refresh(address: Vaddr): Task<MaySleep>;
  deactivate(): Task<MaySleep>;
}

/** gfn_to_pfn_cache: row 0 is the cache, isMapped[khva] says whether a kernel mapping is alive. */
function pfnCache(locksRefresh: boolean): TinyMmu<PfnCache> {
  return tinyMmu<typeof cacheSpec, PfnCache>('pfncache', {
    designs: RANGE,
    own: cacheSpec,
    rows: 6,
    drive: (t) => {
      const { s, own } = t;
      const lock = lockOf(t, 1);
      const refreshLock = mutexOf(t, 1);
      const kmap = (pfn: number): number => {
        own.nextKhva[0] += 1;
        own.isMapped[own.nextKhva[0]] = pfn;
        return own.nextKhva[0];
      };
      return {
        ops: rangeOps(t),
        * refresh(address: Vaddr): Task<MaySleep> {
          yield* s.mutexLock(refreshLock);
          yield* s.spinLock(lock);
          const [oldPfn, oldKhva] = [own.pfn[0], own.khva[0]];
          own.isValid[0] = 0;
          yield* s.spinUnlock(lock);
          const pfn = yield* s.getUserPages(mmOfTiny(t, 1), address, false);
          yield* s.spinLock(lock);
          own.khva[0] = pfn === oldPfn ? oldKhva : kmap(pfn);
          own.pfn[0] = pfn;
          own.isValid[0] = 1;
          kernelAssert(own.isMapped[own.khva[0]] === pfn, 'stale-translation', 'the cache is valid and its kernel mapping is gone');
          yield* s.spinUnlock(lock);
          if (pfn > 0) yield* s.putPage(pfn as Pfn);
          yield* s.mutexUnlock(refreshLock);
        },
        * deactivate(): Task<MaySleep> {
          if (locksRefresh) yield* s.mutexLock(refreshLock);
          yield* s.spinLock(lock);
          const khva = own.khva[0];
          own.isValid[0] = own.khva[0] = own.pfn[0] = 0;
          yield* s.step(WRITE, whereOf(own.isMapped, khva));
          own.isMapped[khva] = 0;
          yield* s.spinUnlock(lock);
          if (locksRefresh) yield* s.mutexUnlock(refreshLock);
        },
      };
    },
  });
}

const rcSpec = { hostDirty: 'u32', nestedDirty: 'u32', seq: 'u32' } as const;

interface Nested extends SecondaryDriver {
  nestedFault(): Task<Step>;
  clearDirtyLog(): Task<Step>;
  isTracked(): boolean;
}

/** A nested entry copies the dirty bit of the host's; where that is set the next write is not recorded any more. */
function nestedDirty(bumpsSeq: boolean): TinyMmu<Nested> {
  return tinyMmu<typeof rcSpec, Nested>('nested', {
    designs: RANGE,
    own: rcSpec,
    drive: (t) => {
      const { s, own } = t;
      const lock = lockOf(t, 1);
      own.hostDirty[0] = 1;
      return {
        ops: rangeOps(t),
        * nestedFault(): Task<Step> {
          yield* s.spinLock(lock);
          const [seq, dirty] = [own.seq[0], own.hostDirty[0]];
          yield* s.spinUnlock(lock);
          yield* s.spinLock(lock);
          if (own.seq[0] === seq) own.nestedDirty[0] = dirty;
          yield* s.spinUnlock(lock);
        },
        * clearDirtyLog(): Task<Step> {
          yield* s.spinLock(lock);
          own.hostDirty[0] = own.nestedDirty[0] = 0;
          if (bumpsSeq) own.seq[0] += 1;
          yield* s.spinUnlock(lock);
        },
        isTracked: (): boolean => own.nestedDirty[0] === 0 || own.hostDirty[0] === 1,
      };
    },
  });
}

const logSpec = { isWritable: 'u32', tlbWritable: 'u32' } as const;

interface DirtyLog extends SecondaryDriver {
  /** Ends with the promise that each later write is logged. */
  writeProtect(): Task<Step>;
}

/** KVM's dirty log: the writable bit goes under mmu_lock, the flush of the guest's TLB before or after it is dropped. */
function dirtyLog(flushesInside: boolean): TinyMmu<DirtyLog> {
  return tinyMmu<typeof logSpec, DirtyLog>('dirtylog', {
    designs: RANGE,
    own: logSpec,
    drive: (t) => {
      const { s, own } = t;
      const lock = lockOf(t, 1);
      own.isWritable[0] = own.tlbWritable[0] = 1;
      function* flush(): Task<Step> {
        yield* s.step(WRITE, whereOf(own.tlbWritable, 0));
        own.tlbWritable[0] = 0;
      }
      return {
        ops: rangeOps(t),
        * writeProtect(): Task<Step> {
          yield* s.spinLock(lock);
          const needsFlush = own.isWritable[0] === 1;
          own.isWritable[0] = 0;
          if (needsFlush && flushesInside) yield* flush();
          yield* s.spinUnlock(lock);
          if (needsFlush && !flushesInside) yield* flush();
          yield* s.step(READ, whereOf(own.tlbWritable, 0));
          kernelAssert(own.tlbWritable[0] === 0, 'stale-after-return', 'the page counts as write-protected, and the guest still writes it through its TLB');
        },
      };
    },
  });
}

export const driverLevels: readonly Race[] = [
  defineRace<Page>({
    id: 'vsie-partial-invalidation',
    title: 'B39: part of a shadow is invalidated while it is being built, and only a total invalidation is noticed',
    source: '20260407162726.252141-2-imbrenda@linux.ibm.com',
    finds: ['stale-translation'],
    variants: { buggy: { plugin: vsie(false), image: 'toy-range' }, fixed: { plugin: vsie(true), image: 'toy-range' } },
    setup: cachedPage,
    actors: {
      cpu0: (t, { a }) => t.munmap(a),
      * dev0(t: RaceContext, { a }: Page): Task<Step> {
        yield* t.driver<Vsie>().shadow(t.dev.instance, a);
        yield* t.driver<Vsie>().guestRead(t.dev.instance, a);
      },
    },
  }),
  defineRace<Page>({
    id: 'pfncache-refresh',
    title: 'B41: a refresh revives a kernel mapping that deactivate has just taken down',
    source: '20240115125707.1183-21-paul@xen.org',
    finds: ['stale-translation'],
    variants: { buggy: { plugin: pfnCache(false), image: 'toy-range' }, fixed: { plugin: pfnCache(true), image: 'toy-range' } },
    setup: (t) => {
      const page = onePage(t);
      t.run(t.driver<PfnCache>().refresh(page.a));
      return page;
    },
    actors: { vcpu: (t, { a }) => t.driver<PfnCache>().refresh(a), ioctl: (t) => t.driver<PfnCache>().deactivate() },
  }),
  defineRace({
    id: 'nested-dirty-bit',
    title: 'B44: clearing the dirty bit does not bump the sequence, and a nested fault brings it back',
    source: '20190826062109.7573-3-sjitindarsingh@gmail.com',
    finds: ['lost-dirty'],
    variants: { buggy: { plugin: nestedDirty(false), image: 'toy-range' }, fixed: { plugin: nestedDirty(true), image: 'toy-range' } },
    setup: () => ({}),
    actors: { vcpu: (t) => t.driver<Nested>().nestedFault(), ioctl: (t) => t.driver<Nested>().clearDirtyLog() },
    atEnd: (t) => { t.assert(t.driver<Nested>().isTracked(), 'lost-dirty', 'the nested entry is dirty and the host\'s is not: the next write is recorded by nobody'); },
  }),
  defineRace({
    id: 'dirty-log-flush-outside',
    title: 'B33: write protection drops mmu_lock before the flush, and the next one finds nothing to flush',
    source: '6dbf79e7164e',
    finds: ['stale-after-return'],
    variants: { buggy: { plugin: dirtyLog(false), image: 'toy-range' }, fixed: { plugin: dirtyLog(true), image: 'toy-range' } },
    setup: () => ({}),
    actors: { ioctl0: (t) => t.driver<DirtyLog>().writeProtect(), ioctl1: (t) => t.driver<DirtyLog>().writeProtect() },
  }),
] as unknown as readonly Race[];
