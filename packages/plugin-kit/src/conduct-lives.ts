/** Rules of more than one instance, and of a whole life: what is taken is given back, and nobody meets what is another's. */
import { MADV_DONTNEED, PAGE_SIZE } from '@mmun/include';
import type { MaySleep, Mm, RangeNotifierOps, Task, TaskStruct, Vaddr } from '@mmun/include';
import type { Setup } from '@mmun/races';
import { FIRST_NOTIFIER, MANY, addsUp, behind, hex, liveFrames, must, opened, primary, reaches, run, touch } from './conduct-steps.js';
import type { GuardedDriver } from './guarded-driver.js';
import { madeAlone, mustBeSilent } from './own-calls.js';
import type { DeviceCall } from './scenarios.js';

/** Of one of its own calls: more often than a toy machine has rows. */
const MANY_CALLS = 12;
/** Another process, and room for its pages. */
export const PLENTY = { nrMms: 4, nrTasks: 8, nrFrames: 16, nrNotifiers: 5, nrVmas: 16, nrTables: 20 };
/** Five processes with a page each: as many as a driver has rows for. */
export const SPACES = { nrMms: 8, nrTasks: 12, nrFrames: 32, nrNotifiers: 5, nrVmas: 24, nrTables: 40, nrAnonVmas: 16, nrAnonVmaChains: 32 };

