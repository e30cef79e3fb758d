// No kernel original: ptes of an arch that no hardware has.
/**
 *   31                  8 7   6   5   4   3   2   1   0
 *   | frame              | H |   |   | D | A | W | U | P |
 *
 * A swap entry has bit 5 and no P. H: two pages (hugetlb.ts). A page that nobody may touch is present without U. Everything that may be touched may be read and executed. The low
 * word of a value is the word of its slot; there is no high one.
 */
import { VM_EXEC, VM_READ, VM_SHARED, VM_WRITE, WRITE } from '@mmun/include';
import type { ImageConfig, Mm, Pfn, Pgprot, Pte, Ptep, Step, Task, Vaddr } from '@mmun/include';
import type { ArchMachine, ArchTables } from '@mmun/arch-generic';
import { point } from '@mmun/locking';
import { whereOfSlot } from './toy-machine.js';

export const ARCH: ImageConfig['arch'] = 'toy';

export const PAGE_PRESENT = 0x01;
export const PAGE_USER = 0x02;
export const PAGE_RW = 0x04;
export const PAGE_ACCESSED = 0x08;
export const PAGE_DIRTY = 0x10;
/** Of an entry that is not present: a slot of swap, in place of a frame. */
const PAGE_SWAP = 0x20;
export const FRAME_SHIFT = 8;
const FLAGS = 0xff;
/** What pteModify keeps: the frame, accessed and dirty. */
const CHANGE_KEEPS = (-1 << FRAME_SHIFT) | PAGE_ACCESSED | PAGE_DIRTY;

/** Accessed is set in advance, as on x86: the hardware sets it again only where the kernel has cleared it. */
export function vmGetPageProt(vmFlags: number): Pgprot {
  const user = (vmFlags & (VM_READ | VM_WRITE | VM_EXEC)) !== 0 ? PAGE_USER | PAGE_ACCESSED : 0;
  const write = (vmFlags & (VM_WRITE | VM_SHARED)) === (VM_WRITE | VM_SHARED) ? PAGE_RW : 0;
  return (PAGE_PRESENT | user | write) as Pgprot;
}

export function pfnPte(pfn: Pfn, prot: Pgprot): Pte {
  return ((pfn << FRAME_SHIFT) | prot) as Pte;
}

export function ptePfn(pte: Pte): Pfn {
  return (pte >>> FRAME_SHIFT) as Pfn;
}

export function pteNone(pte: Pte): boolean {
  return pte === 0;
}

export function ptePresent(pte: Pte): boolean {
  return (pte & PAGE_PRESENT) !== 0;
}

export function pteWrite(pte: Pte): boolean {
  return (pte & PAGE_RW) !== 0;
}

export function pteDirty(pte: Pte): boolean {
  return (pte & PAGE_DIRTY) !== 0;
}

export function pteYoung(pte: Pte): boolean {
  return (pte & PAGE_ACCESSED) !== 0;
}

export function pteMkwrite(pte: Pte): Pte {
  return (pte | PAGE_RW) as Pte;
}

export function pteWrprotect(pte: Pte): Pte {
  return (pte & ~PAGE_RW) as Pte;
}

export function pteMkdirty(pte: Pte): Pte {
  return (pte | PAGE_DIRTY) as Pte;
}

export function pteMkclean(pte: Pte): Pte {
  return (pte & ~PAGE_DIRTY) as Pte;
}

export function pteMkyoung(pte: Pte): Pte {
  return (pte | PAGE_ACCESSED) as Pte;
}

export function pteMkold(pte: Pte): Pte {
  return (pte & ~PAGE_ACCESSED) as Pte;
}

export function pteModify(pte: Pte, newprot: Pgprot): Pte {
  return ((pte & CHANGE_KEEPS) | newprot) as Pte;
}

export function swpEntryToPte(entry: number): Pte {
  return ((entry << FRAME_SHIFT) | PAGE_SWAP) as Pte;
}

export function pteToSwpEntry(pte: Pte): number {
  return (pte & (PAGE_PRESENT | PAGE_SWAP)) === PAGE_SWAP ? pte >>> FRAME_SHIFT : 0;
}

export function pteSame(a: Pte, b: Pte): boolean {
  return a === b;
}

export function ptepGet(m: ArchTables, ptep: Ptep): Pte {
  return m.pgtable.entries[ptep] as Pte;
}

export function ptepNone(m: ArchTables, ptep: Ptep): boolean {
  return m.pgtable.entries[ptep] === 0;
}

export function ptepPresent(m: ArchTables, ptep: Ptep): boolean {
  return (m.pgtable.entries[ptep] & PAGE_PRESENT) !== 0;
}

export function ptepPfn(m: ArchTables, ptep: Ptep): Pfn {
  return (m.pgtable.entries[ptep] >>> FRAME_SHIFT) as Pfn;
}

export function ptepFlags(m: ArchTables, ptep: Ptep): Pte {
  return (m.pgtable.entries[ptep] & FLAGS) as Pte;
}

export function* setPteAt(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep, pte: Pte): Task<Step> {
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  m.pgtable.entries[ptep] = pte;
}

export function* ptepCopy(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep, src: Ptep, flags: Pte): Task<Step> {
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  m.pgtable.entries[ptep] = (m.pgtable.entries[src] & ~FLAGS) | flags;
}

export function* pteClear(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep): Task<Step> {
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  m.pgtable.entries[ptep] = 0;
}

/** A walker that sets accessed and dirty by a locked update. */
export function hwTranslate(m: ArchTables, ptep: Ptep, isWrite: boolean): number {
  const { entries } = m.pgtable;
  const pte = entries[ptep];
  if ((pte & PAGE_PRESENT) === 0) return 0;
  const needed = isWrite ? PAGE_USER | PAGE_RW : PAGE_USER;
  if ((pte & needed) !== needed) return -1;
  entries[ptep] = pte | PAGE_ACCESSED | (isWrite ? PAGE_DIRTY : 0);
  return pte >>> FRAME_SHIFT;
}
