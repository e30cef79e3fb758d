// Models kernel/xpmem_pfn.c (hjelmn/xpmem 242eaa1; the list of active faults as 20080409185500.GT11364 describes it).
/**
 * The PFN tables of a process, the faults on them, and the ranges of mm that are under way. A fault and a range find each
 * other here, in whichever order they come:
 *
 *   fault, then range     the range marks the fault, which starts over
 *   range, then fault     the fault sleeps until the range is over; it holds no lock
 *
 * Lock order: seg.mutex > tg.faultLock, which is a leaf.
 */
import { EFAULT, ENOMEM, ESRCH, PAGE_SIZE, WRITE } from '@mmun/include';
import type { MaySleep, Pfn, Step, Task, Vaddr, Where } from '@mmun/include';
import { bugOn, hlistAddHead, hlistDel, poolAlloc, poolFree, whereOf } from '@mmun/lib';
import { ENTRY_LATE, ENTRY_RECALLED, ENTRY_WRITABLE, RANGE_STARTED, RANGE_STARTING, bucketIndex, faultLockOf, rangesOverlap } from './xpmem-private.js';
import type { Xpmem } from './xpmem-private.js';

/** Entries of a range that are looked up one by one; fewer where there are few at all. */
const FEW_PAGES = 64;

/**
 * Puts a fault on the list, once no range of mm that covers its page is under way.
 * @context process, no lock held @owes endFault
 * @returns the fault; -ESRCH where the process has ended, -EFAULT where the segment was removed, -ENOMEM
 */
export function* beginFault(x: Xpmem, seg: number, page: Vaddr): Task<MaySleep, number> {
  const tg = x.seg.tg[seg];
  const lock = faultLockOf(x, tg);
  for (;;) {
    yield* x.s.spinLock(lock);
    const range = rangeOver(x, tg, page);
    const isBlind = x.tg.nrBlind[tg] !== 0;
    const fault = range !== 0 || isBlind ? 0 : newFault(x, tg, seg, page);
    yield* x.s.spinUnlock(lock);
    if (fault !== 0) return fault;
    if (range !== 0) yield* x.s.waitEvent(x.range.state, range, ANY, 0);
    else yield* x.s.waitEvent(x.tg.nrBlind, tg, ANY, 0);
  }
}

/** Takes it off the list. @locks tg.faultLock @returns whether mm has changed its page since it began */
export function endFaultLocked(x: Xpmem, fault: number): boolean {
  const isStale = x.fault.isRetry[fault] !== 0;
  hlistDel(x.words, x.fault, fault);
  poolFree(x.faultPool, fault);
  return isStale;
}

export function* endFault(x: Xpmem, tg: number, fault: number): Task<Step> {
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  endFaultLocked(x, fault);
  yield* x.s.spinUnlock(lock);
}

/**
 * Notes a range and marks the faults that it overlaps.
 * @locks tg.faultLock @owes rangeEnd @returns 0 where no row is left: then every fault waits until it is over
 */
export function* beginRange(x: Xpmem, tg: number, start: number, end: number): Task<Step, number> {
  markFaults(x, tg, start, end);
  const range = poolAlloc(x.rangePool);
  if (range === 0) {
    x.tg.nrBlind[tg] += 1;
    return 0;
  }
  // a fault may still wait for the range that had the row before
  yield* x.s.step(WRITE, whereOf(x.range.state, range));
  x.range.start[range] = start;
  x.range.end[range] = end;
  x.range.pending[range] = 0;
  x.range.state[range] = RANGE_STARTING;
  hlistAddHead(x.words, x.range, range, whereOf(x.tg.ranges, tg));
  return range;
}

/** The start of a range has returned: from now on its end may come. */
export function* rangeStarted(x: Xpmem, tg: number, range: number): Task<Step> {
  if (range === 0) return;
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  x.range.state[range] = RANGE_STARTED;
  yield* x.s.spinUnlock(lock);
}

/** The end that mm tells of. Of two ranges with the same bounds either is as good. */
export function* rangeEnded(x: Xpmem, tg: number, start: number, end: number): Task<Step> {
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  let range = x.tg.ranges[tg];
  while (range !== 0 && !(x.range.state[range] === RANGE_STARTED && x.range.start[range] === start && x.range.end[range] === end)) range = x.range.next[range];
  yield* endRangeLocked(x, tg, range);
  yield* x.s.spinUnlock(lock);
}

/** The end of a recall of our own. */
export function* endRange(x: Xpmem, tg: number, range: number): Task<Step> {
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  yield* endRangeLocked(x, tg, range);
  yield* x.s.spinUnlock(lock);
}

/** Those that mm has begun and whose end nobody hears any more. @context the notifier is unregistered, no fault is under way */
export function* forgetRanges(x: Xpmem, tg: number): Task<Step> {
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  for (let range = x.tg.ranges[tg]; range !== 0; range = x.tg.ranges[tg]) yield* endRangeLocked(x, tg, range);
  yield* x.s.spinUnlock(lock);
}

