// Models arch/x86/kvm/mmu.c (2.6.27; under mmu notifiers #v5 with the fault that it would have needed).
/**
 * The shadow tables: how an entry is made, aged and taken away.
 *
 * Lock order: slotsLock > mmap_sem > PT lock > mmuLock > inGuest.
 *
 * An entry is taken away in two halves. In between a vCPU may still reach the page by what its TLB holds, so only then is
 * known whether the page is dirty, and only then may the spte's reference go:
 *
 *   zapSpte                  P cleared, out of its bucket          the table has it no more
 *   flushRemoteTlbs          each vCPU's TLB emptied               no vCPU has it any more
 *   commitZap                dirty handed to the page, pin given back, row freed
 */
import { EAGAIN, ENOMEM, ESRCH, PAGE_SIZE, WRITE } from '@mmun/include';
import type { Pfn, Step, Task, UnderPteLock, Vaddr, Where } from '@mmun/include';
import { bugOn, hlistAddHead, hlistDel, poolAlloc, poolFree, whereOf } from '@mmun/lib';
import {
  KVM_DEAD, KVM_MEMORY_SLOTS, SPTE_A, SPTE_D, SPTE_P, gfnInSlot, gfnToHva, kvmOfVcpu, mkSpte, mmuLockOf, sptePfn,
} from './kvm-host.js';
import type { Kvms } from './kvm-host.js';
import { flushRemoteTlbs } from './tlb.js';

/** Pages of a range that are looked up one by one. */
const FEW_PAGES = 64;

/**
 * The pages of `[start, end)` lose every entry, and faults that looked one up before start over.
 * @locks the PT lock of the range
 */
export function* unmapHva(k: Kvms, kvm: number, start: Vaddr, end: Vaddr): Task<UnderPteLock> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  if (k.protocol !== 'pt-lock') yield* moveSequence(k, kvm);
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
  yield* moveSequence(k, kvm);
  bugOn(k.kvm.mmuNotifierCount[kvm] === 0, 'kvm-range-end-without-start');
  k.kvm.mmuNotifierCount[kvm] -= 1;
  yield* k.s.spinUnlock(lock);
}

/** The end of a machine or of its process: every entry goes, and none is made any more. @context any @locks none @param isTold mm said so, and it counts as its doing */
export function* zapForGood(k: Kvms, kvm: number, isTold: boolean): Task<Step> {
  const lock = mmuLockOf(k, kvm);
  yield* k.s.spinLock(lock);
  k.kvm.state[kvm] = k.kvm.state[kvm] | KVM_DEAD;
  yield* zapAllLocked(k, kvm, isTold);
  yield* k.s.spinUnlock(lock);
}

/** Takes away every entry of a machine. @locks mmuLock */
export function* zapAllLocked(k: Kvms, kvm: number, isTold: boolean): Task<Step> {
  while (k.kvm.sptes[kvm] !== 0) {
    yield* zapSpte(k, kvm, k.kvm.sptes[kvm]);
    if (isTold) k.stat.invalidations[0] += 1;
  }
  yield* commitZap(k, kvm);
}

/**
 * Was the page used? Each mark is cleared in one atomic step, because the guest may set dirty beside it; and what TLBs hold
 * goes too, or the guest would never set it again.
 * @locks the PT lock of the range
 */
export function* ageHva(k: Kvms, kvm: number, start: Vaddr, end: Vaddr): Task<UnderPteLock, number> {
  const lock = mmuLockOf(k, kvm);
  let young = 0;
  yield* k.s.spinLock(lock);
  for (let hva: number = start; hva < end; hva += PAGE_SIZE) {
    for (let row = firstSpte(k, kvm, hva as Vaddr); row !== 0; row = nextSpte(k, kvm, hva as Vaddr, row)) {
      yield* k.s.step(WRITE, spteWhere(k, row));
      if ((k.spte.spte[row] & SPTE_A) !== 0) young = 1;
      k.spte.spte[row] = k.spte.spte[row] & ~SPTE_A;
    }
  }
  if (young === 1) yield* flushRemoteTlbs(k, kvm);
  yield* k.s.spinUnlock(lock);
  return young;
}

