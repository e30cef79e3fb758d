// No kernel original: what the toy overrides of asm-generic/pgtable.h.
/** The walker sets bits whenever it likes, so each of these is one atomic step, as on x86. */
import { WRITE } from '@mmun/include';
import type { Mm, Pte, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import type { ArchMachine } from '@mmun/arch-generic';
import { point } from '@mmun/locking';
import { PAGE_ACCESSED, PAGE_DIRTY, PAGE_RW } from './pte.js';
import { whereOfSlot } from './toy-machine.js';

/** Adds bits and takes none away; no flush: a TLB entry that allows less is not used and the walk finds the new pte. */
export function* ptepSetAccessFlags(m: ArchMachine, _vma: Vma, _address: Vaddr, ptep: Ptep, entry: Pte, _isDirty: boolean): Task<Step, boolean> {
  const { entries } = m.pgtable;
  const added = entry & (PAGE_ACCESSED | PAGE_DIRTY | PAGE_RW);
  if ((entries[ptep] & added) === added) return false;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[ptep] = entries[ptep] | added;
  return true;
}

export function* ptepTestAndClearYoung(m: ArchMachine, _vma: Vma, _address: Vaddr, ptep: Ptep): Task<Step, number> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  const pte = entries[ptep];
  entries[ptep] = pte & ~PAGE_ACCESSED;
  return (pte & PAGE_ACCESSED) === 0 ? 0 : 1;
}

export function* ptepGetAndClear(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep): Task<Step, Pte> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  const pte = entries[ptep] as Pte;
  entries[ptep] = 0;
  return pte;
}

export function* ptepSetWrprotect(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[ptep] = entries[ptep] & ~PAGE_RW;
}
