// Models include/asm-x86/pgtable_64.h (2.6.24).
/**
 * The hardware's pte, in values with bit 63 at bit 52 (handles.ts), in slots where the hardware has it.
 *
 *   63 62      52 51              12 11   9  8   7   6   5   4   3   2   1   0
 *   |NX| unused  | frame            | sw    | G |PAT| D | A |PCD|PWT|US |RW | P |
 *
 * A page that nobody may touch keeps its frame with P clear and bit 7 set: PROTNONE. In a pmd bit 7 is PSE, with and
 * without P: the entry maps a huge page.
 */
import { VM_EXEC, VM_READ, VM_SHARED, VM_WRITE, WRITE } from '@mmun/include';
import type { ImageConfig, Mm, Pfn, Pgprot, Pte, Ptep, Step, Task, Vaddr } from '@mmun/include';
import { whereOfSlot } from '@mmun/arch-generic';
import type { ArchMachine, ArchTables } from '@mmun/arch-generic';
import { point } from '@mmun/locking';

export const ARCH: ImageConfig['arch'] = 'x86';

export const PAGE_PRESENT = 0x001;
export const PAGE_RW = 0x002;
export const PAGE_USER = 0x004;
export const PAGE_ACCESSED = 0x020;
export const PAGE_DIRTY = 0x040;
export const PAGE_PROTNONE = 0x080;
/** Of a value; of a slot's high word it is NX_HIGH. */
const PAGE_NX = 0x10000000000000;
const NX_HIGH = 0x80000000;
const FRAME_HIGH = 0xfffff;

const SWP_OFFSET = 0x100;
const LOW = 0xfff;
const PAGE = 0x1000;
const TWO32 = 0x100000000;
/** What pteModify keeps besides the frame. */
export const CHANGE_KEEPS: number = PAGE_ACCESSED | PAGE_DIRTY;

export function vmGetPageProt(vmFlags: number): Pgprot {
  if ((vmFlags & (VM_READ | VM_WRITE | VM_EXEC)) === 0) return (PAGE_PROTNONE | PAGE_ACCESSED) as Pgprot;
  const write = (vmFlags & (VM_WRITE | VM_SHARED)) === (VM_WRITE | VM_SHARED) ? PAGE_RW : 0;
  const nx = (vmFlags & VM_EXEC) === 0 ? PAGE_NX : 0;
  return ((PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED | write) + nx) as Pgprot;
}

export function pfnPte(pfn: Pfn, prot: Pgprot): Pte {
  return (pfn * PAGE + prot) as Pte;
}

/** `>>> 0` drops NX, which has moved to bit 40. */
export function ptePfn(pte: Pte): Pfn {
  return ((pte / PAGE) >>> 0) as Pfn;
}

export function pteNone(pte: Pte): boolean {
  return pte === 0;
}

export function ptePresent(pte: Pte): boolean {
  return (pte & (PAGE_PRESENT | PAGE_PROTNONE)) !== 0;
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
  return withBit(pte, PAGE_RW);
}

export function pteWrprotect(pte: Pte): Pte {
  return withoutBit(pte, PAGE_RW);
}

export function pteMkdirty(pte: Pte): Pte {
  return withBit(pte, PAGE_DIRTY);
}

export function pteMkclean(pte: Pte): Pte {
  return withoutBit(pte, PAGE_DIRTY);
}

export function pteMkyoung(pte: Pte): Pte {
  return withBit(pte, PAGE_ACCESSED);
}

export function pteMkold(pte: Pte): Pte {
  return withoutBit(pte, PAGE_ACCESSED);
}

export function pteModify(pte: Pte, newprot: Pgprot): Pte {
  const low = pte & LOW;
  const frame = pte - low - (pte >= PAGE_NX ? PAGE_NX : 0);
  return (frame + ((low & CHANGE_KEEPS) | (newprot & LOW)) + (newprot >= PAGE_NX ? PAGE_NX : 0)) as Pte;
}

/** The slot from bit 8 on and its area, here always the first, in bits 1 to 6: 0 where the hardware has its flags. */
export function swpEntryToPte(entry: number): Pte {
  return (entry * SWP_OFFSET) as Pte;
}

export function pteToSwpEntry(pte: Pte): number {
  return ptePresent(pte) ? 0 : Math.floor(pte / SWP_OFFSET);
}

export function pteSame(a: Pte, b: Pte): boolean {
  return a === b;
}

export function ptepGet(m: ArchTables, ptep: Ptep): Pte {
  const { entries } = m.pgtable;
  return pteOfWords(entries[2 * ptep], entries[2 * ptep + 1]);
}

export function ptepNone(m: ArchTables, ptep: Ptep): boolean {
  return m.pgtable.entries[2 * ptep] === 0;
}

export function ptepPresent(m: ArchTables, ptep: Ptep): boolean {
  return (m.pgtable.entries[2 * ptep] & (PAGE_PRESENT | PAGE_PROTNONE)) !== 0;
}

export function ptepPfn(m: ArchTables, ptep: Ptep): Pfn {
  const { entries } = m.pgtable;
  return ((entries[2 * ptep] >>> 12) | (entries[2 * ptep + 1] << 20)) as Pfn;
}

export function ptepFlags(m: ArchTables, ptep: Ptep): Pte {
  return (m.pgtable.entries[2 * ptep] & LOW) as Pte;
}

/** A 64-bit store. */
export function* setPteAt(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep, pte: Pte): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = pte;
  entries[2 * ptep + 1] = highOfPte(pte);
}

export function* ptepCopy(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep, src: Ptep, flags: Pte): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = (entries[2 * src] & ~LOW) | flags;
  entries[2 * ptep + 1] = entries[2 * src + 1];
}

export function* pteClear(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = 0;
  entries[2 * ptep + 1] = 0;
}

/** The page walker's locked update of accessed and dirty. Bit 7 means nothing to it while P is clear. */
export function hwTranslate(m: ArchTables, ptep: Ptep, isWrite: boolean): number {
  const { entries } = m.pgtable;
  const low = entries[2 * ptep];
  if ((low & PAGE_PRESENT) === 0) return 0;
  const needed = isWrite ? PAGE_USER | PAGE_RW : PAGE_USER;
  if ((low & needed) !== needed) return -1;
  entries[2 * ptep] = low | PAGE_ACCESSED | (isWrite ? PAGE_DIRTY : 0);
  return ptepPfn(m, ptep);
}

/** The value that two words of a slot make. */
export function pteOfWords(low: number, high: number): Pte {
  return (low + (high & FRAME_HIGH) * TWO32 + (high >>> 31) * PAGE_NX) as Pte;
}

/** The high word of a slot that holds `pte`. */
export function highOfPte(pte: Pte | Pgprot): number {
  const high = (pte / TWO32) | 0;
  return ((high & FRAME_HIGH) | (high >>> 20 << 31)) >>> 0;
}

/** NX of a protection, where the slot has it. */
export function nxHighOf(prot: Pgprot): number {
  return prot >= PAGE_NX ? NX_HIGH : 0;
}

/** Without a branch the value stays an integer of 64 bits in the compiler's hands. */
function withBit(pte: Pte, bit: number): Pte {
  return (pte + (bit - (pte & bit))) as Pte;
}

function withoutBit(pte: Pte, bit: number): Pte {
  return (pte - (pte & bit)) as Pte;
}
