// Models arch/x86/kvm/mmu.c, tdp_page_fault and mmu_notifier_retry (2.6.27; KVM of January 2008 and of 2009).
/**
 * The three ways in which KVM made an entry, over the years.
 *
 * `pt-lock`: while the PT lock of the pte is held, so that the change that comes later finds the entry. Under `range` a
 * change is announced before and made under that lock later, so what is made in between is refused by the count.
 *
 * `retry`: after a lookup that no change has overtaken, which count and sequence tell:
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
 * Under v5 there is no count: the sequence moves inside the PT lock, with the change.
 *
 * `pinned`: the reference of the lookup stays with the entry. Under `range` beside the retry. Under v5, as in January 2008,
 * instead of it; then the schedule above ends with an entry for P, which nobody else can get and the process no longer
 * maps (20080409144401.GT10133@duo.random, run by pinned-v5 of test/kvm.toy.spec.ts).
 */
import { EAGAIN, EFAULT, READ } from '@mmun/include';
import type { InstallEntry, MaySleep, Pfn, Step, Task, Vaddr } from '@mmun/include';
import { KVM_MAX_VCPUS, KVM_MEMORY_SLOTS, gfnInSlot, hvaToGfn, kvmOfVcpu, mmOf, mmuLockOf, slotOfGfn, slotsLockOf, gfnToHva } from './kvm-host.js';
import type { Kvms } from './kvm-host.js';
import { mmuSetSpte, seqWhere } from './mmu.js';
import type { NewSpte } from './mmu.js';

/** From an address of the process to an entry. @returns as SecondaryDriver.fault, and -EAGAIN where the guest shall try again */
export type Lookup = (at: FaultAddress, isWrite: boolean) => Task<MaySleep, number>;

/** What a vCPU faulted on, with the slots as they are while slotsLock is held. */
interface FaultAddress {
  readonly vcpu: number;
  /** Row of the slot. */
  readonly slot: number;
  readonly gfn: number;
  readonly hva: Vaddr;
}

/** Lookups of one fault: the first may itself copy the page that it looks up, which is a change like any other. */
const MAX_TRIES = 2;

/** The way that the protocol prescribes. */
export function lookupOf(k: Kvms): Lookup {
  if (k.protocol === 'pt-lock') return underPteLock(k);
  const looksBack = k.protocol === 'retry' || k.s.design === 'range';
  return (at, isWrite) => tryGetPfn(k, at, isWrite, looksBack);
}

/** The first vCPU faults at the guest page that the slots have for an address of the process. */
export function* faultByHva(k: Kvms, lookup: Lookup, kvm: number, hva: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const lock = slotsLockOf(k, kvm);
  yield* k.s.downRead(lock);
  const result = yield* pageFault(k, lookup, kvm * KVM_MAX_VCPUS, hvaToGfn(k, kvm, hva), isWrite);
  yield* k.s.upRead(lock);
  return result;
}

/** Any vCPU faults at a guest page. */
export function* faultByGfn(k: Kvms, lookup: Lookup, vcpu: number, gfn: number, isWrite: boolean): Task<MaySleep, number> {
  const lock = slotsLockOf(k, kvmOfVcpu(vcpu));
  yield* k.s.downRead(lock);
  const result = yield* pageFault(k, lookup, vcpu, gfn, isWrite);
  yield* k.s.upRead(lock);
  return result;
}

/** tdp_page_fault(): from gfn to hva by the slots, from hva to an entry by the lookup. @locks slotsLock R */
function* pageFault(k: Kvms, lookup: Lookup, vcpu: number, gfn: number, isWrite: boolean): Task<MaySleep, number> {
  k.stat.faults[0] += 1;
  const kvm = kvmOfVcpu(vcpu);
  const slot = slotOfGfn(k, kvm, gfn);
  if (slot < 0) return -EFAULT;
  const result = yield* lookup({ vcpu, slot, gfn, hva: gfnToHva(k, kvm, gfn) }, isWrite);
  return result === -EAGAIN ? 0 : result;
}

function underPteLock(k: Kvms): Lookup {
  /** `cookie` is a vCPU and one of its machine's slots. */
  const install: InstallEntry = (cookie, hva, pfn, isWritable) => {
    const root = Math.floor(cookie / KVM_MEMORY_SLOTS);
    const slot = kvmOfVcpu(root) * KVM_MEMORY_SLOTS + (cookie % KVM_MEMORY_SLOTS);
    return setSpte(k, { root, gfn: gfnInSlot(k, slot, hva), pfn, isWritable });
  };
  return ({ vcpu, slot, hva }, isWrite) =>
    k.s.withPte(mmOf(k, kvmOfVcpu(vcpu)), hva, isWrite, install, vcpu * KVM_MEMORY_SLOTS + (slot % KVM_MEMORY_SLOTS));
}

/** @locks ptl(hva) */
function* setSpte(k: Kvms, entry: NewSpte): Task<Step, number> {
  const lock = mmuLockOf(k, kvmOfVcpu(entry.root));
  yield* k.s.spinLock(lock);
  const result = yield* mmuSetSpte(k, entry);
  yield* k.s.spinUnlock(lock);
  return result;
}

/**
 * try_async_pf() and mmu_notifier_retry(): looks the page up without a lock and drops it where mm was faster. The sequence is
 * read before the lookup and compared where no op can come between the comparison and the entry.
 * @param looksBack the sequence decides; else whoever looked the page up makes the entry
 */
function* tryGetPfn(k: Kvms, { vcpu, gfn, hva }: FaultAddress, isWrite: boolean, looksBack: boolean): Task<MaySleep, number> {
  const kvm = kvmOfVcpu(vcpu);
  const lock = mmuLockOf(k, kvm);
  let result = -EAGAIN;
  for (let tries = 0; result === -EAGAIN && tries < MAX_TRIES; tries++) {
    yield* k.s.step(READ, seqWhere(k, kvm));
    const seq = k.kvm.mmuNotifierSeq[kvm];
    const pfn = yield* k.s.getUserPages(mmOf(k, kvm), hva, isWrite);
    if (pfn < 0) return pfn;
    yield* k.s.spinLock(lock);
    const isStale = looksBack && (yield* hasMoved(k, kvm, seq));
    result = isStale ? -EAGAIN : yield* mmuSetSpte(k, { root: vcpu, gfn, pfn: pfn as Pfn, isWritable: isWrite });
    yield* k.s.spinUnlock(lock);
    if (k.protocol !== 'pinned' || result !== 0) yield* k.s.putPage(pfn as Pfn);
  }
  return result;
}

/** mmu_notifier_retry(). A step although mmuLock is held: a store of the sequence outside of the lock is not to hide behind it. @locks mmuLock */
function* hasMoved(k: Kvms, kvm: number, seq: number): Task<Step, boolean> {
  yield* k.s.step(READ, seqWhere(k, kvm));
  return k.kvm.mmuNotifierSeq[kvm] !== seq;
}
