// Models arch/x86/kvm/mmu.c (2.6.27; under mmu notifiers #v5 with the fault that it would have needed).
/**
 * The shadow table: how an entry is made, used, aged and taken away.
 *
 * Lock order: slotsLock > mmap_sem > PT lock > mmuLock.
 *
 * An entry is made in one of two ways. Under v5 while the PT lock of its pte is held, so that the change that comes later
 * finds it. Under `range` after a lookup that no change has overtaken, which count and sequence tell:
 *
 *   fault                               mm
 *   seq := sequence
 *   getUserPages: frame P
 *                                       start: count 1, entries go
 *                                       pte changed, P freed but for the reference of the fault
 *                                       end: sequence + 1, count 0
 *   mmuLock: count 0, sequence not seq
 *   gives P back, starts over
 *
 * The guest's hardware takes no lock. An access that has translated reaches memory
 * before a flush of its entry ends (the flush waits until every vCPU has left the
 * guest), and each zap ends with one. So translating, marking the entry and
 * reaching the frame are one step here, and the flush after it is none.
 */
import { EAGAIN, ENOMEM, ESRCH, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { Pfn, Step, Task, UnderPteLock, Vaddr, Where } from '@mmun/include';
import { bugOn, hlistAddHead, hlistDel, poolAlloc, poolFree, whereOf } from '@mmun/lib';
import { KVM_RELEASED, SPTE_A, SPTE_D, SPTE_P, SPTE_W, gfnToHva, hvaToGfn, mkSpte, mmuLockOf, sptePfn } from './kvm-host.js';
import type { Kvms } from './kvm-host.js';

/** Pages of a range that are looked up one by one. */
const FEW_PAGES = 64;

/**
 * Installs the entry for a page whose PT lock is held; replaces one that is there.
 * @locks ptl(hva) @returns 0, -ENOMEM where the shadow table is full, -ESRCH after release
 */
export function* mmuSetSpte(k: Kvms, kvm: number, hva: Vaddr, pfn: Pfn, isWritable: boolean): Task<UnderPteLock, number> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  const result = yield* setSpteLocked(k, kvm, hvaToGfn(k, kvm, hva), mkSpte(pfn, isWritable));
  yield* k.s.spinUnlock(lock);
  return result;
}

/**
 * Takes away every entry for `[start, end)` of the process, and hands its dirty bit to the page.
 * @locks the PT lock of the range
 */
export function* unmapHvaRange(k: Kvms, kvm: number, start: Vaddr, end: Vaddr): Task<UnderPteLock> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  yield* unmapPages(k, kvm, start, end);
  yield* k.s.spinUnlock(lock);
}

/**
 * The start of a range: its entries go, and none is made while it is under way. For a range with more pages than there are
 * entries the entries are looked at instead.
 * @locks none
 */
export function* rangeStart(k: Kvms, kvm: number, start: Vaddr, end: Vaddr): Task<Step> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  k.kvm.mmuNotifierCount[kvm] += 1;
  if (end - start > FEW_PAGES * PAGE_SIZE) yield* unmapAmong(k, kvm, start, end);
  else yield* unmapPages(k, kvm, start, end);
  yield* k.s.spinUnlock(lock);
}

/** The end: first the sequence, so that whoever finds no range under way finds a new sequence. @locks none */
export function* rangeEnd(k: Kvms, kvm: number): Task<Step> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  yield* k.s.step(WRITE, seqWhere(k, kvm));
  k.kvm.mmuNotifierSeq[kvm] += 1;
  bugOn(k.kvm.mmuNotifierCount[kvm] === 0, 'kvm-range-end-without-start');
  k.kvm.mmuNotifierCount[kvm] -= 1;
  yield* k.s.spinUnlock(lock);
}

/** One page without a range around: faults that looked it up before must start over. @locks ptl(hva) */
export function* unmapHva(k: Kvms, kvm: number, hva: Vaddr): Task<UnderPteLock> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  yield* k.s.step(WRITE, seqWhere(k, kvm));
  k.kvm.mmuNotifierSeq[kvm] += 1;
  yield* unmapPages(k, kvm, hva, (hva + PAGE_SIZE) as Vaddr);
  yield* k.s.spinUnlock(lock);
}

