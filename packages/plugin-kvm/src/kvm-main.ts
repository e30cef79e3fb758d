// Models virt/kvm/kvm_main.c (2.6.27; its notifier ops of mmu notifiers #v5, and of 4.12).
/**
 * Life and death of a virtual machine, its faults, and what it answers mm.
 *
 * The machine pins the mm struct and not the address space, so the process may end
 * first, and may do so at any moment. v5 then takes the notifier off its list
 * without a lock, and unregister after or beside that corrupts the list. So
 * unregister happens only with the address space held; where that is no longer
 * possible, release will come or has come, and whichever of release and close is
 * second frees the machine. Under `range` unregister and release know of each other, and close is the end.
 */
import { EAGAIN, EFAULT, ENOMEM, ESRCH, PAGE_SIZE } from '@mmun/include';
import type {
  InSrcuRead, InstallEntry, KernelServices, MaySleep, Mm, MmuNotifier, MmuNotifierOps, OpName, Pfn, RangeNotifierOps, SecondaryCounters, SecondaryDriver, SecondaryMmu,
  Step, Task, TranslationVisitor, UnderPteLock, Vaddr,
} from '@mmun/include';
import { poolAlloc, poolFree } from '@mmun/lib';
import {
  KVM_CLOSED, KVM_MEMORY_SLOTS, KVM_RELEASED, gfnToHva, hvaToGfn, kvmsOf, mmOf, mmuLockOf, notifierOf, slotsLockOf, tables,
} from './kvm-host.js';
import type { Kvms } from './kvm-host.js';
import {
  ageHva, forEachSpte, guestAccess, mmuSetSpte, rangeEnd, rangeStart, readSeq, setSpteUnlessRetry, unmapHva, unmapHvaRange, zapAll,
} from './mmu.js';

/** Where one slot lies. KVM_SET_USER_MEMORY_REGION */
export interface MemoryRegion {
  /** 0 up to KVM_MEMORY_SLOTS - 1. */
  readonly slot: number;
  readonly baseGfn: number;
  /** 0 removes the slot. */
  readonly npages: number;
  readonly userspaceAddr: Vaddr;
}

export interface KvmDriver extends SecondaryDriver {
  /** Moves a slot; what was reached through it is reached no more. @returns 0 or -EFAULT for a slot that does not exist */
  setMemoryRegion(instance: number, region: MemoryRegion): Task<MaySleep, number>;
}

export interface KvmMmu extends SecondaryMmu {
  readonly designs: { readonly v5: readonly OpName[]; readonly range: readonly OpName[] };
  attach(services: KernelServices): KvmDriver;
}

/** Kernel-based Virtual Machine. A new machine has one slot over the whole address space, at gfn = hva / PAGE_SIZE. */
export const kvm: KvmMmu = {
  name: 'kvm',
  designs: {
    v5: ['release', 'invalidatePage', 'invalidatePages', 'agePage'],
    range: ['release', 'invalidateRangeStart', 'invalidateRangeEnd', 'invalidatePage', 'clearFlushYoung'],
  },
  tables,
  attach: (services: KernelServices): KvmDriver => driverOf(kvmsOf(services)),
};

/** Pages of the largest address space of any arch. */
const ALL_PAGES = 2 ** 52;

/** What differs from design to design. */
type ByDesign = Pick<KvmDriver, 'ops' | 'destroy' | 'fault'>;

