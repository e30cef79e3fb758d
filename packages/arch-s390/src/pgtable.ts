// Models include/asm-s390/pgtable.h (2.6.24 with mmu notifiers #v5): the operations that s390 overrides.
/**
 * An entry that a CPU may be using must not be changed but by IPTE (or IDTE, CSP). So every change is two steps,
 * invalidate and store, and the first one flushes: flush_tlb_page has nothing left to do.
 *
 *   ptep_get_and_clear             another CPU                      lockless reader
 *   read the old pte
 *   IPTE: I set, TLBs of all CPUs  walks: invalid, faults           old frame, type none
 *   store EMPTY                                                     none
 *
 * But where the thread that changes it is the mm's only user: tlbflush.ts.
 *
 * The hooks of v5: ptep_clear_flush is overridden, here alone of all archs, and the patch put invalidate_page into it.
 * ptep_clear_flush_young is overridden too, and nobody put age_page there: a page that only a secondary MMU uses grows old.
 */
import { READ, WRITE } from '@mmun/include';
import type { Mm, Pfn, Pte, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { hwAccess as hwAccessOnly, whereOfSlot } from '@mmun/arch-generic';
import { point } from '@mmun/locking';
import { mmuNotifierPtep } from '#mmu-notifier';
import { pteSame, pteWrite, pteWrprotect, ptepGet, ptepIpte, setPteAt, storeEmpty } from './pte.js';
import { KEY_CHANGED, KEY_REFERENCED, hwMarkAccess, keyWhere } from './s390-machine.js';
import { isOnlyUser } from './tlbflush.js';
import type { ArchMachine } from '@mmun/arch-generic';

export function* ptepGetAndClear(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep): Task<Step, Pte> {
  yield* point(m, READ, whereOfSlot(m, ptep));
  const pte = ptepGet(m, ptep);
  if (!(yield* isOnlyUser(m, mm))) yield* ptepIpte(m, mm, address, ptep);
  yield* storeEmpty(m, ptep);
  return pte;
}

/** Where the gather has flushed the mm when it began, a plain store: nobody has used it since. */
export function* ptepGetAndClearFull(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep, isFull: boolean): Task<Step, Pte> {
  yield* point(m, READ, whereOfSlot(m, ptep));
  const pte = ptepGet(m, ptep);
  if (!isFull) yield* ptepIpte(m, mm, address, ptep);
  yield* storeEmpty(m, ptep);
  return pte;
}

export function* ptepSetWrprotect(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep): Task<Step> {
  yield* point(m, READ, whereOfSlot(m, ptep));
  const pte = ptepGet(m, ptep);
  if (!pteWrite(pte)) return;
  if (!(yield* isOnlyUser(m, mm))) yield* ptepIpte(m, mm, address, ptep);
  yield* setPteAt(m, mm, address, ptep, pteWrprotect(pte));
}

/** More permissive, and yet through invalid: a CPU in between faults once more. */
export function* ptepSetAccessFlags(m: ArchMachine, vma: Vma, address: Vaddr, ptep: Ptep, entry: Pte, _isDirty: boolean): Task<Step, boolean> {
  if (pteSame(ptepGet(m, ptep), entry)) return false;
  const mm = m.vma.vmMm[vma] as Mm;
  yield* ptepIpte(m, mm, address, ptep);
  yield* setPteAt(m, mm, address, ptep, entry);
  return true;
}

/** The pte does not know: pageTestAndClearYoung does. */
export function* ptepTestAndClearYoung(_m: ArchMachine, _vma: Vma, _address: Vaddr, _ptep: Ptep): Task<Step, number> {
  return 0;
}

/** No hook: here v5 is blind. */
export function* ptepClearFlushYoung(_m: ArchMachine, _vma: Vma, _address: Vaddr, _ptep: Ptep): Task<Step, number> {
  return 0;
}

/** Hook #3 of v5, after IPTE and the store. */
export function* ptepClearFlush(m: ArchMachine, vma: Vma, address: Vaddr, ptep: Ptep): Task<Step, Pte> {
  const mm = m.vma.vmMm[vma] as Mm;
  yield* point(m, READ, whereOfSlot(m, ptep));
  const pte = ptepGet(m, ptep);
  yield* ptepIpte(m, mm, address, ptep);
  yield* storeEmpty(m, ptep);
  yield* mmuNotifierPtep(m, mm, 'invalidatePage', address);
  return pte;
}

/** What the page's frame says, whoever wrote to it. */
export function pageTestDirty(m: ArchMachine, pfn: Pfn): boolean {
  return (m.storageKey.key[pfn] & KEY_CHANGED) !== 0;
}

/** SSKE. Sets the whole key, so a referenced bit that comes in between is lost: hence only for frames that nobody maps. */
export function* pageClearDirty(m: ArchMachine, pfn: Pfn): Task<Step> {
  const { key } = m.storageKey;
  yield* point(m, WRITE, keyWhere(m, pfn));
  key[pfn] = key[pfn] & ~KEY_CHANGED;
}

/** RRBE. */
export function* pageTestAndClearYoung(m: ArchMachine, pfn: Pfn): Task<Step, number> {
  const { key } = m.storageKey;
  yield* point(m, WRITE, keyWhere(m, pfn));
  const was = key[pfn];
  key[pfn] = was & ~KEY_REFERENCED;
  return (was & KEY_REFERENCED) === 0 ? 0 : 1;
}

/** The inherited access, and its mark in the storage key: a CPU sets it at each access, also through its TLB. */
export function* hwAccess(m: ArchMachine, cpu: number, mm: Mm, address: Vaddr, isWrite: boolean): Task<Step, number> {
  const pfn = yield* hwAccessOnly(m, cpu, mm, address, isWrite);
  if (pfn > 0) hwMarkAccess(m, pfn as Pfn, isWrite);
  return pfn;
}