/** What a fault reads before it looks the page up. */
export function* readSeq(k: Kvms, kvm: number): Task<Step, number> {
  yield* k.s.step(READ, seqWhere(k, kvm));
  return k.kvm.mmuNotifierSeq[kvm];
}

/**
 * Makes an entry for a page that was looked up after `seq` was read, unless a range is or was under way since.
 * @locks none @returns 0, -EAGAIN where the page must be looked up again, -ENOMEM, -ESRCH after release
 */
export function* setSpteUnlessRetry(k: Kvms, kvm: number, hva: Vaddr, pfn: Pfn, isWritable: boolean, seq: number): Task<Step, number> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  const isStale = k.kvm.mmuNotifierCount[kvm] !== 0 || k.kvm.mmuNotifierSeq[kvm] !== seq;
  const result = isStale ? -EAGAIN : yield* setSpteLocked(k, kvm, hvaToGfn(k, kvm, hva), mkSpte(pfn, isWritable));
  yield* k.s.spinUnlock(lock);
  return result;
}

/** Takes away every entry of a machine. @context any @locks none @param isTold mm said so, and it counts as its doing */
export function* zapAll(k: Kvms, kvm: number, isTold = false): Task<Step> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  while (k.kvm.sptes[kvm] !== 0) {
    yield* zapSpte(k, k.kvm.sptes[kvm]);
    if (isTold) k.stat.invalidations[0] += 1;
  }
  yield* k.s.spinUnlock(lock);
}

/** Was the page used? Clears the mark in one atomic step, because the guest may set dirty beside it. @locks ptl(hva) */
export function* ageHva(k: Kvms, kvm: number, hva: Vaddr): Task<UnderPteLock, number> {
  const lock = mmuLockOf(k, kvm);
  let young = 0;
  yield* k.s.spinLock(lock);
  const row = findSpte(k, kvm, hvaToGfn(k, kvm, hva));
  if (row !== 0) {
    yield* k.s.step(WRITE, spteWhere(k, row));
    if ((k.spte.spte[row] & SPTE_A) !== 0) young = 1;
    k.spte.spte[row] = k.spte.spte[row] & ~SPTE_A;
  }
  yield* k.s.spinUnlock(lock);
  return young;
}

/**
 * The guest touches a page: one load, or one increment, of the word that `hva` names.
 * @returns the frame, or 0: the entry is missing or does not allow it
 */
export function* guestAccess(k: Kvms, kvm: number, hva: Vaddr, isWrite: boolean): Task<Step, Pfn> {
  k.stat.accesses[0] += 1;
  const gfn = hvaToGfn(k, kvm, hva);
  yield* k.s.step(READ, bucketOf(k, kvm, gfn));
  const row = findSpte(k, kvm, gfn);
  if (row === 0) return 0 as Pfn;
  const needed = isWrite ? SPTE_P | SPTE_W : SPTE_P;
  const marks = isWrite ? SPTE_A | SPTE_D : SPTE_A;
  yield* k.s.step(WRITE, spteWhere(k, row));
  const spte = k.spte.spte[row];
  if ((spte & needed) !== needed || k.spte.gfn[row] !== gfn || k.spte.kvm[row] !== kvm) return 0 as Pfn;
  k.spte.spte[row] = spte | marks;
  k.stat.hits[0] += 1;
  const pfn = sptePfn(spte);
  const word = k.s.deviceRead(pfn, hva);
  if (isWrite) k.s.deviceWrite(pfn, hva, word + 1);
  return pfn;
}

/** Calls `visit` with each live entry. */
export function forEachSpte(k: Kvms, visit: (kvm: number, hva: Vaddr, pfn: Pfn, isWritable: boolean) => void): void {
  for (let row = 1; row < k.sptePool.capacity && row <= k.sptePool.head.bump[0]; row++) {
    const spte = k.spte.spte[row];
    if ((spte & SPTE_P) === 0) continue;
    const kvm = k.spte.kvm[row];
    visit(kvm, gfnToHva(k, kvm, k.spte.gfn[row]), sptePfn(spte), (spte & SPTE_W) !== 0);
  }
}

