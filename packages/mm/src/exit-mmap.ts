// Models exit_mmap of mm/mmap.c (2.6.24).
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { mmuNotifierRelease, mmuNotifierReleaseEarly } from '#mmu-notifier';
import { TASK_SIZE } from '#asm';
import { freePgtables, unmapVmas } from './memory.js';
import type { Machine } from './mm-types.js';
import { tlbFinishMmu, tlbGatherMmu } from './mmu-gather.js';
import { removeVma, unlinkVma } from './vma.js';

/**
 * Tears an address space down that nobody uses any more. The secondary MMUs are told once: by v5 after the pages and the
 * page tables have gone, by the range design while all is still mapped.
 * @context process, no lock held; may sleep
 */
export function* exitMmap(m: Machine, mm: Mm): Task<MaySleep> {
  yield* mmuNotifierReleaseEarly(m, mm);
  const first = m.mm.mmap[mm] as Vma;
  if (first !== 0) {
    yield* tlbGatherMmu(m, mm, true);
    yield* unmapVmas(m, first, 0 as Vaddr, TASK_SIZE);
    for (let vma = first; vma !== 0; vma = m.vma.vmNext[vma] as Vma) yield* unlinkVma(m, vma);
    yield* freePgtables(m, mm, 0 as Vaddr, TASK_SIZE, 0 as Vaddr, TASK_SIZE);
    yield* tlbFinishMmu(m);
  }
  yield* mmuNotifierRelease(m, mm);
  let vma = first;
  while (vma !== 0) {
    const next = m.vma.vmNext[vma] as Vma;
    yield* removeVma(m, vma);
    vma = next;
  }
  m.mm.mmap[mm] = m.mm.vmaRoot[mm] = m.mm.mapCount[mm] = 0;
}
