// No kernel original: what a test can have a virtual machine do that no other device does.
/** Calls for the kit: slots that come and go, and a second vCPU. */
import { EFAULT, EINVAL, ENOMEM, PAGE_SIZE } from '@mmun/include';
import type { MaySleep, OwnCall, Pfn, Surroundings, Task, Vaddr } from '@mmun/include';
import { KVM_MEMORY_SLOTS } from './kvm-host.js';
import type { GuestAddress, KvmDriver } from './kvm.js';

/** Guest pages above those that the first slot has. */
const FAR = 0x100000;

/** A second guest page for a page of the process, by a slot of its own, which then is removed. */
function* moveSlot(kvm: KvmDriver, instance: number, address: Vaddr, { isAlone }: Surroundings): Task<MaySleep, string> {
  const pageNumber = address / PAGE_SIZE;
  const slot = 1 + (pageNumber % (KVM_MEMORY_SLOTS - 1));
  const baseGfn = FAR + pageNumber;
  const at: GuestAddress = { instance, vcpu: 0, gpa: baseGfn * PAGE_SIZE };
  // the first slot ends where the others begin
  yield* kvm.setMemoryRegion(instance, { slot: 0, baseGfn: 0, npages: FAR, userspaceAddr: 0 as Vaddr });
  if ((yield* kvm.setMemoryRegion(instance, { slot, baseGfn, npages: 1, userspaceAddr: address })) !== 0) return `slot ${slot} does not exist`;
  const pfn = yield* touch(kvm, at, true);
  const wrong = isAlone ? yield* slotIsRight(kvm, at, address, pfn) : '';
  yield* kvm.setMemoryRegion(instance, { slot, baseGfn, npages: 0, userspaceAddr: address });
  if (!isAlone) return '';
  const after = yield* touch(kvm, at, false);
  return wrong === '' && after !== -EFAULT ? `a guest page gives ${after} after its slot was removed` : wrong;
}

/** Its page and no other, by either name. */
function* slotIsRight(kvm: KvmDriver, at: GuestAddress, address: Vaddr, pfn: number): Task<MaySleep, string> {
  for (const slot of [-1, KVM_MEMORY_SLOTS]) {
    if ((yield* kvm.setMemoryRegion(at.instance, { slot, baseGfn: FAR, npages: 1, userspaceAddr: address })) !== -EFAULT) return `slot ${slot} exists`;
  }
  const byFirst = yield* touch(kvm, { ...at, gpa: address }, true);
  if (byFirst !== pfn && Math.max(byFirst, pfn) > 0 && Math.min(byFirst, pfn) !== -ENOMEM) return `one page of the process is frame ${pfn} and frame ${byFirst}`;
  const behind = yield* touch(kvm, { ...at, gpa: at.gpa + PAGE_SIZE }, false);
  return behind === -EFAULT ? '' : `the guest page behind the slot gives ${behind}`;
}

/** One vCPU more, if there can be one: it has a root and a TLB of its own. @returns its number */
function* secondVcpu(kvm: KvmDriver, instance: number, address: Vaddr, { isAlone }: Surroundings): Task<MaySleep, string | number> {
  const vcpu = yield* kvm.createVcpu(instance);
  if (vcpu !== 1 && vcpu !== -EINVAL) return `the second vCPU is ${vcpu}`;
  if (isAlone && (yield* kvm.createVcpu(instance)) !== -EINVAL) return 'there are more vCPUs than there can be';
  for (const isWrite of isAlone ? [false, true] : [true]) {
    const pfn = yield* touch(kvm, { instance, vcpu: 1, gpa: address }, isWrite);
    const other = isAlone ? yield* touch(kvm, { instance, vcpu: 0, gpa: address + 4 }, isWrite) : pfn;
    if (pfn !== other) return `the vCPUs reach ${pfn} and ${other} at one guest page`;
  }
  return vcpu;
}

/** @returns the frame, or what the fault says */
function* touch(kvm: KvmDriver, at: GuestAddress, isWrite: boolean): Task<MaySleep, number> {
  for (let tries = 0; tries < 3; tries++) {
    const pfn: Pfn = yield* kvm.guestAccess(at, isWrite);
    if (pfn !== 0) return pfn;
    const error = yield* kvm.guestFault(at, isWrite);
    if (error !== 0) return error;
  }
  return 0;
}

export const kvmCalls: readonly OwnCall[] = [{ name: 'slot', run: moveSlot }, { name: 'vcpu', run: secondVcpu }];
