// No kernel original: in C the tables are memory and the TLB is hardware.
/**
 * The part of a machine that an arch owns: the entries of its page tables and the TLBs of its CPUs.
 *
 *   frame    1 .. nrFrames | nrFrames+1 .. nrFrames+nrTables
 *            user pages      table pages; table t = frame - nrFrames
 *   slot     512 * t + index, for each of the four levels
 *   entries  words [2 * slot] low and [2 * slot + 1] high half of the hardware's 64 bits
 */
import type { MachineConfig, Where } from '@mmun/include';
import { reserve, viewTable, whereOf } from '@mmun/lib';
import type { Layout, Reserved, Table } from '@mmun/lib';
import type { LockingMachine } from '@mmun/locking';
import type { NotifierMachine } from '#mmu-notifier';

/** Entries of one table page, at every level. */
export const TABLE_ENTRIES = 512;

/** @guardedBy the ptl of each pte; the hardware reads, and sets bits, without it. A row is a table page. */
type PgtableSpec = { readonly entries: readonly ['u32', number] };

const tlbSpec = {
  /** @guardedBy the CPU itself; a shootdown runs on it. TLB_ bits, 0: unused. */
  state: 'u32',
  pfn: 'u32', mm: 'u32', vpn: 'f64',
} as const;

const tlbCpuSpec = {
  /** The mm whose tables the CPU walks: CR3. What cpu_vm_mask is read from. */
  activeMm: 'u32',
  /** Shootdowns that were sent to the CPU and not yet acknowledged. */
  ipi: 'u32',
  /**
   * Not 0: the CPU is inside an instruction that accesses memory, or inside the handler of a shootdown. It is a lock word,
   * because interrupts are taken between instructions.
   */
  insn: 'u32',
} as const;

/** One row per frame, where the arch keeps referenced and changed there (s390); else none. @guardedBy nothing: the hardware sets bits */
const storageKeySpec = { key: 'u32' } as const;

export interface PageTables {
  readonly entries: Uint32Array;
  /** The frame before the first table page. */
  readonly nrFrames: number;
}

export interface Tlb extends Table<typeof tlbSpec>, Table<typeof tlbCpuSpec> {
  readonly nrCpus: number;
  /** 0: nothing is cached. */
  readonly entriesPerCpu: number;
}

/** What viewArch brings to a machine. */
export interface ArchTables {
  readonly pgtable: PageTables;
  readonly tlb: Tlb;
  readonly storageKey: Table<typeof storageKeySpec>;
}

/** The machine as an arch sees it; of mm it knows the top-level frame and the users of an mm, the mm of a VMA and that of a thread. */
export interface ArchMachine extends LockingMachine, NotifierMachine, ArchTables {
  readonly mm: { readonly pgd: Uint32Array; readonly mmUsers: Int32Array };
  readonly task: { readonly mm: Uint32Array };
  readonly vma: { readonly vmMm: Uint32Array };
}

export interface ReservedArch {
  readonly pgtable: Reserved<PgtableSpec>;
  readonly tlb: Reserved<typeof tlbSpec>;
  readonly tlbCpu: Reserved<typeof tlbCpuSpec>;
  readonly storageKey: Reserved<typeof storageKeySpec>;
  readonly config: Pick<MachineConfig, 'nrCpus' | 'nrFrames' | 'tlbEntries'>;
}

export type ArchConfig = Pick<MachineConfig, 'nrCpus' | 'nrFrames' | 'nrTables' | 'tlbEntries'>;

export function reserveArch(layout: Layout, config: ArchConfig): ReservedArch {
  return reserveArchTables(layout, config, 2 * TABLE_ENTRIES);
}

/** For an arch whose tables have another size. @param wordsPerTable of the buffer @param nrStorageKeys frames that have one, row 0 included */
export function reserveArchTables(layout: Layout, config: ArchConfig, wordsPerTable: number, nrStorageKeys = 0): ReservedArch {
  const { nrCpus, tlbEntries } = config;
  return {
    pgtable: reserve(layout, 'pgtable', config.nrTables + 1, { entries: ['u32', wordsPerTable] }),
    tlb: reserve(layout, 'tlb', nrCpus * tlbEntries, tlbSpec),
    tlbCpu: reserve(layout, 'tlbCpu', nrCpus, tlbCpuSpec),
    storageKey: reserve(layout, 'storageKey', nrStorageKeys, storageKeySpec),
    config,
  };
}

export function viewArch(buffer: ArrayBuffer, reserved: ReservedArch): ArchTables {
  const { nrCpus, nrFrames, tlbEntries } = reserved.config;
  return {
    pgtable: { entries: viewTable(buffer, reserved.pgtable).entries, nrFrames },
    storageKey: viewTable(buffer, reserved.storageKey),
    tlb: { ...viewTable(buffer, reserved.tlb), ...viewTable(buffer, reserved.tlbCpu), nrCpus, entriesPerCpu: tlbEntries },
  };
}

/** The word that points about a slot of any level name. */
/* @__NO_SIDE_EFFECTS__ */ export function whereOfSlot(m: ArchTables, slot: number): Where {
  return whereOf(m.pgtable.entries, 2 * slot);
}
