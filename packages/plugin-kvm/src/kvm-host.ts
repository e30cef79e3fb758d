// Models include/linux/kvm_host.h (2.6.27, reduced to one shadow table per machine).
/**
 * The tables of KVM. One row of `kvm` is a virtual machine, whose guest-physical
 * pages (gfn) are pages of one process (hva) by way of memslots:
 *
 *   slot      baseGfn ... baseGfn + npages          guest physical
 *                │              │
 *             userspaceAddr ... + npages pages      the process that runs the machine
 *
 * A spte is an entry of the shadow table, in one word so that hardware and kernel
 * change it at once:
 *
 *   31                        4  3   2   1   0
 *   |          pfn            | D | A | W | P |
 *
 * All sptes hang in one hash by (machine, gfn), which serves as the machine's page
 * table for its hardware and as its rmap for the notifier.
 */
import type { KernelServices, MachineConfig, Mm, MmuNotifier, Pfn, Rwsem, SecondaryTable, Spinlock, Table, Vaddr } from '@mmun/include';
import { POOL_HEAD_SPEC, POOL_ROW_SPEC } from '@mmun/lib';
import type { HlistNodes, Pool } from '@mmun/lib';

export const SPTE_P = 1;
export const SPTE_W = 2;
/** Accessed and dirty: the hardware sets them, the kernel clears them. */
export const SPTE_A = 4;
export const SPTE_D = 8;
const SPTE_PFN_SHIFT = 4;

/** Slots of one machine. KVM_MEMORY_SLOTS, of which 2.6.27 has 32 */
export const KVM_MEMORY_SLOTS = 4;

/** Bits of kvm.state. */
/** The process is gone: release has run. */
export const KVM_RELEASED = 1;
/** The file descriptor is closed: nobody will use the machine again. */
export const KVM_CLOSED = 2;

const kvmSpec = {
  /** Pinned by mm_count only, so that the process can end under the machine. */
  mm: 'u32',
  mn: 'u32',
  /** Guards the slots (with slotsLock), the sptes and `state`. Below the PT lock. */
  mmuLock: 'i32',
  /** Guards the slots against change during a fault. Above mmap_sem. */
  slotsLock: 'i32',
  /** @guardedBy mmuLock */
  state: 'u32',
  /** @guardedBy mmuLock. First spte of this machine. */
  sptes: 'u32',
  /** @guardedBy mmuLock. Under `range`: ranges between their start and end, and changes that are over. Faults read the latter without. */
  mmuNotifierCount: 'u32', mmuNotifierSeq: 'u32',
} as const;

/** struct kvm_memory_slot; row KVM_MEMORY_SLOTS * kvm + slot. Unused while npages is 0. */
const slotSpec = { baseGfn: 'f64', npages: 'f64', userspaceAddr: 'f64' } as const;

const spteSpec = {
  spte: 'u32',
  kvm: 'u32',
  gfn: 'f64',
  /** In its bucket of the hash, and among the sptes of its machine. */
  next: 'u32', pprev: 'u32',
  kvmNext: 'u32', kvmPprev: 'u32',
} as const;

const rmapSpec = { first: 'u32' } as const;
const statSpec = { faults: 'f64', accesses: 'f64', hits: 'f64', invalidations: 'f64', pins: 'f64' } as const;

/** The plugin on one machine: the services and the columns. Nothing in it ever changes. */
export interface Kvms {
  readonly s: KernelServices;
  readonly words: Int32Array;
  readonly kvm: Table<typeof kvmSpec>;
  readonly kvmPool: Pool;
  readonly slot: Table<typeof slotSpec>;
  readonly spte: Table<typeof spteSpec>;
  readonly sptePool: Pool;
  readonly byKvm: HlistNodes;
  readonly rmap: Table<typeof rmapSpec>;
  readonly stat: Table<typeof statSpec>;
}

