// Models the pte markers of include/linux/swapops.h (6.18), of which there is one: the guard.
import type { Pte } from '@mmun/include';
import { pteToSwpEntry } from '#asm';

/** The swap entry that no slot has: the highest that a pte holds. */
export const GUARD_ENTRY: number = 2 ** 24 - 1;

/** An access to the page is a SIGSEGV, whatever the VMA allows. Of a present or empty pte: false. is_guard_swp_entry() */
export function isGuardPte(pte: Pte): boolean {
  return pteToSwpEntry(pte) === GUARD_ENTRY;
}

/** The slot that a pte which is not present stands for; 0 where it is none, or a guard. */
export function swapSlotOf(pte: Pte): number {
  const entry = pteToSwpEntry(pte);
  return entry === GUARD_ENTRY ? 0 : entry;
}
