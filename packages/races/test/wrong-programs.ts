/**
 * For each oracle a program that it must convict, and one that differs in a line and that it must acquit. Loaded by
 * linkRace, so that it runs in the form in which everybody's races do.
 */
import { MADV_DONTNEED } from '@mmun/include';
import type { KernelServices, MaySleep, Mm, MmuNotifier, SecondaryDriver, Spinlock, Step, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { defineRace, kvm } from '@mmun/races';
import type { Race, RaceContext } from '@mmun/races';
import type { KvmDriver, KvmMmu } from '@mmun/plugin-kvm';

interface Page {
  readonly a: Vaddr;
}

const onePage = (t: { mmap(pages: number): Vaddr; write(a: Vaddr, value: number): number }): Page => {
  const a = t.mmap(1);
  t.write(a, 7);
  return { a };
};

/** KVM over services that were tampered with. */
function withServices(change: (s: KernelServices) => Partial<KernelServices>): KvmMmu {
  return { ...kvm, attach: (s) => kvm.attach({ ...s, ...change(s) }) };
}

/** KVM, and around it what `change` makes of its driver. `locks` are two words of its own. */
function withDriver(change: (driver: KvmDriver, s: KernelServices, locks: readonly [Spinlock, Spinlock], count: Uint32Array) => Partial<SecondaryDriver>): KvmMmu {
  const spec = { lock: 'i32', count: 'u32' } as const;
  return {
    ...kvm,
    tables: (config) => ({ ...kvm.tables(config), pair: { rows: 2, spec } }),
    attach: (s) => {
      const driver = kvm.attach(s);
      const { lock, count } = s.table('pair', spec);
      return { ...driver, ...change(driver, s, [s.spinlockAt(lock, 0), s.spinlockAt(lock, 1)], count) };
    },
  };
}

type PageOp = (mn: MmuNotifier, mm: Mm, address: Vaddr) => Task<UnderPteLock>;

/** An invalidate_page that does `first` before its work; a cast hides from the compiler what that may be. */
function invalidating(driver: KvmDriver, first: () => Task<MaySleep>): SecondaryDriver['ops'] {
  const usual = driver.ops.invalidatePage as PageOp;
  return {
    ...driver.ops,
    * invalidatePage(mn: MmuNotifier, mm: Mm, address: Vaddr): Task<UnderPteLock> {
      yield* first() as Task<UnderPteLock>;
      yield* usual(mn, mm, address);
    },
  };
}

function* nothing(): Task<Step> {
  // nop
}

/** Both locks, in the order given, and out again. */
function* through(s: KernelServices, outer: Spinlock, inner: Spinlock): Task<Step> {
  yield* s.spinLock(outer);
  yield* s.spinLock(inner);
  yield* s.spinUnlock(inner);
  yield* s.spinUnlock(outer);
}

/** Faults go through the locks one way, invalidations `back` or the same. */
function twoLocks(isBackwards: boolean): KvmMmu {
  return withDriver((driver, s, [a, b]) => ({
    ops: invalidating(driver, () => (isBackwards ? through(s, b, a) : through(s, a, b))),
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      yield* through(s, a, b);
      return yield* driver.fault(instance, address, isWrite);
    },
  }));
}

function* readThenUnmap(t: RaceContext, { a }: Page): Task<MaySleep> {
  yield* t.dev.read(a);
  yield* t.munmap(a);
}

const deviceAgainstMunmap: Pick<Race<Page>, 'setup' | 'actors'> = {
  setup: onePage,
  actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.read(a) },
};

const text = { title: 'a test', source: 'none' };

