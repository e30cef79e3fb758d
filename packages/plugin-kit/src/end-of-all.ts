/** What is left when every device is closed and every process has ended: it was taken, and nobody gives it back any more. */
import type { Pfn, TaskStruct } from '@mmun/include';
import { Violation, codeOf } from '@mmun/oracle';
import type { RaceContext } from '@mmun/races';
import type { GuardedDriver } from './guarded-driver.js';

/**
 * Ends everything, on the machine as an execution has left it, and judges what is left.
 * @param before frames that were in use before the set-up @throws Violation
 */
export function endOfAll(t: RaceContext, before: number): void {
  const { image, m } = t;
  // whoever scheduled has no thread left to run: from here on the machine's own scheduler does, for one thread
  const { sched } = m;
  Object.assign(m, { sched });
  try {
    for (const dev of t.devs) for (const instance of (dev.driver as GuardedDriver).openInstances()) image.run(m, dev.close(instance));
    for (let task = 1; task <= m.bootConfig.nrTasks; task++) {
      if (image.mmOf(m, task as TaskStruct) === 0) continue;
      image.setCurrent(m, task as TaskStruct);
      image.run(m, image.sysExit(m));
    }
    image.run(m, t.rcu());
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    throw typeof code === 'string' ? new Violation({ code: codeOf(code), message: `${message}, when everything was closed afterwards` }) : error;
  }
  image.setCurrent(m, 0 as TaskStruct);
  for (const { driver } of t.devs) nothingIsLeft(driver as GuardedDriver);
  const kept = ownFrames(t) - before;
  if (kept > 0) throw leak(`${kept} ${kept === 1 ? 'frame is' : 'frames are'} still referenced`);
}

/** Frames in use that are no pages of files, which stay. */
export function ownFrames({ image, m }: Pick<RaceContext, 'image' | 'm'>): number {
  let count = 0;
  for (let pfn = 1; pfn <= m.bootConfig.nrFrames; pfn++) if (image.isFrameLive(m, pfn as Pfn) && !image.isPageOfFile(m, pfn as Pfn)) count++;
  return count;
}

function nothingIsLeft(driver: GuardedDriver): void {
  for (const { name, used } of driver.rowsInUse()) if (used > 0) throw leak(`${used} ${used === 1 ? 'row' : 'rows'} of the driver's \`${name}\` more than at attach are in use`);
  driver.audit((instance, _mm, address, pfn) => { throw leak(`\`audit\` shows an entry of instance ${instance} for \`0x${address.toString(16)}\` to frame ${pfn}`); });
}

function leak(message: string): Violation {
  return new Violation({ code: 'refcount-leak', message: `every device is closed and every process has ended, and ${message}` });
}
