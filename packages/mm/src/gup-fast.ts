// Models get_user_pages_fast of mm/gup.c (6.18).
/**
 * From an address of the current process to a frame, without a lock where the page is there already.
 *
 * What keeps the walk sound. Tables: whoever frees one has waited for walkers, by the IPI that a CPU with interrupts off
 * does not take (x86), or as for RCU readers (HAVE_RCU_TABLE_FREE). Pages: a reference is only taken where there is one, and
 * then the pte is looked at again; if it still says the same, it said so when the reference was taken, and who clears it
 * now finds a reference that it does not know.
 *
 *   walker                               munmap, reclaim
 *   pte: frame P
 *                                        pte: none; P freed, and given to someone else
 *   reference to P, whoever has it
 *   pte: no longer P
 *   reference given back, slow way
 *
 * gup-fast.race.spec.ts shows it, and what becomes of it without each of the three.
 *
 * Not here: FOLL_PIN, whose count fork asks for; so a page taken for writing can become one that a child shares.
 * Where no TLB is modelled (tlbEntries 0) nobody waits for anybody before a page is freed, so all goes the slow way.
 */
import { EFAULT, READ } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Pgtable, Pmdp, Ptep, Step, Task, Vaddr } from '@mmun/include';
import { bugOn, poolIsLive, whereOf } from '@mmun/lib';
import { downRead, point, refcountAt, refcountIncNotZero, touch, upRead } from '@mmun/locking';
import {
  PTRS_PER_PMD, PTRS_PER_PUD, gupFastBegin, gupFastEnd, pgdNone, pgdOffset, pgdPage, pmdHuge, pmdNone, pmdOffset, pmdPage, pmdPgtable, pteOffset, ptePfn, ptePresent, pteSame,
  pteWrite, ptepGet, pudNone, pudOffset, pudPage, smpProcessorId, whereOfSlot,
} from '#asm';
import { getUserPage } from './gup.js';
import { currentMm, mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { putPage } from './swap.js';

/**
 * The frame behind an address of the current process, with a reference.
 * @context process, no lock held; may sleep @returns the frame, -EFAULT (also for a thread without an address space) or -ENOMEM
 */
export function* getUserPagesFast(m: Machine, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const mm = currentMm(m);
  if (mm === 0) return -EFAULT;
  const pfn = m.gatherPages === 0 ? 0 : yield* lockless(m, mm, address, isWrite);
  if (pfn !== 0) return pfn;
  const mmapSem = mmapSemOf(m, mm);
  yield* downRead(m, mmapSem);
  const result = yield* getUserPage(m, mm, address, isWrite);
  yield* upRead(m, mmapSem);
  return result;
}

/** @returns 0 where only the slow way knows */
function* lockless(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean): Task<Step, number> {
  const cpu = smpProcessorId(m);
  yield* gupFastBegin(m, cpu, mm);
  const pmdp = yield* gupPmd(m, mm, address);
  const pfn = pmdp === 0 ? 0 : yield* gupPte(m, pmdp, address, isWrite);
  yield* gupFastEnd(m, cpu);
  return pfn;
}

/** Each level that is not folded is a read of its own. @returns 0 where there is no table of ptes */
function* gupPmd(m: Machine, mm: Mm, address: Vaddr): Task<Step, Pmdp> {
  const none = 0 as Pmdp;
  const pgdp = pgdOffset(m, mm, address);
  if (PTRS_PER_PUD > 1) yield* point(m, READ, whereOfSlot(m, pgdp));
  if (pgdNone(m, pgdp)) return none;
  if (PTRS_PER_PUD > 1) tableIsLive(m, pgdPage(m, pgdp));
  const pudp = pudOffset(m, pgdp, address);
  if (PTRS_PER_PMD > 1) yield* point(m, READ, whereOfSlot(m, pudp));
  if (pudNone(m, pudp)) return none;
  if (PTRS_PER_PMD > 1) tableIsLive(m, pudPage(m, pudp));
  const pmdp = pmdOffset(m, pudp, address);
  yield* point(m, READ, whereOfSlot(m, pmdp));
  return pmdNone(m, pmdp) || pmdHuge(m, pmdp) ? none : pmdp;
}

/** gup_fast_pte_range() for one page. @context gupFastBegin @holds pmdp was not none in the step under way */
function* gupPte(m: Machine, pmdp: Pmdp, address: Vaddr, isWrite: boolean): Task<Step, number> {
  const table = pmdPgtable(m, pmdp);
  const page = pmdPage(m, pmdp);
  const ptep = pteOffset(m, pmdp, address);
  yield* point(m, READ, whereOfSlot(m, ptep));
  tableIsLive(m, page);
  const pte = ptepGet(m, ptep);
  if (!ptePresent(pte) || (isWrite && !pteWrite(pte))) return 0;
  const pfn = ptePfn(pte);
  if (!(yield* refcountIncNotZero(m, refcountAt(m.page.refcount, pfn)))) return 0;
  const isSame = (yield* isStillPmd(m, pmdp, table)) && (yield* isStillPte(m, ptep, pte));
  // Deviation: no special bit in the pte; a page that belongs to no file and to no anon_vma is a driver's, or the zero page
  if (isSame && m.page.mapping[pfn] !== 0) return pfn;
  yield* putPage(m, pfn);
  return 0;
}

function* isStillPmd(m: Machine, pmdp: Pmdp, table: Pgtable): Task<Step, boolean> {
  yield* point(m, READ, whereOfSlot(m, pmdp));
  return !pmdNone(m, pmdp) && pmdPgtable(m, pmdp) === table;
}

function* isStillPte(m: Machine, ptep: Ptep, pte: ReturnType<typeof ptepGet>): Task<Step, boolean> {
  yield* point(m, READ, whereOfSlot(m, ptep));
  return pteSame(ptepGet(m, ptep), pte);
}

/** What the walk stands on has not been freed under it. */
function tableIsLive(m: Machine, table: Pfn): void {
  const index = table - m.bootConfig.nrFrames;
  touch(m, READ, whereOf(m.tablePool.rows.gen, index));
  bugOn(!poolIsLive(m.tablePool, index), 'gup-fast-walks-freed-table');
}
