/** What rules are written with: a device's access, what the process has, a sentence where the two differ. One thread, so everything returns at once. */
import { PAGE_SIZE } from '@mmun/include';
import type { Mm, MmuNotifier, Pfn, SecondaryDriver, Task, Vaddr } from '@mmun/include';
import { Violation, codeOf } from '@mmun/oracle';
import type { Setup } from '@mmun/races';

/** Times that a driver may answer `try again` where nobody is in its way. */
const PATIENCE = 4;
/** More often than any table of the toy machine has rows. */
export const MANY = 40;
/** The device that follows the first process was the first to ask for one. */
export const FIRST_NOTIFIER = 1 as MmuNotifier;

export function must(isTrue: boolean, message: string): void {
  if (!isTrue) throw new Violation({ code: 'bad-plugin', message });
}

export const hex = (address: number): string => `\`0x${address.toString(16)}\``;

export function run<R>({ image, m }: Setup, task: Task<string, R>): R {
  return image.run(m as never, task) as R;
}

/** The device's access, with as many faults as it takes. @returns the frame, or the error of the fault */
export function touch(t: Setup, instance: number, address: Vaddr, isWrite: boolean): number {
  const { driver } = t.dev;
  for (let faults = 0; ; faults++) {
    const pfn = run(t, driver.access(instance, address, isWrite));
    if (pfn !== 0) {
      must(isShown(driver, address, pfn), `\`audit\` does not show the entry for ${hex(address)} to frame ${pfn}, through which instance ${instance} just reached it`);
      return pfn;
    }
    const verb = isWrite ? 'write' : 'read';
    must(faults < PATIENCE, `after ${PATIENCE} faults that returned 0 the device still cannot ${verb} ${hex(address)}, and nobody was in its way: expected an entry or an error`);
    const error = run(t, driver.fault(instance, address, isWrite));
    if (error !== 0) return error;
  }
}

export function primary({ image, m, mm }: Setup, address: Vaddr, of: Mm = mm): Pfn {
  return Math.floor(image.primaryTranslation(m as never, of, address) / 2) as Pfn;
}

export function shows(driver: SecondaryDriver, instance: number, address: Vaddr, pfn: number): boolean {
  let isShown = false;
  driver.audit((of, _mm, at, frame) => { isShown ||= of === instance && at === address && frame === pfn; });
  return isShown;
}

/** By whichever instance: they may share it. */
export function isShown(driver: SecondaryDriver, address: Vaddr, pfn: number): boolean {
  let isThere = false;
  driver.audit((_instance, _mm, at, frame) => { isThere ||= at === address && frame === pfn; });
  return isThere;
}

export const behind = (page: Vaddr): Vaddr => (page + PAGE_SIZE) as Vaddr;

/** Pages of an address space of arch toy. */
const NR_PAGES = 16;

/** A frame that is free is in no page table: also not in that of an area which the driver itself has made. */
export function addsUp({ image, m }: Pick<Setup, 'image' | 'm'>, when: string): void {
  noneMapsWhatIsFree({ image, m }, when);
  for (const { code, message } of image.checkMachine(m as never)) throw new Violation({ code: codeOf(code), message: `${message}, ${when}` });
}

/** Also not in an area that the driver itself has filled, whose pages mm does not count. */
export function noneMapsWhatIsFree({ image, m }: Pick<Setup, 'image' | 'm'>, when: string): void {
  for (let mm = 1; mm <= m.bootConfig.nrMms; mm++) {
    for (let page = 0; page < NR_PAGES && image.isMmAlive(m as never, mm as Mm); page++) {
      const pfn = Math.floor(image.primaryTranslation(m as never, mm as Mm, (page * PAGE_SIZE) as Vaddr) / 2) as Pfn;
      if (pfn !== 0 && !image.isFrameLive(m as never, pfn)) throw new Violation({ code: 'use-after-free', message: `mm ${mm} maps frame ${pfn} at ${hex(page * PAGE_SIZE)}, which is free: a driver let go of it and not of the area where it had mapped it, ${when}` });
    }
  }
}

/** Everything that is queued. The thread that does it waits for more when there is none, and nobody brings any. */
export function doWork(t: Setup): void {
  try {
    t.work();
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'deadlock') throw error;
  }
}

export function opened(t: Setup, mm: Mm): number {
  const instance = run(t, t.dev.driver.create(mm));
  must(instance > 0, `\`create\` gives ${instance}, and there is room`);
  return instance;
}

export function liveFrames({ image, m }: Setup): number {
  let count = 0;
  for (let pfn = 1; pfn <= m.bootConfig.nrFrames; pfn++) if (image.isFrameLive(m as never, pfn as Pfn)) count++;
  return count;
}

/** Once more where something may have failed: it does so once only. */
export function reaches(t: Setup, instance: number, address: Vaddr, isWrite: boolean): void {
  const first = touch(t, instance, address, isWrite);
  const pfn = first < 0 ? touch(t, instance, address, isWrite) : first;
  const verb = isWrite ? 'write' : 'read';
  must(pfn > 0, `a ${verb} at ${hex(address)} fails with ${first}, and with ${pfn} when it is tried again`);
}
