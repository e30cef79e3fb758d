// Models include/linux/kvm_host.h and include/asm-x86/kvm_host.h (2.6.27).
/**
 * The tables of KVM. One row of `kvm` is a virtual machine, whose guest-physical
 * pages (gfn) are pages of one process (hva) by way of memslots:
 *
 *   slot      baseGfn ... baseGfn + npages          guest physical
 *                │              │
 *             userspaceAddr ... + npages pages      the process that runs the machine
 *
 * A spte is an entry of a shadow table, in one word so that hardware and kernel
 * change it at once; an entry of a vCPU's TLB is a copy of one:
 *
 *   31                        4  3   2   1   0
 *   |          pfn            | D | A | W | P |
 *
 * Each vCPU has a root, a shadow table of its own. One gfn has as many sptes as roots
 * reach it, and a page of the process as many gfns as slots map it:
 *
 *   hva ──slots──> gfn, gfn' ──bucket──> spte (root 0) ──next──> spte (root 1) ──> ..
 *
 * All sptes hang in one hash by (machine, gfn): for the hardware of a vCPU it is the table
 * under its root, for the notifier a bucket is the rmap word of its gfn.
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
/** vCPUs of one machine. KVM_MAX_VCPUS, of which 2.6.27 has 16 */
export const KVM_MAX_VCPUS = 2;
/** Entries of the TLB of a vCPU, by the last bit of the gfn. */
export const TLB_ENTRIES = 2;

/** Bits of kvm.state. */
/** The process is gone: release has run. */
export const KVM_RELEASED = 1;
/** The file descriptor is closed: nobody will use the machine again. */
export const KVM_CLOSED = 2;
/** No entry is made any more: release has begun. */
export const KVM_DEAD = 4;

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
  /** @guardedBy mmuLock. First spte of this machine; first that was taken out and that a TLB may still hold. */
  sptes: 'u32', zapped: 'u32',
  /** @guardedBy mmuLock and the inGuest of all. vCPUs, at least one. online_vcpus */
  nrVcpus: 'u32',
  /** @guardedBy mmuLock. Under `range`: ranges between their start and end, and changes that are over. Faults read the latter without. */
  mmuNotifierCount: 'u32', mmuNotifierSeq: 'u32',
} as const;

/** struct kvm_memory_slot; row KVM_MEMORY_SLOTS * kvm + slot. Unused while npages is 0. */
const slotSpec = { baseGfn: 'f64', npages: 'f64', userspaceAddr: 'f64' } as const;

/** struct kvm_vcpu; row KVM_MAX_VCPUS * kvm + id, which is its root too. */
type VcpuSpec = { readonly inGuest: 'i32'; readonly tlbGfn: readonly ['f64', number]; readonly tlb: readonly ['u32', number] };
const vcpuSpec: VcpuSpec = {
  /** A spinlock. Held by the vCPU while it carries out an instruction, and by whoever drops what its TLB holds. */
  inGuest: 'i32',
  /** @guardedBy inGuest. The TLB; an entry of 0 is empty. */
  tlbGfn: ['f64', TLB_ENTRIES], tlb: ['u32', TLB_ENTRIES],
};

const spteSpec = {
  spte: 'u32',
  /** The row of the vCPU whose root it is under. */
  root: 'u32',
  gfn: 'f64',
  /** In its bucket of the hash, and among the sptes of its machine. */
  next: 'u32', pprev: 'u32',
  kvmNext: 'u32', kvmPprev: 'u32',
} as const;

const rmapSpec = { first: 'u32' } as const;
const statSpec = { faults: 'f64', accesses: 'f64', hits: 'f64', invalidations: 'f64', pins: 'f64' } as const;

/**
 * How a fault gets from a page of the process to a spte.
 *
 * - `pt-lock`: lookup and install under one PT lock, what #v5 needs and nobody had written down
 * - `retry`: lookup without a lock, install unless the sequence has moved on since; KVM since 2009
 * - `pinned`: a spte holds a reference to its page. Under v5 that is all, as in KVM of January 2008, and not enough; under
 *   `range` with the retry, as in KVM of 2.6.27
 */
export type Protocol = 'pt-lock' | 'retry' | 'pinned';

