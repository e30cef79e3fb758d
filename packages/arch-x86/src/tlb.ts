// Models arch/x86/kernel/smp_64.c (2.6.24).
/**
 * TLB shootdown. The flushing CPU drops its own entries, reads who else runs the mm (cpu_vm_mask), and sends each an
 * interrupt; the handler drops the entries there and acknowledges, and the sender waits for all acknowledgements.
 *
 *   sender                      CPU k
 *   clear pte
 *   invlpg
 *   ipi[k]++  ----------------> (between two instructions)
 *                               invlpg
 *   <-------------------------- ipi[k]--
 *   go on
 *
 * The handler's steps are taken by the sender's thread on behalf of CPU k: an interrupt can come between any two of its
 * instructions, and so can these steps. What this leaves out is a CPU that has interrupts off while it spins on a lock
 * that the sender holds.
 */
import { READ, WRITE } from '@mmun/include';
import type { Mm, Step, Task, Vaddr, Vma } from '@mmun/include';
import { localFlushTlbPage, localFlushTlbRange, smpProcessorId } from '@mmun/arch-generic';
import type { ArchMachine } from '@mmun/arch-generic';
import { whereOf } from '@mmun/lib';
import { point } from '@mmun/locking';

/** Beyond every user address. TLB_FLUSH_ALL */
const ALL = 0x1000000000000 as Vaddr;

export function* flushTlbPage(m: ArchMachine, vma: Vma, address: Vaddr): Task<Step> {
  if (m.tlb.entriesPerCpu === 0) return;
  const mm = m.vma.vmMm[vma] as Mm;
  const self = smpProcessorId(m);
  if (m.tlb.activeMm[self] === mm) yield* localFlushTlbPage(m, self, mm, address);
  for (let cpu = 0; cpu < m.tlb.nrCpus; cpu++) {
    if (cpu === self || !(yield* sendIpi(m, cpu, mm))) continue;
    yield* localFlushTlbPage(m, cpu, mm, address);
    yield* ackIpi(m, cpu);
  }
}

export function flushTlbRange(m: ArchMachine, vma: Vma, start: Vaddr, end: Vaddr): Task<Step> {
  return flushRange(m, m.vma.vmMm[vma] as Mm, start, end);
}

export function flushTlbMm(m: ArchMachine, mm: Mm): Task<Step> {
  return flushRange(m, mm, 0 as Vaddr, ALL);
}

/** Deviation: 2.6.24 flushes all of the mm for any range; the entries of the range are what matters here. */
function* flushRange(m: ArchMachine, mm: Mm, start: Vaddr, end: Vaddr): Task<Step> {
  if (m.tlb.entriesPerCpu === 0) return;
  const self = smpProcessorId(m);
  if (m.tlb.activeMm[self] === mm) yield* localFlushTlbRange(m, self, mm, start, end);
  for (let cpu = 0; cpu < m.tlb.nrCpus; cpu++) {
    if (cpu === self || !(yield* sendIpi(m, cpu, mm))) continue;
    yield* localFlushTlbRange(m, cpu, mm, start, end);
    yield* ackIpi(m, cpu);
  }
}

/** @returns false, and sends nothing, where the CPU does not run the mm */
function* sendIpi(m: ArchMachine, cpu: number, mm: Mm): Task<Step, boolean> {
  const { activeMm, ipi } = m.tlb;
  yield* point(m, READ, whereOf(activeMm, cpu));
  if (activeMm[cpu] !== mm) return false;
  yield* point(m, WRITE, whereOf(ipi, cpu));
  ipi[cpu] = ipi[cpu] + 1;
  return true;
}

function* ackIpi(m: ArchMachine, cpu: number): Task<Step> {
  const { ipi } = m.tlb;
  yield* point(m, WRITE, whereOf(ipi, cpu));
  ipi[cpu] = ipi[cpu] - 1;
}