/** What mmuSetSpte is to make. */
export interface NewSpte {
  /** Row of the vCPU, whose root it goes under. */
  readonly root: number;
  readonly gfn: number;
  readonly pfn: Pfn;
  readonly isWritable: boolean;
}

/**
 * Makes an entry, or gives one that is there more rights. With `pinned` it takes over the caller's reference to the page
 * where it returns 0.
 * @locks mmuLock
 * @returns 0; -EAGAIN while a range is under way; -ENOMEM where the table is full; -ESRCH after release
 */
export function* mmuSetSpte(k: Kvms, { root, gfn, pfn, isWritable }: NewSpte): Task<Step, number> {
  const kvm = kvmOfVcpu(root);
  k.s.lockdepAssertHeld(mmuLockOf(k, kvm));
  if ((k.kvm.state[kvm] & KVM_DEAD) !== 0) return -ESRCH;
  if (k.kvm.mmuNotifierCount[kvm] !== 0) return -EAGAIN;
  const present = findSpte(k, root, gfn);
  if (present !== 0 && sptePfn(k.spte.spte[present]) === pfn) {
    yield* k.s.step(WRITE, spteWhere(k, present));
    k.spte.spte[present] |= mkSpte(pfn, isWritable);
    if (k.protocol === 'pinned') yield* k.s.putPage(pfn);
    return 0;
  }
  if (present !== 0) {
    // only where nobody looks whether the page is still the one: the pin kept it, and it is no longer the process's
    yield* zapSpte(k, kvm, present);
    yield* commitZap(k, kvm);
  }
  return yield* addSpte(k, { root, gfn, pfn, isWritable });
}

function* addSpte(k: Kvms, { root, gfn, pfn, isWritable }: NewSpte): Task<Step, number> {
  const kvm = kvmOfVcpu(root);
  const bucket = bucketOf(k, kvm, gfn);
  yield* k.s.step(WRITE, bucket);
  const row = k.s.shouldFail('kvm: a page of the shadow table') ? 0 : poolAlloc(k.sptePool);
  if (row === 0) return -ENOMEM;
  k.spte.root[row] = root;
  k.spte.gfn[row] = gfn;
  k.spte.spte[row] = mkSpte(pfn, isWritable);
  hlistAddHead(k.words, k.spte, row, bucket);
  hlistAddHead(k.words, k.byKvm, row, whereOf(k.kvm.sptes, kvm));
  if (k.protocol === 'pinned') k.stat.pins[0] += 1;
  return 0;
}

/** Calls `visit` with each live entry of the shadow tables. */
export function forEachSpte(k: Kvms, visit: (kvm: number, hva: Vaddr, spte: number) => void): void {
  for (let row = 1; row < k.sptePool.capacity && row <= k.sptePool.head.bump[0]; row++) {
    const spte = k.spte.spte[row];
    if ((spte & SPTE_P) === 0) continue;
    const kvm = kvmOfVcpu(k.spte.root[row]);
    visit(kvm, gfnToHva(k, kvm, k.spte.gfn[row]), spte);
  }
}

/** The entry of a root for a guest page. @locks mmuLock, or inGuest for the hardware, which rechecks @returns a row, or 0 */
export function findSpte(k: Kvms, root: number, gfn: number): number {
  let row = k.words[bucketOf(k, kvmOfVcpu(root), gfn)];
  while (row !== 0 && (k.spte.gfn[row] !== gfn || k.spte.root[row] !== root)) row = k.spte.next[row];
  return row;
}

export function bucketOf(k: Kvms, kvm: number, gfn: number): Where {
  const mixed = Math.imul(gfn, 0x9e3779b1) ^ Math.imul(kvm, 0x85ebca6b);
  return whereOf(k.rmap.first, (mixed ^ (mixed >>> 15)) & (k.rmap.first.length - 1));
}

export function spteWhere(k: Kvms, row: number): Where {
  return whereOf(k.spte.spte, row);
}

export function seqWhere(k: Kvms, kvm: number): Where {
  return whereOf(k.kvm.mmuNotifierSeq, kvm);
}

function* moveSequence(k: Kvms, kvm: number): Task<Step> {
  yield* k.s.step(WRITE, seqWhere(k, kvm));
  k.kvm.mmuNotifierSeq[kvm] += 1;
}

