/**
 * What a driver must do when it is alone: find pages, refuse what the process is refused, let go, give back what it took.
 *
 * Each rule is a little program of one thread. Where one is broken the sentence says what was expected, and of whom.
 */
import { EFAULT, MADV_DONTNEED, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { MmuNotifier, Mm, Pfn, RangeNotifierOps, SecondaryDriver, SecondaryMmu, Task, TaskStruct, Vaddr } from '@mmun/include';
import { Violation } from '@mmun/oracle';
import type { Setup } from '@mmun/races';
import { mustBeSilent } from './own-calls.js';
import type { DesignName, DeviceCall } from './scenarios.js';
import type { Sequence } from './sequential.js';

export interface Rule extends Sequence {
  readonly name: string;
}

/** Times that a driver may answer `try again` where nobody is in its way. */
const PATIENCE = 4;
/** More often than any table of the toy machine has rows. */
const MANY = 40;
/** Of one of its own calls: more often than a toy machine has rows. */
const MANY_CALLS = 12;
/** Another process, and room for its pages. */
const PLENTY = { nrMms: 4, nrTasks: 8, nrFrames: 16, nrNotifiers: 4, nrVmas: 16, nrTables: 20 };
const FAR_AWAY = (2 ** 40) as Vaddr;
/** Room for as many pages as arch toy has. */
const WIDE = { nrFrames: 24, nrTables: 20, nrVmas: 16, nrAnonVmas: 12, nrAnonVmaChains: 24 };
const NOWHERE = (14 * PAGE_SIZE) as Vaddr;

export function rulesOf(design: DesignName, plugin: SecondaryMmu, calls: readonly DeviceCall[] = []): Rule[] {
  const ages = design === 'v5' ? 'agePage' : 'clearFlushYoung';
  return [
    { name: 'a fault maps what the process has', run: mapsWhatIsThere },
    { name: 'a fault is refused where the process is', run: refuses },
    { name: 'an entry goes with its page', run: letsGo },
    { name: 'every page of a range goes', config: WIDE, run: rangesGo },
    ...(design === 'range' && plugin.designs.range?.includes('invalidateRangeEnd') === true ? [{ name: 'a range may be larger than any memory', run: largeRangesGo }] : []),
    { name: 'what the device writes is kept', config: WIDE, run: keepsWrites },
    { name: 'two instances of one address space', run: twoInstances },
    { name: 'instances of two address spaces', opensDevices: true, config: { nrNotifiers: 4 }, run: twoSpaces },
    { name: 'entries are given back', run: givesEntriesBack },
    { name: 'closed, then the process ends', opensDevices: true, run: (t) => { lives(t, false); } },
    { name: 'the process ends, then closed', opensDevices: true, run: (t) => { lives(t, true); } },
    { name: 'an address space that has ended is not followed', opensDevices: true, run: comesTooLate },
    { name: 'more instances than there is room for', opensDevices: true, run: tooMany },
    { name: 'counters count', run: counts },
    { name: 'little room', config: PLENTY, opensDevices: true, lessRoom: { nrNotifiers: 1, nrFrames: 2, nrTasks: 2 }, run: littleRoom },
    // tables with one row: what is not given back when something fails is missing in the next life
    { name: 'what can fail does', opensDevices: true, fails: true, lessRoom: { nrNotifiers: 1 }, run: failingLives },
    ...calls.flatMap((call) => [
      { name: `call ${call.name}`, config: PLENTY, run: (t: Setup): void => { callsOften(t, call); } },
      { name: `what can fail does in call ${call.name}`, opensDevices: true, fails: true, config: PLENTY, run: (t: Setup): void => { callInFailingLife(t, call); } },
    ]),
    ...(plugin.designs[design]?.includes(ages) === true ? [{ name: 'age', run: (t: Setup): void => { agesOnce(t, ages); } }] : []),
  ];
}

function must(isTrue: boolean, message: string): void {
  if (!isTrue) throw new Violation({ code: 'bad-plugin', message });
}

const hex = (address: number): string => `\`0x${address.toString(16)}\``;

function run<R>({ image, m }: Setup, task: Task<string, R>): R {
  return image.run(m as never, task) as R;
}

/** The device's access, with as many faults as it takes. @returns the frame, or the error of the fault */
function touch(t: Setup, instance: number, address: Vaddr, isWrite: boolean): number {
  const { driver } = t.dev;
  for (let faults = 0; ; faults++) {
    const pfn = run(t, driver.access(instance, address, isWrite));
    if (pfn !== 0) return pfn;
    const verb = isWrite ? 'write' : 'read';
    must(faults < PATIENCE, `after ${PATIENCE} faults that returned 0 the device still cannot ${verb} ${hex(address)}, and nobody was in its way: expected an entry or an error`);
    const error = run(t, driver.fault(instance, address, isWrite));
    if (error !== 0) return error;
  }
}

function primary({ image, m, mm }: Setup, address: Vaddr, of: Mm = mm): Pfn {
  return Math.floor(image.primaryTranslation(m as never, of, address) / 2) as Pfn;
}

function shows(driver: SecondaryDriver, instance: number, address: Vaddr, pfn: number): boolean {
  let isShown = false;
  driver.audit((of, _mm, at, frame) => { isShown ||= of === instance && at === address && frame === pfn; });
  return isShown;
}

function mapsWhatIsThere(t: Setup): void {
  const { instance, driver } = t.dev;
  const [a, b] = [t.mmap(1), t.mmap(1)];
  t.write(a, 7);
  for (const isWrite of [false, true]) {
    const pfn = touch(t, instance, a, isWrite);
    must(pfn > 0, `a ${isWrite ? 'write' : 'read'} at ${hex(a)}, which the process can do too, fails with ${pfn}`);
    must(pfn === primary(t, a), `the device reaches frame ${pfn} at ${hex(a)} and the process frame ${primary(t, a)}`);
    must(shows(driver, instance, a, pfn), `\`audit\` does not show the entry of instance ${instance} for ${hex(a)} to frame ${pfn}, through which the device just reached it`);
  }
  t.read(a);
  // pages that nobody has touched yet
  touch(t, instance, b, false);
  const pfn = touch(t, instance, b, true);
  must(pfn === primary(t, b), `the device writes to frame ${pfn} at ${hex(b)} and the process has frame ${primary(t, b)} there`);
  t.read(b);
}

function refuses(t: Setup): void {
  const { instance } = t.dev;
  const a = t.mmap(1);
  t.write(a, 7);
  t.mprotect(a, PROT_READ);
  const written = touch(t, instance, a, true);
  must(written === -EFAULT, `a write at ${hex(a)}, which the process may only read, gives ${written}, expected -EFAULT (${-EFAULT})`);
  must(touch(t, instance, a, false) === primary(t, a), `the device cannot read ${hex(a)}, which the process can`);
  const nowhere = touch(t, instance, NOWHERE, false);
  must(nowhere === -EFAULT, `a read at ${hex(NOWHERE)}, where nothing is mapped, gives ${nowhere}, expected -EFAULT (${-EFAULT})`);
}

function letsGo(t: Setup): void {
  const { instance, driver } = t.dev;
  const a = t.mmap(1);
  t.write(a, 7);
  touch(t, instance, a, true);
  t.munmap(a);
  const pfn = run(t, driver.access(instance, a, false));
  must(pfn === 0, `munmap of ${hex(a)} has returned and the device still reaches frame ${pfn}`);
  t.mmap(1, { at: a });
  t.write(a, 8);
  must(touch(t, instance, a, false) === primary(t, a), `after munmap and mmap the device does not find the new page at ${hex(a)}`);
}

/** Whatever is changed of a range: its first page, its last, and those behind the end of a page table. */
function rangesGo(t: Setup): void {
  const { instance, driver } = t.dev;
  const changes: readonly (readonly [string, boolean, (at: Vaddr, pages: number) => void])[] = [
    ['mprotect to read-only', true, (at, pages): void => { t.mprotect(at, PROT_READ, pages); }],
    ['MADV_DONTNEED', false, (at, pages): void => { t.madvise(at, MADV_DONTNEED, pages); }],
    ['munmap', false, (at, pages): void => { t.munmap(at, pages); }],
  ];
  const a = (2 * PAGE_SIZE) as Vaddr;
  for (const [name, isWrite, change] of changes) {
    // a range of one page is told as one page
    for (const [first, pages] of [[0, 8], [1, 1], [1, 2], [2, 5]] as const) {
      t.mmap(8, { at: a });
      for (let i = 0; i < 8; i++) {
        t.write((a + i * PAGE_SIZE) as Vaddr, i);
        touch(t, instance, (a + i * PAGE_SIZE) as Vaddr, true);
      }
      change((a + first * PAGE_SIZE) as Vaddr, pages);
      for (let i = first; i < first + pages; i++) {
        const page = (a + i * PAGE_SIZE) as Vaddr;
        const pfn = run(t, driver.access(instance, page, isWrite));
        must(pfn === 0, `${name} of ${pages} pages from ${hex(a + first * PAGE_SIZE)} has returned and the device still ${isWrite ? 'writes' : 'reaches'} ${hex(page)}`);
      }
    }
  }
}

/** As mm tells of a whole address space: a driver may go another way through its entries then. */
function largeRangesGo(t: Setup): void {
  const { instance, driver } = t.dev;
  const ops = driver.ops as RangeNotifierOps;
  const a = t.mmap(2);
  for (const first of [a, (a + PAGE_SIZE) as Vaddr]) {
    for (const page of [a, (a + PAGE_SIZE) as Vaddr]) {
      t.write(page, 7);
      touch(t, instance, page, true);
    }
    run(t, ops.invalidateRangeStart?.(FIRST_NOTIFIER, t.mm, first, FAR_AWAY, true) as Task<string, unknown>);
    run(t, ops.invalidateRangeEnd?.(FIRST_NOTIFIER, t.mm, first, FAR_AWAY) as Task<string, unknown>);
    const pfn = run(t, driver.access(instance, (a + PAGE_SIZE) as Vaddr, false));
    must(pfn === 0, `a range from ${hex(first)} to ${hex(FAR_AWAY)} was told and is over, and the device still reaches ${hex(a + PAGE_SIZE)}`);
  }
}

/** Pages of a file: what is written to them by a device is marked, also where one entry makes room for another. */
function keepsWrites(t: Setup): void {
  const { instance, driver } = t.dev;
  const pages = 12;
  const file = t.file(pages, 'shmem');
  const a = t.mmap(pages, { at: PAGE_SIZE as Vaddr, file, isShared: true });
  for (let i = 0; i < pages; i++) {
    const page = (a + i * PAGE_SIZE) as Vaddr;
    t.read(page);
    const pfn = touch(t, instance, page, true);
    must(pfn === primary(t, page), `the device writes to frame ${pfn} at ${hex(page)} and the process has frame ${primary(t, page)} there`);
    must(primary(t, page) !== 0 && run(t, driver.access(instance, page, true)) === pfn, `the device wrote at ${hex(page)} and cannot do so a second time`);
  }
  t.munmap(a, pages);
}

function twoInstances(t: Setup): void {
  const { instance, driver } = t.dev;
  const a = t.mmap(1);
  t.write(a, 7);
  const other = opened(t, t.mm);
  must(other !== instance, `\`create\` returns ${other} a second time, while that instance is open`);
  for (const of of [instance, other]) must(touch(t, of, a, true) === primary(t, a), `instance ${of} does not reach the page at ${hex(a)}`);
  run(t, driver.destroy(other));
  must(touch(t, instance, a, true) === primary(t, a), `instance ${instance} no longer reaches the page at ${hex(a)} after instance ${other} was closed`);
  t.munmap(a);
  const pfn = run(t, driver.access(instance, a, false));
  must(pfn === 0, `munmap of ${hex(a)} has returned and instance ${instance} still reaches frame ${pfn}; instance ${other} of the same address space was closed before`);
}

function twoSpaces(t: Setup): void {
  const a = t.mmap(1);
  t.write(a, 7);
  const parent = t.current;
  const child = t.fork();
  const childMm = t.image.mmOf(t.m as never, child);
  const [first, second] = [opened(t, t.mm), opened(t, childMm)];
  t.image.setCurrent(t.m as never, child);
  t.write(a, 8);
  t.image.setCurrent(t.m as never, parent);
  must(touch(t, first, a, false) === primary(t, a), `the instance of the parent does not reach the parent's page at ${hex(a)}`);
  must(touch(t, second, a, false) === primary(t, a, childMm), `the instance of the child does not reach the child's page at ${hex(a)}`);
  t.madvise(a, MADV_DONTNEED);
  must(touch(t, second, a, false) === primary(t, a, childMm), `the instance of the child lost its page at ${hex(a)} for good when the parent gave up its own`);
}

function givesEntriesBack(t: Setup): void {
  const { instance } = t.dev;
  const a = t.mmap(1);
  for (let i = 0; i < MANY; i++) {
    const pfn = touch(t, instance, a, true);
    must(pfn > 0, `the ${i + 1}th fault at ${hex(a)} fails with ${pfn}, and each entry before was taken away: are rows given back?`);
    t.madvise(a, MADV_DONTNEED);
  }
}

/** Many processes, one after the other, each with a device: at the end everything is there that was there before. */
function lives(t: Setup, isExitFirst: boolean): void {
  const before = liveFrames(t);
  for (let i = 0; i < MANY; i++) life(t, `process ${i + 1}`, isExitFirst, (instance, a) => { touch(t, instance, a, true); });
  isAsBefore(t, before);
}

/** One process and its device, from fork to the end of both. */
function life(t: Setup, who: string, isExitFirst: boolean, act: (instance: number, page: Vaddr) => void): void {
  const { image, m } = t;
  const { driver } = t.dev;
  const parent = t.current;
  const before = liveFrames(t);
  const child = t.fork();
  must(child > 0, `${who} cannot be made any more (${child}): address spaces of those before it are still pinned, though their devices were closed`);
  const mm = image.mmOf(m as never, child);
  image.setCurrent(m as never, child);
  const first = run(t, driver.create(mm));
  const instance = first < 0 ? run(t, driver.create(mm)) : first;
  must(instance > 0, `\`create\` for ${who} gives ${instance}, and every instance before was closed: what does \`destroy\` not give back?`);
  const a = t.mmap(1, { at: (8 * PAGE_SIZE) as Vaddr });
  t.write(a, 7);
  act(instance, a);
  const end = [(): void => { t.exit(); }, (): void => { run(t, driver.destroy(instance)); }];
  if (!isExitFirst) end.reverse();
  for (const step of end) step();
  image.setCurrent(m as never, parent);
  t.rcu();
  must(!image.isMmAlive(m as never, mm), `the process has ended, its device is closed and its address space lives on: \`mm_users\` was taken and not given back (mmput)`);
  isAsBefore(t, before);
}

function isAsBefore(t: Setup, before: number): void {
  const kept = liveFrames(t) - before;
  must(kept === 0, `the process has ended, its device is closed and ${kept} of its frames ${kept === 1 ? 'is' : 'are'} still referenced: a page was taken and not given back (putPage)`);
}

/** Two lives, in one of which something fails: what is tried again must do then, and what was taken must be given back. */
function failingLives(t: Setup): void {
  for (const isExitFirst of [false, true]) {
    life(t, 'a process', isExitFirst, (instance, a) => {
      for (const isWrite of [false, true]) reaches(t, instance, a, isWrite);
      t.madvise(a, MADV_DONTNEED);
      t.write(a, 8);
      reaches(t, instance, a, true);
    });
  }
}

function callInFailingLife(t: Setup, call: DeviceCall): void {
  const other = t.mm;
  life(t, 'a process', false, (instance, a) => {
    reaches(t, instance, a, true);
    // the second must find what the first has left
    for (let i = 0; i < 2; i++) t.dev.own(call.run(t.dev.driver as never, instance, a, { other, isAlone: false }), instance);
    reaches(t, instance, a, true);
  });
}

/** Once more where something may have failed: it does so once only. */
function reaches(t: Setup, instance: number, address: Vaddr, isWrite: boolean): void {
  const first = touch(t, instance, address, isWrite);
  const pfn = first < 0 ? touch(t, instance, address, isWrite) : first;
  const verb = isWrite ? 'write' : 'read';
  must(pfn > 0, `a ${verb} at ${hex(address)} fails with ${first}, and with ${pfn} when it is tried again`);
}

/** Its tables are small: what does not fit is refused, and fits again when others have gone. */
function littleRoom(t: Setup): void {
  const instance = opened(t, t.mm);
  const pages = 10;
  const a = t.mmap(pages, { at: PAGE_SIZE as Vaddr });
  for (let i = 0; i < pages; i++) {
    const page = (a + i * PAGE_SIZE) as Vaddr;
    t.write(page, i);
    const pfn = touch(t, instance, page, true);
    must(pfn < 0 || pfn === primary(t, page), `the device reaches frame ${pfn} at ${hex(page)} and the process frame ${primary(t, page)}`);
    if (pfn < 0) t.madvise(a, MADV_DONTNEED, pages);
  }
  t.madvise(a, MADV_DONTNEED, pages);
  t.write(a, 7);
  must(touch(t, instance, a, true) === primary(t, a), `the device does not reach ${hex(a)}, though every entry before was taken away`);
  t.munmap(a, pages);
  run(t, t.dev.driver.destroy(instance));
}

/** What only this driver does, again and again: each time it works as the first time, and the rest of the device beside it. */
function callsOften(t: Setup, call: DeviceCall): void {
  const { instance, driver } = t.dev;
  const a = t.mmap(1);
  const other = t.process();
  const otherMm = t.image.mmOf(t.m as never, other);
  t.write(a, 7);
  for (let i = 0; i < MANY_CALLS; i++) {
    const said: unknown = t.dev.own(call.run(driver as never, instance, a, { other: otherMm, isAlone: true }), instance);
    mustBeSilent(call, said);
    if (i % 2 === 0) t.madvise(a, MADV_DONTNEED);
    t.write(a, i);
    must(touch(t, instance, a, i % 3 === 0) === primary(t, a), `after call \`${call.name}\` the device does not reach ${hex(a)}`);
  }
  t.as(other, () => { t.exit(); });
  t.munmap(a);
  must(run(t, driver.access(instance, a, false)) === 0, `munmap of ${hex(a)} has returned and the device still reaches it`);
}

function comesTooLate(t: Setup): void {
  const { image, m } = t;
  const parent = t.current;
  const child = t.fork();
  const mm = image.mmOf(m as never, child);
  image.setCurrent(m as never, child);
  t.exit();
  image.setCurrent(m as never, parent as TaskStruct);
  const instance = run(t, t.dev.driver.create(mm));
  must(instance < 0, `\`create\` for an address space that has ended gives instance ${instance}, expected -ESRCH`);
}

function tooMany(t: Setup): void {
  const { driver } = t.dev;
  const a = t.mmap(1);
  t.write(a, 7);
  const open: number[] = [];
  for (let i = 0; i < MANY; i++) {
    const instance = run(t, driver.create(t.mm));
    if (instance < 0) break;
    open.push(instance);
  }
  for (const instance of open) touch(t, instance, a, false);
  for (const instance of open) run(t, driver.destroy(instance));
  const again = run(t, driver.create(t.mm));
  must(again > 0, `\`create\` gives ${again} after ${open.length} instances were opened, the next was refused, and all were closed`);
}

function counts(t: Setup): void {
  const { instance, driver } = t.dev;
  const a = t.mmap(1);
  t.write(a, 7);
  touch(t, instance, a, true);
  t.munmap(a);
  for (const [name, value] of Object.entries(driver.counters())) must(Number.isInteger(value) && value >= 0, `\`counters\` gives ${String(value)} for \`${name}\`, expected a whole number`);
  const { faults, accesses, invalidations } = driver.counters();
  must(faults > 0 && accesses > 0 && invalidations > 0, `\`counters\` after a fault, accesses and a munmap: ${faults} faults, ${accesses} accesses, ${invalidations} invalidations, expected some of each`);
}

/** Used: 1. Not used since: 0. */
function agesOnce(t: Setup, name: 'agePage' | 'clearFlushYoung'): void {
  const { instance, driver } = t.dev;
  const a = t.mmap(1);
  t.write(a, 7);
  touch(t, instance, a, false);
  const mn = FIRST_NOTIFIER;
  const ops = driver.ops as Readonly<Record<string, (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr) => Task<string, number>>>;
  const ask = (): number => run(t, (ops[name] as (typeof ops)[string])(mn, t.mm, a, (a + PAGE_SIZE) as Vaddr));
  must(ask() === 1, `\`${name}\` gives 0 for a page that the device has just used: reclaim takes it for idle`);
  // whose pages are pinned loses nothing by calling them used
  if (driver.counters().pins > 0) return;
  must(ask() === 0, `\`${name}\` gives 1 again for a page that the device has not used since: its mark was not cleared`);
}

/** The device that follows the first process was the first to ask for one. */
const FIRST_NOTIFIER = 1 as MmuNotifier;

function opened(t: Setup, mm: Mm): number {
  const instance = run(t, t.dev.driver.create(mm));
  must(instance > 0, `\`create\` gives ${instance}, and there is room`);
  return instance;
}

function liveFrames({ image, m }: Setup): number {
  let count = 0;
  for (let pfn = 1; pfn <= m.bootConfig.nrFrames; pfn++) if (image.isFrameLive(m as never, pfn as Pfn)) count++;
  return count;
}