export function twoInstances(t: Setup): void {
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

export function twoSpaces(t: Setup): void {
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

/**
 * Processes with an instance each, as many as there is room for, and beside them one more of each in turn, which goes again. Sometimes its
 * page is changed while it is not there, so that whatever stands for an address space is given out anew; nobody may meet what is another's.
 */
export function manySpaces(t: Setup): void {
  const { driver } = t.dev;
  const a = PAGE_SIZE as Vaddr;
  const tasks = [t.current, ...Array.from({ length: SPACES.nrNotifiers - 1 }, () => t.process())];
  const spaces = tasks.map((task, i) => {
    const mm = t.image.mmOf(t.m as never, task);
    t.as(task, () => {
      t.mmap(1, { at: a });
      t.write(a, i);
    });
    return { task, mm, instance: opened(t, mm) };
  });
  const isItsOwn = (instance: number, mm: Mm): void => {
    const pfn = touch(t, instance, a, false);
    must(pfn === primary(t, a, mm), `instance ${instance} of mm ${mm} reaches frame ${pfn} at ${hex(a)} and its process frame ${primary(t, a, mm)}; others come and go beside it`);
  };
  for (let round = 0; round < MANY; round++) {
    const { task, mm } = spaces[round % spaces.length] as (typeof spaces)[number];
    const guest = run(t, driver.create(mm));
    if (guest > 0) {
      isItsOwn(guest, mm);
      run(t, driver.destroy(guest));
    }
    if (Math.floor(round / spaces.length) % 2 === 0) t.as(task, () => {
      t.madvise(a, MADV_DONTNEED);
      t.write(a, round);
    });
    for (const space of spaces) isItsOwn(space.instance, space.mm);
  }
}

/** Many processes, one after the other, each with a device: at the end everything is there that was there before. */
export function lives(t: Setup, isExitFirst: boolean): void {
  const before = liveFrames(t);
  for (let i = 0; i < MANY; i++) life(t, `process ${i + 1}`, isExitFirst, (instance, a) => { touch(t, instance, a, true); });
  isAsBefore(t, before);
}

/** One process and its device, from fork to the end of both. */
function life(t: Setup, who: string, isExitFirst: boolean, act: (instance: number, page: Vaddr) => void): void {
  const { image, m } = t;
  const { driver } = t.dev;
  const parent = t.current;
  const [before, rowsBefore] = [liveFrames(t), rowsInUse(t)];
  const child = t.fork();
  must(child > 0, `${who} cannot be made any more (${child}): address spaces of those before it are still pinned, though their devices were closed`);
  const mm = image.mmOf(m as never, child);
  image.setCurrent(m as never, child);
  const first = run(t, driver.create(mm));
  const instance = first < 0 ? run(t, driver.create(mm)) : first;
  must(instance > 0, `\`create\` for ${who} gives ${instance}, and every instance before was closed: what does \`destroy\` not give back?`);
  const a = t.mmap(2, { at: (8 * PAGE_SIZE) as Vaddr });
  for (const page of [a, behind(a)]) t.write(page, 7);
  act(instance, a);
  const end = [(): void => { t.exit(); }, (): void => { run(t, driver.destroy(instance)); }];
  if (!isExitFirst) end.reverse();
  for (const step of end) step();
  image.setCurrent(m as never, parent);
  t.rcu();
  must(!image.isMmAlive(m as never, mm), `the process has ended, its device is closed and its address space lives on: \`mm_users\` was taken and not given back (mmput)`);
  isAsBefore(t, before);
  for (const [table, used] of rowsInUse(t)) must(used <= (rowsBefore.get(table) ?? 0), `the process has ended, its device is closed, and ${used} rows of the driver's \`${table}\` are in use, before ${rowsBefore.get(table) ?? 0}`);
}

/** Of each table of the driver's that rows are given out of. */
function rowsInUse(t: Setup): ReadonlyMap<string, number> {
  return new Map((t.dev.driver as unknown as GuardedDriver).rowsInUse().map(({ name, used }) => [name, used]));
}

/** Whoever goes between the start of a range and its end is not told of the end. */
export function closedInRanges(t: Setup): void {
  for (const isExitFirst of [false, true]) {
    life(t, 'a process', isExitFirst, (instance, a) => {
      touch(t, instance, a, true);
      const { invalidateRangeStart } = t.dev.driver.ops as RangeNotifierOps;
      run(t, invalidateRangeStart?.(FIRST_NOTIFIER, t.mm, a, behind(a), true) as Task<string, unknown>);
    });
  }
}

function isAsBefore(t: Setup, before: number): void {
  const kept = liveFrames(t) - before;
  must(kept === 0, `the process has ended, its device is closed and ${kept} of its frames ${kept === 1 ? 'is' : 'are'} still referenced: a page was taken and not given back (putPage)`);
}

/** Two lives, in one of which something fails: what is tried again must do then, and what was taken must be given back. */
export function failingLives(t: Setup): void {
  for (const isExitFirst of [false, true]) {
    life(t, 'a process', isExitFirst, (instance, a) => {
      for (const isWrite of [false, true]) reaches(t, instance, a, isWrite);
      t.madvise(a, MADV_DONTNEED);
      t.write(a, 8);
      reaches(t, instance, a, true);
    });
  }
}

/** What a call leaves behind may be used and changed until the instance is closed, and goes with it. */
export function callInLife(t: Setup, call: DeviceCall, isOtherOver: boolean): void {
  const { image, m } = t;
  const task = t.process();
  const other = image.mmOf(m as never, task);
  life(t, 'a process', false, (instance, a) => {
    const page = behind(a);
    reaches(t, instance, page, true);
    // the second must find what the first has left
    for (let i = 0; i < 2; i++) t.dev.own(madeAlone(call, t.dev.driver, instance, page, other, false), instance);
    reaches(t, instance, page, true);
    if (isOtherOver) t.as(task, () => { t.exit(); });
    const pfn = primary(t, page);
    t.madvise(a, MADV_DONTNEED, 2);
    addsUp(t, `after call \`${call.name}\` and MADV_DONTNEED`);
    const isKept = isOtherOver && pfn !== 0 && image.isFrameLive(m as never, pfn);
    must(!isKept, `after call \`${call.name}\` the other process has ended, the page at ${hex(page)} was given up, and the driver still holds its frame ${pfn}`);
    t.write(page, 9);
    reaches(t, instance, page, true);
  });
  if (!isOtherOver) t.as(task, () => { t.exit(); });
}

/** What was prepared is used, and used once more when its page is another one; no lock can be had that is not waited for. */
export function turnsInLife(t: Setup, call: DeviceCall): void {
  const other = t.image.mmOf(t.m as never, t.process());
  life(t, 'a process', false, (instance, a) => {
    const { driver, own } = t.dev;
    const prepared = own(call.prepare?.(driver as never, instance, a, { other, isAlone: true }) as Task<MaySleep, number>, instance) as number;
    for (const turn of [0, 1]) {
      mustBeSilent(call, own(call.run(driver as never, instance, a, { other, isAlone: true, prepared, turn }), instance));
      t.madvise(a, MADV_DONTNEED);
      t.write(a, 9);
    }
  });
}

/** Its tables are small: what does not fit is refused, and fits again when others have gone. */
export function littleRoom(t: Setup): void {
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
export function callsOften(t: Setup, call: DeviceCall): void {
  const { instance, driver } = t.dev;
  const a = t.mmap(1);
  const other = t.process();
  const otherMm = t.image.mmOf(t.m as never, other);
  t.write(a, 7);
  for (let i = 0; i < MANY_CALLS; i++) {
    const said: unknown = t.dev.own(madeAlone(call, driver, instance, a, otherMm, true), instance);
    mustBeSilent(call, said);
    if (i % 2 === 0) t.madvise(a, MADV_DONTNEED);
    t.write(a, i);
    must(touch(t, instance, a, i % 3 === 0) === primary(t, a), `after call \`${call.name}\` the device does not reach ${hex(a)}`);
  }
  t.as(other, () => { t.exit(); });
  t.munmap(a);
  must(run(t, driver.access(instance, a, false)) === 0, `munmap of ${hex(a)} has returned and the device still reaches it`);
}

export function comesTooLate(t: Setup): void {
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

export function tooMany(t: Setup): void {
  const { driver } = t.dev;
  const pages = 6;
  const a = t.mmap(pages);
  const open: number[] = [];
  for (let i = 0; i < MANY; i++) {
    const instance = run(t, driver.create(t.mm));
    if (instance < 0) break;
    open.push(instance);
  }
  for (const [i, instance] of open.entries()) touch(t, instance, (a + (i % pages) * PAGE_SIZE) as Vaddr, true);
  for (const instance of open) run(t, driver.destroy(instance));
  const again = run(t, driver.create(t.mm));
  must(again > 0, `\`create\` gives ${again} after ${open.length} instances were opened, the next was refused, and all were closed`);
}
