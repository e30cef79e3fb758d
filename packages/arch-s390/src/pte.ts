// Models the pte types of include/asm-s390/pgtable.h (2.6.24).
/**
 *   51                    12  11 10  9  8      2   1   0
 *   | frame                | 0 | I | R | 0      | X | T |        I invalid, R read-only: hardware; X, T: software
 *
 *   type     IRXT      seen while it is invalidated (IPTE sets I)
 *   RW       0000      1000   none
 *   EX_RW    0010      1010   none
 *   RO       0100      1100   none
 *   EX_RO    0110      1110   none
 *   NONE     1001      nobody may touch it; present
 *   SWAP     1011
 *   FILE     1101, 1111
 *   EMPTY    1000
 *
 * There is neither an accessed nor a dirty bit: see storage keys. So pteYoung and pteDirty are constantly false.
 * Deviation: no shadow tables for executable code (CONFIG_S390_EXEC_PROTECT).
 */
import { VM_EXEC, VM_READ, VM_SHARED, VM_WRITE, WRITE } from '@mmun/include';
import type { Mm, Pfn, Pgprot, Pte, Ptep, Step, Task, Vaddr } from '@mmun/include';
import { localFlushTlbPage, whereOfSlot } from '@mmun/arch-generic';
import { point } from '@mmun/locking';
import type { ArchMachine, ArchTables } from '@mmun/arch-generic';

export const PAGE_SWT = 0x001;
export const PAGE_SWX = 0x002;
export const PAGE_RO = 0x200;
export const PAGE_INVALID = 0x400;
export const PAGE_TYPE_EMPTY = 0x400;
const PAGE_TYPE_NONE = 0x401;
const PAGE_TYPE_SWAP = 0x403;
const TYPE = PAGE_INVALID | PAGE_RO | PAGE_SWX | PAGE_SWT;

const LOW = 0xfff;
const PAGE = 0x1000;
const TWO32 = 0x100000000;

export function vmGetPageProt(vmFlags: number): Pgprot {
  if ((vmFlags & (VM_READ | VM_WRITE | VM_EXEC)) === 0) return PAGE_TYPE_NONE as Pgprot;
  const ro = (vmFlags & (VM_WRITE | VM_SHARED)) === (VM_WRITE | VM_SHARED) ? 0 : PAGE_RO;
  return (ro | ((vmFlags & VM_EXEC) !== 0 ? PAGE_SWX : 0)) as Pgprot;
}

export function pfnPte(pfn: Pfn, prot: Pgprot): Pte {
  return (pfn * PAGE + prot) as Pte;
}

export function ptePfn(pte: Pte): Pfn {
  return ((pte / PAGE) >>> 0) as Pfn;
}

/** Also while it is being invalidated, whatever it was. */
export function pteNone(pte: Pte): boolean {
  return isTypeNone(pte);
}

export function ptePresent(pte: Pte): boolean {
  return isTypePresent(pte);
}

/** Deviation: there the R bit alone decides, also for the type NONE, of which nobody asks. */
export function pteWrite(pte: Pte): boolean {
  return (pte & (PAGE_RO | PAGE_INVALID)) === 0;
}

/** In the storage key. */
export function pteDirty(_pte: Pte): boolean {
  return false;
}

/** In the storage key. */
export function pteYoung(_pte: Pte): boolean {
  return false;
}

export function pteMkwrite(pte: Pte): Pte {
  return (pte & (PAGE_INVALID | PAGE_RO)) === PAGE_RO ? ((pte - PAGE_RO) as Pte) : pte;
}

/** Does not make something else of the type NONE. */
export function pteWrprotect(pte: Pte): Pte {
  return pteWrite(pte) ? ((pte + PAGE_RO) as Pte) : pte;
}

export function pteMkdirty(pte: Pte): Pte {
  return pte;
}

export function pteMkclean(pte: Pte): Pte {
  return pte;
}

export function pteMkyoung(pte: Pte): Pte {
  return pte;
}

export function pteMkold(pte: Pte): Pte {
  return pte;
}

