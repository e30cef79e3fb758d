// Models drivers/misc/sgi-gru/grumain.c (2.6.27, with the ASID fixes of 87419412371).
/**
 * ASIDs, and the loading and unloading of contexts.
 *
 * An address space has one ASID per chiplet, for all of its contexts there. It keeps it while none is loaded, so that their
 * entries are still there when one comes back; unless the numbers ran out in between (generation), or an invalidate met
 * nobody loaded and took the ASID away instead of looking for entries:
 *
 *   ctxMap   asid     a context is loaded with
 *   some     any      the ASID that the others are loaded with, whatever its generation
 *   none     0        a new one
 *   none     old      a new one: someone else may have it by now
 *   none     current  the same one, with its entries
 *
 * When the numbers run out the TLB is emptied, and those that loaded contexts hold are passed over.
 */
import { EAGAIN, ESRCH, READ, WRITE } from '@mmun/include';
import type { MaySleep, Sleep, Step, Task } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { cchDeallocate, cchStart, tghInvalidateAll } from './gruhandles.js';
import {
  ASID_INC, GRU_CHIPLETS, GRU_NUM_CCH, MAX_ASID, MIN_ASID, assertLive, chipAsidLockOf, chipLockOf, chipOfCch, ctxBit, ctxLockOf, gmsAsidLockOf,
} from './grutables.js';
import type { Gru } from './grutables.js';

/**
 * The context is loaded when this returns 0, and may be unloaded again at any time.
 * @locks none @returns 0; -ESRCH after the address space ended; -EAGAIN where every handle is taken by contexts that are busy
 */
export function* gruFault(g: Gru, gts: number): Task<MaySleep, number> {
  const lock = ctxLockOf(g, gts);
  yield* g.s.mutexLock(lock);
  const error = g.gts.place[gts] === 0 ? yield* gruLoadContext(g, gts) : 0;
  yield* g.s.mutexUnlock(lock);
  return error;
}

/** Unloads a context that is loaded. @locks none; ctxLock is taken @param isLast and that was its end: nobody works with it from here on */
export function* gruUnload(g: Gru, gts: number, isLast: boolean): Task<Step | Sleep> {
  const lock = ctxLockOf(g, gts);
  yield* g.s.mutexLock(lock);
  if (g.gts.place[gts] !== 0) yield* gruUnloadContext(g, gts);
  if (isLast) g.gts.isClosed[gts] = 1;
  yield* g.s.mutexUnlock(lock);
}

/** @locks ctxLock */
function* gruLoadContext(g: Gru, gts: number): Task<Step, number> {
  let cch = yield* gruAssignGruContext(g, gts);
  if (cch < 0 && (yield* gruStealContext(g))) cch = yield* gruAssignGruContext(g, gts);
  if (cch < 0) return -EAGAIN;
  const asid = yield* gruLoadMmTracker(g, g.gts.gms[gts], cch);
  if (asid === 0) {
    yield* freeCch(g, cch);
    return -ESRCH;
  }
  yield* cchStart(g, cch, gts, asid);
  yield* g.s.step(WRITE, whereOf(g.gts.place, gts));
  g.gts.place[gts] = cch + 1;
  return 0;
}

/** @locks ctxLock */
function* gruUnloadContext(g: Gru, gts: number): Task<Step> {
  const cch = g.gts.place[gts] - 1;
  yield* g.s.step(WRITE, whereOf(g.gts.place, gts));
  g.gts.place[gts] = 0;
  yield* cchDeallocate(g, cch);
  yield* gruUnloadMmTracker(g, g.gts.gms[gts], cch);
  yield* freeCch(g, cch);
}

/** Takes a handle on some chiplet. @returns its row, -1 where all are taken */
function* gruAssignGruContext(g: Gru, gts: number): Task<Step, number> {
  for (let chip = 0; chip < GRU_CHIPLETS; chip++) {
    const lock = chipLockOf(g, chip);
    yield* g.s.spinLock(lock);
    const cch = freeCchOf(g, chip);
    if (cch >= 0) g.cch.gts[cch] = gts;
    yield* g.s.spinUnlock(lock);
    if (cch >= 0) return cch;
  }
  return -1;
}

function freeCchOf(g: Gru, chip: number): number {
  for (let cch = chip * GRU_NUM_CCH; cch < (chip + 1) * GRU_NUM_CCH; cch++) if (g.cch.gts[cch] === 0) return cch;
  return -1;
}

function* freeCch(g: Gru, cch: number): Task<Step> {
  const lock = chipLockOf(g, chipOfCch(cch));
  yield* g.s.spinLock(lock);
  g.cch.gts[cch] = 0;
  yield* g.s.spinUnlock(lock);
}

/**
 * Unloads somebody else, whom nobody is busy with. A context that holds a handle is not freed before it has given it back,
 * which takes the chiplet's lock: so under it a try at the context's own lock is safe.
 * @returns whether a handle is free now
 */
