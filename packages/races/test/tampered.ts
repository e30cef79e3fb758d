/** Drivers that something was changed in: what most wrong programs are made of. */
import type {
  InSrcuRead, KernelServices, MaySleep, Mm, MmuNotifier, MmuNotifierOps, NotifierOps, RangeNotifierOps, SecondaryDriver, SecondaryMmu, Spinlock, Step, Task, UnderPteLock, Vaddr,
} from '@mmun/include';
import { kvm } from '@mmun/races';
import type { KvmDriver, KvmMmu } from '@mmun/plugin-kvm';
import { RANGE, faultWithoutRetry, freeInstance, lockOf, mmOfTiny, notifierOf, rangeOps, tinyMmu, zapLocked } from '../src/drivers/tiny-mmu.js';

/** KVM over services that were tampered with. */
export function withServices(change: (s: KernelServices) => Partial<KernelServices>): KvmMmu {
  return { ...kvm, attach: (s) => kvm.attach({ ...s, ...change(s) }) };
}

/** What a tampered driver has besides: two locks, counts, rows that live and die. */
export interface Extras {
  readonly locks: readonly [Spinlock, Spinlock];
  readonly count: Uint32Array;
}

/** KVM, and around it what `change` makes of its driver. */
export function withDriver(change: (driver: KvmDriver, s: KernelServices, extras: Extras) => Partial<SecondaryDriver>): KvmMmu {
  const spec = { lock: 'i32', count: 'u32' } as const;
  return {
    ...kvm,
    tables: (config) => ({ ...kvm.tables(config), pair: { rows: 2, spec } }),
    attach: (s) => {
      const driver = kvm.attach(s);
      const { lock, count } = s.table('pair', spec);
      return { ...driver, ...change(driver, s, { locks: [s.spinlockAt(lock, 0), s.spinlockAt(lock, 1)], count }) };
    },
  };
}

type PageOp = (mn: MmuNotifier, mm: Mm, address: Vaddr) => Task<UnderPteLock>;
type StartOp = (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr, isBlockable: boolean) => Task<UnderPteLock>;

/** Each call that reports a change does `first` before its work; a cast hides from the compiler what that may be. */
export function invalidating(driver: SecondaryDriver, first: () => Task<MaySleep>): NotifierOps {
  const page = (driver.ops as MmuNotifierOps).invalidatePage as PageOp;
  const start = (driver.ops as RangeNotifierOps).invalidateRangeStart as StartOp | undefined;
  const ops = {
    ...driver.ops,
    * invalidatePage(mn: MmuNotifier, mm: Mm, address: Vaddr): Task<UnderPteLock> {
      yield* first() as Task<UnderPteLock>;
      yield* page(mn, mm, address);
    },
    ...(start === undefined ? {} : {
      * invalidateRangeStart(mn: MmuNotifier, mm: Mm, from: Vaddr, to: Vaddr, isBlockable: boolean): Task<UnderPteLock> {
        yield* first() as Task<UnderPteLock>;
        return yield* start(mn, mm, from, to, isBlockable);
      },
    }),
  };
  return ops as unknown as NotifierOps;
}

/** Only the call that is made under the PT lock does. */
export function underPteLock(driver: SecondaryDriver, first: () => Task<MaySleep>): NotifierOps {
  return { ...driver.ops, invalidatePage: (invalidating(driver, first) as MmuNotifierOps).invalidatePage } as NotifierOps;
}

/** As a service, in place of one that does something. */
export function* nothing(): Task<Step> {
  // nop
}

/** Both locks, in the order given, and out again. */
export function* through(s: KernelServices, outer: Spinlock, inner: Spinlock): Task<Step> {
  yield* s.spinLock(outer);
  yield* s.spinLock(inner);
  yield* s.spinUnlock(inner);
  yield* s.spinUnlock(outer);
}

/** Faults go through the locks one way, invalidations `back` or the same. */
export function twoLocks(isBackwards: boolean): KvmMmu {
  return withDriver((driver, s, { locks: [a, b] }) => ({
    ops: invalidating(driver, () => (isBackwards ? through(s, b, a) : through(s, a, b))),
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      yield* through(s, a, b);
      return yield* driver.fault(instance, address, isWrite);
    },
  }));
}