/** The plugin on one machine: the services and the columns. Nothing in it ever changes. */
export interface Kvms {
  readonly s: KernelServices;
  readonly protocol: Protocol;
  readonly words: Int32Array;
  readonly kvm: Table<typeof kvmSpec>;
  readonly kvmPool: Pool;
  readonly slot: Table<typeof slotSpec>;
  readonly vcpu: Table<typeof vcpuSpec>;
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
    vcpu: { rows: nrKvms * KVM_MAX_VCPUS, spec: vcpuSpec },
    spte: { rows: nrSptes, spec: spteSpec }, sptePool: { rows: nrSptes, spec: POOL_ROW_SPEC }, sptePoolHead: { rows: 1, spec: POOL_HEAD_SPEC },
    rmap: { rows: hashSize(nrSptes), spec: rmapSpec },
    stat: { rows: 1, spec: statSpec },
  };
}

export function kvmsOf(s: KernelServices, protocol: Protocol): Kvms {
  const { nrKvms, nrSptes } = capacities(s.config);
  const spte = s.table('spte', spteSpec);
  return {
    s, protocol,
    words: new Int32Array(spte.spte.buffer as ArrayBuffer),
    kvm: s.table('kvm', kvmSpec),
    kvmPool: { rows: s.table('kvmPool', POOL_ROW_SPEC), head: s.table('kvmPoolHead', POOL_HEAD_SPEC), capacity: nrKvms },
    slot: s.table('slot', slotSpec),
    vcpu: s.table('vcpu', vcpuSpec),
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

/** The vCPU carries out an instruction, or what its TLB holds is dropped. */
export function inGuestOf(k: Kvms, vcpu: number): Spinlock {
  return k.s.spinlockAt(k.vcpu.inGuest, vcpu);
}

/** The machine of a vCPU. */
export function kvmOfVcpu(vcpu: number): number {
  return Math.floor(vcpu / KVM_MAX_VCPUS);
}

export function sptePfn(spte: number): Pfn {
  return (spte >>> SPTE_PFN_SHIFT) as Pfn;
}

export function mkSpte(pfn: Pfn, isWritable: boolean): number {
  return ((pfn << SPTE_PFN_SHIFT) | SPTE_P | (isWritable ? SPTE_W : 0)) >>> 0;
}

/** The guest page that slot `row` has for an address of the process; -1 where it does not cover it. @locks mmuLock, slotsLock or inGuest */
export function gfnInSlot(k: Kvms, row: number, hva: Vaddr): number {
  const offset = Math.floor((hva - k.slot.userspaceAddr[row]) / PAGE_BYTES);
  return offset >= 0 && offset < k.slot.npages[row] ? k.slot.baseGfn[row] + offset : -1;
}

/** The first guest page behind an address of the process; -1 where no slot covers it. @locks mmuLock, slotsLock or inGuest */
export function hvaToGfn(k: Kvms, kvm: number, hva: Vaddr): number {
  const first = kvm * KVM_MEMORY_SLOTS;
  for (let row = first; row < first + KVM_MEMORY_SLOTS; row++) {
    const gfn = gfnInSlot(k, row, hva);
    if (gfn >= 0) return gfn;
  }
  return -1;
}

/** The row of the slot that covers a guest page; -1 where none does. gfn_to_memslot() @locks mmuLock, slotsLock or inGuest */
export function slotOfGfn(k: Kvms, kvm: number, gfn: number): number {
  const first = kvm * KVM_MEMORY_SLOTS;
  for (let row = first; row < first + KVM_MEMORY_SLOTS; row++) {
    const offset = gfn - k.slot.baseGfn[row];
    if (offset >= 0 && offset < k.slot.npages[row]) return row;
  }
  return -1;
}

/** The address of the process behind a guest page; 0 where no slot covers it. gfn_to_hva() @locks as slotOfGfn */
export function gfnToHva(k: Kvms, kvm: number, gfn: number): Vaddr {
  const row = slotOfGfn(k, kvm, gfn);
  return (row < 0 ? 0 : k.slot.userspaceAddr[row] + (gfn - k.slot.baseGfn[row]) * PAGE_BYTES) as Vaddr;
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
