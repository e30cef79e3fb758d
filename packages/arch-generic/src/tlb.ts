// No kernel original: what a TLB and a page walker do in hardware.
/**
 * Translations that CPUs cache, and the instructions that use them. Each CPU has a direct-mapped TLB of `tlbEntries`,
 * empty after it has switched to another mm. A miss walks the tables as hardware does: without a lock, level by level.
 *
 * A CPU takes the interrupt of a shootdown between two instructions and never inside one. So an instruction holds the
 * CPU's `insn` word from its first look at the TLB until it has touched memory, and whoever drops entries of that CPU
 * holds the same word:
 *
 *   instruction on CPU k              shootdown, for CPU k
 *   insn[k]: taken, TLB, top entry
 *   .. pte, accessed, dirty, fill
 *   memory, insn[k]: free             insn[k]: waits
 *                        ---------->  taken, drops entries, free
 *
 * Each line on the left is a step. A hit is one step in all: what it looks at before it touches memory belongs to the CPU
 * alone. Between the walk and the memory another CPU may clear the pte, but not be done with its flush.
 *
 * Without a TLB (`tlbEntries` 0) nobody waits for anybody: then the read of the pte and the access are one step.
 */
import { ACQUIRE, PAGE_SHIFT, PAGE_SIZE, PF_PROT, PF_USER, PF_WRITE, READ, RELEASE, TABLE_PTE, WRITE } from '@mmun/include';
import type { Mm, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { current, point, pointUntil, rcuReadLock, rcuReadUnlock, touch } from '@mmun/locking';
import {
  HPAGE_SIZE, HUGE_TABLE_LEVEL, PTRS_PER_PMD, PTRS_PER_PUD, TASK_SIZE, hugePteOffset, hwTranslate, pgdNone, pgdOffset, pmdHuge, pmdNone, pmdOffset, pteDirty, pteHuge, pteOffset, ptePresent, pteWrite, pteYoung, ptepGet, pudNone,
  pudOffset, whereOfSlot, flushTlbMm as asmFlushTlbMm,
} from '#asm';
import type { ArchMachine, ArchTables } from './arch-machine.js';

const VALID = 1;
/** The entry may be used for writes, and the pte's dirty bit is set. */
const WRITABLE = 2;
const ANY = -1;

/** The CPU that the current thread runs on: `thread.cpu`, which is state. smp_processor_id() */
export function smpProcessorId(m: ArchMachine): number {
  return m.thread.cpu[current(m)];
}

export function* hwAccess(m: ArchMachine, cpu: number, mm: Mm, address: Vaddr, isWrite: boolean): Task<Step, number> {
  const fault = PF_USER | (isWrite ? PF_WRITE : 0);
  if (address >= TASK_SIZE) return -fault;
  if (m.tlb.entriesPerCpu === 0) return yield* hwWalk(m, mm, address, isWrite, fault);
  yield* insnBegin(m, cpu);
  if (m.tlb.activeMm[cpu] !== mm) switchMm(m, cpu, mm);
  if (tlbHits(m, cpu, mm, address, isWrite)) return m.tlb.pfn[tlbEntry(m, cpu, address)];
  const pfn = yield* hwWalk(m, mm, address, isWrite, fault);
  if (pfn > 0) yield* tlbFill(m, cpu, mm, address, pfn, isWrite);
  else yield* insnEnd(m, cpu);
  return pfn;
}

export function* hwRetire(m: ArchMachine, cpu: number): Task<Step> {
  if (m.tlb.entriesPerCpu !== 0) yield* insnEnd(m, cpu);
}

/** As powerpc and s390 have it: a flush asks no CPU, so nothing tells that a walker has left. */
export const HAVE_RCU_TABLE_FREE: boolean = true;

export function* gupFastBegin(m: ArchMachine, _cpu: number, _mm: Mm): Task<Step> {
  yield* rcuReadLock(m);
}

export function* gupFastEnd(m: ArchMachine, _cpu: number): Task<Step> {
  yield* rcuReadUnlock(m);
}

/**
 * For an arch whose flushes interrupt: from here to localIrqRestore the CPU takes none, so no flush of the mm that it runs ends.
 * @context process; atomic until then
 */
export function* localIrqSave(m: ArchMachine, cpu: number, mm: Mm): Task<Step> {
  yield* insnBegin(m, cpu);
  m.thread.preemptCount[current(m)] = m.thread.preemptCount[current(m)] + 1;
  if (m.tlb.activeMm[cpu] !== mm) switchMm(m, cpu, mm);
}

export function* localIrqRestore(m: ArchMachine, cpu: number): Task<Step> {
  m.thread.preemptCount[current(m)] = m.thread.preemptCount[current(m)] - 1;
  yield* insnEnd(m, cpu);
}

/** Drops the entry of one CPU for a page. One step, between two instructions of that CPU. */
export function* localFlushTlbPage(m: ArchMachine, cpu: number, mm: Mm, address: Vaddr): Task<Step> {
  yield* insnBegin(m, cpu);
  if (tlbHits(m, cpu, mm, address, false)) m.tlb.state[tlbEntry(m, cpu, address)] = 0;
  yield* insnEnd(m, cpu);
}

/** Drops what one CPU has of `[start, end)`. One step, between two instructions of that CPU. */
export function* localFlushTlbRange(m: ArchMachine, cpu: number, mm: Mm, start: Vaddr, end: Vaddr): Task<Step> {
  const { entriesPerCpu, state, vpn } = m.tlb;
  const first = vpnOf(start);
  const last = vpnOf((end - 1) as Vaddr);
  yield* insnBegin(m, cpu);
  for (let entry = cpu * entriesPerCpu; entry < (cpu + 1) * entriesPerCpu; entry++) {
    if (m.tlb.mm[entry] === mm && vpn[entry] >= first && vpn[entry] <= last) state[entry] = 0;
  }
  yield* insnEnd(m, cpu);
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

/** Pages are flushed for together, by the gather. asm-generic/tlb.h */
export const TLB_GATHERS_PAGES: boolean = true;

export function* archTlbGatherMmu(_m: ArchMachine, _mm: Mm, isFull: boolean): Task<Step, boolean> {
  return isFull;
}

export function tlbFlush(m: ArchMachine, mm: Mm, _isFull: boolean, _hasTable: boolean): Task<Step> {
  return asmFlushTlbMm(m, mm);
}

function* insnBegin(m: ArchMachine, cpu: number): Task<Step> {
  const { insn } = m.tlb;
  yield* pointUntil(m, ACQUIRE, whereOf(insn, cpu), ANY, 0);
  insn[cpu] = current(m) + 1;
}

function* insnEnd(m: ArchMachine, cpu: number): Task<Step> {
  const { insn } = m.tlb;
  yield* point(m, RELEASE, whereOf(insn, cpu));
  insn[cpu] = 0;
}

/** switch_mm(): loading CR3 empties the TLB. What other CPUs read of it is who runs the mm. */
function switchMm(m: ArchMachine, cpu: number, mm: Mm): void {
  const { entriesPerCpu, activeMm, state } = m.tlb;
  touch(m, WRITE, whereOf(activeMm, cpu));
  activeMm[cpu] = mm;
  for (let entry = cpu * entriesPerCpu; entry < (cpu + 1) * entriesPerCpu; entry++) state[entry] = 0;
}

/** @returns as hwAccess */
function* hwWalk(m: ArchMachine, mm: Mm, address: Vaddr, isWrite: boolean, fault: number): Task<Step, number> {
  const found = yield* hwWalkTables(m, mm, address);
  if (found === 0) return -fault;
  const ptep = Math.abs(found) as Ptep;
  yield* point(m, READ, whereOfSlot(m, ptep));
  if (found < 0 && !pteHuge(ptepGet(m, ptep))) return -fault;
  if (needsUpdate(m, ptep, isWrite)) touch(m, WRITE, whereOfSlot(m, ptep));
  const pfn = hwTranslate(m, ptep, isWrite);
  if (pfn === 0) return -fault;
  if (pfn < 0) return -(fault | PF_PROT);
  return found < 0 ? pfn + (address % HPAGE_SIZE >>> PAGE_SHIFT) : pfn;
}

/**
 * The slot of the pte, 0 where a level is missing, and minus the slot where it is of a huge page. A folded level is no
 * read; the first is one with the look at the TLB.
 */
function* hwWalkTables(m: ArchMachine, mm: Mm, address: Vaddr): Task<Step, number> {
  const none = 0;
  const pgdp = pgdOffset(m, mm, address);
  if (m.tlb.entriesPerCpu === 0) yield* point(m, READ, whereOfSlot(m, pgdp));
  else touch(m, READ, whereOfSlot(m, pgdp));
  if (pgdNone(m, pgdp)) return none;
  const pudp = pudOffset(m, pgdp, address);
  if (PTRS_PER_PUD > 1) yield* point(m, READ, whereOfSlot(m, pudp));
  if (pudNone(m, pudp)) return none;
  const pmdp = pmdOffset(m, pudp, address);
  if (PTRS_PER_PMD > 1) yield* point(m, READ, whereOfSlot(m, pmdp));
  if (pmdNone(m, pmdp)) return none;
  const ptep = pteOffset(m, pmdp, address);
  if (!pmdHuge(m, pmdp)) return ptep;
  const huge: number = hugePteOffset(m, pmdp, address);
  // the walker keeps what it has read of the levels above, whatever stands there by now
  if (HUGE_TABLE_LEVEL === TABLE_PTE) yield* point(m, READ, whereOfSlot(m, huge));
  return pteHuge(ptepGet(m, huge as Ptep)) ? -huge : ptep;
}

/** The access sets a bit that is not set: a locked update, which fails and walks anew where the pte was changed meanwhile. */
function needsUpdate(m: ArchMachine, ptep: Ptep, isWrite: boolean): boolean {
  const pte = ptepGet(m, ptep);
  return ptePresent(pte) && (!pteYoung(pte) || (isWrite && pteWrite(pte) && !pteDirty(pte)));
}

function tlbHits(m: ArchTables, cpu: number, mm: Mm, address: Vaddr, isWrite: boolean): boolean {
  const entry = tlbEntry(m, cpu, address);
  const wanted = isWrite ? VALID | WRITABLE : VALID;
  const { state, vpn } = m.tlb;
  return (state[entry] & wanted) === wanted && vpn[entry] === vpnOf(address) && m.tlb.mm[entry] === mm;
}

/** The walk is over; memory is touched in the step that follows. */
function* tlbFill(m: ArchMachine, cpu: number, mm: Mm, address: Vaddr, pfn: number, isWrite: boolean): Task<Step> {
  const entry = tlbEntry(m, cpu, address);
  const { tlb } = m;
  tlb.state[entry] = isWrite ? VALID | WRITABLE : VALID;
  tlb.pfn[entry] = pfn;
  tlb.mm[entry] = mm;
  tlb.vpn[entry] = vpnOf(address);
  yield* point(m, READ, whereOf(tlb.state, entry));
}

function tlbEntry(m: ArchTables, cpu: number, address: Vaddr): number {
  const { entriesPerCpu } = m.tlb;
  return cpu * entriesPerCpu + (vpnOf(address) % entriesPerCpu);
}

function vpnOf(address: Vaddr): number {
  return Math.floor(address / 2 ** PAGE_SHIFT);
}