/** Waits for all readers, as one of them or not. */
export function syncing(isReader: boolean): KvmMmu {
  return withDriver((driver, s) => ({
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      if (isReader) yield* s.rcuReadLock();
      yield* s.synchronizeRcu();
      if (isReader) yield* s.rcuReadUnlock();
      return yield* driver.fault(instance, address, isWrite);
    },
  }));
}

/** Pins the page while it faults, and lets go or forgets to. */
export function pinning(letsGo: boolean): SecondaryMmu {
  return withDriver((driver, s) => ({
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      const pfn = yield* s.getUserPages(1 as Mm, address, isWrite);
      if (pfn < 0) return pfn;
      const result = yield* driver.fault(instance, address, isWrite);
      if (letsGo) yield* s.putPage(pfn as never);
      return result;
    },
  }));
}

/** Counts faults, under a lock or not. */
export function counting(isLocked: boolean): KvmMmu {
  return withDriver((driver, s, { locks: [a], count }) => ({
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      if (isLocked) yield* s.spinLock(a);
      count[0] = count[0] + 1;
      if (isLocked) yield* s.spinUnlock(a);
      return yield* driver.fault(instance, address, isWrite);
    },
  }));
}

/** Never gets an entry made, whatever the pte allows. */
export function neverReady(): KvmMmu {
  return withDriver(() => ({ * fault(): Task<Step, number> { return 0; } }));
}

/** Makes the entry after everything that orders it has been left: count and sequence of the range design are not asked. */
export function neverRetries(): SecondaryMmu {
  return tinyMmu('never-retries', {
    designs: RANGE,
    drive: (t) => ({
      ops: rangeOps(t),
      fault: (instance, address, isWrite) => faultWithoutRetry(t, instance, address, isWrite),
    }),
  });
}

/** Hands work to a thread at each call, which looks into the row of its instance; at close it waits for it, or does not. */
export function queueing(waits: boolean, design: 'v5' | 'range'): SecondaryMmu {
  return tinyMmu('queueing', {
    designs: design === 'v5' ? { v5: ['release', 'invalidatePage'] } : RANGE,
    drive: (t) => {
      const { s, dev } = t;
      const usual = rangeOps(t);
      const work = s.workFunction(function* (instance): Task<Step> {
        yield* s.spinLock(lockOf(t, instance));
        dev.seq[instance] = dev.seq[instance] + 1;
        yield* s.spinUnlock(lockOf(t, instance));
      });
      const ops = {
        ...usual,
        * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
          yield* s.queueWork(work, s.notifierInstance(mn));
          yield* usual.invalidateRangeStart(mn, mm, start, end, true) as Task<InSrcuRead>;
        },
        * invalidatePage(mn: MmuNotifier, mm: Mm, address: Vaddr): Task<UnderPteLock> {
          yield* s.queueWork(work, s.notifierInstance(mn));
          yield* usual.invalidatePage(mn, mm, address);
        },
      };
      return {
        ops: ops as NotifierOps,
        * destroy(instance: number): Task<MaySleep> {
          const mm = mmOfTiny(t, instance);
          yield* s.mmuNotifierUnregister(notifierOf(t, instance), mm);
          if (s.design === 'v5') yield* s.synchronizeRcu();
          if (waits) yield* s.flushWorkqueue();
          yield* zapLocked(t, instance, 0 as Vaddr, 0x10000 as Vaddr);
          freeInstance(t, instance);
          if (s.design === 'v5') yield* s.mmdrop(mm);
        },
      };
    },
  });
}

/** Looks at mmap_sem of the first process when all else is over, with a reference of its own to the struct, or without. */
export function looksAgain(pins: boolean): KvmMmu {
  return withDriver((driver, s) => ({
    * create(mm: Mm): Task<MaySleep, number> {
      if (pins) yield* s.mmgrab(mm);
      return yield* driver.create(mm);
    },
    * destroy(instance: number): Task<MaySleep> {
      yield* driver.destroy(instance);
      yield* s.mmapReadLock(1 as Mm);
      yield* s.mmapReadUnlock(1 as Mm);
      if (pins) yield* s.mmdrop(1 as Mm);
    },
  }));
}
