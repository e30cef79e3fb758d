// Models virt/kvm/kvm_main.c, the notifier ops (mmu notifiers #v5, and 4.12).
/** What a virtual machine answers mm, design by design. */
import { PAGE_SIZE } from '@mmun/include';
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, MmuNotifierOps, RangeNotifierOps, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { KVM_RELEASED } from './kvm-host.js';
import type { Kvms } from './kvm-host.js';
import { endOfOneSide } from './kvm-main.js';
import { ageHva, rangeEnd, rangeStart, unmapHva, zapForGood } from './mmu.js';

export function v5Ops(k: Kvms): Required<MmuNotifierOps> {
  return {
    * release(mn: MmuNotifier, _mm: Mm): Task<MaySleep> {
      const vm = k.s.notifierInstance(mn);
      yield* zapForGood(k, vm, true);
      yield* endOfOneSide(k, vm, KVM_RELEASED);
    },
    * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
      yield* unmapHva(k, k.s.notifierInstance(mn), address, (address + PAGE_SIZE) as Vaddr);
    },
    * invalidatePages(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock> {
      yield* unmapHva(k, k.s.notifierInstance(mn), start, end);
    },
    * agePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock, number> {
      return yield* ageHva(k, k.s.notifierInstance(mn), address, (address + PAGE_SIZE) as Vaddr);
    },
  };
}

/**
 * No changePte: the start has dropped the entry that it would change.
 * Deviation: release makes the machine refuse entries. In Linux a vCPU is a thread of the process, so at its end none faults;
 * here the device is a thread of its own, and may have looked its page up before.
 */
export function rangeOps(k: Kvms): RangeNotifierOps {
  return {
    * release(mn: MmuNotifier, _mm: Mm): Task<InSrcuRead> {
      yield* zapForGood(k, k.s.notifierInstance(mn), true);
    },
    * invalidateRangeStart(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
      yield* rangeStart(k, k.s.notifierInstance(mn), start, end);
    },
    * invalidateRangeEnd(mn: MmuNotifier, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<InSrcuRead> {
      yield* rangeEnd(k, k.s.notifierInstance(mn));
    },
    * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
      yield* unmapHva(k, k.s.notifierInstance(mn), address, (address + PAGE_SIZE) as Vaddr);
    },
    * clearFlushYoung(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock, number> {
      return yield* ageHva(k, k.s.notifierInstance(mn), start, end);
    },
  };
}
