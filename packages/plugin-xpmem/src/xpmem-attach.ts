// Models kernel/xpmem_make.c, xpmem_get.c and xpmem_attach.c (hjelmn/xpmem 242eaa1): who may see what, and for how long.
/**
 *   make   a segment: a part of the owner's address space that others may ask for
 *   get    a permit: the right to attach it, to read or also to write
 *   attach a view of it, from a remote partition or from another process of this machine
 *
 * Each can go at any time and in any order; what hangs below it goes with it, after a recall where pages are concerned.
 */
import { EACCES, EBUSY, EINVAL, ENOMEM, ESRCH, PAGE_SIZE, WRITE } from '@mmun/include';
import type { MaySleep, Mm, Step, Task, Vaddr } from '@mmun/include';
import { hlistAddHead, hlistDel, poolAlloc, poolFree, poolIsLive, whereOf } from '@mmun/lib';
import { dropRest, forgetRanges } from './xpmem-pfn.js';
import { BY_US, recallOwn, retryOrphans } from './xpmem-recall.js';
import { remoteZap } from './xpmem-remote.js';
import { ATT_LOCAL, ATT_REMOTE, TG_CLOSED, faultLockOf, mutexOf, notifierOf } from './xpmem-private.js';
import type { Xpmem } from './xpmem-private.js';

/** Behind every address. */
const ALL = Infinity;

/** A tg with a notifier in `mm`. @returns it; -ENOMEM, -ESRCH where the address space has ended, -EINTR */
export function* openTg(x: Xpmem, mm: Mm): Task<MaySleep, number> {
  if (!(yield* x.s.mmgetNotZero(mm))) return -ESRCH;
  const tg = newTg(x, mm);
  if (tg > 0) {
    yield* x.s.mmgrab(mm);
    const error = yield* x.s.mmuNotifierRegister(notifierOf(x, tg), mm);
    if (error !== 0) yield* freeTg(x, tg);
    yield* x.s.mmput(mm);
    return error === 0 ? tg : error;
  }
  yield* x.s.mmput(mm);
  return tg;
}

/**
 * The tg goes, with all its segments, permits and attachments. Whoever ends first, process or tg, release is called once at
 * least, and every recall is over when unregister returns.
 */
export function* closeTg(x: Xpmem, tg: number): Task<MaySleep> {
  yield* recallOwn(x, tg, 0, ALL, BY_US, TG_CLOSED);
  yield* x.s.mmuNotifierUnregister(notifierOf(x, tg), x.tg.mm[tg] as Mm);
  yield* x.s.waitEvent(x.tg.nrFaults, tg, -1, 0);
  yield* x.s.cancelWorkSync(x.work.lateRecall, tg);
  yield* forgetRanges(x, tg);
  while (x.tg.segs[tg] !== 0) yield* freeSegment(x, x.tg.segs[tg]);
  yield* freeTg(x, tg);
}

/** xpmem_make() @returns a segment, -EINVAL for bounds that are none, -ENOMEM */
export function* makeSegment(x: Xpmem, tg: number, start: Vaddr, end: number): Task<MaySleep, number> {
  if (start % PAGE_SIZE !== 0 || end <= start) return -EINVAL;
  const seg = poolAlloc(x.segPool);
  if (seg === 0) return -ENOMEM;
  x.seg.tg[seg] = tg;
  x.seg.start[seg] = start;
  x.seg.end[seg] = end;
  x.seg.mutex[seg] = 0;
  x.seg.atts[seg] = x.seg.nrPermits[seg] = x.seg.entries[seg] = x.seg.orphans[seg] = x.seg.isRemoved[seg] = 0;
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  x.seg.next[seg] = x.tg.segs[tg];
  yield* x.s.step(WRITE, whereOf(x.tg.segs, tg));
  x.tg.segs[tg] = seg;
  yield* x.s.spinUnlock(lock);
  return seg;
}

/**
 * xpmem_remove(): the segment is recalled, and nobody enters it again. Those who attached it keep a view of nothing, until
 * they detach. @returns 0, -EINVAL where it is none
 */
export function* removeSegment(x: Xpmem, seg: number): Task<MaySleep, number> {
  if (!poolIsLive(x.segPool, seg)) return -EINVAL;
  const tg = x.seg.tg[seg];
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  const wasRemoved = x.seg.isRemoved[seg] !== 0;
  x.seg.isRemoved[seg] = 1;
  yield* x.s.spinUnlock(lock);
  if (wasRemoved) return -EINVAL;
  yield* recallOwn(x, tg, x.seg.start[seg], x.seg.end[seg], BY_US, 0);
  yield* freeIfUnused(x, seg);
  return 0;
}