export const wrong: readonly Race[] = [
  defineRace<Page>({
    ...text, id: 'lost-dirty', finds: ['lost-dirty'],
    variants: { buggy: { plugin: withServices(() => ({ setPageDirty: nothing })) }, fixed: { plugin: kvm } },
    setup: (t) => {
      const a = t.mmap(1, { isShared: true });
      t.read(a);
      return { a };
    },
    actors: { dev0: (t, { a }) => t.dev.write(a), cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED) },
  }),
  defineRace<Page>({
    ...text, id: 'lost-write', finds: ['lost-write'], config: { tlbEntries: 0 },
    // two threads fault a page in, and the second maps its own over the first one's
    variants: {
      buggy: { edit: { file: 'mm/src/memory-fault.ts', find: 'isStable && ptepNone(m, ptep);\n  if (isOurs) yield* setAnonPte(m, vma, address, ptep, pfn)', replace: 'isStable;\n  if (isOurs) yield* setAnonPte(m, vma, address, ptep, pfn)' } },
      fixed: {},
    },
    setup: (t) => ({ a: t.mmap(1) }),
    actors: {
      * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> {
        yield* t.write(a, 5);
        yield* t.read(a);
      },
      cpu1: (t, { a }) => t.write(a, 6),
    },
  }),
  defineRace<Page>({
    ...text, id: 'cow-leak', finds: ['cow-leak'],
    variants: {
      buggy: { edit: { file: 'mm/src/memory-copy.ts', find: '    yield* ptepSetWrprotect(m, vmaMm(m, srcVma), address, src);\n', replace: '\n' } },
      fixed: {},
    },
    setup: onePage,
    actors: {
      * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> {
        yield* t.fork();
        yield* t.write(a, 9);
      },
    },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'use-after-free', finds: ['use-after-free'],
    variants: { buggy: { plugin: withServices(() => ({ synchronizeRcu: nothing as never })) }, fixed: { plugin: kvm } },
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t) => t.dev.close() },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'double-free', finds: ['double-free'],
    variants: {
      buggy: { plugin: withServices((s) => ({ mmuNotifierFree: (mn): void => { s.mmuNotifierFree(mn); s.mmuNotifierFree(mn); } })) },
      fixed: { plugin: kvm },
    },
    actors: { dev0: (t) => t.dev.close() },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'sleep-in-atomic', finds: ['sleep-in-atomic'],
    variants: {
      buggy: { plugin: withDriver((driver, s) => ({ ops: invalidating(driver, () => s.synchronizeRcu()) })) },
      fixed: { plugin: withDriver((driver, s, [a]) => ({ ops: invalidating(driver, function* (): Task<Step> { yield* s.spinLock(a); yield* s.spinUnlock(a); }) })) },
    },
  }),
  defineRace<Page>({
    ...text, id: 'lock-order', finds: ['lock-order'],
    variants: { buggy: { plugin: twoLocks(true) }, fixed: { plugin: twoLocks(false) } },
    setup: onePage,
    actors: { cpu0: readThenUnmap },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'deadlock', finds: ['deadlock'],
    variants: { buggy: { plugin: twoLocks(true) }, fixed: { plugin: twoLocks(false) } },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'self-deadlock', finds: ['self-deadlock'],
    variants: {
      buggy: { plugin: withDriver((driver, s, [a]) => ({ ops: invalidating(driver, () => through(s, a, a)) })) },
      fixed: { plugin: withDriver((driver, s, [a, b]) => ({ ops: invalidating(driver, () => through(s, a, b)) })) },
    },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'lock-misuse', finds: ['lock-misuse'],
    variants: {
      buggy: { plugin: withDriver((driver, s, [a]) => ({ ops: invalidating(driver, () => s.spinUnlock(a)) })) },
      fixed: { plugin: kvm },
    },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'rcu-misuse', finds: ['rcu-misuse'],
    variants: { buggy: { plugin: syncing(true) }, fixed: { plugin: syncing(false) } },
  }),
  defineRace<Page>({
    ...text, id: 'unbalanced-range', finds: ['unbalanced-range'],
    variants: {
      buggy: {
        plugin: kvm, image: 'toy-range',
        edit: { file: 'mm/src/memory-copy.ts', find: '  yield* mmuNotifierInvalidateRangeEnd(m, srcMm, mmunStart, mmunEnd);\n', replace: '\n' },
      },
      fixed: { plugin: kvm, image: 'toy-range' },
    },
    setup: onePage,
    actors: { cpu0: (t) => t.fork() },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'callback-after-unregister', finds: ['callback-after-unregister'],
    variants: { buggy: { plugin: withServices(() => ({ synchronizeRcu: nothing as never, mmuNotifierFree: () => undefined })) }, fixed: { plugin: kvm } },
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t) => t.dev.close() },
  }),
  defineRace<Page & { readonly mm: Mm }>({
    ...text, id: 'missed-release', finds: ['missed-release'], opensDevices: true,
    variants: {
      buggy: { plugin: withServices(() => ({ * mmgetNotZero(): Task<Step, boolean> { return true; }, mmput: nothing as never })) },
      fixed: { plugin: kvm },
    },
    setup: (t) => ({ ...onePage(t), mm: t.mm }),
    actors: { cpu0: (t) => t.exit(), dev0: (t, { mm }) => t.dev.open(mm) },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'refcount-leak', finds: ['refcount-leak'],
    variants: { buggy: { plugin: pinning(false) }, fixed: { plugin: pinning(true) } },
  }),
  defineRace<Page>({
    ...text, id: 'data-race', finds: ['data-race'], watchFields: ['kvm.pair.count'],
    variants: { buggy: { plugin: counting(false) }, fixed: { plugin: counting(true) } },
    setup: onePage,
    actors: { dev0: (t, { a }) => t.dev.fault(a, false), dev1: (t, { a }) => t.dev.fault(a, false) },
  }),
  defineRace<Page>({
    ...text, ...deviceAgainstMunmap, id: 'retry-livelock', finds: ['retry-livelock'],
    variants: { buggy: { plugin: readOnly() }, fixed: { plugin: kvm } },
    actors: { dev0: (t, { a }) => t.dev.write(a) },
  }),
] as unknown as readonly Race[];

/** Waits for all readers, as one of them or not. */
function syncing(isReader: boolean): KvmMmu {
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
function pinning(letsGo: boolean): KvmMmu {
  return withServices((s) => ({
    * withPte(...args: Parameters<KernelServices['withPte']>): Task<MaySleep, number> {
      const pfn = yield* s.getUserPages(args[0], args[1], args[2]);
      if (pfn < 0) return pfn;
      const result = yield* s.withPte(...args);
      if (letsGo) yield* s.putPage(pfn as never);
      return result;
    },
  }));
}

/** Counts faults, under a lock or not. */
function counting(isLocked: boolean): KvmMmu {
  return withDriver((driver, s, [a], count) => ({
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      if (isLocked) yield* s.spinLock(a);
      count[0] = count[0] + 1;
      if (isLocked) yield* s.spinUnlock(a);
      return yield* driver.fault(instance, address, isWrite);
    },
  }));
}

/** Never lets an entry write, whatever the pte allows. */
function readOnly(): KvmMmu {
  return withServices((s) => ({
    withPte: (mm, address, isWrite, install, cookie) =>
      s.withPte(mm, address, isWrite, (vm, hva, pfn) => install(vm, hva, pfn, false), cookie),
  }));
}