/** Those who wait for it look at the word without a lock. @locks tg.faultLock */
function* endRangeLocked(x: Xpmem, tg: number, range: number): Task<Step> {
  if (range === 0) {
    bugOn(x.tg.nrBlind[tg] === 0, 'xpmem-range-end-without-start');
    yield* x.s.step(WRITE, whereOf(x.tg.nrBlind, tg));
    x.tg.nrBlind[tg] -= 1;
    return;
  }
  hlistDel(x.words, x.range, range);
  yield* x.s.step(WRITE, whereOf(x.range.state, range));
  x.range.state[range] = 0;
  poolFree(x.rangePool, range);
}

/** Faults whose page lies in the range start over. @locks tg.faultLock */
export function markFaults(x: Xpmem, tg: number, start: number, end: number): void {
  for (let fault = x.tg.faults[tg]; fault !== 0; fault = x.fault.next[fault]) {
    if (rangesOverlap(x.fault.page[fault], x.fault.page[fault] + PAGE_SIZE, start, end)) x.fault.isRetry[fault] = 1;
  }
}

/** @locks tg.faultLock, seg.mutex @returns the entry, or 0 where the table is full */
export function addEntry(x: Xpmem, seg: number, page: Vaddr, pfn: Pfn, isWritable: boolean): number {
  const row = poolAlloc(x.entryPool);
  if (row === 0) return 0;
  x.entry.seg[row] = seg;
  x.entry.page[row] = page;
  x.entry.pfn[row] = pfn;
  x.entry.flags[row] = isWritable ? ENTRY_WRITABLE : 0;
  x.entry.isDirty[row] = x.entry.range[row] = 0;
  hlistAddHead(x.words, x.entry, row, entryBucket(x, seg, page));
  hlistAddHead(x.words, x.bySeg, row, whereOf(x.seg.entries, seg));
  x.stat.pins[0] += 1;
  return row;
}

/** @locks tg.faultLock @returns the entry, recalled or not; 0 without one */
export function findEntry(x: Xpmem, seg: number, page: number): number {
  let row = x.words[entryBucket(x, seg, page)];
  while (row !== 0 && (x.entry.page[row] !== page || x.entry.seg[row] !== seg)) row = x.entry.next[row];
  return row;
}

/**
 * A recall takes the entries of a range that no other has taken.
 * @param isTold mm asks for it, and it counts as its doing @locks tg.faultLock
 * @returns whether there are any, taken by it or by another: the other side may have them still
 */
export function claimEntries(x: Xpmem, seg: number, start: number, end: number, range: number, isTold: boolean): boolean {
  let hasAny = false;
  for (let row = firstEntry(x, seg, start, end); row !== 0; row = nextEntry(x, seg, row, start, end)) {
    hasAny = true;
    if ((x.entry.flags[row] & ENTRY_RECALLED) !== 0) continue;
    x.entry.flags[row] = x.entry.flags[row] | ENTRY_RECALLED;
    x.entry.range[row] = range;
    if (isTold) x.stat.invalidations[0] += 1;
  }
  return hasAny;
}

/** Where nobody may sleep: the entries of a range are left to a recall that comes later. @locks tg.faultLock @returns whether there are any */
export function* leaveForLater(x: Xpmem, seg: number, start: number, end: number): Task<Step, boolean> {
  let hasAny = false;
  for (let row = firstEntry(x, seg, start, end); row !== 0; row = nextEntry(x, seg, row, start, end)) {
    if ((x.entry.flags[row] & ENTRY_RECALLED) !== 0) continue;
    hasAny = true;
    x.entry.flags[row] = x.entry.flags[row] | ENTRY_LATE;
    // what the other side has written is known when it answers, and that is too late for whoever is about to drop the content
    if ((x.entry.flags[row] & ENTRY_WRITABLE) !== 0) yield* x.s.setPageDirty(x.entry.pfn[row] as Pfn);
  }
  return hasAny;
}

/** Some page of the range is mapped by the other side. @locks tg.faultLock */
export function hasEntries(x: Xpmem, seg: number, start: number, end: number): boolean {
  return firstEntry(x, seg, start, end) !== 0;
}

/** Unpins what a recall has taken; the other side has let go of it. @context process, no spinlock held */
export function* dropRecalled(x: Xpmem, seg: number, start: number, end: number, range: number): Task<Step> {
  yield* putEntries(x, yield* takeOut(x, seg, start, end, range, 0));
}

/** The same where an area could not be cleared yet: the pages stay pinned, and the entries are out of the way. */
export function* orphanRecalled(x: Xpmem, seg: number, start: number, end: number, range: number): Task<Step> {
  yield* takeOut(x, seg, start, end, range, seg);
}

/** Unpins the orphans; every area was cleared since. */
export function* dropOrphans(x: Xpmem, seg: number): Task<Step> {
  const lock = faultLockOf(x, x.seg.tg[seg]);
  yield* x.s.spinLock(lock);
  const first = x.seg.orphans[seg];
  x.seg.orphans[seg] = 0;
  yield* x.s.spinUnlock(lock);
  yield* putEntries(x, first);
}

