/**
 * What a driver must do when it is alone: find pages, refuse what the process is refused, let go, give back what it took.
 *
 * Each rule is a little program of one thread. Where one is broken the sentence says what was expected, and of whom.
 */
import { EFAULT, MADV_DONTNEED, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { MmuNotifier, Mm, SecondaryMmu, Task, Vaddr } from '@mmun/include';
import type { Setup } from '@mmun/races';
import { PLENTY, SPACES, callInLife, callsOften, closedInRanges, comesTooLate, failingLives, littleRoom, lives, manySpaces, tooMany, turnsInLife, twoInstances, twoSpaces } from './conduct-lives.js';
import { largeRangesGo, manyRanges, rangesGo, reaped } from './conduct-ranges.js';
import { FIRST_NOTIFIER, MANY, hex, must, primary, run, shows, touch } from './conduct-steps.js';
import type { DesignName, DeviceCall } from './scenarios.js';
import type { Sequence } from './sequential.js';

export interface Rule extends Sequence {
  readonly name: string;
  /** Not worth its time in a short run. */
  readonly isLong?: boolean;
}

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
    ...(design === 'range' && plugin.designs.range?.includes('invalidateRangeEnd') === true ? [{ name: 'a range may be larger than any memory', run: largeRangesGo }, { name: 'more ranges at once than there is room for', run: manyRanges }, { name: 'closed while a range is under way', opensDevices: true, run: closedInRanges }] : []),
    ...(design === 'range' ? [{ name: 'who may wait for nobody is not kept waiting', run: reaped }] : []),
    { name: 'what the device writes is kept', config: WIDE, run: keepsWrites },
    { name: 'two instances of one address space', run: twoInstances },
    { name: 'instances of two address spaces', opensDevices: true, config: { nrNotifiers: 4 }, run: twoSpaces },
    { name: 'one comes and goes beside those of many address spaces', opensDevices: true, config: SPACES, run: manySpaces },
    { name: 'entries are given back', run: givesEntriesBack },
    { name: 'closed, then the process ends', opensDevices: true, run: (t) => { lives(t, false); } },
    { name: 'the process ends, then closed', opensDevices: true, run: (t) => { lives(t, true); } },
    { name: 'an address space that has ended is not followed', opensDevices: true, run: comesTooLate },
    { name: 'more instances than there is room for', opensDevices: true, config: { ...WIDE, nrNotifiers: 4 }, run: tooMany },
    { name: 'counters count', run: counts },
    { name: 'little room', config: PLENTY, opensDevices: true, lessRoom: { nrNotifiers: 1, nrFrames: 2, nrTasks: 2 }, run: littleRoom },
    // tables with one row: what is not given back when something fails is missing in the next life
    { name: 'what can fail does', opensDevices: true, fails: true, lessRoom: { nrNotifiers: 1 }, run: failingLives },
    ...calls.flatMap((call) => [
      { name: `call ${call.name}`, config: PLENTY, run: (t: Setup): void => { callsOften(t, call); } },
      { name: `what can fail does in call ${call.name}`, isLong: call.isLong === true, opensDevices: true, fails: true, config: PLENTY, run: (t: Setup): void => { callInLife(t, call, false); } },
      { name: `call ${call.name}, and the other process ends`, opensDevices: true, config: PLENTY, run: (t: Setup): void => { callInLife(t, call, true); } },
    ]),
    ...calls.filter(({ prepare }) => prepare !== undefined).map((call) => ({ name: `call ${call.name} in turns`, opensDevices: true, isRefusing: true, config: PLENTY, run: (t: Setup): void => { turnsInLife(t, call); } })),
    ...(plugin.designs[design]?.includes(ages) === true ? [{ name: 'age', run: (t: Setup): void => { agesOnce(t, ages); } }] : []),
  ];
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

function givesEntriesBack(t: Setup): void {
  const { instance } = t.dev;
  const a = t.mmap(1);
  for (let i = 0; i < MANY; i++) {
    const pfn = touch(t, instance, a, true);
    must(pfn > 0, `the ${i + 1}th fault at ${hex(a)} fails with ${pfn}, and each entry before was taken away: are rows given back?`);
    t.madvise(a, MADV_DONTNEED);
  }
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
