// Models drivers/misc/sgi-gru/grufile.c and the registration of grutlbpurge.c (2.6.27, with the fix 7f2251b1bcd).
/**
 * Contexts are opened and closed; those of one address space share what the driver keeps of it, its notifier among it. The
 * first registers, the last unregisters.
 */
import { ENOMEM, ESRCH, WRITE } from '@mmun/include';
import type { MaySleep, Mm, Task } from '@mmun/include';
import { poolAlloc, poolFree, poolIsLive, whereOf } from '@mmun/lib';
import { gruUnload } from './grumain.js';
import { GRU_CHIPLETS, driverMutexOf, instanceOf, mmOf, notifierOf } from './grutables.js';
import type { Gru } from './grutables.js';

/** A context for a process. @returns its instance, or a negative errno */
export function* gruOpen(g: Gru, mm: Mm): Task<MaySleep, number> {
  if (!(yield* g.s.mmgetNotZero(mm))) return -ESRCH;
  const mutex = driverMutexOf(g);
  yield* g.s.mutexLock(mutex);
  const gms = yield* gruRegisterMmuNotifier(g, mm);
  const gts = gms < 0 ? gms : newGts(g, gms);
  const isUnused = gms > 0 && gts < 0 && g.gms.nrContexts[gms] === 0;
  if (isUnused) g.gms.isClosing[gms] = 1;
  yield* g.s.mutexUnlock(mutex);
  if (isUnused) yield* unregisterHeld(g, gms);
  yield* g.s.mmput(mm);
  return gts < 0 ? gts : instanceOf(g, gts);
}

/** The end of a context. @returns the address space that it was the last one of, else 0 */
export function* gruClose(g: Gru, gts: number): Task<MaySleep, number> {
  yield* gruUnload(g, gts, true);
  const gms = g.gts.gms[gts];
  const mutex = driverMutexOf(g);
  yield* g.s.mutexLock(mutex);
  poolFree(g.gtsPool, gts);
  g.gms.nrContexts[gms] -= 1;
  const isLast = g.gms.nrContexts[gms] === 0;
  if (isLast) g.gms.isClosing[gms] = 1;
  yield* g.s.mutexUnlock(mutex);
  return isLast ? gms : 0;
}

/** What the driver keeps of an address space, which has a notifier then. @locks driver.mutex @returns its row, or a negative errno */
function* gruRegisterMmuNotifier(g: Gru, mm: Mm): Task<MaySleep, number> {
  for (let gms = 1; gms < g.gmsPool.capacity; gms++) {
    if (poolIsLive(g.gmsPool, gms) && mmOf(g, gms) === mm && g.gms.isClosing[gms] === 0) return gms;
  }
  const gms = newGms(g, mm);
  if (gms < 0) return gms;
  yield* g.s.mmgrab(mm);
  const error = yield* g.s.mmuNotifierRegister(notifierOf(g, gms), mm);
  if (error === 0) return gms;
  yield* freeGms(g, gms);
  return error;
}

/** @context the address space is held */
export function* unregisterHeld(g: Gru, gms: number): Task<MaySleep> {
  yield* g.s.mmuNotifierUnregister(notifierOf(g, gms), mmOf(g, gms));
  if (g.s.design === 'v5') yield* g.s.synchronizeRcu();
  yield* freeGms(g, gms);
}

function newGms(g: Gru, mm: Mm): number {
  const gms = g.s.shouldFail('gru: what is kept of an address space') ? 0 : poolAlloc(g.gmsPool);
  if (gms === 0) return -ENOMEM;
  const mn = g.s.mmuNotifierAlloc(gms);
  if (mn === 0) {
    poolFree(g.gmsPool, gms);
    return -ENOMEM;
  }
  g.gms.mm[gms] = mm;
  g.gms.mn[gms] = mn;
  g.gms.rangeActive[gms] = g.gms.isReleased[gms] = g.gms.state[gms] = g.gms.nrContexts[gms] = g.gms.isClosing[gms] = g.gms.asidMap[gms] = 0;
  for (const column of [g.gmsAsid.asid, g.gmsAsid.asidGen, g.gmsAsid.ctxMap]) column.fill(0, gms * GRU_CHIPLETS, (gms + 1) * GRU_CHIPLETS);
  return gms;
}

function newGts(g: Gru, gms: number): number {
  const gts = g.s.shouldFail('gru: a context') ? 0 : poolAlloc(g.gtsPool);
  if (gts === 0) return -ENOMEM;
  g.gts.gms[gts] = gms;
  g.gts.place[gts] = g.gts.isClosed[gts] = 0;
  g.gms.nrContexts[gms] += 1;
  return gts;
}

/** @context no op is running, none will, no context is left */
export function* freeGms(g: Gru, gms: number): Task<MaySleep> {
  g.s.mmuNotifierFree(notifierOf(g, gms));
  const mm = mmOf(g, gms);
  yield* g.s.step(WRITE, whereOf(g.gms.asidMap, gms));
  poolFree(g.gmsPool, gms);
  yield* g.s.mmdrop(mm);
}
