// Models the storage keys of include/asm-s390/page.h (2.6.24), and where tables lie.
/**
 * A storage key belongs to a frame, not to a pte: whoever accesses the frame through whatever translation marks it, CPUs,
 * secondary MMUs and, in hardware, channels.
 *
 *   slot     2048 * t + index, table t = frame - nrFrames; a table of ptes uses 512 of its slots, one of pmds 1024
 *   key      | R | C |
 */
import { WRITE } from '@mmun/include';
import type { Pfn, Where } from '@mmun/include';
import { reserveArchTables } from '@mmun/arch-generic';
import type { ArchConfig, ArchMachine, ArchTables, ReservedArch } from '@mmun/arch-generic';
import { whereOf } from '@mmun/lib';
import type { Layout } from '@mmun/lib';
import { touch } from '@mmun/locking';

/** Slots that a row of the table of tables holds: those of the largest table, the top level's. */
export const TABLE_SLOTS = 2048;

/** Bits of a storage key. _PAGE_REFERENCED, _PAGE_CHANGED of asm-s390/page.h */
export const KEY_REFERENCED = 0x04;
export const KEY_CHANGED = 0x02;

export function reserveArch(layout: Layout, config: ArchConfig): ReservedArch {
  return reserveArchTables(layout, config, 2 * TABLE_SLOTS, config.nrFrames + 1);
}

export function keyWhere(m: ArchTables, pfn: Pfn): Where {
  return whereOf(m.storageKey.key, pfn);
}

/** What an access leaves in the key, in the same instant. */
export function hwMarkAccess(m: ArchMachine, pfn: Pfn, isWrite: boolean): void {
  const { key } = m.storageKey;
  const marks = isWrite ? KEY_REFERENCED | KEY_CHANGED : KEY_REFERENCED;
  if ((key[pfn] & marks) === marks) return;
  touch(m, WRITE, keyWhere(m, pfn));
  key[pfn] = key[pfn] | marks;
}
