// Models virt/kvm/kvm_main.c (2.6.27).
/**
 * Life and death of a virtual machine.
 *
 * The machine pins the mm struct and not the address space, so the process may end
 * first, and may do so at any moment. v5 then takes the notifier off its list
 * without a lock, and unregister after or beside that corrupts the list. So
 * unregister happens only with the address space held; where that is no longer
 * possible, release will come or has come, and whichever of release and close is
 * second frees the machine. Under `range` unregister and release know of each other, and close is the end.
 *
 * Lock order: slotsLock > mmap_sem > PT lock > mmuLock > inGuest.
 */
import { EFAULT, EINVAL, ENOMEM, ESRCH } from '@mmun/include';
import type { MaySleep, Mm, Step, Task, Vaddr } from '@mmun/include';
import { poolAlloc, poolFree } from '@mmun/lib';
import {
  KVM_CLOSED, KVM_MAX_VCPUS, KVM_MEMORY_SLOTS, KVM_RELEASED, mmOf, mmuLockOf, notifierOf, slotsLockOf,
} from './kvm-host.js';
import type { Kvms } from './kvm-host.js';
import { zapAllLocked, zapForGood } from './mmu.js';
import { emptyTlb, letVcpusRun, stopVcpus } from './tlb.js';

/** Where one slot lies. KVM_SET_USER_MEMORY_REGION */
export interface MemoryRegion {
  /** 0 up to KVM_MEMORY_SLOTS - 1. */
  readonly slot: number;
  readonly baseGfn: number;
  /** 0 removes the slot. */
  readonly npages: number;
  /** Start of a page. */
  readonly userspaceAddr: Vaddr;
}

/** Pages of the largest address space of any arch. */
const ALL_PAGES = 2 ** 52;

/** kvm_create_vm() */
export function* createVm(k: Kvms, mm: Mm): Task<MaySleep, number> {
  if (!(yield* k.s.mmgetNotZero(mm))) return -ESRCH;
  const vm = newVm(k, mm);
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

/** kvm_vm_ioctl_create_vcpu() @returns its number, or -EINVAL where the machine has all that it can have */
export function* createVcpu(k: Kvms, vm: number): Task<Step, number> {
  const lock = mmuLockOf(k, vm);
  yield* k.s.spinLock(lock);
  const id = k.kvm.nrVcpus[vm];
  if (id < KVM_MAX_VCPUS) k.kvm.nrVcpus[vm] = id + 1;
  yield* k.s.spinUnlock(lock);
  return id < KVM_MAX_VCPUS ? id : -EINVAL;
}

/**
 * kvm_set_memory_region(). Both locks, because the notifier reads the slots under mmuLock alone (604b38ac0369); and the guest
 * stands still, because here its accesses go through the slots too.
 */
export function* setMemoryRegion(k: Kvms, vm: number, region: MemoryRegion): Task<MaySleep, number> {
  if (region.slot < 0 || region.slot >= KVM_MEMORY_SLOTS) return -EFAULT;
  const lock = slotsLockOf(k, vm);
  yield* k.s.downWrite(lock);
  yield* k.s.spinLock(mmuLockOf(k, vm));
  yield* zapAllLocked(k, vm, false);
  yield* stopVcpus(k, vm);
  writeSlot(k, vm, region);
  yield* letVcpusRun(k, vm);
  yield* k.s.spinUnlock(mmuLockOf(k, vm));
  yield* k.s.upWrite(lock);
  return 0;
}

/** kvm_destroy_vm() under v5. The entries go first: once it is unregistered, nobody says when their pages do. */
export function* destroyVm(k: Kvms, vm: number): Task<MaySleep> {
  const mm = mmOf(k, vm);
  if (!(yield* k.s.mmgetNotZero(mm))) {
    yield* endOfOneSide(k, vm, KVM_CLOSED);
    return;
  }
  yield* zapForGood(k, vm, false);
  yield* k.s.mmuNotifierUnregister(notifierOf(k, vm), mm);
  yield* k.s.mmput(mm);
  yield* k.s.synchronizeRcu();
  yield* freeVm(k, vm);
}

/** The same under `range`, where the mm may have ended before or may end beside it: release is called in any case, and takes the entries. */
export function* destroyRegisteredVm(k: Kvms, vm: number): Task<MaySleep> {
  yield* zapForGood(k, vm, false);
  yield* k.s.mmuNotifierUnregister(notifierOf(k, vm), mmOf(k, vm));
  yield* freeVm(k, vm);
}

/** Release and close of v5 meet here in either order; the second one frees. */
export function* endOfOneSide(k: Kvms, vm: number, side: number): Task<MaySleep> {
  const lock = mmuLockOf(k, vm);
  yield* k.s.spinLock(lock);
  k.kvm.state[vm] = k.kvm.state[vm] | side;
  const isOver = (k.kvm.state[vm] & KVM_BOTH_SIDES) === KVM_BOTH_SIDES;
  yield* k.s.spinUnlock(lock);
  if (isOver) yield* freeVm(k, vm);
}

const KVM_BOTH_SIDES = KVM_RELEASED | KVM_CLOSED;

function newVm(k: Kvms, mm: Mm): number {
  const vm = k.s.shouldFail('kvm: the machine') ? 0 : poolAlloc(k.kvmPool);
  if (vm === 0) return -ENOMEM;
  const mn = k.s.mmuNotifierAlloc(vm);
  if (mn === 0) {
    poolFree(k.kvmPool, vm);
    return -ENOMEM;
  }
  k.kvm.mm[vm] = mm;
  k.kvm.mn[vm] = mn;
  k.kvm.state[vm] = 0;
  k.kvm.sptes[vm] = k.kvm.zapped[vm] = 0;
  k.kvm.nrVcpus[vm] = 1;
  k.kvm.mmuNotifierCount[vm] = k.kvm.mmuNotifierSeq[vm] = 0;
  for (let id = 0; id < KVM_MAX_VCPUS; id++) emptyTlb(k, vm * KVM_MAX_VCPUS + id);
  k.slot.npages.fill(0, vm * KVM_MEMORY_SLOTS, (vm + 1) * KVM_MEMORY_SLOTS);
  writeSlot(k, vm, { slot: 0, baseGfn: 0, npages: ALL_PAGES, userspaceAddr: 0 as Vaddr });
  return vm;
}

/** @context no op is running, none will; no entry is left */
function* freeVm(k: Kvms, vm: number): Task<MaySleep> {
  k.s.mmuNotifierFree(notifierOf(k, vm));
  const mm = mmOf(k, vm);
  k.kvm.mm[vm] = 0;
  poolFree(k.kvmPool, vm);
  yield* k.s.mmdrop(mm);
}

function writeSlot(k: Kvms, vm: number, { slot, baseGfn, npages, userspaceAddr }: MemoryRegion): void {
  const row = vm * KVM_MEMORY_SLOTS + slot;
  k.slot.baseGfn[row] = baseGfn;
  k.slot.npages[row] = npages;
  k.slot.userspaceAddr[row] = userspaceAddr;
}
