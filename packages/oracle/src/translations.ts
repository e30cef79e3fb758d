/** Entries of devices and CPUs against the page tables: when an access goes by one, and all of them at rest. */
import { READ } from '@mmun/include';
import type { Mm, Pfn, Vaddr } from '@mmun/include';
import type { Report } from '@mmun/explorer';
import { isSettled, promiseOf } from './calls.js';
import {
  Violation, entryDiffers, entryExceeds, entryOfFreeFrame, entryOfNothing, reachesDeadSpace, reachesFreeFrame, staleAfter, viewsDiffer, writesReadOnly,
} from './reports.js';
import type { Reach } from './reports.js';
import type { WatchedImage, WatchedMachine } from './watched.js';

/**
 * To be called in the step of the access. Whatever the judgement reads is made part of that step, so that accesses are
 * ordered against every change of it.
 * @param own calls of the accessing thread itself that are under way on the page
 */
export function judgeAccess<M extends WatchedMachine>(image: WatchedImage<M>, m: M, reach: Reach, own: number): void {
  const { mm, address, pfn, isWrite } = reach;
  m.sched.touch(READ, image.frameWhere(m, pfn));
  m.sched.touch(READ, image.refcountWhere(m, pfn));
  if (!image.isFrameLive(m, pfn)) throw new Violation(reachesFreeFrame(reach));
  if (!isSettled(m, mm, address, own)) return;
  m.sched.touch(READ, image.tableWhere(m, mm, address));
  m.sched.touch(READ, image.translationWhere(m, mm, address));
  const primary = image.primaryTranslation(m, mm, address);
  if (Math.floor(primary / 2) === pfn && (!isWrite || primary % 2 === 1)) return;
  if (!image.isMmAlive(m, mm)) throw new Violation(reachesDeadSpace(reach));
  const call = promiseOf(m, mm, address);
  if (call !== null) throw new Violation(staleAfter(reach, call, primary));
  throw new Violation(Math.floor(primary / 2) === pfn ? writesReadOnly(reach) : viewsDiffer(reach, primary));
}

/** Nobody is under way: each entry must be what its pte is, or less. */
export function auditEntries<M extends WatchedMachine>(image: WatchedImage<M>, m: M, report: (found: Report) => void): void {
  for (const { name, driver } of image.attachedSecondaries(m)) {
    driver.audit((_instance, mm, address, pfn, isWrite) => { auditEntry(image, m, { who: name, mm, address, pfn, isWrite }, report); });
  }
  image.auditTlb(m, (cpu, mm: Mm, address: Vaddr, pfn: Pfn, isWrite) => {
    // what is cached for an address space that has ended is never asked for again: its CPUs switch first
    if (image.isMmAlive(m, mm)) auditEntry(image, m, { who: `cpu ${cpu}`, mm, address, pfn, isWrite }, report);
  });
}

function auditEntry<M extends WatchedMachine>(image: WatchedImage<M>, m: M, reach: Reach, report: (found: Report) => void): void {
  const primary = image.primaryTranslation(m, reach.mm, reach.address);
  if (!image.isFrameLive(m, reach.pfn)) report(entryOfFreeFrame(reach));
  else if (primary === 0) report(entryOfNothing(reach));
  else if (Math.floor(primary / 2) !== reach.pfn) report(entryDiffers(reach, primary));
  else if (reach.isWrite && primary % 2 === 0) report(entryExceeds(reach));
}