/** xpmem_get() @returns a permit, -EINVAL where the segment is gone, -ENOMEM */
export function* getPermit(x: Xpmem, seg: number, isWritable: boolean): Task<MaySleep, number> {
  if (!poolIsLive(x.segPool, seg)) return -EINVAL;
  const lock = mutexOf(x, seg);
  yield* x.s.mutexLock(lock);
  const permit = x.seg.isRemoved[seg] === 0 ? poolAlloc(x.permitPool) : -EINVAL;
  if (permit > 0) {
    x.permit.seg[permit] = seg;
    x.permit.isWritable[permit] = isWritable ? 1 : 0;
    x.permit.nrAtts[permit] = 0;
    x.seg.nrPermits[seg] += 1;
  }
  yield* x.s.mutexUnlock(lock);
  return permit === 0 ? -ENOMEM : permit;
}

/** xpmem_release() @returns 0, -EINVAL where it is none, -EBUSY while something is attached by it */
export function* releasePermit(x: Xpmem, permit: number): Task<MaySleep, number> {
  if (!poolIsLive(x.permitPool, permit)) return -EINVAL;
  const seg = x.permit.seg[permit];
  const lock = mutexOf(x, seg);
  yield* x.s.mutexLock(lock);
  const isFree = x.permit.nrAtts[permit] === 0;
  if (isFree) {
    poolFree(x.permitPool, permit);
    x.seg.nrPermits[seg] -= 1;
  }
  yield* x.s.mutexUnlock(lock);
  if (!isFree) return -EBUSY;
  yield* freeIfUnused(x, seg);
  return 0;
}

/** xpmem_attach() by a remote partition. @returns an attachment, -EINVAL where the permit is gone, -ENOMEM */
export function* attachRemote(x: Xpmem, permit: number): Task<MaySleep, number> {
  const att = newAtt(x, permit, ATT_REMOTE);
  if (att > 0) yield* linkAtt(x, att);
  return att;
}

/** xpmem_attach() by another process of this machine. @returns an attachment; -EINVAL, -ENOMEM, -ESRCH where that process has ended, -EACCES */
export function* attachLocal(x: Xpmem, permit: number, mm: Mm): Task<MaySleep, number> {
  const att = newAtt(x, permit, ATT_LOCAL);
  if (att < 0) return att;
  const seg = x.permit.seg[permit];
  if (x.tg.mm[x.seg.tg[seg]] === mm) {
    freeAtt(x, att);
    return -EACCES;
  }
  const tg = yield* openTg(x, mm);
  const error = tg < 0 ? tg : yield* mapArea(x, att, tg);
  if (error === 0) return att;
  if (tg > 0) yield* closeTg(x, tg);
  freeAtt(x, att);
  return error;
}

/** @returns 0, or a negative errno with nothing mapped */
function* mapArea(x: Xpmem, att: number, tg: number): Task<MaySleep, number> {
  const mm = x.tg.mm[tg] as Mm;
  const seg = x.att.seg[att];
  x.att.tg[att] = tg;
  x.tg.att[tg] = att;
  if (!(yield* x.s.mmgetNotZero(mm))) return -ESRCH;
  const at = yield* x.s.vmMmapPfn(mm, x.seg.end[seg] - x.seg.start[seg], x.permit.isWritable[x.att.permit[att]] !== 0, x.tg.mn[tg]);
  yield* x.s.mmput(mm);
  if (at < 0) return at;
  x.att.at[att] = at;
  yield* linkAtt(x, att);
  return 0;
}

/**
 * xpmem_detach(): the view goes. The pages stay pinned for others that are attached, and are let go with the last.
 * @context process, no lock held; no fault of this attachment is under way @returns 0, -EINVAL where it is none
 */
export function* detach(x: Xpmem, att: number): Task<MaySleep, number> {
  if (!poolIsLive(x.attPool, att)) return -EINVAL;
  const seg = x.att.seg[att];
  const isLast = yield* endAtt(x, att);
  if (isLast) yield* recallOwn(x, x.seg.tg[seg], x.seg.start[seg], x.seg.end[seg], BY_US, 0);
  if (x.seg.orphans[seg] !== 0) yield* retryOrphans(x, seg);
  freeAtt(x, att);
  yield* freeIfUnused(x, seg);
  return 0;
}

/**
 * The view goes, and only then it is off the list: a recall that does not see it lets the pages go. One that counts on this
 * attachment for an answer gets it.
 * @context process, no lock held; no fault of this attachment is under way @returns whether it was the last of its segment
 */
function* endAtt(x: Xpmem, att: number): Task<MaySleep, boolean> {
  const isRemote = x.att.kind[att] === ATT_REMOTE;
  if (isRemote) yield* remoteZap(x, att, 0 as Vaddr, ALL as Vaddr);
  else yield* unmapArea(x, att);
  const seg = x.att.seg[att];
  const lock = mutexOf(x, seg);
  yield* x.s.mutexLock(lock);
  hlistDel(x.words, x.att, att);
  x.permit.nrAtts[x.att.permit[att]] -= 1;
  const isLast = x.seg.atts[seg] === 0;
  yield* x.s.mutexUnlock(lock);
  if (isRemote) yield* x.s.flushWorkqueue();
  else yield* closeTg(x, x.att.tg[att]);
  return isLast;
}

