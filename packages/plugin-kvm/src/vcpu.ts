// No kernel original: the hardware of a vCPU, which walks the shadow table that arch/x86/kvm/mmu.c made.
/** What a vCPU does by itself: it translates by its TLB or its root, marks the entry, and reaches memory. */
import { READ, WRITE } from '@mmun/include';
import type { Pfn, Step, Task, Vaddr } from '@mmun/include';
import { KVM_MAX_VCPUS, SPTE_A, SPTE_D, SPTE_P, SPTE_W, TLB_ENTRIES, gfnToHva, hvaToGfn, inGuestOf, kvmOfVcpu, slotOfGfn, sptePfn } from './kvm-host.js';
import type { Kvms } from './kvm-host.js';
import { bucketOf, findSpte, spteWhere } from './mmu.js';

/** The access of the first vCPU, at the guest page that the slots have for an address of the process. */
export function* accessByHva(k: Kvms, kvm: number, hva: Vaddr, isWrite: boolean): Task<Step, Pfn> {
  const vcpu = kvm * KVM_MAX_VCPUS;
  const lock = inGuestOf(k, vcpu);
  yield* k.s.spinLock(lock);
  const pfn = yield* instruction(k, vcpu, hvaToGfn(k, kvm, hva), hva, isWrite);
  yield* k.s.spinUnlock(lock);
  return pfn;
}

/** The access of any vCPU at `offset` bytes into a guest page. @returns the frame, or 0 */
export function* accessByGfn(k: Kvms, vcpu: number, gfn: number, offset: number, isWrite: boolean): Task<Step, Pfn> {
  const lock = inGuestOf(k, vcpu);
  yield* k.s.spinLock(lock);
  const kvm = kvmOfVcpu(vcpu);
  const isMemory = slotOfGfn(k, kvm, gfn) >= 0;
  const pfn = isMemory ? yield* instruction(k, vcpu, gfn, (gfnToHva(k, kvm, gfn) + offset) as Vaddr, isWrite) : (0 as Pfn);
  yield* k.s.spinUnlock(lock);
  return pfn;
}

/**
 * One load, or one increment. A hit is part of the step that began it; a miss walks: a step for the table, and one that
 * marks the entry, remembers it and reaches memory.
 * @locks inGuest
 */
function* instruction(k: Kvms, vcpu: number, gfn: number, hva: Vaddr, isWrite: boolean): Task<Step, Pfn> {
  k.stat.accesses[0] += 1;
  const needed = isWrite ? SPTE_P | SPTE_W : SPTE_P;
  // a first write through an entry that is not dirty yet walks as well, to mark the spte
  const cachedNeeded = isWrite ? needed | SPTE_D : needed;
  const way = vcpu * TLB_ENTRIES + (Math.abs(gfn) % TLB_ENTRIES);
  if (k.vcpu.tlbGfn[way] === gfn && (k.vcpu.tlb[way] & cachedNeeded) === cachedNeeded) return reach(k, k.vcpu.tlb[way], hva, isWrite);
  yield* k.s.step(READ, bucketOf(k, kvmOfVcpu(vcpu), gfn));
  const row = findSpte(k, vcpu, gfn);
  if (row === 0) return 0 as Pfn;
  yield* k.s.step(WRITE, spteWhere(k, row));
  const spte = k.spte.spte[row];
  if ((spte & needed) !== needed || k.spte.gfn[row] !== gfn || k.spte.root[row] !== vcpu) return 0 as Pfn;
  const marked = spte | (isWrite ? SPTE_A | SPTE_D : SPTE_A);
  k.spte.spte[row] = marked;
  k.vcpu.tlbGfn[way] = gfn;
  k.vcpu.tlb[way] = marked;
  return reach(k, marked, hva, isWrite);
}

function reach(k: Kvms, spte: number, hva: Vaddr, isWrite: boolean): Pfn {
  const pfn = sptePfn(spte);
  k.stat.hits[0] += 1;
  const word = k.s.deviceRead(pfn, hva);
  if (isWrite) k.s.deviceWrite(pfn, hva, word + 1);
  return pfn;
}
