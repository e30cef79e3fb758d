// Models xpmem_fault_handler and xpmem_ensure_valid_PFN (hjelmn/xpmem 242eaa1; retry as 20080409185500.GT11364 describes it).
/**
 * A fault of the other side: pins the page, makes an entry and has the other side make its own, or learns that mm was faster.
 *
 *   fault                               mm
 *   in the list of active faults
 *   pinUserPages: frame P
 *                                       start: marks the fault, recalls, sleeps for answers
 *                                       pte changed
 *                                       end
 *   marked: gives P back, starts over
 *
 * No lock is held over pinUserPages. A write breaks copy on write there, and the range that do_wp_page starts for that comes
 * back into this driver in the same thread: it marks the very fault, which starts over. SGI's driver had a mutex here, and
 * could wait for itself (20080201220952.GA3875).
 */
import { EAGAIN, EFAULT, ENOMEM, PAGE_SIZE, WRITE } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Step, Task, Vaddr } from '@mmun/include';
import { bugOn, poolIsLive, whereOf } from '@mmun/lib';
import { areaAddress } from './xpmem-area.js';
import { addEntry, beginFault, endFault, endFaultLocked, findEntry } from './xpmem-pfn.js';
import { lateRecall } from './xpmem-recall.js';
import { installProxy } from './xpmem-remote.js';
import { ATT_LOCAL, ENTRY_LATE, ENTRY_RECALLED, ENTRY_WRITABLE, faultLockOf, mmOfSeg, mutexOf } from './xpmem-private.js';
import type { Xpmem } from './xpmem-private.js';

/** Lookups of one fault: the first may copy the page that it looks up, which is a change like any other. */
const MAX_TRIES = 3;

/** @returns as SecondaryDriver.fault */
export function* faultPage(x: Xpmem, att: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const page = (address - (address % PAGE_SIZE)) as Vaddr;
  const permit = x.att.permit[att];
  const seg = x.att.seg[att];
  x.stat.faults[0] += 1;
  if (isWrite && x.permit.isWritable[permit] === 0) return -EFAULT;
  if (page < x.seg.start[seg] || page >= x.seg.end[seg]) return -EFAULT;
  const tg = x.seg.tg[seg];
  yield* countFault(x, tg, 1);
  let result = -EAGAIN;
  for (let tries = 0; result === -EAGAIN && tries < MAX_TRIES; tries++) result = yield* tryFault(x, att, page, isWrite);
  yield* countFault(x, tg, -1);
  return result === -EAGAIN ? 0 : result;
}

/** @returns -EAGAIN where mm was faster */
function* tryFault(x: Xpmem, att: number, page: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const seg = x.att.seg[att];
  const tg = x.seg.tg[seg];
  const fault = yield* beginFault(x, seg, page);
  if (fault < 0) return fault;
  const pfn = yield* x.s.pinUserPages(mmOfSeg(x, seg), page, isWrite);
  if (pfn < 0) {
    yield* endFault(x, tg, fault);
    return pfn;
  }
  return x.att.kind[att] === ATT_LOCAL ? yield* mapHere(x, att, page, pfn as Pfn, isWrite, fault) : yield* enterPage(x, att, page, pfn as Pfn, isWrite, fault);
}

/** The area's mmap_sem is above the mutex. */
function* mapHere(x: Xpmem, att: number, page: Vaddr, pfn: Pfn, isWrite: boolean, fault: number): Task<MaySleep, number> {
  const mm = x.tg.mm[x.att.tg[att]] as Mm;
  if (!(yield* x.s.mmgetNotZero(mm))) {
    yield* endFault(x, x.seg.tg[x.att.seg[att]], fault);
    yield* x.s.unpinUserPage(pfn);
    return -EFAULT;
  }
  yield* x.s.mmapReadLock(mm);
  const result = yield* enterPage(x, att, page, pfn, isWrite, fault);
  yield* x.s.mmapReadUnlock(mm);
  yield* x.s.mmput(mm);
  return result;
}

/** From a pinned page to an entry and what is made from it. @owes nothing: fault and pin are used up */
function* enterPage(x: Xpmem, att: number, page: Vaddr, pfn: Pfn, isWrite: boolean, fault: number): Task<MaySleep, number> {
  const seg = x.att.seg[att];
  const tg = x.seg.tg[seg];
  const lock = mutexOf(x, seg);
  const faultLock = faultLockOf(x, tg);
  bugOn(!poolIsLive(x.segPool, seg), 'xpmem-segment-freed-under-fault');
  yield* x.s.mutexLock(lock);
  yield* x.s.spinLock(faultLock);
  const isStale = endFaultLocked(x, fault);
  const present = findEntry(x, seg, page);
  const isTaken = present !== 0 && ((x.entry.flags[present] & (ENTRY_RECALLED | ENTRY_LATE)) !== 0 || x.entry.pfn[present] !== pfn);
  let entry = present;
  if (!isStale && present === 0) entry = addEntry(x, seg, page, pfn, isWrite);
  else if (!isStale && !isTaken && isWrite) x.entry.flags[present] = x.entry.flags[present] | ENTRY_WRITABLE;
  yield* x.s.spinUnlock(faultLock);
  const isEntered = !isStale && !isTaken && entry !== 0;
  const result = isEntered ? yield* tellOtherSide(x, att, page, entry, isWrite) : 0;
  yield* x.s.mutexUnlock(lock);
  // one pin for each entry
  if (!isEntered || present !== 0) yield* x.s.unpinUserPage(pfn);
  if (isStale) return -EAGAIN;
  if (isTaken) {
    // it is on its way out; where nobody could be asked to see to that, this fault does
    yield* lateRecall(x, tg);
    return -EAGAIN;
  }
  return entry === 0 ? -ENOMEM : result;
}

/** @locks seg.mutex, and for an area mmap_sem of its process R @returns 0, -ENOMEM, -EFAULT where the area is gone */
function* tellOtherSide(x: Xpmem, att: number, page: Vaddr, entry: number, isWrite: boolean): Task<MaySleep, number> {
  if (x.att.kind[att] !== ATT_LOCAL) return yield* installProxy(x, att, page, entry, isWrite);
  if (isWrite) x.entry.isDirty[entry] = 1;
  return yield* x.s.remapPfn(x.tg.mm[x.att.tg[att]] as Mm, areaAddress(x, att, page), x.entry.pfn[entry] as Pfn, isWrite, x.tg.mn[x.att.tg[att]]);
}

function* countFault(x: Xpmem, tg: number, by: number): Task<Step> {
  yield* x.s.step(WRITE, whereOf(x.tg.nrFaults, tg));
  x.tg.nrFaults[tg] += by;
}