/** A process that has ended uses its area no more. */
function* unmapArea(x: Xpmem, att: number): Task<MaySleep> {
  const tg = x.att.tg[att];
  const mm = x.tg.mm[tg] as Mm;
  if (!(yield* x.s.mmgetNotZero(mm))) return;
  const seg = x.att.seg[att];
  yield* x.s.vmMunmapPfn(mm, x.att.at[att] as Vaddr, x.seg.end[seg] - x.seg.start[seg], x.tg.mn[tg]);
  yield* x.s.mmput(mm);
}

function newTg(x: Xpmem, mm: Mm): number {
  const tg = poolAlloc(x.tgPool);
  if (tg === 0) return -ENOMEM;
  const mn = x.s.mmuNotifierAlloc(tg);
  if (mn === 0) {
    poolFree(x.tgPool, tg);
    return -ENOMEM;
  }
  const t = x.tg;
  t.mm[tg] = mm;
  t.mn[tg] = mn;
  t.faultLock[tg] = 0;
  t.state[tg] = t.segs[tg] = t.faults[tg] = t.ranges[tg] = t.nrBlind[tg] = t.att[tg] = t.nrFaults[tg] = t.nrZaps[tg] = 0;
  return tg;
}

function* freeTg(x: Xpmem, tg: number): Task<MaySleep> {
  const mm = x.tg.mm[tg] as Mm;
  x.s.mmuNotifierFree(notifierOf(x, tg));
  x.tg.mm[tg] = 0;
  poolFree(x.tgPool, tg);
  yield* x.s.mmdrop(mm);
}

/** @returns an attachment that is on no list yet, -EINVAL, -ENOMEM */
function newAtt(x: Xpmem, permit: number, kind: number): number {
  if (!poolIsLive(x.permitPool, permit) || x.seg.isRemoved[x.permit.seg[permit]] !== 0) return -EINVAL;
  const att = poolAlloc(x.attPool);
  if (att === 0) return -ENOMEM;
  x.att.permit[att] = permit;
  x.att.seg[att] = x.permit.seg[permit];
  x.att.kind[att] = kind;
  x.att.lock[att] = 0;
  x.att.proxies[att] = x.att.tg[att] = x.att.at[att] = 0;
  return att;
}

/** @locks none: it appears on the list and in the counts at once */
function* linkAtt(x: Xpmem, att: number): Task<MaySleep> {
  const lock = mutexOf(x, x.att.seg[att]);
  yield* x.s.mutexLock(lock);
  hlistAddHead(x.words, x.att, att, whereOf(x.seg.atts, x.att.seg[att]));
  x.permit.nrAtts[x.att.permit[att]] += 1;
  yield* x.s.mutexUnlock(lock);
}

/** Whoever still names it finds nothing. */
function freeAtt(x: Xpmem, att: number): void {
  const tg = x.seg.tg[x.att.seg[att]];
  if (x.tg.att[tg] === att) x.tg.att[tg] = 0;
  poolFree(x.attPool, att);
}

/** A removed segment goes with its last permit. */
function* freeIfUnused(x: Xpmem, seg: number): Task<MaySleep> {
  const lock = mutexOf(x, seg);
  yield* x.s.mutexLock(lock);
  const isUnused = x.seg.isRemoved[seg] === 1 && x.seg.nrPermits[seg] === 0;
  if (isUnused) x.seg.isRemoved[seg] = GOING;
  yield* x.s.mutexUnlock(lock);
  if (isUnused) yield* freeSegment(x, seg);
}

/** @holds no fault can enter it; permits and attachments go with it */
function* freeSegment(x: Xpmem, seg: number): Task<MaySleep> {
  for (let att = x.seg.atts[seg]; att !== 0; att = x.seg.atts[seg]) {
    yield* endAtt(x, att);
    freeAtt(x, att);
  }
  for (let permit = 1; permit <= x.permitPool.head.bump[0]; permit++) {
    if (poolIsLive(x.permitPool, permit) && x.permit.seg[permit] === seg) poolFree(x.permitPool, permit);
  }
  yield* takeOffList(x, seg);
  yield* x.s.synchronizeSrcu();
  yield* dropRest(x, seg);
  poolFree(x.segPool, seg);
}

/** Ops that stand on it go on from it, so its own link stays. */
function* takeOffList(x: Xpmem, seg: number): Task<Step> {
  const tg = x.seg.tg[seg];
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  let at = whereOf(x.tg.segs, tg);
  while (x.words[at] !== seg) at = whereOf(x.seg.next, x.words[at]);
  yield* x.s.step(WRITE, at);
  x.words[at] = x.seg.next[seg];
  yield* x.s.spinUnlock(lock);
}

/** Value of seg.isRemoved while someone frees it. */
const GOING = 2;
