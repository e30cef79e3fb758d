// Models include/asm-generic/tlb.h (2.6.24), mm/mmu_gather.c today.
/**
 * What leaves the page tables may be freed only when no CPU translates by it. A gather collects pages and table pages of
 * one thread; when it is full or finished it flushes the mm's TLB entries and then gives all of them back.
 *
 * Where nothing is cached (`tlbEntries` 0) pages go at once, as 2.6.24 does with a single CPU: tlb_fast_mode.
 */
import type { Mm, Pfn, Pgtable, Step, Task } from '@mmun/include';
import { bugOn } from '@mmun/lib';
import { current, waitForReaders } from '@mmun/locking';
import { HAVE_RCU_TABLE_FREE, PGTABLES_PER_PAGE, TLB_GATHERS_PAGES, archTlbGatherMmu, tlbFlush } from '#asm';
import type { Machine } from './mm-types.js';
import { freeTable, pteFree } from './pgalloc.js';
import { freePageAndSwapCache } from './swapfile.js';

/** The current thread starts to gather. @param isFull the whole mm goes: no CPU uses its tables */
export function* tlbGatherMmu(m: Machine, mm: Mm, isFull: boolean): Task<Step> {
  const { mmuGather } = m;
  const row = current(m);
  bugOn(mmuGather.mm[row] !== 0, 'gather-nested');
  mmuGather.mm[row] = mm;
  mmuGather.nr[row] = 0;
  mmuGather.hasTable[row] = 0;
  mmuGather.isFull[row] = (yield* archTlbGatherMmu(m, mm, isFull)) ? 1 : 0;
}

/** The mm that the current thread gathers for, 0 if none. */
export function tlbGathering(m: Machine): Mm {
  return m.mmuGather.mm[current(m)] as Mm;
}

/** tlb->fullmm */
export function tlbIsFull(m: Machine): boolean {
  return m.mmuGather.isFull[current(m)] !== 0;
}

/** Hands over the reference that a pte held, or a table page. @context any, ptl held or not */
export function* tlbRemovePage(m: Machine, pfn: Pfn): Task<Step> {
  if (m.gatherPages === 0 || !TLB_GATHERS_PAGES) yield* release(m, pfn);
  else yield* gather(m, pfn);
}

/** Hands over a table page that nothing leads to any more. pmd_free_tlb(), tlb_remove_table() @context process, no spinlock held */
export function* tlbRemoveTable(m: Machine, table: Pfn): Task<Step> {
  m.mmuGather.hasTable[current(m)] = 1;
  if (m.gatherPages === 0) yield* release(m, table);
  else yield* gather(m, table);
}

/** The same for a table of ptes, which may be a part of a page. pte_free_tlb() @context process, no spinlock held */
export function* tlbRemovePgtable(m: Machine, table: Pgtable): Task<Step> {
  yield* tlbRemoveTable(m, (PGTABLES_PER_PAGE === 1 ? table : table + lastPfn(m)) as number as Pfn);
}

/**
 * Flushes, then frees what was gathered; with tables among it, after all who may walk them.
 * Deviation: it waits for walkers in place, as the kernel does where it has no page to batch tables in (tlb_remove_table_one).
 * Deviation: it flushes although no page was gathered, where the kernel asks need_flush; the zero page is gathered nowhere.
 */
export function* tlbFlushMmu(m: Machine): Task<Step> {
  const { mmuGather, gatherPages } = m;
  const row = current(m);
  yield* tlbFlush(m, mmuGather.mm[row] as Mm, mmuGather.isFull[row] !== 0, mmuGather.hasTable[row] !== 0);
  const nr = mmuGather.nr[row];
  mmuGather.nr[row] = 0;
  if (HAVE_RCU_TABLE_FREE && mmuGather.hasTable[row] !== 0) yield* waitForReaders(m);
  mmuGather.hasTable[row] = 0;
  for (let i = 0; i < nr; i++) yield* release(m, mmuGather.pages[row * gatherPages + i] as Pfn);
}

/** @context process */
export function* tlbFinishMmu(m: Machine): Task<Step> {
  yield* tlbFlushMmu(m);
  m.mmuGather.mm[current(m)] = 0;
}

function* gather(m: Machine, pfn: Pfn): Task<Step> {
  const { mmuGather, gatherPages } = m;
  const row = current(m);
  if (mmuGather.nr[row] === gatherPages) yield* tlbFlushMmu(m);
  mmuGather.pages[row * gatherPages + mmuGather.nr[row]] = pfn;
  mmuGather.nr[row] = mmuGather.nr[row] + 1;
}

/** @param pfn a frame, a table page, or behind all of these a part of a page of tables */
function* release(m: Machine, pfn: Pfn): Task<Step> {
  if (PGTABLES_PER_PAGE > 1 && pfn > lastPfn(m)) yield* pteFree(m, tlbGathering(m), (pfn - lastPfn(m)) as number as Pgtable);
  else if (pfn > m.bootConfig.nrFrames) yield* freeTable(m, pfn);
  else yield* freePageAndSwapCache(m, pfn);
}

function lastPfn(m: Machine): number {
  return m.bootConfig.nrFrames + m.bootConfig.nrTables;
}
