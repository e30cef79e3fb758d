// Models drivers/misc/sgi-gru/grutlbpurge.c (2.6.27; its ops for mmu notifiers #v5 as it would have had them).
/**
 * What the GRU answers mm: pages and ranges leave its TLBs.
 *
 * It takes no reference to any page, so it relies on the order of four things alone. A fill reads its record, then looks
 * whether a range is under way, then looks the pte up; a start counts the range first and then invalidates:
 *
 *   fill                                     start
 *   reads the record                         rangeActive + 1
 *   rangeActive is 0, or gives up            invalidate: cancels what was read before
 *   looks the pte up
 *   fills, unless cancelled
 *
 * Either the fill sees the count, or the invalidate sees the record. v5 has no start; there the pte has changed before the
 * invalidate, so either the lookup sees the new pte or the invalidate sees the record.
 */
import { PAGE_SIZE, WRITE } from '@mmun/include';
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, MmuNotifierOps, RangeNotifierOps, Sleep, Step, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { bugOn, poolIsLive, whereOf } from '@mmun/lib';
import { freeGms } from './grufile.js';
import { tghInvalidate } from './gruhandles.js';
import { asidMapOf, gruUnload } from './grumain.js';
import { GMS_CLOSED, GMS_RELEASED, GRU_CHIPLETS, assertLive, driverMutexOf, gmsAsidLockOf, gmsOfNotifier } from './grutables.js';
import type { Gru } from './grutables.js';

/**
 * Drops the entries for `lenBytes` from `start` on, on every chiplet where the address space has an ASID. Where none of its
 * contexts is loaded the ASID goes instead, and with it every entry.
 * @locks any spinlock, or none @returns entries dropped
 */
export function* gruFlushTlbRange(g: Gru, gms: number, start: Vaddr, lenBytes: number): Task<Step, number> {
  const chips = yield* asidMapOf(g, gms);
  let dropped = 0;
  for (let chip = 0; chip < GRU_CHIPLETS; chip++) {
    const asid = (chips & (1 << chip)) === 0 ? 0 : yield* asidToFlush(g, gms, chip);
    if (asid !== 0) dropped += yield* purge(g, { chip, asid }, start, lenBytes);
  }
  return dropped;
}

/** @returns 0 where nobody is loaded */
function* asidToFlush(g: Gru, gms: number, chip: number): Task<Step, number> {
  const row = gms * GRU_CHIPLETS + chip;
  const lock = gmsAsidLockOf(g, gms);
  yield* g.s.spinLock(lock);
  if (g.gmsAsid.ctxMap[row] === 0) {
    g.gmsAsid.asid[row] = 0;
    yield* g.s.step(WRITE, whereOf(g.gms.asidMap, gms));
    g.gms.asidMap[gms] = g.gms.asidMap[gms] & ~(1 << chip);
  }
  const asid = g.gmsAsid.asid[row];
  yield* g.s.spinUnlock(lock);
  return asid;
}

/** One invalidate, or as many as it takes where each drops no more than it names. */
function* purge(g: Gru, { chip, asid }: { readonly chip: number; readonly asid: number }, start: Vaddr, lenBytes: number): Task<Step, number> {
  const { maxInval, atMaxInval } = g.options;
  const first = start - (start % PAGE_SIZE);
  const nrPages = Math.ceil((start + lenBytes - first) / PAGE_SIZE);
  const stride = atMaxInval === 'all' ? nrPages : maxInval;
  const lock = g.s.spinlockAt(g.chip.tghLock, chip);
  let dropped = 0;
  for (let done = 0; done < nrPages; done += stride) {
    yield* g.s.spinLock(lock);
    dropped += yield* tghInvalidate(g, { chip, asid, page: (first + done * PAGE_SIZE) as Vaddr, nrPages: Math.min(nrPages - done, maxInval) });
    yield* g.s.spinUnlock(lock);
  }
  return dropped;
}

/** The same because mm said so. */
function* flushFor(g: Gru, gms: number, start: Vaddr, end: Vaddr): Task<Step> {
  g.stat.invalidations[0] += yield* gruFlushTlbRange(g, gms, start, end - start);
}

/** No agePage: the hardware keeps no mark of use, and mm takes the page for idle. */
export function v5Ops(g: Gru): MmuNotifierOps {
  return {
    * release(mn: MmuNotifier, _mm: Mm): Task<MaySleep> {
      const gms = gmsOfNotifier(g, mn);
      yield* gruRelease(g, gms);
      yield* endOfOneSide(g, gms, GMS_RELEASED);
    },
    * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
      yield* flushFor(g, gmsOfNotifier(g, mn), address, (address + PAGE_SIZE) as Vaddr);
    },
    * invalidatePages(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock> {
      yield* flushFor(g, gmsOfNotifier(g, mn), start, end);
    },
  };
}

export function rangeOps(g: Gru): RangeNotifierOps {
  return {
    * release(mn: MmuNotifier, _mm: Mm): Task<InSrcuRead> {
      yield* gruRelease(g, gmsOfNotifier(g, mn));
    },
    * invalidateRangeStart(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
      const gms = gmsOfNotifier(g, mn);
      yield* g.s.step(WRITE, whereOf(g.gms.rangeActive, gms));
      g.gms.rangeActive[gms] += 1;
      yield* flushFor(g, gms, start, end);
    },
    * invalidateRangeEnd(mn: MmuNotifier, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<InSrcuRead> {
      const gms = gmsOfNotifier(g, mn);
      yield* g.s.step(WRITE, whereOf(g.gms.rangeActive, gms));
      bugOn(g.gms.rangeActive[gms] === 0, 'gru-range-end-without-start');
      g.gms.rangeActive[gms] -= 1;
    },
    * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
      yield* flushFor(g, gmsOfNotifier(g, mn), address, (address + PAGE_SIZE) as Vaddr);
    },
  };
}

/**
 * The address space ends: its contexts are unloaded and none is loaded any more.
 * Deviation: the driver of 2.6.27 only sets the flag, and leaves the contexts to the end of their VMA, which comes after the
 * pages are freed and no notifier is left; no thread is there any more, but an instruction could still be under way. Here
 * the device is a thread of its own, so this would be a stale translation: `exit-hazard` of test/gru.toy.spec.ts runs it.
 */
function* gruRelease(g: Gru, gms: number): Task<Step | Sleep> {
  const lock = gmsAsidLockOf(g, gms);
  yield* g.s.spinLock(lock);
  g.gms.isReleased[gms] = 1;
  yield* g.s.spinUnlock(lock);
  const mutex = driverMutexOf(g);
  yield* g.s.mutexLock(mutex);
  for (let gts = 1; gts < g.gtsPool.capacity; gts++) if (poolIsLive(g.gtsPool, gts) && g.gts.gms[gts] === gms) yield* gruUnload(g, gts, false);
  yield* g.s.mutexUnlock(mutex);
}

/** Under v5 release and the close of the last context meet here in either order; the second one frees. */
export function* endOfOneSide(g: Gru, gms: number, side: number): Task<MaySleep> {
  assertLive(g, gms);
  const lock = gmsAsidLockOf(g, gms);
  yield* g.s.spinLock(lock);
  g.gms.state[gms] = g.gms.state[gms] | side;
  const isOver = g.gms.state[gms] === (GMS_RELEASED | GMS_CLOSED);
  yield* g.s.spinUnlock(lock);
  if (isOver) yield* freeGms(g, gms);
}
