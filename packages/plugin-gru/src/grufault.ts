// Models drivers/misc/sgi-gru/grufault.c (2.6.27).
/**
 * From a fault record to an entry of the TLB, in an interrupt or for the process that asks.
 *
 *   interrupt                                process (user polling mode)
 *   mmap_sem, if nobody writes               mmap_sem, the context's lock
 *   record, ranges, pte without a lock       waits until no range is under way
 *   what does not fit: leaves it to  ───>    record, ranges, pte without a lock,
 *   the process                              else get_user_pages, and the reference given back at once
 *
 * Read the record, then look whether a range is under way, then look the pte up: in this order, see grutlbpurge.ts.
 */
import { EAGAIN, EFAULT, ESRCH, PTE_LOOKUP_DIRTY, PTE_LOOKUP_WRITE, READ, VM_IO, VM_PFNMAP, VM_READ, VM_WRITE } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Step, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { gruMiss, tfhEnd, tfhRead, tfhWriteRestart } from './gruhandles.js';
import { gruFault } from './grumain.js';
import { ctxLockOf, mmOf } from './grutables.js';
import type { Gru } from './grutables.js';
import { gruFlushTlbRange } from './grutlbpurge.js';

/** Where an instruction stands still. */
interface Miss {
  readonly gts: number;
  readonly gms: number;
  readonly tfh: number;
  readonly page: Vaddr;
  readonly isWrite: boolean;
}

/** What became of a record besides 0 and errnos: the process must ask. */
const UPM = 1;

/** Turns of the process, each after some range was over. */
const MAX_TURNS = 4;

/** The instruction at `address` misses, and the driver answers. @returns as SecondaryDriver.fault */
export function* gruHandleMiss(g: Gru, gts: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  g.stat.faults[0] += 1;
  const gms = g.gts.gms[gts];
  const mm = mmOf(g, gms);
  // a context belongs to a thread of the process, which holds the address space while it waits for its instruction
  if (!(yield* g.s.mmgetNotZero(mm))) return -ESRCH;
  const result = yield* loadAndAnswer(g, gts, gms, { page: (address - (address % PAGE_BYTES)) as Vaddr, isWrite });
  yield* g.s.mmput(mm);
  return result === -EAGAIN ? 0 : result;
}

const PAGE_BYTES = 4096;

function* loadAndAnswer(g: Gru, gts: number, gms: number, { page, isWrite }: Pick<Miss, 'page' | 'isWrite'>): Task<MaySleep, number> {
  const error = yield* gruFault(g, gts);
  if (error !== 0) return error;
  const tfh = yield* gruMiss(g, gts, page, isWrite);
  if (tfh < 0) return 0; // it found an entry after all, or was unloaded, or has to wait for a record
  const miss: Miss = { gts, gms, tfh, page, isWrite };
  const result = g.options.mode === 'interrupt' ? yield* gruIntr(g, miss) : UPM;
  return result === UPM ? yield* gruHandleUserCallOs(g, miss) : result;
}

/** The interrupt of a miss: whatever may sleep is left to the process. @context interrupt */
function* gruIntr(g: Gru, miss: Miss): Task<Step, number> {
  const mm = mmOf(g, miss.gms);
  if (!(yield* g.s.mmapReadTrylock(mm))) return UPM;
  const pfn = yield* lookUp(g, miss);
  const result = pfn === UPM_PFN ? UPM : yield* settle(g, miss, pfn);
  yield* g.s.mmapReadUnlock(mm);
  return result;
}

/** gru_handle_user_call_os(), gru_user_dropin() @context process */
function* gruHandleUserCallOs(g: Gru, miss: Miss): Task<MaySleep, number> {
  const mm = mmOf(g, miss.gms);
  const lock = ctxLockOf(g, miss.gts);
  yield* g.s.mmapReadLock(mm);
  yield* g.s.mutexLock(lock);
  let result = UPM;
  for (let turn = 0; result === UPM && turn < MAX_TURNS; turn++) {
    if (g.s.design === 'range') yield* g.s.waitEvent(g.gms.rangeActive, miss.gms, -1, 0);
    result = yield* userDropin(g, miss);
  }
  if (result === UPM) yield* tfhEnd(g, miss.tfh);
  yield* g.s.mutexUnlock(lock);
  yield* g.s.mmapReadUnlock(mm);
  return result === UPM ? -EAGAIN : result;
}

