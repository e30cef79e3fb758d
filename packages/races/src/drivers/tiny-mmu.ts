/**
 * A secondary MMU of the least kind: an entry for each of the 16 pages, one lock, one count, one sequence. What a driver of
 * the catalogue does wrong is then the one function that it brings itself.
 *
 *   dev row     mm, mn, lock, mutex, seq, count, released     an instance
 *   entry row   16 * instance + page: 2 * pfn, plus 1 where it may write; dirty: written through it
 *
 * The device translates and reaches memory in one step, as in plugin-kvm.
 * Lock order: mutex > mmap_sem > PT lock > lock.
 */
import { ENOMEM, ESRCH, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type {
  InSrcuRead, KernelServices, MaySleep, Mm, MmuNotifier, Mutex, NotifierOps, OpName, Pfn, RangeNotifierOps, SecondaryDriver, SecondaryMmu, SecondaryTable, Spinlock, Step, Table, TableSpec,
  Task, UnderPteLock, Vaddr, Where,
} from '@mmun/include';
import { whereOf } from '@mmun/lib';

const devSpec = { mm: 'u32', mn: 'u32', isOpen: 'u32', released: 'u32', lock: 'i32', mutex: 'i32', seq: 'u32', count: 'u32' } as const;
const entrySpec = { word: 'u32', dirty: 'u32' } as const;

const NR_PAGES = 16;
/** Row 0 included. */
const NR_DEVS = 4;

/** An attached one. `O` are columns of the driver's own, a row for each instance. */
export interface Tiny<O extends TableSpec = TableSpec> {
  readonly s: KernelServices;
  readonly dev: Table<typeof devSpec>;
  readonly entry: Table<typeof entrySpec>;
  readonly own: Table<O>;
}

export interface TinyParts<O extends TableSpec, D extends SecondaryDriver> {
  readonly designs: SecondaryMmu['designs'];
  readonly own?: O;
  /** Rows of `own`; left out: one for each instance. */
  readonly rows?: number;
  /** What differs from `tinyDriver`. */
  drive(t: Tiny<O>): Partial<D> & { readonly ops: NotifierOps };
}

export type TinyMmu<D extends SecondaryDriver> = SecondaryMmu & { attach(s: KernelServices): D };

const RANGE_OPS: { readonly range: readonly OpName[] } = { range: [] };
const V5_OPS: { readonly v5: readonly OpName[] } = { v5: [] };
export const RANGE: SecondaryMmu['designs'] = RANGE_OPS;
export const V5: SecondaryMmu['designs'] = V5_OPS;
export const ANY_DESIGN: SecondaryMmu['designs'] = { ...RANGE_OPS, ...V5_OPS };

export function tinyMmu<const O extends TableSpec, D extends SecondaryDriver = SecondaryDriver>(name: string, { designs, own, rows = NR_DEVS, drive }: TinyParts<O, D>): TinyMmu<D> {
  const spec = own ?? ({} as O);
  return {
    name, designs,
    tables: (): Readonly<Record<string, SecondaryTable>> => ({
      dev: { rows: NR_DEVS, spec: devSpec }, entry: { rows: NR_DEVS * NR_PAGES, spec: entrySpec }, ...(own === undefined ? {} : { own: { rows, spec } }),
    }),
    attach: (s: KernelServices): D => {
      const t: Tiny<O> = { s, dev: s.table('dev', devSpec), entry: s.table('entry', entrySpec), own: own === undefined ? ({} as Table<O>) : s.table('own', spec) };
      return { own: t, ...tinyDriver(t), ...drive(t) } as D;
    },
  };
}

/** Registers, faults with count and sequence, goes. Right under `range` with `rangeOps`. */
function tinyDriver(t: Tiny): Omit<SecondaryDriver, 'ops'> {
  return {
    create: (mm) => openTiny(t, mm),
    destroy: (instance) => closeTiny(t, instance),
    fault: (instance, address, isWrite) => faultWithRetry(t, instance, address, isWrite),
    access: (instance, address, isWrite) => accessEntry(t, instance, address, isWrite),
    audit: (visit) => {
      for (let row = NR_PAGES; row < NR_DEVS * NR_PAGES; row++) {
        const instance = Math.floor(row / NR_PAGES);
        const word = t.entry.word[row];
        if (word !== 0) visit(instance, t.dev.mm[instance] as Mm, ((row % NR_PAGES) * PAGE_SIZE) as Vaddr, (word >>> 1) as Pfn, word % 2 === 1);
      }
    },
    counters: () => ({ faults: 0, accesses: 0, invalidations: 0, hits: 0, pins: 0 }),
  };
}

export function lockOf({ s, dev }: Tiny, instance: number): Spinlock {
  return s.spinlockAt(dev.lock, instance);
}

export function mutexOf({ s, dev }: Tiny, instance: number): Mutex {
  return s.mutexAt(dev.mutex, instance);
}

export function mmOfTiny({ dev }: Tiny, instance: number): Mm {
  return dev.mm[instance] as Mm;
}

export function notifierOf({ dev }: Tiny, instance: number): MmuNotifier {
  return dev.mn[instance] as MmuNotifier;
}

export function entryRow(instance: number, address: Vaddr): number {
  return instance * NR_PAGES + (Math.floor(address / PAGE_SIZE) % NR_PAGES);
}

/** @returns an instance, -ENOMEM or -ESRCH, or what registering answered */
export function* openTiny(t: Tiny, mm: Mm): Task<MaySleep, number> {
  if (!(yield* t.s.mmgetNotZero(mm))) return -ESRCH;
  const instance = newInstance(t, mm);
  if (instance > 0) {
    if (t.s.design === 'v5') yield* t.s.mmgrab(mm);
    const error = yield* t.s.mmuNotifierRegister(notifierOf(t, instance), mm);
    if (error !== 0) {
      freeInstance(t, instance);
      yield* t.s.mmput(mm);
      return error;
    }
  }
  yield* t.s.mmput(mm);
  return instance;
}

/** A row and its notifier, not registered yet. @returns -ENOMEM where there is none */
export function newInstance(t: Tiny, mm: Mm): number {
  const instance = t.dev.isOpen.indexOf(0, 1);
  const mn = instance < 0 ? (0 as MmuNotifier) : t.s.mmuNotifierAlloc(instance);
  if (mn === 0) return -ENOMEM;
  t.dev.isOpen[instance] = 1;
  t.dev.released[instance] = t.dev.seq[instance] = t.dev.count[instance] = 0;
  t.dev.mm[instance] = mm;
  t.dev.mn[instance] = mn;
  return instance;
}

export function freeInstance(t: Tiny, instance: number): void {
  t.s.mmuNotifierFree(notifierOf(t, instance));
  t.dev.isOpen[instance] = 0;
}

/** Close of the device file. Under v5 while the process lives: what is right at its end is plugin-kvm's affair. */
export function* closeTiny(t: Tiny, instance: number): Task<MaySleep> {
  const mm = mmOfTiny(t, instance);
  yield* t.s.mmuNotifierUnregister(notifierOf(t, instance), mm);
  if (t.s.design === 'v5') yield* t.s.synchronizeRcu();
  yield* zapLocked(t, instance, 0 as Vaddr, (NR_PAGES * PAGE_SIZE) as Vaddr);
  freeInstance(t, instance);
  if (t.s.design === 'v5') yield* t.s.mmdrop(mm);
}

type TinyRangeOps = Required<Pick<RangeNotifierOps, 'release' | 'invalidateRangeStart' | 'invalidateRangeEnd' | 'invalidatePage'>>;

/** Count, entries, sequence: what a driver of design `range` owes. */
export function rangeOps(t: Tiny): TinyRangeOps {
  const { s, dev } = t;
  return {
    * release(mn: MmuNotifier, _mm: Mm): Task<InSrcuRead> {
      const instance = s.notifierInstance(mn);
      yield* s.spinLock(lockOf(t, instance));
      dev.released[instance] = 1;
      yield* zap(t, instance, 0 as Vaddr, (NR_PAGES * PAGE_SIZE) as Vaddr);
      yield* s.spinUnlock(lockOf(t, instance));
    },
    * invalidateRangeStart(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
      const instance = s.notifierInstance(mn);
      yield* s.spinLock(lockOf(t, instance));
      dev.count[instance] += 1;
      yield* zap(t, instance, start, end);
      yield* s.spinUnlock(lockOf(t, instance));
    },
    * invalidateRangeEnd(mn: MmuNotifier, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<InSrcuRead> {
      const instance = s.notifierInstance(mn);
      yield* s.spinLock(lockOf(t, instance));
      yield* bumpSeq(t, instance);
      dev.count[instance] -= 1;
      yield* s.spinUnlock(lockOf(t, instance));
    },
    * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
      const instance = s.notifierInstance(mn);
      yield* s.spinLock(lockOf(t, instance));
      yield* bumpSeq(t, instance);
      yield* zap(t, instance, address, (address + PAGE_SIZE) as Vaddr);
      yield* s.spinUnlock(lockOf(t, instance));
    },
  };
}

/** Sample the sequence, look the page up, and make the entry unless a range is or was under way. */
export function* faultWithRetry(t: Tiny, instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const { s, dev } = t;
  const seq = yield* sampleSeq(t, instance);
  const pfn = yield* s.getUserPages(mmOfTiny(t, instance), address, isWrite);
  if (pfn < 0) return pfn;
  yield* s.spinLock(lockOf(t, instance));
  const isBeaten = dev.count[instance] !== 0 || dev.seq[instance] !== seq;
  const isOver = dev.released[instance] !== 0;
  if (!isBeaten && !isOver) yield* install(t, instance, address, pfn as Pfn, isWrite);
  yield* s.spinUnlock(lockOf(t, instance));
  yield* s.putPage(pfn as Pfn);
  return isOver ? -ESRCH : 0;
}

/** Wrong: the entry is made after everything that orders it has been left. */
export function* faultWithoutRetry(t: Tiny, instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const pfn = yield* t.s.getUserPages(mmOfTiny(t, instance), address, isWrite);
  if (pfn < 0) return pfn;
  yield* t.s.spinLock(lockOf(t, instance));
  yield* install(t, instance, address, pfn as Pfn, isWrite);
  yield* t.s.spinUnlock(lockOf(t, instance));
  yield* t.s.putPage(pfn as Pfn);
  return 0;
}

/** Whoever samples it takes no lock, so it is a step of its own. @locks the instance's */
export function* bumpSeq({ s, dev }: Tiny, instance: number): Task<Step> {
  yield* s.step(WRITE, whereOf(dev.seq, instance));
  dev.seq[instance] += 1;
}

export function* sampleSeq({ s, dev }: Tiny, instance: number): Task<Step, number> {
  yield* s.step(READ, whereOf(dev.seq, instance));
  return dev.seq[instance];
}

/** @locks the instance's, or whatever the driver goes by */
export function* install({ s, entry }: Tiny, instance: number, address: Vaddr, pfn: Pfn, isWritable: boolean): Task<Step> {
  const row = entryRow(instance, address);
  yield* s.step(WRITE, whereOf(entry.word, row));
  entry.word[row] = 2 * pfn + (isWritable ? 1 : 0);
}

/** Takes the entries of `[start, end)` away; what was written through one is a dirty page. @locks as install */
export function* zap({ s, entry }: Tiny, instance: number, start: Vaddr, end: Vaddr): Task<Step> {
  const last = Math.min(end, NR_PAGES * PAGE_SIZE);
  for (let address = start; address < last; address = (address + PAGE_SIZE) as Vaddr) {
    const row = entryRow(instance, address);
    // named under the lock too: a wrong driver makes its entries without it
    yield* s.step(READ, whereOf(entry.word, row));
    if (entry.word[row] === 0) continue;
    yield* s.step(WRITE, whereOf(entry.word, row));
    const pfn = (entry.word[row] >>> 1) as Pfn;
    const wasDirty = entry.dirty[row] !== 0;
    entry.word[row] = entry.dirty[row] = 0;
    if (wasDirty) yield* s.setPageDirty(pfn);
  }
}

export function* zapLocked(t: Tiny, instance: number, start: Vaddr, end: Vaddr): Task<Step> {
  yield* t.s.spinLock(lockOf(t, instance));
  yield* zap(t, instance, start, end);
  yield* t.s.spinUnlock(lockOf(t, instance));
}

/** The device's hardware: no lock. */
export function* accessEntry({ s, entry }: Tiny, instance: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> {
  const row = entryRow(instance, address);
  const where: Where = whereOf(entry.word, row);
  yield* s.step(isWrite ? WRITE : READ, where);
  const word = entry.word[row];
  if (word === 0 || (isWrite && word % 2 === 0)) return 0 as Pfn;
  const pfn = (word >>> 1) as Pfn;
  const value = s.deviceRead(pfn, address);
  if (isWrite) {
    entry.dirty[row] = 1;
    s.deviceWrite(pfn, address, value + 1);
  }
  return pfn;
}
