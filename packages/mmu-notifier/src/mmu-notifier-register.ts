// Models the registration of mm/mmu_notifier.c (4.12; mmu_notifier_get and put as in 5.4).
/**
 * Who is on the list of an mm, and how long.
 *
 * Two ways, one for each kind of driver. `register` and `unregister` are for one whose notifier is part of something that it
 * frees itself, after unregister has waited. `get` and `put` are for one that wants a single notifier for each mm, however
 * many of its objects follow it: the core counts the users, and with the last put the notifier goes after a grace period.
 *
 *   get: found ──> users++           put: --users > 0
 *   get: none  ──> allocNotifier     put: 0 ──> off the list ──callSrcu──> freeNotifier, mmdrop
 *
 * After a put the ops may still run until freeNotifier is called, so a module that goes waits with mmuNotifierSynchronize.
 */
import { ENOMEM, WRITE } from '@mmun/include';
import type { MaySleep, Mm, MmuNotifier, Step, Task } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import {
  callSrcu, hlistAddHeadRcu, hlistDelInitRcu, hlistIsUnhashed, point, registerSrcuCallback, spinLock, spinUnlock, srcuBarrier, srcuDoBatch, srcuPending, srcuReadLock,
  srcuReadUnlock, synchronizeSrcu,
} from '@mmun/locking';
import { callRelease } from './mmu-notifier-range.js';
import { headLock, listHead, mmuNotifierFree, mmuNotifierInstance } from './notifier-rows.js';
import { firstOf, mmuNotifierAlloc, nextOf } from './notifier-tables.js';
import type { NotifierHost } from './notifier-tables.js';
import type { NotifierServices, RegisterHost } from './surface.js';

/** The part of KernelServices that is about notifiers, for a plugin. @param ops which ops its notifiers get; known only after its attach */
export function notifierServices(m: NotifierHost, ops: () => number, host: RegisterHost): NotifierServices {
  const freeRcu = registerSrcuCallback(m.srcu, (_m: never, mn: number): Task<Step> => mmuNotifierFreeRcu(m, mn as MmuNotifier, host));
  return {
    mmuNotifierAlloc: (instance) => mmuNotifierAlloc(m, ops(), instance),
    mmuNotifierFree: (mn) => { mmuNotifierFree(m, mn); },
    notifierInstance: (mn) => mmuNotifierInstance(m, mn),
    * mmuNotifierRegister(mn: MmuNotifier, mm: Mm): Task<MaySleep, number> {
      yield* host.mmapWriteLock(mm);
      const error = yield* registerLocked(m, mn, mm, host);
      yield* host.mmapWriteUnlock(mm);
      return error;
    },
    * mmuNotifierUnregister(mn: MmuNotifier, mm: Mm): Task<MaySleep> {
      yield* mmuNotifierUnregister(m, mn, mm);
      yield* host.mmdrop(mm);
    },
    mmuNotifierGet: (mm) => mmuNotifierGet(m, ops(), mm, host),
    mmuNotifierPut: (mn) => mmuNotifierPut(m, mn, freeRcu),
    mmuNotifierSynchronize: () => srcuBarrier(m),
  };
}

/** What the workqueue does: calls freeNotifier where a last put was a grace period ago. @context process, outside of every read section */
export function mmuNotifierDoBatch(m: NotifierHost): Task<MaySleep> {
  return srcuDoBatch(m);
}

/** Notifiers wait to be freed. */
export function mmuNotifierPending(m: NotifierHost): boolean {
  return srcuPending(m);
}

/** __mmu_notifier_register() @locks mmap_sem W @returns 0 or -EINTR */
function* registerLocked(m: NotifierHost, mn: MmuNotifier, mm: Mm, host: RegisterHost): Task<MaySleep, number> {
  const error = yield* host.mmTakeAllLocks(mm);
  if (error !== 0) return error;
  yield* host.mmgrab(mm);
  yield* mmuNotifierRegister(m, mn, mm);
  yield* host.mmDropAllLocks(mm);
  return 0;
}

/** The one notifier that `ops` has with the mm, one user more. @returns a negative errno where it cannot be made */
function* mmuNotifierGet(m: NotifierHost, ops: number, mm: Mm, host: RegisterHost): Task<MaySleep, number> {
  yield* host.mmapWriteLock(mm);
  let mn: number = yield* findGetMmuNotifier(m, ops, mm);
  if (mn === 0) mn = yield* makeMmuNotifier(m, ops, mm, host);
  yield* host.mmapWriteUnlock(mm);
  return mn;
}

