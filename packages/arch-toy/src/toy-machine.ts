// No kernel original: the storage of an arch that no hardware has.
/**
 *   slot     4 * t + index, table t = frame - nrFrames
 *   entries  one word a slot
 */
import type { Where } from '@mmun/include';
import { reserveArchTables } from '@mmun/arch-generic';
import type { ArchConfig, ArchTables, ReservedArch } from '@mmun/arch-generic';
import { whereOf } from '@mmun/lib';
import type { Layout } from '@mmun/lib';

/** Entries of a table page, at both levels. */
export const TABLE_ENTRIES = 4;

export function reserveArch(layout: Layout, config: ArchConfig): ReservedArch {
  return reserveArchTables(layout, config, TABLE_ENTRIES);
}

export function whereOfSlot(m: ArchTables, slot: number): Where {
  return whereOf(m.pgtable.entries, slot);
}