/** @locks mmuLock */
function* unmapPages(k: Kvms, kvm: number, start: Vaddr, end: Vaddr): Task<Step> {
  for (let hva: number = start; hva < end; hva += PAGE_SIZE) {
    const row = findSpte(k, kvm, hvaToGfn(k, kvm, hva as Vaddr));
    if (row === 0) continue;
    yield* zapSpte(k, row);
    k.stat.invalidations[0] += 1;
  }
}

/** The same, entry by entry. @locks mmuLock */
function* unmapAmong(k: Kvms, kvm: number, start: Vaddr, end: Vaddr): Task<Step> {
  let row = k.kvm.sptes[kvm];
  while (row !== 0) {
    const next = k.byKvm.next[row];
    const hva = gfnToHva(k, kvm, k.spte.gfn[row]);
    if (hva >= start && hva < end) {
      yield* zapSpte(k, row);
      k.stat.invalidations[0] += 1;
    }
    row = next;
  }
}

function* setSpteLocked(k: Kvms, kvm: number, gfn: number, spte: number): Task<Step, number> {
  if ((k.kvm.state[kvm] & KVM_RELEASED) !== 0) return -ESRCH;
  const present = findSpte(k, kvm, gfn);
  if (present !== 0) {
    yield* k.s.step(WRITE, spteWhere(k, present));
    const old = k.spte.spte[present];
    // another page than before is impossible: its invalidation would have taken the entry away
    k.spte.spte[present] = spte | (old & (SPTE_A | SPTE_D));
    return 0;
  }
  const bucket = bucketOf(k, kvm, gfn);
  yield* k.s.step(WRITE, bucket);
  const row = poolAlloc(k.sptePool);
  if (row === 0) return -ENOMEM;
  k.spte.kvm[row] = kvm;
  k.spte.gfn[row] = gfn;
  k.spte.spte[row] = spte;
  hlistAddHead(k.words, k.spte, row, bucket);
  hlistAddHead(k.words, k.byKvm, row, whereOf(k.kvm.sptes, kvm));
  return 0;
}

/** rmap_remove() with the spte cleared: the bit that the hardware set last decides whether the page is dirty. @locks mmuLock */
function* zapSpte(k: Kvms, row: number): Task<Step> {
  yield* k.s.step(WRITE, spteWhere(k, row));
  const old = k.spte.spte[row];
  k.spte.spte[row] = 0;
  if ((old & SPTE_D) !== 0) yield* k.s.setPageDirty(sptePfn(old));
  yield* k.s.step(WRITE, bucketOf(k, k.spte.kvm[row], k.spte.gfn[row]));
  hlistDel(k.words, k.spte, row);
  hlistDel(k.words, k.byKvm, row);
  poolFree(k.sptePool, row);
}

/** @locks mmuLock, or none for the hardware, which rechecks. @returns a row, or 0 */
function findSpte(k: Kvms, kvm: number, gfn: number): number {
  let row = k.words[bucketOf(k, kvm, gfn)];
  while (row !== 0 && (k.spte.gfn[row] !== gfn || k.spte.kvm[row] !== kvm)) row = k.spte.next[row];
  return row;
}

function bucketOf(k: Kvms, kvm: number, gfn: number): Where {
  const mixed = Math.imul(gfn, 0x9e3779b1) ^ Math.imul(kvm, 0x85ebca6b);
  return whereOf(k.rmap.first, (mixed ^ (mixed >>> 15)) & (k.rmap.first.length - 1));
}

function seqWhere(k: Kvms, kvm: number): Where {
  return whereOf(k.kvm.mmuNotifierSeq, kvm);
}

function spteWhere(k: Kvms, row: number): Where {
  return whereOf(k.spte.spte, row);
}
