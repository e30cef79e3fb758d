// Models virt/kvm/kvm_main.c, the flush of remote TLBs (2.6.27).
/**
 * The TLBs of vCPUs, and the flush that makes them forget.
 *
 * A vCPU is in the guest while it carries out an instruction. A flush sends it an interrupt, and the interrupt is taken
 * between two instructions; here the sender takes the step of the handler, and waits for the instruction to end:
 *
 *   vCPU                                 kernel
 *   inGuest: TLB holds gfn -> frame 7
 *                                        spte cleared
 *   reaches frame 7                      flush waits for inGuest
 *   out                                  inGuest: TLB emptied
 *   inGuest: TLB empty, walk finds       frame 7 may go
 *   nothing, exits with a fault
 */
import type { Step, Task, Vaddr } from '@mmun/include';
import { KVM_MAX_VCPUS, TLB_ENTRIES, gfnToHva, inGuestOf, kvmOfVcpu } from './kvm-host.js';
import type { Kvms } from './kvm-host.js';

/** kvm_flush_remote_tlbs(): each vCPU forgets all entries, one after the other, each when it is between two instructions. @context any */
export function* flushRemoteTlbs(k: Kvms, kvm: number): Task<Step> {
  const first = kvm * KVM_MAX_VCPUS;
  for (let vcpu = first; vcpu < first + k.kvm.nrVcpus[kvm]; vcpu++) {
    const lock = inGuestOf(k, vcpu);
    yield* k.s.spinLock(lock);
    emptyTlb(k, vcpu);
    yield* k.s.spinUnlock(lock);
  }
}

export function emptyTlb(k: Kvms, vcpu: number): void {
  k.vcpu.tlb.fill(0, vcpu * TLB_ENTRIES, (vcpu + 1) * TLB_ENTRIES);
}

/** Stops every vCPU of the machine between two instructions: what the guest sees can be changed at once. @owes letVcpusRun */
export function* stopVcpus(k: Kvms, kvm: number): Task<Step> {
  const first = kvm * KVM_MAX_VCPUS;
  for (let vcpu = first; vcpu < first + KVM_MAX_VCPUS; vcpu++) yield* k.s.spinLock(inGuestOf(k, vcpu));
}

export function* letVcpusRun(k: Kvms, kvm: number): Task<Step> {
  const first = kvm * KVM_MAX_VCPUS;
  for (let vcpu = first; vcpu < first + KVM_MAX_VCPUS; vcpu++) yield* k.s.spinUnlock(inGuestOf(k, vcpu));
}

/** Calls `visit` with each entry that some TLB holds. */
export function forEachTlbEntry(k: Kvms, visit: (kvm: number, hva: Vaddr, spte: number) => void): void {
  for (let i = 0; i < k.vcpu.tlb.length; i++) {
    if (k.vcpu.tlb[i] === 0) continue;
    const kvm = kvmOfVcpu(Math.floor(i / TLB_ENTRIES));
    visit(kvm, gfnToHva(k, kvm, k.vcpu.tlbGfn[i]), k.vcpu.tlb[i]);
  }
}