export function pteModify(pte: Pte, newprot: Pgprot): Pte {
  return (pte - (pte & LOW) + newprot) as Pte;
}

/** Type SWAP; the lowest bit of the slot in bit 7, the others in the frame's place. The area, here always the first, has bits 2 to 6. */
export function swpEntryToPte(entry: number): Pte {
  return (PAGE_TYPE_SWAP + ((entry & 1) << 7) + (entry >>> 1) * PAGE) as Pte;
}

export function pteToSwpEntry(pte: Pte): number {
  return (pte & TYPE) === PAGE_TYPE_SWAP ? Math.floor(pte / PAGE) * 2 + ((pte >>> 7) & 1) : 0;
}

export function pteSame(a: Pte, b: Pte): boolean {
  return a === b;
}

export function ptepGet(m: ArchTables, ptep: Ptep): Pte {
  const { entries } = m.pgtable;
  return (entries[2 * ptep] + entries[2 * ptep + 1] * TWO32) as Pte;
}

export function ptepNone(m: ArchTables, ptep: Ptep): boolean {
  return isTypeNone(m.pgtable.entries[2 * ptep]);
}

export function ptepPresent(m: ArchTables, ptep: Ptep): boolean {
  return isTypePresent(m.pgtable.entries[2 * ptep]);
}

export function ptepPfn(m: ArchTables, ptep: Ptep): Pfn {
  const { entries } = m.pgtable;
  return ((entries[2 * ptep] >>> 12) | (entries[2 * ptep + 1] << 20)) as Pfn;
}

export function ptepFlags(m: ArchTables, ptep: Ptep): Pte {
  return (m.pgtable.entries[2 * ptep] & LOW) as Pte;
}

/** A plain store: the slot holds no valid entry, as the architecture demands. */
export function* setPteAt(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep, pte: Pte): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = pte;
  entries[2 * ptep + 1] = pte / TWO32;
}

export function* ptepCopy(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep, src: Ptep, flags: Pte): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = (entries[2 * src] & ~LOW) | flags;
  entries[2 * ptep + 1] = entries[2 * src + 1];
}

/**
 * Invalidates, then stores EMPTY.
 * Deviation: 2.6.24 stores EMPTY at once, since it is called for no valid entry.
 */
export function* pteClear(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep): Task<Step> {
  yield* ptepIpte(m, mm, address, ptep);
  yield* storeEmpty(m, ptep);
}

/**
 * IPTE: the entry becomes invalid, keeping all else, and leaves the TLBs of all CPUs. The instruction is broadcast by
 * hardware, without interrupts, and ends when every CPU has answered.
 * @locks ptl(address) @owes a store of what shall stand there: until then others see an entry that is none
 */
export function* ptepIpte(m: ArchMachine, mm: Mm, address: Vaddr, ptep: Ptep): Task<Step> {
  const { entries } = m.pgtable;
  if ((entries[2 * ptep] & PAGE_INVALID) !== 0) return;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = entries[2 * ptep] | PAGE_INVALID;
  if (m.tlb.entriesPerCpu === 0) return;
  for (let cpu = 0; cpu < m.tlb.nrCpus; cpu++) yield* localFlushTlbPage(m, cpu, mm, address);
}

/** The second half of taking an entry out. */
export function* storeEmpty(m: ArchMachine, ptep: Ptep): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = PAGE_TYPE_EMPTY;
  entries[2 * ptep + 1] = 0;
}

/** The walker marks nothing in the pte. */
export function hwTranslate(m: ArchTables, ptep: Ptep, isWrite: boolean): number {
  const low = m.pgtable.entries[2 * ptep];
  if ((low & PAGE_INVALID) !== 0) return 0;
  return isWrite && (low & PAGE_RO) !== 0 ? -1 : ptepPfn(m, ptep);
}

function isTypeNone(pte: number): boolean {
  return (pte & (PAGE_INVALID | PAGE_SWT)) === PAGE_INVALID;
}

function isTypePresent(pte: number): boolean {
  return (pte & (PAGE_INVALID | PAGE_SWT)) === 0 || (pte & TYPE) === PAGE_TYPE_NONE;
}