export function tables(config: MachineConfig): Readonly<Record<string, SecondaryTable>> {
  const { nrKvms, nrSptes } = capacities(config);
  return {
    kvm: { rows: nrKvms, spec: kvmSpec }, kvmPool: { rows: nrKvms, spec: POOL_ROW_SPEC }, kvmPoolHead: { rows: 1, spec: POOL_HEAD_SPEC },
    slot: { rows: nrKvms * KVM_MEMORY_SLOTS, spec: slotSpec },
    spte: { rows: nrSptes, spec: spteSpec }, sptePool: { rows: nrSptes, spec: POOL_ROW_SPEC }, sptePoolHead: { rows: 1, spec: POOL_HEAD_SPEC },
    rmap: { rows: hashSize(nrSptes), spec: rmapSpec },
    stat: { rows: 1, spec: statSpec },
  };
}

export function kvmsOf(s: KernelServices): Kvms {
  const { nrKvms, nrSptes } = capacities(s.config);
  const spte = s.table('spte', spteSpec);
  return {
    s,
    words: new Int32Array(spte.spte.buffer as ArrayBuffer),
    kvm: s.table('kvm', kvmSpec),
    kvmPool: { rows: s.table('kvmPool', POOL_ROW_SPEC), head: s.table('kvmPoolHead', POOL_HEAD_SPEC), capacity: nrKvms },
    slot: s.table('slot', slotSpec),
    spte,
    sptePool: { rows: s.table('sptePool', POOL_ROW_SPEC), head: s.table('sptePoolHead', POOL_HEAD_SPEC), capacity: nrSptes },
    byKvm: { next: spte.kvmNext, pprev: spte.kvmPprev },
    rmap: s.table('rmap', rmapSpec),
    stat: s.table('stat', statSpec),
  };
}

export function mmOf(k: Kvms, kvm: number): Mm {
  return k.kvm.mm[kvm] as Mm;
}

export function notifierOf(k: Kvms, kvm: number): MmuNotifier {
  return k.kvm.mn[kvm] as MmuNotifier;
}

export function mmuLockOf(k: Kvms, kvm: number): Spinlock {
  return k.s.spinlockAt(k.kvm.mmuLock, kvm);
}

export function slotsLockOf(k: Kvms, kvm: number): Rwsem {
  return k.s.rwsemAt(k.kvm.slotsLock, kvm);
}

export function sptePfn(spte: number): Pfn {
  return (spte >>> SPTE_PFN_SHIFT) as Pfn;
}

export function mkSpte(pfn: Pfn, isWritable: boolean): number {
  return ((pfn << SPTE_PFN_SHIFT) | SPTE_P | (isWritable ? SPTE_W : 0)) >>> 0;
}

/** The guest page behind an address of the process; -1 where no slot covers it. @locks mmuLock or slotsLock */
export function hvaToGfn(k: Kvms, kvm: number, hva: Vaddr): number {
  const first = kvm * KVM_MEMORY_SLOTS;
  for (let i = first; i < first + KVM_MEMORY_SLOTS; i++) {
    const offset = Math.floor((hva - k.slot.userspaceAddr[i]) / PAGE_BYTES);
    if (offset >= 0 && offset < k.slot.npages[i]) return k.slot.baseGfn[i] + offset;
  }
  return -1;
}

/** The address of the process behind a guest page; 0 where no slot covers it. gfn_to_hva() @locks mmuLock or slotsLock */
export function gfnToHva(k: Kvms, kvm: number, gfn: number): Vaddr {
  const first = kvm * KVM_MEMORY_SLOTS;
  for (let i = first; i < first + KVM_MEMORY_SLOTS; i++) {
    const offset = gfn - k.slot.baseGfn[i];
    if (offset >= 0 && offset < k.slot.npages[i]) return (k.slot.userspaceAddr[i] + offset * PAGE_BYTES) as Vaddr;
  }
  return 0 as Vaddr;
}

const PAGE_BYTES = 4096;

function capacities(config: MachineConfig): { readonly nrKvms: number; readonly nrSptes: number } {
  return { nrKvms: config.nrNotifiers + 1, nrSptes: config.nrFrames + 1 };
}

function hashSize(nrSptes: number): number {
  let size = 16;
  while (size < nrSptes) size *= 2;
  return size;
}