/** kvm_unmap_hva() for each page. @locks mmuLock */
function* unmapPages(k: Kvms, kvm: number, start: Vaddr, end: Vaddr): Task<Step> {
  for (let hva: number = start; hva < end; hva += PAGE_SIZE) {
    for (let row = firstSpte(k, kvm, hva as Vaddr); row !== 0; row = firstSpte(k, kvm, hva as Vaddr)) {
      yield* zapSpte(k, kvm, row);
      k.stat.invalidations[0] += 1;
    }
  }
  yield* commitZap(k, kvm);
}

/** The same, entry by entry. @locks mmuLock */
function* unmapAmong(k: Kvms, kvm: number, start: Vaddr, end: Vaddr): Task<Step> {
  let row = k.kvm.sptes[kvm];
  while (row !== 0) {
    const next = k.byKvm.next[row];
    const hva = gfnToHva(k, kvm, k.spte.gfn[row]);
    if (hva >= start && hva < end) {
      yield* zapSpte(k, kvm, row);
      k.stat.invalidations[0] += 1;
    }
    row = next;
  }
  yield* commitZap(k, kvm);
}

/** The first half of taking an entry away: the table has it no more. rmap_remove() @locks mmuLock @owes commitZap */
function* zapSpte(k: Kvms, kvm: number, row: number): Task<Step> {
  yield* k.s.step(WRITE, spteWhere(k, row));
  k.spte.spte[row] = k.spte.spte[row] & ~SPTE_P;
  yield* k.s.step(WRITE, bucketOf(k, kvm, k.spte.gfn[row]));
  hlistDel(k.words, k.spte, row);
  hlistDel(k.words, k.byKvm, row);
  hlistAddHead(k.words, k.byKvm, row, whereOf(k.kvm.zapped, kvm));
}

/** The second half: no vCPU has it any more, so what it knows of the page is final. @locks mmuLock */
function* commitZap(k: Kvms, kvm: number): Task<Step> {
  if (k.kvm.zapped[kvm] === 0) return;
  yield* flushRemoteTlbs(k, kvm);
  while (k.kvm.zapped[kvm] !== 0) {
    const row = k.kvm.zapped[kvm];
    const spte = k.spte.spte[row];
    if ((spte & SPTE_D) !== 0) yield* k.s.setPageDirty(sptePfn(spte));
    if (k.protocol === 'pinned') yield* k.s.putPage(sptePfn(spte));
    hlistDel(k.words, k.byKvm, row);
    k.spte.spte[row] = 0;
    poolFree(k.sptePool, row);
  }
}

/** The first entry of a page of the process, under whatever guest page and root. @locks mmuLock @returns a row, or 0 */
function firstSpte(k: Kvms, kvm: number, hva: Vaddr): number {
  return sptesFrom(k, kvm, hva, kvm * KVM_MEMORY_SLOTS);
}

/** The one after `row`, which is in its bucket still. */
function nextSpte(k: Kvms, kvm: number, hva: Vaddr, row: number): number {
  const gfn = k.spte.gfn[row];
  const after = inBucket(k, kvm, gfn, k.spte.next[row]);
  if (after !== 0) return after;
  let slot = kvm * KVM_MEMORY_SLOTS;
  while (gfnInSlot(k, slot, hva) !== gfn) slot++;
  return sptesFrom(k, kvm, hva, slot + 1);
}

function sptesFrom(k: Kvms, kvm: number, hva: Vaddr, from: number): number {
  for (let slot = from; slot < (kvm + 1) * KVM_MEMORY_SLOTS; slot++) {
    const gfn = gfnInSlot(k, slot, hva);
    const row = gfn < 0 ? 0 : inBucket(k, kvm, gfn, k.words[bucketOf(k, kvm, gfn)]);
    if (row !== 0) return row;
  }
  return 0;
}

/** The first of a list that is of this machine and guest page. */
function inBucket(k: Kvms, kvm: number, gfn: number, first: number): number {
  let row = first;
  while (row !== 0 && (k.spte.gfn[row] !== gfn || kvmOfVcpu(k.spte.root[row]) !== kvm)) row = k.spte.next[row];
  return row;
}