/** gru_try_dropin() where it may sleep. @locks mmap_sem R, ctxLock */
function* userDropin(g: Gru, miss: Miss): Task<MaySleep, number> {
  let pfn = yield* lookUp(g, miss);
  if (pfn === UPM_PFN) {
    if (yield* isRangeActive(g, miss.gms)) return UPM;
    pfn = yield* nonAtomicPteLookup(g, mmOf(g, miss.gms), miss);
  }
  return yield* settle(g, miss, pfn);
}

/** Not to be found without sleeping, or not now. No errno, no frame. */
const UPM_PFN = -0x10000;

/** gru_try_dropin() as far as it goes without sleeping. @locks mmap_sem R @returns a frame, -EAGAIN, -EFAULT or UPM_PFN */
function* lookUp(g: Gru, { gms, tfh, page, isWrite }: Miss): Task<Step, number> {
  const gts = yield* tfhRead(g, tfh);
  if (gts === 0) return -EAGAIN; // the context was unloaded: its instruction will start over
  if (yield* isRangeActive(g, gms)) return UPM_PFN;
  const mm = mmOf(g, gms);
  const vmFlags = g.s.vmaFlagsAt(mm, page);
  if (vmFlags < 0 || (vmFlags & (VM_IO | VM_PFNMAP)) !== 0 || (vmFlags & (isWrite ? VM_WRITE : VM_READ)) === 0) return -EFAULT;
  return yield* atomicPteLookup(g, mm, page, isWrite);
}

/** The hardware keeps no dirty mark, so whoever fills for a write must find the pte dirty, or dirty the page. */
function* atomicPteLookup(g: Gru, mm: Mm, page: Vaddr, isWrite: boolean): Task<Step, number> {
  const found = yield* g.s.atomicPteLookup(mm, page);
  const needed = isWrite ? PTE_LOOKUP_WRITE | PTE_LOOKUP_DIRTY : 0;
  return found === 0 || (found & needed) !== needed ? UPM_PFN : Math.floor(found / 4);
}

/** The page is brought in as for the process, and its reference given back at once: the record protects the fill, not the page. */
function* nonAtomicPteLookup(g: Gru, mm: Mm, { page, isWrite }: Miss): Task<MaySleep, number> {
  const pfn = yield* g.s.getUserPagesLocked(mm, page, isWrite);
  if (pfn > 0) {
    if (isWrite) yield* g.s.setPageDirty(pfn as Pfn);
    yield* g.s.putPage(pfn as Pfn);
  }
  return pfn;
}

/** A frame fills the TLB, an error ends the instruction. @returns 0 or the error */
function* settle(g: Gru, { tfh, isWrite }: Miss, pfn: number): Task<Step, number> {
  if (pfn > 0) yield* tfhWriteRestart(g, { tfh, pfn: pfn as Pfn, isWritable: isWrite });
  else yield* tfhEnd(g, tfh);
  return Math.min(pfn, 0);
}

/** v5 has no ranges. */
function* isRangeActive(g: Gru, gms: number): Task<Step, boolean> {
  if (g.s.design !== 'range') return false;
  yield* g.s.step(READ, whereOf(g.gms.rangeActive, gms));
  return g.gms.rangeActive[gms] !== 0;
}

/**
 * The process asks for some of its entries to be dropped. What the context shares with others lives at least as long as its
 * lock is held: 1926ee85a90 let that go first. gru_user_flush_tlb()
 * @param lenBytes not the end, which v2.6.27 passed
 */
export function* gruUserFlushTlb(g: Gru, gts: number, start: Vaddr, lenBytes: number): Task<MaySleep> {
  const lock = ctxLockOf(g, gts);
  yield* g.s.mutexLock(lock);
  if (g.gts.isClosed[gts] === 0) yield* gruFlushTlbRange(g, g.gts.gms[gts], start, lenBytes);
  yield* g.s.mutexUnlock(lock);
}