/** @locks mmap_sem W, so nobody makes one meanwhile @returns 0 where there is none */
function* findGetMmuNotifier(m: NotifierHost, ops: number, mm: Mm): Task<Step, MmuNotifier> {
  const lock = headLock(m, mm);
  yield* spinLock(m, lock);
  let mn = yield* firstOf(m, mm);
  while (mn !== 0 && (m.notifier.ops[mn] !== ops || m.notifier.users[mn] === 0)) mn = yield* nextOf(m, mn);
  if (mn !== 0) m.notifier.users[mn] = m.notifier.users[mn] + 1;
  yield* spinUnlock(m, lock);
  return mn;
}

/** @locks mmap_sem W @returns the notifier, or a negative errno */
function* makeMmuNotifier(m: NotifierHost, ops: number, mm: Mm, host: RegisterHost): Task<MaySleep, number> {
  const { allocNotifier, freeNotifier } = m.notifierOps[ops];
  bugOn(allocNotifier === undefined || freeNotifier === undefined, 'notifier-get-without-alloc');
  const mn = (yield* (allocNotifier as NonNullable<typeof allocNotifier>)(mm)) as MmuNotifier;
  if (mn <= 0) return mn === 0 ? -ENOMEM : mn;
  m.notifier.mm[mn] = mm;
  m.notifier.users[mn] = 1;
  const error = yield* registerLocked(m, mn, mm, host);
  if (error === 0) return mn;
  yield* (freeNotifier as NonNullable<typeof freeNotifier>)(mn);
  return error;
}

/** One user less. The last takes it off the list without calling release. @context any; sleeps not @param freeRcu mmuNotifierFreeRcu */
function* mmuNotifierPut(m: NotifierHost, mn: MmuNotifier, freeRcu: number): Task<Step> {
  const lock = headLock(m, m.notifier.mm[mn] as Mm);
  yield* spinLock(m, lock);
  bugOn(m.notifier.users[mn] === 0, 'notifier-put-underflow');
  m.notifier.users[mn] = m.notifier.users[mn] - 1;
  const isLast = m.notifier.users[mn] === 0;
  if (isLast) yield* hlistDelInitRcu(m, m.notifier, mn);
  yield* spinUnlock(m, lock);
  if (!isLast) return;
  const isQueued = yield* callSrcu(m, freeRcu, mn);
  bugOn(!isQueued, 'notifier-put-queue-full');
}

/** @context after a grace period: no op of it runs, nor will */
function* mmuNotifierFreeRcu(m: NotifierHost, mn: MmuNotifier, host: RegisterHost): Task<Step> {
  const mm = m.notifier.mm[mn] as Mm;
  const { freeNotifier } = m.notifierOps[m.notifier.ops[mn]];
  yield* (freeNotifier as NonNullable<typeof freeNotifier>)(mn);
  yield* host.mmdrop(mm);
}

/**
 * The part of mmu_notifier_register that comes after the locks: notifierServices has the whole.
 * @context process @locks mmap_sem W and every rmap lock of the mm, where anyone else can see the mm
 */
export function* mmuNotifierRegister(m: NotifierHost, mn: MmuNotifier, mm: Mm): Task<Step> {
  yield* point(m, WRITE, whereOf(m.notifierHead.isSet, mm));
  m.notifierHead.isSet[mm] = 1;
  const lock = headLock(m, mm);
  yield* spinLock(m, lock);
  yield* hlistAddHeadRcu(m, m.notifier, mn, listHead(m, mm));
  yield* spinUnlock(m, lock);
}

/**
 * Calls release unless the mm's end took the notifier off the list, takes it off, and waits for every op that runs.
 * Release and unregister at once may both call release; each waits for the other before it returns.
 * @context process, no lock held @locks none
 */
export function* mmuNotifierUnregister(m: NotifierHost, mn: MmuNotifier, mm: Mm): Task<MaySleep> {
  if (!(yield* hlistIsUnhashed(m, m.notifier, mn))) {
    const idx = yield* srcuReadLock(m);
    yield* callRelease(m, mn, mm);
    yield* srcuReadUnlock(m, idx);
    const lock = headLock(m, mm);
    yield* spinLock(m, lock);
    yield* hlistDelInitRcu(m, m.notifier, mn);
    yield* spinUnlock(m, lock);
  }
  yield* synchronizeSrcu(m);
}
