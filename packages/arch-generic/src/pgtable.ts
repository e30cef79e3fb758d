// Models include/asm-generic/pgtable.h (2.6.24 with mmu notifiers #v5).
/**
 * What an arch inherits that does not override. Like macros of C, these bodies use the linked arch's own primitives:
 * `#asm` is late bound. (Module cycle on purpose; its functions are used only when called.)
 */
import { PAGE_SIZE, READ } from '@mmun/include';
import type { Mm, Pfn, Pgprot, Pte, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { point } from '@mmun/locking';
import {
  PGDIR_SIZE, PMD_SIZE, PUD_SIZE, flushTlbPage, pteClear, pteMkold, pteModify, pteNone, ptePresent, pteSame, pteWrprotect, pteYoung, ptepGet, ptepNone,
  setPteAt, whereOfSlot, ptepClearFlush as asmPtepClearFlush, ptepGetAndClear as asmPtepGetAndClear, ptepTestAndClearYoung as asmPtepTestAndClearYoung,
} from '#asm';
import { MMU_NOTIFIER, mmuNotifierAgePage, mmuNotifierPtep } from '#mmu-notifier';
import type { ArchMachine } from './arch-machine.js';

export function* ptepSetAccessFlags(m: ArchMachine, vma: Vma, address: Vaddr, ptep: Ptep, entry: Pte, _isDirty: boolean): Task<Step, boolean> {
  if (pteSame(ptepGet(m, ptep), entry)) return false;
  yield* setPteAt(m, m.vma.vmMm[vma] as Mm, address, ptep, entry);
  yield* flushTlbPage(m, vma, address);
  return true;
}

export function* ptepTestAndClearYoung(m: ArchMachine, vma: Vma, address: Vaddr, ptep: Ptep): Task<Step, number> {
  yield* point(m, READ, whereOfSlot(m, ptep));
  const pte = ptepGet(m, ptep);
  if (!pteYoung(pte)) return 0;
  yield* setPteAt(m, m.vma.vmMm[vma] as Mm, address, ptep, pteMkold(pte));
  return 1;
}

/** Hook #2 of v5: the notifier is asked whether or not the pte was young. */
export function* ptepClearFlushYoung(m: ArchMachine, vma: Vma, address: Vaddr, ptep: Ptep): Task<Step, number> {
  const young = yield* asmPtepTestAndClearYoung(m, vma, address, ptep);
  if (young !== 0) yield* flushTlbPage(m, vma, address);
  if (!MMU_NOTIFIER) return young; // a constant, as the macro was: a call that answers 0 would stay
  return young | (yield* mmuNotifierAgePage(m, m.vma.vmMm[vma] as Mm, address));
}

export function* ptepGetAndClear(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep): Task<Step, Pte> {
  yield* point(m, READ, whereOfSlot(m, ptep));
  const pte = ptepGet(m, ptep);
  yield* pteClear(m, mm, address, ptep);
  return pte;
}

export function ptepGetAndClearFull(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep, _isFull: boolean): Task<Step, Pte> {
  return asmPtepGetAndClear(m, mm, address, ptep);
}

export function pteClearNotPresentFull(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep, _isFull: boolean): Task<Step> {
  return pteClear(m, mm, address, ptep);
}

/** Hook #1 of v5, after the flush: the slot is empty, nobody translates, the frame is still referenced. */
export function* ptepClearFlush(m: ArchMachine, vma: Vma, address: Vaddr, ptep: Ptep): Task<Step, Pte> {
  const mm = m.vma.vmMm[vma] as Mm;
  const pte = yield* asmPtepGetAndClear(m, mm, address, ptep);
  yield* flushCleared(m, mm, vma, address);
  return pte;
}

/** The second half of ptepClearFlush, for an arch that has cleared the slot by itself. */
export function* flushCleared(m: ArchMachine, mm: Mm, vma: Vma, address: Vaddr): Task<Step> {
  yield* flushTlbPage(m, vma, address);
  yield* mmuNotifierPtep(m, mm, 'invalidatePage', address);
}

export function* ptepSetWrprotect(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep): Task<Step> {
  yield* point(m, READ, whereOfSlot(m, ptep));
  const pte = ptepGet(m, ptep);
  yield* setPteAt(m, mm, address, ptep, pteWrprotect(pte));
}

export function* ptepModifyRange(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep, nrPtes: number, newprot: Pgprot): Task<Step, number> {
  let nrPresent = 0;
  for (let i = 0; i < nrPtes; i++) {
    const slot = (ptep + i) as Ptep;
    if (!ptePresent(ptepGet(m, slot))) continue;
    const at = (address + i * PAGE_SIZE) as Vaddr;
    const pte = yield* asmPtepGetAndClear(m, mm, at, slot);
    yield* setPteAt(m, mm, at, slot, pteModify(pte, newprot));
    nrPresent++;
  }
  return nrPresent;
}

export function pgdAddrEnd(address: Vaddr, end: Vaddr): Vaddr {
  return addrEnd(address, end, PGDIR_SIZE);
}

export function pudAddrEnd(address: Vaddr, end: Vaddr): Vaddr {
  return addrEnd(address, end, PUD_SIZE);
}

export function pmdAddrEnd(address: Vaddr, end: Vaddr): Vaddr {
  return addrEnd(address, end, PMD_SIZE);
}

/** @param size a power of two, so the quotient is exact */
function addrEnd(address: Vaddr, end: Vaddr, size: number): Vaddr {
  const boundary = (Math.floor(address / size) + 1) * size;
  return boundary < end ? (boundary as Vaddr) : end;
}

export function* ptepMoveRange(m: ArchMachine, vma: Vma, address: Vaddr, ptep: Ptep, newAddress: Vaddr, newPtep: Ptep, nrPtes: number): Task<Step> {
  const mm = m.vma.vmMm[vma] as Mm;
  for (let i = 0; i < nrPtes; i++) {
    if (ptepNone(m, (ptep + i) as Ptep)) continue;
    const pte = yield* asmPtepClearFlush(m, vma, (address + i * PAGE_SIZE) as Vaddr, (ptep + i) as Ptep);
    if (!pteNone(pte)) yield* setPteAt(m, mm, (newAddress + i * PAGE_SIZE) as Vaddr, (newPtep + i) as Ptep, pte);
  }
}

/** The arch keeps no marks by frame. */
export function hwMarkAccess(_m: ArchMachine, _pfn: Pfn, _isWrite: boolean): void {
  // nop
}

/** The arch keeps no dirty bit by frame. */
export function pageTestDirty(_m: ArchMachine, _pfn: Pfn): boolean {
  return false;
}

export function* pageClearDirty(_m: ArchMachine, _pfn: Pfn): Task<Step> {
  // nop
}

export function* pageTestAndClearYoung(_m: ArchMachine, _pfn: Pfn): Task<Step, number> {
  return 0;
}

