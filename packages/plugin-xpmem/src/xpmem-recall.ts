// Models the recall of kernel/xpmem_attach.c and xpmem_mmu_notifier.c (hjelmn/xpmem 242eaa1; messages as in 20080520100111.GC30341).
/**
 * Taking back what was handed out. The one order that is right:
 *
 *   1  no fault makes an entry of the range any more, and the entries are ours            tg.faultLock
 *   2  whoever was about to tell the other side of one has done so                        seg.mutex
 *   3  every partition is sent a message, every area of a local process is cleared        seg.mutex
 *   4  every partition has cleared its proxies and its TLBs, and answered                 asleep, no lock
 *   5  the pages are unpinned
 *
 * No lock is held while others are waited for: mm's own are enough, since start is called under mmap_sem or under the locks of
 * the rmap. For the same reason an area of another process is cleared only if its mmap_sem can be had at once: to wait for it
 * would be to wait for who waits for us. Else the pages stay pinned, and whoever comes by next tries again.
 *
 * Where mm may not sleep, under the PT lock of a page or for the OOM reaper, entries are marked and a work item recalls them.
 * Until then their pins keep the pages what they are. Reclaim does not come to that: it lets pinned pages be.
 */
import { PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { MaySleep, Sleep, Step, Task, Vaddr, Where } from '@mmun/include';
import { bugOn, poolIsLive, whereOf } from '@mmun/lib';
import { areaReleased, zapArea } from './xpmem-area.js';
import { beginRange, claimEntries, dropOrphans, dropRecalled, endRange, leaveForLater, markFaults, orphanRecalled } from './xpmem-pfn.js';
import { remoteZap } from './xpmem-remote.js';
import { ATT_LOCAL, ENTRY_LATE, ENTRY_RECALLED, TG_RELEASED, faultLockOf, mutexOf, rangesOverlap } from './xpmem-private.js';
import type { Xpmem } from './xpmem-private.js';

/** Behind every address. */
const ALL = Infinity;

/** Who asks, and what follows from it. */
export interface RecallOf {
  /** mm, and it counts as its doing. */
  readonly isTold: boolean;
  /** The thread that handles messages: it does not wait for itself. */
  readonly isWorker: boolean;
}

export const BY_MM: RecallOf = { isTold: true, isWorker: false };
export const BY_US: RecallOf = { isTold: false, isWorker: false };
const BY_WORKER: RecallOf = { isTold: true, isWorker: true };

/**
 * Recalls `[start, end)` of every segment; from now on until the range ends nobody enters it again.
 * @param state bits that tg.state gets, in the same step
 * @context process, may sleep; under an op's SRCU read section where `isTold` @returns the range
 */
export function* recallRange(x: Xpmem, tg: number, start: number, end: number, by: RecallOf, state: number): Task<Step | Sleep, number> {
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  const range = yield* beginRange(x, tg, start, end);
  x.tg.state[tg] = x.tg.state[tg] | state;
  let hasAny = false;
  for (let seg = x.tg.segs[tg]; seg !== 0; seg = x.seg.next[seg]) if (claimEntries(x, seg, start, end, range, by.isTold)) hasAny = true;
  yield* x.s.spinUnlock(lock);
  if (!hasAny) return range;
  for (let seg = yield* nextSeg(x, whereOf(x.tg.segs, tg)); seg !== 0; seg = yield* nextSeg(x, whereOf(x.seg.next, seg))) {
    if (rangesOverlap(x.seg.start[seg], x.seg.end[seg], start, end)) yield* recallSegment(x, seg, start, end, range, by);
  }
  return range;
}

/**
 * The same outside of an op, range and all. The read section is for the walk over the segments.
 * @context process, no lock held
 */
export function* recallOwn(x: Xpmem, tg: number, start: number, end: number, by: RecallOf, state: number): Task<MaySleep> {
  const index = yield* x.s.srcuReadLock();
  const range = yield* recallRange(x, tg, start, end, by, state);
  yield* x.s.srcuReadUnlock(index);
  yield* endRange(x, tg, range);
}

/** release: the process ends, or nobody wants to see its memory any more. @context SRCU read section; may sleep */
export function* recallAll(x: Xpmem, tg: number): Task<Step | Sleep> {
  const range = yield* recallRange(x, tg, 0, ALL, BY_MM, TG_RELEASED);
  yield* endRange(x, tg, range);
  yield* areaReleased(x, tg);
  const att = x.tg.att[tg];
  if (att !== 0 && x.att.kind[att] === ATT_LOCAL) yield* retryOrphans(x, x.att.seg[att]);
}

/** The same as recallRange, where it may not sleep: the range is closed, and the recall comes later. @context any that holds no faultLock */
export function* closeRange(x: Xpmem, tg: number, start: number, end: number): Task<Step, number> {
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  const range = yield* beginRange(x, tg, start, end);
  const hasAny = yield* leaveSegments(x, tg, start, end);
  yield* x.s.spinUnlock(lock);
  if (hasAny) yield* x.s.queueWork(x.work.lateRecall, tg);
  return range;
}

/** One page, with no range around it. @context any @locks ptl(page) */
export function* recallLater(x: Xpmem, tg: number, page: number): Task<Step> {
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  markFaults(x, tg, page, page + PAGE_SIZE);
  const hasAny = yield* leaveSegments(x, tg, page, page + PAGE_SIZE);
  yield* x.s.spinUnlock(lock);
  if (hasAny) yield* x.s.queueWork(x.work.lateRecall, tg);
}

/** The work item that this queues; a queue that was full is made up for by the next recall or fault. */
export function* lateRecall(x: Xpmem, tg: number): Task<MaySleep> {
  const lock = faultLockOf(x, tg);
  let start = ALL;
  let end = 0;
  yield* x.s.spinLock(lock);
  for (let seg = x.tg.segs[tg]; seg !== 0; seg = x.seg.next[seg]) {
    for (let row = x.seg.entries[seg]; row !== 0; row = x.entry.segNext[row]) {
      if ((x.entry.flags[row] & (ENTRY_LATE | ENTRY_RECALLED)) !== ENTRY_LATE) continue;
      start = Math.min(start, x.entry.page[row]);
      end = Math.max(end, x.entry.page[row] + PAGE_SIZE);
    }
  }
  yield* x.s.spinUnlock(lock);
  if (end === 0) return;
  yield* recallOwn(x, tg, start, end, BY_WORKER, 0);
}

/** What a partition's kernel does with a message. @param message as messageTo made it */
export function* remoteRecall(x: Xpmem, message: number): Task<Step> {
  const range = Math.floor(message / x.attPool.capacity);
  bugOn(!poolIsLive(x.attPool, message % x.attPool.capacity), 'xpmem-message-to-nobody');
  yield* remoteZap(x, message % x.attPool.capacity, x.range.start[range] as Vaddr, x.range.end[range] as Vaddr);
  yield* x.s.step(WRITE, whereOf(x.range.pending, range));
  x.range.pending[range] -= 1;
}

/** Clears every area once more, for pages whose recall could not. @context process, no lock held */
export function* retryOrphans(x: Xpmem, seg: number): Task<Step | Sleep> {
  const lock = mutexOf(x, seg);
  yield* x.s.mutexLock(lock);
  let isClear = true;
  for (let att = x.seg.atts[seg]; att !== 0; att = x.att.next[att]) {
    if (x.att.kind[att] === ATT_LOCAL && !(yield* zapArea(x, att, x.seg.start[seg], x.seg.end[seg]))) isClear = false;
  }
  if (isClear) yield* dropOrphans(x, seg);
  yield* x.s.mutexUnlock(lock);
}

/** @param range 0: no row was left for it, so nobody can be asked to answer, and all is done here */
function* recallSegment(x: Xpmem, seg: number, start: number, end: number, range: number, by: RecallOf): Task<Step | Sleep> {
  const lock = mutexOf(x, seg);
  x.stat.recalls[0] += 1;
  yield* x.s.mutexLock(lock);
  bugOn(!poolIsLive(x.segPool, seg), 'xpmem-segment-freed-under-recall');
  const isClear = yield* recallAttachments(x, seg, start, end, range, by);
  yield* x.s.mutexUnlock(lock);
  if (range !== 0) yield* x.s.waitEvent(x.range.pending, range, ANY, 0);
  // nobody enters the range before it is over, so its entries are those that the attachments were rid of
  if (isClear) yield* dropRecalled(x, seg, start, end, range);
  else yield* orphanRecalled(x, seg, start, end, range);
}

/** @locks seg.mutex @returns false where an area could not be cleared */
function* recallAttachments(x: Xpmem, seg: number, start: number, end: number, range: number, by: RecallOf): Task<Step | Sleep, boolean> {
  let isClear = true;
  for (let att = x.seg.atts[seg]; att !== 0; att = x.att.next[att]) {
    if (x.att.kind[att] === ATT_LOCAL) {
      if (!(yield* zapArea(x, att, start, end))) isClear = false;
    } else if (range === 0) {
      yield* remoteZap(x, att, start as Vaddr, end as Vaddr);
    } else {
      yield* sendRecall(x, att, range, by);
    }
  }
  return isClear;
}

/** A message; what the queue does not take is handled on the spot. @locks seg.mutex */
function* sendRecall(x: Xpmem, att: number, range: number, by: RecallOf): Task<Step> {
  const message = range * x.attPool.capacity + att;
  yield* x.s.step(WRITE, whereOf(x.range.pending, range));
  x.range.pending[range] += 1;
  x.stat.messages[0] += 1;
  const isSent = !by.isWorker && (yield* x.s.queueWork(x.work.remoteRecall, message)) === 1;
  if (!isSent) yield* remoteRecall(x, message);
}

/** @locks tg.faultLock */
function* leaveSegments(x: Xpmem, tg: number, start: number, end: number): Task<Step, boolean> {
  let hasAny = false;
  for (let seg = x.tg.segs[tg]; seg !== 0; seg = x.seg.next[seg]) if (yield* leaveForLater(x, seg, start, end)) hasAny = true;
  return hasAny;
}

/** The segments of a tg without its lock: a segment that is taken off stays what it is until every op that runs has ended. */
function* nextSeg(x: Xpmem, where: Where): Task<Step, number> {
  yield* x.s.step(READ, where);
  return x.words[where];
}

const ANY = -1;
