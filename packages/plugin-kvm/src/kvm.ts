// Models virt/kvm/kvm_main.c, what a virtual machine is to the rest of the system (2.6.27).
/** The plugin: KVM by one of its three fault protocols. */
import { PAGE_SIZE } from '@mmun/include';
import type { KernelServices, MaySleep, Mm, OpName, Pfn, SecondaryCounters, SecondaryDriver, SecondaryMmu, Step, Task, TranslationVisitor, Vaddr } from '@mmun/include';
import { KVM_MAX_VCPUS, SPTE_W, kvmsOf, mmOf, sptePfn, tables } from './kvm-host.js';
import type { Kvms, Protocol } from './kvm-host.js';
import { createVcpu, createVm, destroyRegisteredVm, destroyVm, setMemoryRegion } from './kvm-main.js';
import { kvmCalls } from './kvm-calls.js';
import type { MemoryRegion } from './kvm-main.js';
import { rangeOps, v5Ops } from './kvm-ops.js';
import { forEachSpte } from './mmu.js';
import { faultByGfn, faultByHva, lookupOf } from './page-fault.js';
import { forEachTlbEntry } from './tlb.js';
import { accessByGfn, accessByHva } from './vcpu.js';

/** Where a vCPU of a machine touches guest memory. */
export interface GuestAddress {
  readonly instance: number;
  /** 0 is there from the beginning, others are what createVcpu returned. */
  readonly vcpu: number;
  /** Guest physical, in bytes. */
  readonly gpa: number;
}

/** `fault` and `access` are those of the first vCPU, at the first guest page that a slot has for the address. */
export interface KvmDriver extends SecondaryDriver {
  /** Moves a slot; what was reached through it is reached no more. @returns 0 or -EFAULT for a slot that does not exist */
  setMemoryRegion(instance: number, region: MemoryRegion): Task<MaySleep, number>;
  /** One more vCPU, with a root and a TLB of its own. @returns its number, or -EINVAL where there can be no more */
  createVcpu(instance: number): Task<Step, number>;
  /** As `fault`, of any vCPU at any guest page. */
  guestFault(at: GuestAddress, isWrite: boolean): Task<MaySleep, number>;
  /** As `access`, likewise. */
  guestAccess(at: GuestAddress, isWrite: boolean): Task<Step, Pfn>;
}

export interface KvmMmu extends SecondaryMmu {
  readonly designs: { readonly v5: readonly OpName[]; readonly range: readonly OpName[] };
  attach(services: KernelServices): KvmDriver;
}

export interface KvmOptions {
  /** Left out: `pt-lock` under v5, `retry` under range. */
  readonly protocol?: Protocol;
}

/**
 * KVM by the protocol that is asked for; `kvm:retry` is the name of one that is not left out.
 * `pinned` under v5 is KVM of January 2008: safe for memory, and not coherent.
 */
export function kvmWith({ protocol }: KvmOptions): KvmMmu {
  return {
    name: protocol === undefined ? 'kvm' : `kvm:${protocol}`,
    designs: {
      v5: ['release', 'invalidatePage', 'invalidatePages', 'agePage'],
      range: ['release', 'invalidateRangeStart', 'invalidateRangeEnd', 'invalidatePage', 'clearFlushYoung'],
    },
    tables,
    attach: (services: KernelServices): KvmDriver => driverOf(kvmsOf(services, protocol ?? (services.design === 'v5' ? 'pt-lock' : 'retry'))),
    calls: kvmCalls,
  };
}

/** Kernel-based Virtual Machine. A new machine has one vCPU, and one slot over the whole address space, at gfn = hva / PAGE_SIZE. */
export const kvm: KvmMmu = /* @__PURE__ */ kvmWith({});

function driverOf(k: Kvms): KvmDriver {
  const lookup = lookupOf(k);
  return {
    ...(k.s.design === 'v5' ? v5(k) : range(k)),
    own: k,
    create: (mm: Mm): Task<MaySleep, number> => createVm(k, mm),
    fault: (instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> => faultByHva(k, lookup, instance, address, isWrite),
    access: (instance: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> => accessByHva(k, instance, address, isWrite),
    setMemoryRegion: (instance: number, region: MemoryRegion): Task<MaySleep, number> => setMemoryRegion(k, instance, region),
    createVcpu: (instance: number): Task<Step, number> => createVcpu(k, instance),
    guestFault: (at: GuestAddress, isWrite: boolean): Task<MaySleep, number> => faultByGfn(k, lookup, rowOf(at), Math.floor(at.gpa / PAGE_SIZE), isWrite),
    guestAccess: (at: GuestAddress, isWrite: boolean): Task<Step, Pfn> => accessByGfn(k, rowOf(at), Math.floor(at.gpa / PAGE_SIZE), at.gpa % PAGE_SIZE, isWrite),
    audit: (visit: TranslationVisitor): void => {
      const show = (vm: number, hva: Vaddr, spte: number): void => { visit(vm, mmOf(k, vm), hva, sptePfn(spte), (spte & SPTE_W) !== 0); };
      forEachSpte(k, show);
      forEachTlbEntry(k, show);
    },
    counters: (): SecondaryCounters => ({
      faults: k.stat.faults[0], accesses: k.stat.accesses[0], hits: k.stat.hits[0], invalidations: k.stat.invalidations[0], pins: k.stat.pins[0],
    }),
  };
}

function rowOf({ instance, vcpu }: GuestAddress): number {
  return instance * KVM_MAX_VCPUS + vcpu;
}

function v5(k: Kvms): Pick<KvmDriver, 'ops' | 'destroy'> {
  return { ops: v5Ops(k), destroy: (instance: number): Task<MaySleep> => destroyVm(k, instance) };
}

function range(k: Kvms): Pick<KvmDriver, 'ops' | 'destroy'> {
  return { ops: rangeOps(k), destroy: (instance: number): Task<MaySleep> => destroyRegisteredVm(k, instance) };
}