function driverOf(k: Kvms): KvmDriver {
  return {
    ...(k.s.design === 'v5' ? v5(k) : range(k)),
    create: (mm: Mm): Task<MaySleep, number> => createVm(k, mm),
    access: (instance: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> => guestAccess(k, instance, address, isWrite),
    setMemoryRegion: (instance: number, region: MemoryRegion): Task<MaySleep, number> => setMemoryRegion(k, instance, region),
    audit: (visit: TranslationVisitor): void => { forEachSpte(k, (vm, hva, pfn, isWritable) => { visit(vm, mmOf(k, vm), hva, pfn, isWritable); }); },
    counters: (): SecondaryCounters => ({
      faults: k.stat.faults[0], accesses: k.stat.accesses[0], hits: k.stat.hits[0], invalidations: k.stat.invalidations[0], pins: k.stat.pins[0],
    }),
  };
}

function v5(k: Kvms): ByDesign {
  const install: InstallEntry = (vm, hva, pfn, isWritable) => mmuSetSpte(k, vm, hva, pfn, isWritable);
  const lookup: Lookup = (mm, vm, hva, isWrite) => k.s.withPte(mm, hva, isWrite, install, vm);
  return {
    ops: v5Ops(k),
    destroy: (instance: number): Task<MaySleep> => destroyVm(k, instance),
    fault: (instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> => pageFault(k, lookup, instance, address, isWrite),
  };
}

function range(k: Kvms): ByDesign {
  const lookup: Lookup = (mm, vm, hva, isWrite) => tryGetPfn(k, mm, vm, hva, isWrite);
  return {
    ops: rangeOps(k),
    destroy: (instance: number): Task<MaySleep> => destroyRegisteredVm(k, instance),
    fault: (instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> => pageFault(k, lookup, instance, address, isWrite),
  };
}

function v5Ops(k: Kvms): MmuNotifierOps {
  return {
    * release(mn: MmuNotifier, _mm: Mm): Task<MaySleep> {
      const vm = k.s.notifierInstance(mn);
      yield* zapAll(k, vm, true);
      yield* endOfOneSide(k, vm, KVM_RELEASED);
    },
    * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
      yield* unmapHvaRange(k, k.s.notifierInstance(mn), address, (address + PAGE_SIZE) as Vaddr);
    },
    * invalidatePages(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock> {
      yield* unmapHvaRange(k, k.s.notifierInstance(mn), start, end);
    },
    * agePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock, number> {
      return yield* ageHva(k, k.s.notifierInstance(mn), address);
    },
  };
}

/**
 * No changePte: the start has dropped the entry that it would change.
 * Deviation: release makes the machine refuse entries. In Linux a vCPU is a thread of the process, so at its end none faults;
 * here the device is a thread of its own, and may have looked its page up before.
 */
function rangeOps(k: Kvms): RangeNotifierOps {
  return {
    * release(mn: MmuNotifier, _mm: Mm): Task<InSrcuRead> {
      const vm = k.s.notifierInstance(mn);
      yield* setReleased(k, vm);
      yield* zapAll(k, vm, true);
    },
    * invalidateRangeStart(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
      yield* rangeStart(k, k.s.notifierInstance(mn), start, end);
    },
    * invalidateRangeEnd(mn: MmuNotifier, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<InSrcuRead> {
      yield* rangeEnd(k, k.s.notifierInstance(mn));
    },
    * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
      yield* unmapHva(k, k.s.notifierInstance(mn), address);
    },
    * clearFlushYoung(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock, number> {
      let young = 0;
      for (let hva: number = start; hva < end; hva += PAGE_SIZE) young |= yield* ageHva(k, k.s.notifierInstance(mn), hva as Vaddr);
      return young;
    },
  };
}

/** kvm_create_vm() */
function* createVm(k: Kvms, mm: Mm): Task<MaySleep, number> {
  if (!(yield* k.s.mmgetNotZero(mm))) return -ESRCH;
  const vm = yield* newVm(k, mm);
  if (vm > 0) {
    yield* k.s.mmgrab(mm);
    const error = yield* k.s.mmuNotifierRegister(notifierOf(k, vm), mm);
    if (error !== 0) {
      yield* freeVm(k, vm);
      yield* k.s.mmput(mm);
      return error;
    }
  }
  yield* k.s.mmput(mm);
  return vm;
}

function* newVm(k: Kvms, mm: Mm): Task<Step, number> {
  const vm = poolAlloc(k.kvmPool);
  if (vm === 0) return -ENOMEM;
  const mn = k.s.mmuNotifierAlloc(vm);
  if (mn === 0) {
    poolFree(k.kvmPool, vm);
    return -ENOMEM;
  }
  k.kvm.mm[vm] = mm;
  k.kvm.mn[vm] = mn;
  k.kvm.state[vm] = 0;
  k.kvm.sptes[vm] = 0;
  k.kvm.mmuNotifierCount[vm] = k.kvm.mmuNotifierSeq[vm] = 0;
  k.slot.npages.fill(0, vm * KVM_MEMORY_SLOTS, (vm + 1) * KVM_MEMORY_SLOTS);
  writeSlot(k, vm, { slot: 0, baseGfn: 0, npages: ALL_PAGES, userspaceAddr: 0 as Vaddr });
  return vm;
}

/** kvm_destroy_vm() */
function* destroyVm(k: Kvms, vm: number): Task<MaySleep> {
  const mm = mmOf(k, vm);
  if (!(yield* k.s.mmgetNotZero(mm))) {
    yield* endOfOneSide(k, vm, KVM_CLOSED);
    return;
  }
  yield* k.s.mmuNotifierUnregister(notifierOf(k, vm), mm);
  yield* k.s.mmput(mm);
  yield* k.s.synchronizeRcu();
  yield* zapAll(k, vm);
  yield* freeVm(k, vm);
}

/** The same under `range`, where the mm may have ended before or may end beside it: release is called in any case. */
function* destroyRegisteredVm(k: Kvms, vm: number): Task<MaySleep> {
  yield* k.s.mmuNotifierUnregister(notifierOf(k, vm), mmOf(k, vm));
  yield* zapAll(k, vm);
  yield* freeVm(k, vm);
}

function* setReleased(k: Kvms, vm: number): Task<Step> {
  const lock = mmuLockOf(k, vm);
  yield* k.s.spinLock(lock);
  k.kvm.state[vm] = k.kvm.state[vm] | KVM_RELEASED;
  yield* k.s.spinUnlock(lock);
}

/** Release and close meet here in either order; the second one frees. */
function* endOfOneSide(k: Kvms, vm: number, side: number): Task<MaySleep> {
  const lock = mmuLockOf(k, vm);
  yield* k.s.spinLock(lock);
  k.kvm.state[vm] = k.kvm.state[vm] | side;
  const isOver = k.kvm.state[vm] === (KVM_RELEASED | KVM_CLOSED);
  yield* k.s.spinUnlock(lock);
  if (isOver) yield* freeVm(k, vm);
}

function* freeVm(k: Kvms, vm: number): Task<MaySleep> {
  k.s.mmuNotifierFree(notifierOf(k, vm));
  const mm = mmOf(k, vm);
  k.kvm.mm[vm] = 0;
  poolFree(k.kvmPool, vm);
  yield* k.s.mmdrop(mm);
}

/** From hva to an entry. @returns as SecondaryDriver.fault, and -EAGAIN where the guest shall try again */
type Lookup = (mm: Mm, vm: number, hva: Vaddr, isWrite: boolean) => Task<MaySleep, number>;

/** Lookups of one fault: the first may itself copy the page that it looks up, which is a change like any other. */
const MAX_TRIES = 2;

/** try_async_pf() and mmu_notifier_retry(): looks the page up without a lock and drops it where mm was faster. */
function* tryGetPfn(k: Kvms, mm: Mm, vm: number, hva: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  let result = -EAGAIN;
  for (let tries = 0; result === -EAGAIN && tries < MAX_TRIES; tries++) {
    const seq = yield* readSeq(k, vm);
    const pfn = yield* k.s.getUserPages(mm, hva, isWrite);
    if (pfn < 0) return pfn;
    result = yield* setSpteUnlessRetry(k, vm, hva, pfn as Pfn, isWrite, seq);
    yield* k.s.putPage(pfn as Pfn);
  }
  return result;
}

/** tdp_page_fault(): from gpa to hva by the slots, from hva to an entry by the lookup of the design. */
function* pageFault(k: Kvms, lookup: Lookup, vm: number, hva: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  k.stat.faults[0] += 1;
  const lock = slotsLockOf(k, vm);
  yield* k.s.downRead(lock);
  const gfn = hvaToGfn(k, vm, hva);
  const result = gfn < 0 ? -EFAULT : yield* lookup(mmOf(k, vm), vm, gfnToHva(k, vm, gfn), isWrite);
  yield* k.s.upRead(lock);
  return result === -EAGAIN ? 0 : result;
}

/** kvm_set_memory_region(). Both locks, because the notifier reads the slots under mmuLock alone (604b38ac0369). */
function* setMemoryRegion(k: Kvms, vm: number, region: MemoryRegion): Task<MaySleep, number> {
  if (region.slot < 0 || region.slot >= KVM_MEMORY_SLOTS) return -EFAULT;
  const lock = slotsLockOf(k, vm);
  yield* k.s.downWrite(lock);
  yield* zapAll(k, vm);
  yield* k.s.spinLock(mmuLockOf(k, vm));
  writeSlot(k, vm, region);
  yield* k.s.spinUnlock(mmuLockOf(k, vm));
  yield* k.s.upWrite(lock);
  return 0;
}

function writeSlot(k: Kvms, vm: number, { slot, baseGfn, npages, userspaceAddr }: MemoryRegion): void {
  const row = vm * KVM_MEMORY_SLOTS + slot;
  k.slot.baseGfn[row] = baseGfn;
  k.slot.npages[row] = npages;
  k.slot.userspaceAddr[row] = userspaceAddr;
}
