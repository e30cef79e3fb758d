/**
 * Translations that CPUs cache. Each CPU has a direct-mapped TLB of `tlbEntries`, empty after it has switched to another
 * mm. A miss walks the tables as hardware does: without a lock, level by level.
 *
 * The walk of a pte, its accessed and dirty bits, and the fill are one step, because a CPU takes the interrupt of a
 * shootdown between two instructions and never inside one.
 *
 * Deviation: threads do not migrate. Thread n runs on CPU n modulo the number of CPUs.
 */
import { PAGE_SHIFT, PAGE_SIZE, PF_PROT, PF_USER, PF_WRITE, READ, WRITE } from '@mmun/include';
import type { Mm, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { current, point } from '@mmun/locking';
import { hwTranslate, pgdNone, pgdOffset, pmdNone, pmdOffset, pteDirty, pteOffset, pteYoung, ptepGet, pudNone, pudOffset } from '#asm';
import { whereOfSlot } from './arch-machine.js';
import type { ArchMachine, ArchTables } from './arch-machine.js';

const VALID = 1;
/** The entry may be used for writes, and the pte's dirty bit is set. */
const WRITABLE = 2;

/** The CPU that the current thread runs on. smp_processor_id() */
export function smpProcessorId(m: ArchMachine): number {
  return current(m) % m.tlb.nrCpus;
}

export function* hwAccess(m: ArchMachine, cpu: number, mm: Mm, address: Vaddr, isWrite: boolean): Task<Step, number> {
  const { entriesPerCpu, activeMm, state } = m.tlb;
  if (entriesPerCpu !== 0) {
    if (activeMm[cpu] !== mm) yield* switchMm(m, cpu, mm);
    const entry = tlbEntry(m, cpu, address);
    yield* point(m, READ, whereOf(state, entry));
    if (tlbHits(m, cpu, mm, address, isWrite)) return m.tlb.pfn[entry];
  }
  const fault = PF_USER | (isWrite ? PF_WRITE : 0);
  const ptep = yield* hwWalk(m, mm, address);
  if (ptep === 0) return -fault;
  if (isSettled(m, ptep, isWrite)) yield* point(m, READ, whereOfSlot(m, ptep));
  if (!isSettled(m, ptep, isWrite)) yield* point(m, WRITE, whereOfSlot(m, ptep));
  const pfn = hwTranslate(m, ptep, isWrite);
  if (pfn === 0) return -fault;
  if (pfn < 0) return -(fault | PF_PROT);
  if (entriesPerCpu !== 0) tlbFill(m, cpu, mm, address, pfn, isWrite);
  return pfn;
}

/** The CPU would translate `address` without a walk. Plain: for the access that follows in the same step. */
export function tlbHits(m: ArchTables, cpu: number, mm: Mm, address: Vaddr, isWrite: boolean): boolean {
  const entry = tlbEntry(m, cpu, address);
  const wanted = isWrite ? VALID | WRITABLE : VALID;
  const { state, vpn } = m.tlb;
  return (state[entry] & wanted) === wanted && vpn[entry] === vpnOf(address) && m.tlb.mm[entry] === mm;
}

/** Drops the entry of one CPU for a page. One step on that CPU. */
export function* localFlushTlbPage(m: ArchMachine, cpu: number, mm: Mm, address: Vaddr): Task<Step> {
  const entry = tlbEntry(m, cpu, address);
  const { state } = m.tlb;
  yield* point(m, WRITE, whereOf(state, entry));
  if (tlbHits(m, cpu, mm, address, false)) state[entry] = 0;
}

/** Drops what one CPU has of `[start, end)`, entry by entry. */
export function* localFlushTlbRange(m: ArchMachine, cpu: number, mm: Mm, start: Vaddr, end: Vaddr): Task<Step> {
  const { entriesPerCpu, state, vpn } = m.tlb;
  const first = vpnOf(start);
  const last = vpnOf((end - 1) as Vaddr);
  for (let entry = cpu * entriesPerCpu; entry < (cpu + 1) * entriesPerCpu; entry++) {
    yield* point(m, WRITE, whereOf(state, entry));
    if (m.tlb.mm[entry] === mm && vpn[entry] >= first && vpn[entry] <= last) state[entry] = 0;
  }
}

/** Broadcast, as an arch without interrupts for it would: every CPU in turn, whatever it runs. */
export function* flushTlbPage(m: ArchMachine, vma: Vma, address: Vaddr): Task<Step> {
  if (m.tlb.entriesPerCpu === 0) return;
  for (let cpu = 0; cpu < m.tlb.nrCpus; cpu++) yield* localFlushTlbPage(m, cpu, m.vma.vmMm[vma] as Mm, address);
}

export function* flushTlbRange(m: ArchMachine, vma: Vma, start: Vaddr, end: Vaddr): Task<Step> {
  if (m.tlb.entriesPerCpu === 0) return;
  for (let cpu = 0; cpu < m.tlb.nrCpus; cpu++) yield* localFlushTlbRange(m, cpu, m.vma.vmMm[vma] as Mm, start, end);
}

export function* flushTlbMm(m: ArchMachine, mm: Mm): Task<Step> {
  if (m.tlb.entriesPerCpu === 0) return;
  const all = (PAGE_SIZE * Number.MAX_SAFE_INTEGER) as Vaddr;
  for (let cpu = 0; cpu < m.tlb.nrCpus; cpu++) yield* localFlushTlbRange(m, cpu, mm, 0 as Vaddr, all);
}

/** switch_mm(): loading CR3 empties the TLB. */
function* switchMm(m: ArchMachine, cpu: number, mm: Mm): Task<Step> {
  const { entriesPerCpu, activeMm, state } = m.tlb;
  yield* point(m, WRITE, whereOf(activeMm, cpu));
  activeMm[cpu] = mm;
  for (let entry = cpu * entriesPerCpu; entry < (cpu + 1) * entriesPerCpu; entry++) {
    if (state[entry] === 0) continue;
    yield* point(m, WRITE, whereOf(state, entry));
    state[entry] = 0;
  }
}

/** The slot of the pte, 0 where a level is missing. A point before each entry that is read. */
function* hwWalk(m: ArchMachine, mm: Mm, address: Vaddr): Task<Step, Ptep> {
  const none = 0 as Ptep;
  const pgdp = pgdOffset(m, mm, address);
  yield* point(m, READ, whereOfSlot(m, pgdp));
  if (pgdNone(m, pgdp)) return none;
  const pudp = pudOffset(m, pgdp, address);
  yield* point(m, READ, whereOfSlot(m, pudp));
  if (pudNone(m, pudp)) return none;
  const pmdp = pmdOffset(m, pudp, address);
  yield* point(m, READ, whereOfSlot(m, pmdp));
  if (pmdNone(m, pmdp)) return none;
  return pteOffset(m, pmdp, address);
}

/** The access would set no bit that is not set. */
function isSettled(m: ArchMachine, ptep: Ptep, isWrite: boolean): boolean {
  const pte = ptepGet(m, ptep);
  return pteYoung(pte) && (!isWrite || pteDirty(pte));
}

function tlbFill(m: ArchTables, cpu: number, mm: Mm, address: Vaddr, pfn: number, isWrite: boolean): void {
  const entry = tlbEntry(m, cpu, address);
  const { tlb } = m;
  tlb.state[entry] = isWrite ? VALID | WRITABLE : VALID;
  tlb.pfn[entry] = pfn;
  tlb.mm[entry] = mm;
  tlb.vpn[entry] = vpnOf(address);
}

function tlbEntry(m: ArchTables, cpu: number, address: Vaddr): number {
  const { entriesPerCpu } = m.tlb;
  return cpu * entriesPerCpu + (vpnOf(address) % entriesPerCpu);
}

function vpnOf(address: Vaddr): number {
  return Math.floor(address / 2 ** PAGE_SHIFT);
}
