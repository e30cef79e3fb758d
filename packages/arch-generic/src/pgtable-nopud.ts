// Models include/asm-generic/pgtable-nopud.h (2.6.24).
/** The pud folded into the pgd: the slot is the pgd's, and what is none, populated and cleared there is the pud. */
import type { Pfn, Pgdp, Pudp, Step, Task, Vaddr } from '@mmun/include';
import { bugOn } from '@mmun/lib';
import type { ArchMachine, ArchTables } from './arch-machine.js';

export function pudOffsetNopud(_m: ArchTables, pgdp: Pgdp, _address: Vaddr): Pudp {
  return pgdp as number as Pudp;
}

export function pgdNoneNopud(_m: ArchTables, _pgdp: Pgdp): boolean {
  return false;
}

export function* pgdPopulateNopud(_m: ArchMachine, _pgdp: Pgdp, _table: Pfn): Task<Step> {
  bugOn(true, 'folded-pgd-populated');
}

export function* pgdClearNopud(_m: ArchMachine, _pgdp: Pgdp): Task<Step> {
  // nop
}
