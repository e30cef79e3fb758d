// Models arch/x86/kvm/mmu.c (2.6.27; the fault as it had to be under mmu notifiers #v5).
/**
 * The shadow table: how an entry is made, used, aged and taken away.
 *
 * Lock order: slotsLock > mmap_sem > PT lock > mmuLock.
 *
 * The guest's hardware takes no lock. An access that has translated reaches memory
 * before a flush of its entry ends (the flush waits until every vCPU has left the
 * guest), and each zap ends with one. So translating, marking the entry and
 * reaching the frame are one step here, and the flush after it is none.
 */
import { ENOMEM, ESRCH, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { Pfn, Step, Task, UnderPteLock, Vaddr, Where } from '@mmun/include';
import { hlistAddHead, hlistDel, poolAlloc, poolFree, whereOf } from '@mmun/lib';
import { KVM_RELEASED, SPTE_A, SPTE_D, SPTE_P, SPTE_W, gfnToHva, hvaToGfn, mkSpte, mmuLockOf, sptePfn } from './kvm-host.js';
import type { Kvms } from './kvm-host.js';

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
  for (let hva: number = start; hva < end; hva += PAGE_SIZE) {
    const row = findSpte(k, kvm, hvaToGfn(k, kvm, hva as Vaddr));
    if (row === 0) continue;
    yield* zapSpte(k, row);
    k.stat.invalidations[0] += 1;
  }
  yield* k.s.spinUnlock(lock);
}

/** Takes away every entry of a machine. @context any @locks none */
export function* zapAll(k: Kvms, kvm: number): Task<Step> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  while (k.kvm.sptes[kvm] !== 0) yield* zapSpte(k, k.kvm.sptes[kvm]);
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

function* setSpteLocked(k: Kvms, kvm: number, gfn: number, spte: number): Task<UnderPteLock, number> {
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

function spteWhere(k: Kvms, row: number): Where {
  return whereOf(k.spte.spte, row);
}