/** The same for whatever the segment has. A recall can have taken an entry and found the segment off the list. @context no op runs that knows the segment, nobody has it attached */
export function* dropRest(x: Xpmem, seg: number): Task<Step> {
  const lock = faultLockOf(x, x.seg.tg[seg]);
  yield* x.s.spinLock(lock);
  let first = x.seg.orphans[seg];
  x.seg.orphans[seg] = 0;
  for (let row = x.seg.entries[seg]; row !== 0; row = x.seg.entries[seg]) first = unlinkEntry(x, row, first);
  yield* x.s.spinUnlock(lock);
  yield* putEntries(x, first);
}

/** @returns the head of a list with it @locks tg.faultLock */
function unlinkEntry(x: Xpmem, row: number, first: number): number {
  hlistDel(x.words, x.entry, row);
  hlistDel(x.words, x.bySeg, row);
  x.entry.next[row] = first;
  return row;
}

/** @param orphanOf where to put them; 0: into a list of the caller's @returns the first of that list */
function* takeOut(x: Xpmem, seg: number, start: number, end: number, range: number, orphanOf: number): Task<Step, number> {
  const lock = faultLockOf(x, x.seg.tg[seg]);
  yield* x.s.spinLock(lock);
  let first = orphanOf === 0 ? 0 : x.seg.orphans[orphanOf];
  for (let row = firstEntry(x, seg, start, end); row !== 0;) {
    const next = nextEntry(x, seg, row, start, end);
    if ((x.entry.flags[row] & ENTRY_RECALLED) !== 0 && x.entry.range[row] === range) first = unlinkEntry(x, row, first);
    row = next;
  }
  if (orphanOf !== 0) x.seg.orphans[orphanOf] = first;
  yield* x.s.spinUnlock(lock);
  return first;
}

/** @param first of a list that nobody else sees */
function* putEntries(x: Xpmem, first: number): Task<Step> {
  for (let row = first; row !== 0;) {
    const next = x.entry.next[row];
    const pfn = x.entry.pfn[row] as Pfn;
    const isDirty = x.entry.isDirty[row] !== 0;
    x.entry.flags[row] = 0;
    poolFree(x.entryPool, row);
    if (isDirty) yield* x.s.setPageDirty(pfn);
    yield* x.s.unpinUserPage(pfn);
    row = next;
  }
}

/** By page where the range has few, else along the segment. @locks tg.faultLock @returns 0 without one */
function firstEntry(x: Xpmem, seg: number, start: number, end: number): number {
  if (isLarge(x, start, end)) return within(x, x.seg.entries[seg], start, end);
  return lookAhead(x, seg, Math.max(start, x.seg.start[seg]), Math.min(end, x.seg.end[seg]));
}

function nextEntry(x: Xpmem, seg: number, row: number, start: number, end: number): number {
  if (isLarge(x, start, end)) return within(x, x.entry.segNext[row], start, end);
  return lookAhead(x, seg, x.entry.page[row] + PAGE_SIZE, Math.min(end, x.seg.end[seg]));
}

function isLarge(x: Xpmem, start: number, end: number): boolean {
  return end - start > Math.min(FEW_PAGES, x.entryPool.capacity >> 3) * PAGE_SIZE;
}

function within(x: Xpmem, first: number, start: number, end: number): number {
  let row = first;
  while (row !== 0 && !rangesOverlap(x.entry.page[row], x.entry.page[row] + PAGE_SIZE, start, end)) row = x.entry.segNext[row];
  return row;
}

function lookAhead(x: Xpmem, seg: number, start: number, end: number): number {
  for (let page = start; page < end; page += PAGE_SIZE) {
    const row = findEntry(x, seg, page);
    if (row !== 0) return row;
  }
  return 0;
}

/** A range under way that covers the page. @locks tg.faultLock */
function rangeOver(x: Xpmem, tg: number, page: Vaddr): number {
  let range = x.tg.ranges[tg];
  while (range !== 0 && !rangesOverlap(page, page + PAGE_SIZE, x.range.start[range], x.range.end[range])) range = x.range.next[range];
  return range;
}

/** @locks tg.faultLock @returns as beginFault */
function newFault(x: Xpmem, tg: number, seg: number, page: Vaddr): number {
  if (x.tg.state[tg] !== 0) return -ESRCH;
  if (x.seg.isRemoved[seg] !== 0) return -EFAULT;
  const fault = poolAlloc(x.faultPool);
  if (fault === 0) return -ENOMEM;
  x.fault.page[fault] = page;
  x.fault.isRetry[fault] = 0;
  hlistAddHead(x.words, x.fault, fault, whereOf(x.tg.faults, tg));
  return fault;
}

function entryBucket(x: Xpmem, seg: number, page: number): Where {
  return whereOf(x.entryHash.first, bucketIndex(seg, page, x.entryHash.first.length));
}

const ANY = -1;
