/**
 * mydevice: a device whose TLB is filled by its driver, under both notifier designs.
 *
 * An entry may be used until the op that takes it away returns, never after. So nobody may make one that the op does not find: it
 * is made while the PT lock of its pte is held (withPte), and under `range` not between a start and its end.
 */
import { EAGAIN, ENOMEM, ESRCH, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type {
  KernelServices, MaySleep, Mm, MmuNotifier, NotifierOps, Pfn, SecondaryDriver, SecondaryMmuFor, Step, Table, Task, TranslationVisitor, UnderPteLock, Vaddr,
} from '@mmun/include';
import { whereOf } from '@mmun/lib';

/** Entries of a device: page n goes to entry n % SLOTS, and takes the place of what was there. */
const SLOTS = 8;
/** One row per device. The lock guards `isReleased`, `ranges` and every store to the device's entries. */
const deviceSpec = { mm: 'u32', mn: 'u32', lock: 'i32', isReleased: 'u32', ranges: 'u32' } as const;
/** What the hardware reads without a lock: 2 * pfn, plus 1 where it may write; 0 is empty. */
const entrySpec = { word: 'u32', page: 'f64' } as const;
const statSpec = { faults: 'f64', accesses: 'f64', hits: 'f64', invalidations: 'f64' } as const;

/** All state is in tables of the machine; nothing else may change. */
interface Devices {
  readonly s: KernelServices;
  readonly device: Table<typeof deviceSpec>;
  readonly entry: Table<typeof entrySpec>;
  readonly stat: Table<typeof statSpec>;
}

export const mydevice: SecondaryMmuFor<'v5' | 'range'> = {
  name: 'mydevice',
  designs: { v5: ['release', 'invalidatePage', 'invalidatePages'], range: ['release', 'invalidateRangeStart', 'invalidateRangeEnd', 'invalidatePage'] },
  tables: ({ nrNotifiers }) => ({
    device: { rows: nrNotifiers + 1, spec: deviceSpec }, entry: { rows: (nrNotifiers + 1) * SLOTS, spec: entrySpec }, stat: { rows: 1, spec: statSpec },
  }),
  attach: (s) => driverOf({ s, device: s.table('device', deviceSpec), entry: s.table('entry', entrySpec), stat: s.table('stat', statSpec) }),
};

function driverOf(x: Devices): SecondaryDriver {
  const { stat } = x;
  return {
    ops: opsOf(x),
    create: (mm) => create(x, mm),
    destroy: (d) => destroy(x, d),
    fault: (d, address, isWrite) => fault(x, d, address, isWrite),
    access: (d, address, isWrite) => access(x, d, address, isWrite),
    audit: (visit) => { audit(x, visit); },
    counters: () => ({ faults: stat.faults[0], accesses: stat.accesses[0], hits: stat.hits[0], invalidations: stat.invalidations[0], pins: 0 }),
  };
}

/** Each design calls those that are its own. Under a spinlock, as all of these are, nothing may sleep: the compiler sees to that. */
function opsOf(x: Devices): NotifierOps {
  const { s, device } = x;
  const of = (mn: MmuNotifier): number => s.notifierInstance(mn);
  return {
    release: (mn: MmuNotifier): Task<Step> => drop(x, of(mn), 0, Infinity, () => { device.isReleased[of(mn)] = 1; }),
    invalidatePage: (mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<Step> => drop(x, of(mn), address, address + PAGE_SIZE),
    invalidatePages: (mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<Step> => drop(x, of(mn), start, end),
    invalidateRangeStart: (mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<Step> => drop(x, of(mn), start, end, () => { device.ranges[of(mn)] += 1; }),
    invalidateRangeEnd: (mn: MmuNotifier): Task<Step> => drop(x, of(mn), 0, 0, () => { device.ranges[of(mn)] -= 1; }),
  };
}

/** Takes away the entries for `[start, end)`; `change` happens under the same lock. */
function* drop(x: Devices, d: number, start: number, end: number, change?: () => void): Task<Step> {
  const { s, device, entry, stat } = x;
  const lock = s.spinlockAt(device.lock, d);
  yield* s.spinLock(lock);
  change?.();
  for (let row = d * SLOTS; row < (d + 1) * SLOTS; row++) {
    if (entry.word[row] === 0 || entry.page[row] < start || entry.page[row] >= end) continue;
    yield* put(x, row, 0);
    stat.invalidations[0] += 1;
  }
  yield* s.spinUnlock(lock);
}

/** The one place where an entry changes, all of it in one step. @locks the device's */
function* put({ s, entry }: Devices, row: number, word: number, page = 0): Task<Step> {
  yield* s.step(WRITE, whereOf(entry.word, row)); // a point before every store that the hardware can see
  const old = entry.word[row];
  entry.word[row] = word;
  entry.page[row] = page;
  if (old % 2 === 1) yield* s.setPageDirty((old >>> 1) as Pfn); // the device may have written there, and the pte does not know
}

/** Runs under the PT lock, from the lookup of the pte on. `cookie` is twice the device, plus 1 for a write. */
function* install(x: Devices, cookie: number, address: Vaddr, pfn: Pfn): Task<UnderPteLock, number> {
  const { s, device } = x;
  const d = cookie >> 1;
  const row = rowOf(d, address);
  const lock = s.spinlockAt(device.lock, d);
  yield* s.spinLock(lock);
  const error = device.isReleased[d] === 1 ? -ESRCH : device.ranges[d] > 0 ? -EAGAIN : 0;
  if (error === 0) yield* put(x, row, 2 * pfn + (cookie & 1), pageOf(address)); // only what was asked for
  yield* s.spinUnlock(lock);
  return error;
}

/** The device starts to follow an address space, which is held meanwhile and no longer: a process may end before its device. */
function* create(x: Devices, mm: Mm): Task<MaySleep, number> {
  const { s, device } = x;
  if (!(yield* s.mmgetNotZero(mm))) return -ESRCH;
  const d = device.mm.indexOf(0, 1);
  const mn = d < 1 ? 0 : s.mmuNotifierAlloc(d);
  let error = mn === 0 ? -ENOMEM : 0;
  if (mn !== 0) {
    [device.mm[d], device.mn[d], device.isReleased[d], device.ranges[d]] = [mm, mn, 0, 0];
    yield* s.mmgrab(mm);
    error = yield* s.mmuNotifierRegister(mn, mm);
    if (error !== 0) yield* free(x, d);
  }
  yield* s.mmput(mm);
  return error === 0 ? d : error;
}

function* destroy(x: Devices, d: number): Task<MaySleep> {
  const { s, device } = x;
  const mm = device.mm[d] as Mm;
  const isAlive = yield* s.mmgetNotZero(mm);
  const isListed = isAlive || s.design === 'range'; // v5: the end of the address space takes the notifier off its list itself
  if (!isListed) yield* s.waitEvent(device.isReleased, d, 1, 1);
  yield* drop(x, d, 0, Infinity); // before unregistering: afterwards nobody says when a page goes
  if (isListed) yield* s.mmuNotifierUnregister(device.mn[d] as MmuNotifier, mm);
  if (isAlive) yield* s.mmput(mm);
  if (s.design === 'v5') yield* s.synchronizeRcu(); // ops that began before may still be running
  yield* free(x, d);
}

/** Nobody can find the device any more. */
function* free({ s, device }: Devices, d: number): Task<MaySleep> {
  const mm = device.mm[d] as Mm;
  s.mmuNotifierFree(device.mn[d] as MmuNotifier);
  device.mm[d] = 0;
  yield* s.mmdrop(mm);
}

function* fault(x: Devices, d: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  x.stat.faults[0] += 1;
  const error = yield* x.s.withPte(x.device.mm[d] as Mm, address, isWrite, (cookie, at, pfn) => install(x, cookie, at, pfn), 2 * d + (isWrite ? 1 : 0));
  return error === -EAGAIN ? 0 : error; // a change is under way: the device misses again and comes back
}

/** Finding the entry and reaching memory are one step, as in hardware. */
function* access({ s, entry, stat }: Devices, d: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> {
  stat.accesses[0] += 1;
  const row = rowOf(d, address);
  yield* s.step(READ, whereOf(entry.word, row));
  const word = entry.word[row];
  if (word === 0 || entry.page[row] !== pageOf(address) || (isWrite && word % 2 === 0)) return 0 as Pfn;
  const pfn = (word >>> 1) as Pfn;
  const value = s.deviceRead(pfn, address);
  if (isWrite) s.deviceWrite(pfn, address, value + 1);
  stat.hits[0] += 1;
  return pfn;
}

function audit({ device, entry }: Devices, visit: TranslationVisitor): void {
  for (let row = SLOTS; row < entry.word.length; row++) {
    const d = Math.floor(row / SLOTS);
    if (entry.word[row] !== 0) visit(d, device.mm[d] as Mm, entry.page[row] as Vaddr, (entry.word[row] >>> 1) as Pfn, entry.word[row] % 2 === 1);
  }
}

function pageOf(address: Vaddr): Vaddr {
  return (address - (address % PAGE_SIZE)) as Vaddr;
}

function rowOf(d: number, address: Vaddr): number {
  return d * SLOTS + (Math.floor(address / PAGE_SIZE) % SLOTS);
}
