// No kernel original: ptes of an arch that no hardware has.
/**
 * Ptes of the arch that has no hardware of its own. The layout is chosen to differ from x86's wherever mm could come to
 * rely on one: read and execute are bits of their own, and a page that nobody may touch is present. A swap entry has bit 6
 * and no P; bit 7 of a pmd says that it maps a huge page.
 *
 *   51                    12  11  6   5   4   3   2   1   0
 *   | frame                | unused | D | A | X | W | R | P |
 */
import { VM_EXEC, VM_READ, VM_SHARED, VM_WRITE, WRITE } from '@mmun/include';
import type { ImageConfig, Mm, Pfn, Pgprot, Pte, Ptep, Step, Task, Vaddr } from '@mmun/include';
import { point } from '@mmun/locking';
import { whereOfSlot } from './arch-machine.js';
import type { ArchMachine, ArchTables } from './arch-machine.js';

export const ARCH: ImageConfig['arch'] = 'generic';

const PRESENT = 0x01;
const READ_BIT = 0x02;
const WRITE_BIT = 0x04;
const EXEC_BIT = 0x08;
const ACCESSED = 0x10;
const DIRTY = 0x20;
/** Of an entry that is not present: a slot of swap, in place of a frame. */
const SWAP = 0x40;
const LOW = 0xfff;
const PAGE = 0x1000;
const TWO32 = 0x100000000;

export function vmGetPageProt(vmFlags: number): Pgprot {
  const read = (vmFlags & (VM_READ | VM_WRITE | VM_EXEC)) !== 0 ? READ_BIT | ACCESSED : 0;
  const write = (vmFlags & (VM_WRITE | VM_SHARED)) === (VM_WRITE | VM_SHARED) ? WRITE_BIT : 0;
  const exec = (vmFlags & VM_EXEC) !== 0 ? EXEC_BIT : 0;
  return (PRESENT | read | write | exec) as Pgprot;
}

export function pfnPte(pfn: Pfn, prot: Pgprot): Pte {
  return (pfn * PAGE + prot) as Pte;
}

export function ptePfn(pte: Pte): Pfn {
  return ((pte / PAGE) >>> 0) as Pfn;
}

export function pteNone(pte: Pte): boolean {
  return pte === 0;
}

export function ptePresent(pte: Pte): boolean {
  return (pte & PRESENT) !== 0;
}

export function pteWrite(pte: Pte): boolean {
  return (pte & WRITE_BIT) !== 0;
}

export function pteDirty(pte: Pte): boolean {
  return (pte & DIRTY) !== 0;
}

export function pteYoung(pte: Pte): boolean {
  return (pte & ACCESSED) !== 0;
}

export function pteMkwrite(pte: Pte): Pte {
  return withBit(pte, WRITE_BIT);
}

export function pteWrprotect(pte: Pte): Pte {
  return withoutBit(pte, WRITE_BIT);
}

export function pteMkdirty(pte: Pte): Pte {
  return withBit(pte, DIRTY);
}

export function pteMkclean(pte: Pte): Pte {
  return withoutBit(pte, DIRTY);
}

export function pteMkyoung(pte: Pte): Pte {
  return withBit(pte, ACCESSED);
}

export function pteMkold(pte: Pte): Pte {
  return withoutBit(pte, ACCESSED);
}

export function pteModify(pte: Pte, newprot: Pgprot): Pte {
  const low = pte & LOW;
  return (pte - low + ((low & (ACCESSED | DIRTY)) | (newprot & LOW))) as Pte;
}

/** The slot stands in the frame's place, beside a bit of its own. */
export function swpEntryToPte(entry: number): Pte {
  return (entry * PAGE + SWAP) as Pte;
}

export function pteToSwpEntry(pte: Pte): number {
  return (pte & (PRESENT | SWAP)) === SWAP ? Math.floor(pte / PAGE) : 0;
}

export function pteSame(a: Pte, b: Pte): boolean {
  return a === b;
}

export function ptepGet(m: ArchTables, ptep: Ptep): Pte {
  const { entries } = m.pgtable;
  return (entries[2 * ptep] + entries[2 * ptep + 1] * TWO32) as Pte;
}

export function ptepNone(m: ArchTables, ptep: Ptep): boolean {
  return m.pgtable.entries[2 * ptep] === 0;
}

export function ptepPresent(m: ArchTables, ptep: Ptep): boolean {
  return (m.pgtable.entries[2 * ptep] & PRESENT) !== 0;
}

export function ptepPfn(m: ArchTables, ptep: Ptep): Pfn {
  const { entries } = m.pgtable;
  return ((entries[2 * ptep] >>> 12) | (entries[2 * ptep + 1] << 20)) as Pfn;
}

export function ptepFlags(m: ArchTables, ptep: Ptep): Pte {
  return (m.pgtable.entries[2 * ptep] & LOW) as Pte;
}

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

export function* pteClear(m: ArchMachine, _mm: Mm, _address: Vaddr, ptep: Ptep): Task<Step> {
  const { entries } = m.pgtable;
  yield* point(m, WRITE, whereOfSlot(m, ptep));
  entries[2 * ptep] = 0;
  entries[2 * ptep + 1] = 0;
}

export function hwTranslate(m: ArchTables, ptep: Ptep, isWrite: boolean): number {
  const { entries } = m.pgtable;
  const low = entries[2 * ptep];
  if ((low & PRESENT) === 0) return 0;
  const needed = isWrite ? READ_BIT | WRITE_BIT : READ_BIT;
  if ((low & needed) !== needed) return -1;
  entries[2 * ptep] = low | ACCESSED | (isWrite ? DIRTY : 0);
  return ptepPfn(m, ptep);
}

function withBit(pte: Pte, bit: number): Pte {
  return (pte & bit) === 0 ? ((pte + bit) as Pte) : pte;
}

function withoutBit(pte: Pte, bit: number): Pte {
  return (pte & bit) === 0 ? pte : ((pte - bit) as Pte);
}
