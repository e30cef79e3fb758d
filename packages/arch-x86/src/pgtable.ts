// Models include/asm-x86/pgtable_64.h (2.6.24): the operations that x86-64 overrides.
/**
 * The hardware sets accessed and dirty in the pte by a locked update whenever it likes. Read-then-store, as inherited,
 * would lose a bit that is set in between, so each override is one atomic step, a locked instruction.
 *
 * Not overridden, in 2.6.24: ptep_clear_flush and ptep_clear_flush_young. So both v5 hooks are reached on x86-64.
 * (i386 overrides the latter, and from 2.6.25 on both do, which leaves age_page dead there.)
 */
import { PAGE_SIZE, WRITE } from '@mmun/include';
import type { Mm, Pgprot, Pte, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { flushTlbPage } from './tlb.js';
import { flushCleared, whereOfSlot } from '@mmun/arch-generic';
import type { ArchMachine } from '@mmun/arch-generic';
import { whereOf } from '@mmun/lib';
import { point } from '@mmun/locking';
import { CHANGE_KEEPS, PAGE_ACCESSED, PAGE_PRESENT, PAGE_PROTNONE, PAGE_RW, highOfPte, nxHighOf, pteOfWords, pteSame, ptepGet } from './pte.js';

/** Only a write fault stores: accessed alone the hardware sets by itself, so a lost race costs nothing. */
export function* ptepSetAccessFlags(m: ArchMachine, vma: Vma, address: Vaddr, ptep: Ptep, entry: Pte, isDirty: boolean): Task<Step, boolean> {
  if (pteSame(ptepGet(m, ptep), entry)) return false;
  if (!isDirty) return true;
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = entry;
  entries[2 * ptep + 1] = highOfPte(entry);
  yield* flushTlbPage(m, vma, address);
  return true;
}

/** test_and_clear_bit(_PAGE_BIT_ACCESSED): dirty, set meanwhile, stays. */
export function* ptepTestAndClearYoung(m: ArchMachine, _vma: Vma, _address: Vaddr, ptep: Ptep): Task<Step, number> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  const low = entries[2 * ptep];
  entries[2 * ptep] = low & ~PAGE_ACCESSED;
  return (low & PAGE_ACCESSED) === 0 ? 0 : 1;
}

/** xchg(&ptep->pte, 0): the last dirty bit is either in the result or was never set. */
export function* ptepGetAndClear(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep): Task<Step, Pte> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  const pte = pteOfWords(entries[2 * ptep], entries[2 * ptep + 1]);
  entries[2 * ptep] = 0;
  entries[2 * ptep + 1] = 0;
  return pte;
}

/** Without the lock prefix where the whole mm goes; here that is the same one step. Written out: as a call of the other, unmapping takes twice as long. */
export function* ptepGetAndClearFull(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep, _isFull: boolean): Task<Step, Pte> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  const pte = pteOfWords(entries[2 * ptep], entries[2 * ptep + 1]);
  entries[2 * ptep] = 0;
  entries[2 * ptep + 1] = 0;
  return pte;
}

/** clear_bit(_PAGE_BIT_RW). */
export function* ptepSetWrprotect(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = entries[2 * ptep] & ~PAGE_RW;
}

/** The inherited steps in integers: an xchg and a store for each present pte. */
export function* ptepModifyRange(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep, nrPtes: number, newprot: Pgprot): Task<Step, number> {
  const { entries } = m.pgtable;
  const newLow = newprot & (PAGE_SIZE - 1);
  const newHigh = nxHighOf(newprot);
  const keepLow = CHANGE_KEEPS | -PAGE_SIZE;
  const last = 2 * (ptep + nrPtes);
  let nrPresent = 0;
  for (let i = 2 * ptep; i < last; i += 2) {
    if ((entries[i] & (PAGE_PRESENT | PAGE_PROTNONE)) === 0) continue;
    yield* point(m, WRITE, whereOf(entries, i));
    const low = entries[i];
    const high = entries[i + 1];
    entries[i] = 0;
    entries[i + 1] = 0;
    yield* point(m, WRITE, whereOf(entries, i));
    entries[i] = (low & keepLow) | newLow;
    entries[i + 1] = (high & 0x7fffffff) | newHigh;
    nrPresent++;
  }
  return nrPresent;
}

/** The inherited steps in integers: an xchg, the flush with its hook, and a store elsewhere for each pte that is not none. */
export function* ptepMoveRange(m: ArchMachine, vma: Vma, address: Vaddr, ptep: Ptep, _newAddress: Vaddr, newPtep: Ptep, nrPtes: number): Task<Step> {
  const { entries } = m.pgtable;
  const mm = m.vma.vmMm[vma] as Mm;
  for (let i = 0; i < nrPtes; i++) {
    const from = 2 * (ptep + i);
    if (entries[from] === 0) continue;
    yield* point(m, WRITE, whereOf(entries, from));
    const low = entries[from];
    const high = entries[from + 1];
    entries[from] = 0;
    entries[from + 1] = 0;
    yield* flushCleared(m, mm, vma, (address + i * PAGE_SIZE) as Vaddr);
    const to = 2 * (newPtep + i);
    yield* point(m, WRITE, whereOf(entries, to));
    entries[to] = low;
    entries[to + 1] = high;
  }
}