function* gruStealContext(g: Gru): Task<Step, boolean> {
  for (let cch = 0; cch < GRU_CHIPLETS * GRU_NUM_CCH; cch++) {
    const lock = chipLockOf(g, chipOfCch(cch));
    yield* g.s.spinLock(lock);
    const victim = g.cch.gts[cch];
    const isStealable = victim !== 0 && (yield* g.s.mutexTrylock(ctxLockOf(g, victim)));
    yield* g.s.spinUnlock(lock);
    if (!isStealable) continue;
    const isLoaded = g.gts.place[victim] !== 0;
    if (isLoaded) yield* gruUnloadContext(g, victim);
    yield* g.s.mutexUnlock(ctxLockOf(g, victim));
    if (isLoaded) return true;
  }
  return false;
}

/** The ASID that a context is to run under. @returns 0 where the address space has ended */
function* gruLoadMmTracker(g: Gru, gms: number, cch: number): Task<Step, number> {
  const chip = chipOfCch(cch);
  const row = gms * GRU_CHIPLETS + chip;
  const { asid, asidGen, ctxMap } = g.gmsAsid;
  yield* g.s.spinLock(gmsAsidLockOf(g, gms));
  const isOver = g.gms.isReleased[gms] !== 0;
  if (!isOver) {
    yield* g.s.spinLock(chipAsidLockOf(g, chip));
    if (asid[row] === 0 || (ctxMap[row] === 0 && asidGen[row] !== g.chip.asidGen[chip])) {
      asid[row] = yield* gruAssignAsid(g, chip);
      asidGen[row] = g.chip.asidGen[chip];
    }
    ctxMap[row] = ctxMap[row] | ctxBit(cch);
    yield* g.s.spinUnlock(chipAsidLockOf(g, chip));
    yield* g.s.step(WRITE, whereOf(g.gms.asidMap, gms));
    g.gms.asidMap[gms] = g.gms.asidMap[gms] | (1 << chip);
  }
  const result = isOver ? 0 : asid[row];
  yield* g.s.spinUnlock(gmsAsidLockOf(g, gms));
  return result;
}

function* gruUnloadMmTracker(g: Gru, gms: number, cch: number): Task<Step> {
  const chip = chipOfCch(cch);
  const { ctxMap } = g.gmsAsid;
  yield* g.s.spinLock(gmsAsidLockOf(g, gms));
  yield* g.s.spinLock(chipAsidLockOf(g, chip));
  ctxMap[gms * GRU_CHIPLETS + chip] &= ~ctxBit(cch);
  yield* g.s.spinUnlock(chipAsidLockOf(g, chip));
  yield* g.s.spinUnlock(gmsAsidLockOf(g, gms));
}

/** The next ASID of a chiplet. @locks chip.asidLock */
function* gruAssignAsid(g: Gru, chip: number): Task<Step, number> {
  const next = Math.max(g.chip.asid[chip] + ASID_INC, MIN_ASID);
  if (next < g.chip.asidLimit[chip]) {
    g.chip.asid[chip] = next;
    return next;
  }
  return yield* gruResetAsidLimit(g, chip, next);
}

/** Finds the next stretch of ASIDs that nobody is loaded with, and starts over where there is none. @locks chip.asidLock */
function* gruResetAsidLimit(g: Gru, chip: number, from: number): Task<Step, number> {
  let asid = from;
  if (asid >= MAX_ASID) asid = yield* gruWrapAsid(g, chip);
  while (isAsidInUse(g, chip, asid)) {
    asid += ASID_INC;
    if (asid >= MAX_ASID) asid = yield* gruWrapAsid(g, chip);
  }
  let limit = asid + ASID_INC;
  while (limit < MAX_ASID && !isAsidInUse(g, chip, limit)) limit += ASID_INC;
  g.chip.asid[chip] = asid;
  g.chip.asidLimit[chip] = limit;
  return asid;
}

/** All numbers were given out once: what contexts that are not loaded still have is void, and so are its entries. */
function* gruWrapAsid(g: Gru, chip: number): Task<Step, number> {
  g.chip.asidGen[chip] += 1;
  yield* tghInvalidateAll(g, chip);
  return MIN_ASID;
}

/** Of contexts that are loaded; there are fewer of them than ASIDs. */
function isAsidInUse(g: Gru, chip: number, asid: number): boolean {
  for (let row = chip; row < g.gmsAsid.asid.length; row += GRU_CHIPLETS) if (g.gmsAsid.ctxMap[row] !== 0 && g.gmsAsid.asid[row] === asid) return true;
  return false;
}

/** Chiplets where an address space has an ASID, without a lock: who comes to one later reads ptes later. */
export function* asidMapOf(g: Gru, gms: number): Task<Step, number> {
  yield* g.s.step(READ, whereOf(g.gms.asidMap, gms));
  assertLive(g, gms);
  return g.gms.asidMap[gms];
}
