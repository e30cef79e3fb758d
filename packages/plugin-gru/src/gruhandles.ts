// Models drivers/misc/sgi-gru/gruhandles.h and gru_instructions.h (2.6.27): what the driver has the hardware do.
/**
 * The hardware of a chiplet, one step each.
 *
 * It has no page table, so every miss becomes a fault record that stands until the driver fills it. The one promise that the
 * driver builds on, in place of a sequence count:
 *
 *   driver                                   whoever changes the pte
 *   reads the record: page A, state READ
 *   looks the pte up: frame 7
 *                                            pte changed, invalidate of A: no entry, but the record becomes CANCELLED
 *                                            frame 7 is freed
 *   fills: ignored, the instruction
 *   starts over and misses again
 */
import { READ, WRITE } from '@mmun/include';
import type { Pfn, Step, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { GRU_NUM_TFH, GRU_TLB_ENTRIES, TFH_CANCELLED, TFH_FREE, TFH_MISS, TFH_READ, chipOfCch, hwWhere } from './grutables.js';
import type { Gru } from './grutables.js';

/** An invalidate of the TLB. */
export interface Invalidate {
  readonly chip: number;
  readonly asid: number;
  readonly page: Vaddr;
  readonly nrPages: number;
}

/** A fill of the TLB for the record `tfh`. */
export interface Dropin {
  readonly tfh: number;
  readonly pfn: Pfn;
  readonly isWritable: boolean;
}

/** An instruction of a context: one load, or one increment. @returns the frame, 0 where it is not loaded or has no entry */
export function* gruInstruction(g: Gru, gts: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> {
  g.stat.accesses[0] += 1;
  const cch = yield* placeOf(g, gts);
  if (cch < 0) return 0 as Pfn;
  yield* g.s.step(READ, hwWhere(g, chipOfCch(cch)));
  const entry = g.cch.loaded[cch] === gts ? entryFor(g, cch, address, isWrite) : -1;
  if (entry < 0) return 0 as Pfn;
  g.stat.hits[0] += 1;
  const pfn = g.tlb.pfn[entry] as Pfn;
  const word = g.s.deviceRead(pfn, address);
  if (isWrite) g.s.deviceWrite(pfn, address, word + 1);
  return pfn;
}

/** The instruction misses, and stands still behind a record. @returns the record, -1 where it did not miss or no record is free */
export function* gruMiss(g: Gru, gts: number, page: Vaddr, isWrite: boolean): Task<Step, number> {
  const cch = yield* placeOf(g, gts);
  if (cch < 0) return -1;
  const chip = chipOfCch(cch);
  yield* g.s.step(WRITE, hwWhere(g, chip));
  if (g.cch.loaded[cch] !== gts || entryFor(g, cch, page, isWrite) >= 0) return -1;
  const first = chip * GRU_NUM_TFH;
  for (let tfh = first; tfh < first + GRU_NUM_TFH; tfh++) {
    if (g.tfh.state[tfh] !== TFH_FREE) continue;
    g.tfh.state[tfh] = TFH_MISS;
    g.tfh.cch[tfh] = cch;
    g.tfh.asid[tfh] = g.cch.asid[cch];
    g.tfh.page[tfh] = page;
    g.tfh.isWrite[tfh] = isWrite ? 1 : 0;
    return tfh;
  }
  return -1;
}

/**
 * The driver reads a record. From here on an invalidate of its page has the fill ignored; one that came before does not.
 * @returns the context behind it, 0 where that was unloaded meanwhile
 */
export function* tfhRead(g: Gru, tfh: number): Task<Step, number> {
  yield* g.s.step(WRITE, hwWhere(g, chipOfTfh(tfh)));
  const cch = g.tfh.cch[tfh];
  const isLoaded = g.cch.asid[cch] === g.tfh.asid[tfh] && g.cch.loaded[cch] !== 0;
  g.tfh.state[tfh] = isLoaded ? TFH_READ : TFH_CANCELLED;
  return isLoaded ? g.cch.loaded[cch] : 0;
}

/** Fills the TLB, unless an invalidate or the unloading of the context came first, and lets the instruction start over. tfh_write_restart() */
export function* tfhWriteRestart(g: Gru, { tfh, pfn, isWritable }: Dropin): Task<Step> {
  const chip = chipOfTfh(tfh);
  yield* g.s.step(WRITE, hwWhere(g, chip));
  const isValid = g.tfh.state[tfh] === TFH_READ;
  g.tfh.state[tfh] = TFH_FREE;
  if (!isValid) return;
  const entry = entryToFill(g, chip, g.tfh.asid[tfh], g.tfh.page[tfh] as Vaddr);
  g.tlb.asid[entry] = g.tfh.asid[tfh];
  g.tlb.page[entry] = g.tfh.page[tfh];
  g.tlb.pfn[entry] = pfn;
  g.tlb.isWritable[entry] = isWritable ? 1 : 0;
}

/** Ends the instruction without a fill: with an exception, or to start over. tfh_exception(), tfh_restart() */
export function* tfhEnd(g: Gru, tfh: number): Task<Step> {
  yield* g.s.step(WRITE, hwWhere(g, chipOfTfh(tfh)));
  g.tfh.state[tfh] = TFH_FREE;
}

/** Drops the entries of some pages, and cancels the fills of them that are under way. tgh_invalidate() @returns entries dropped */
export function* tghInvalidate(g: Gru, { chip, asid, page, nrPages }: Invalidate): Task<Step, number> {
  const { maxInval, atMaxInval } = g.options;
  const isAll = nrPages >= maxInval && atMaxInval === 'all';
  const end = isAll ? Infinity : page + Math.min(nrPages, maxInval) * PAGE_BYTES;
  yield* g.s.step(WRITE, hwWhere(g, chip));
  return dropWhere(g, chip, (entryAsid, at) => entryAsid === asid && (isAll || (at >= page && at < end)));
}

/** Drops everything, of all ASIDs. gru_flush_all_tlb() */
export function* tghInvalidateAll(g: Gru, chip: number): Task<Step> {
  yield* g.s.step(WRITE, hwWhere(g, chip));
  dropWhere(g, chip, () => true);
}

/** Loads a context: from now on its instructions run, under this ASID. cch_start() */
export function* cchStart(g: Gru, cch: number, gts: number, asid: number): Task<Step> {
  yield* g.s.step(WRITE, hwWhere(g, chipOfCch(cch)));
  g.cch.loaded[cch] = gts;
  g.cch.asid[cch] = asid;
}

/** Stops it between two instructions; a fill of one that stands still will be ignored. cch_interrupt_sync(), cch_deallocate() */
export function* cchDeallocate(g: Gru, cch: number): Task<Step> {
  const chip = chipOfCch(cch);
  yield* g.s.step(WRITE, hwWhere(g, chip));
  g.cch.loaded[cch] = g.cch.asid[cch] = 0;
  for (let tfh = chip * GRU_NUM_TFH; tfh < (chip + 1) * GRU_NUM_TFH; tfh++) {
    if (g.tfh.state[tfh] === TFH_FREE || g.tfh.cch[tfh] !== cch) continue;
    g.tfh.state[tfh] = TFH_CANCELLED;
    g.tfh.asid[tfh] = 0; // no context runs under it, whoever is loaded here next
  }
}

const PAGE_BYTES = 4096;

/** The row of the CCH that a context is loaded in, as software knows it; -1 where it is in none. */
function* placeOf(g: Gru, gts: number): Task<Step, number> {
  yield* g.s.step(READ, whereOf(g.gts.place, gts));
  return g.gts.place[gts] - 1;
}

function chipOfTfh(tfh: number): number {
  return Math.floor(tfh / GRU_NUM_TFH);
}

/** @returns -1 where no entry allows it */
function entryFor(g: Gru, cch: number, address: Vaddr, isWrite: boolean): number {
  const page = address - (address % PAGE_BYTES);
  const first = chipOfCch(cch) * GRU_TLB_ENTRIES;
  for (let entry = first; entry < first + GRU_TLB_ENTRIES; entry++) {
    const isIt = g.tlb.pfn[entry] !== 0 && g.tlb.asid[entry] === g.cch.asid[cch] && g.tlb.page[entry] === page;
    if (isIt) return isWrite && g.tlb.isWritable[entry] === 0 ? -1 : entry;
  }
  return -1;
}

/** The entry of the page, which a fill replaces; else a free one; else the next in turn. */
function entryToFill(g: Gru, chip: number, asid: number, page: Vaddr): number {
  const first = chip * GRU_TLB_ENTRIES;
  let free = -1;
  for (let entry = first; entry < first + GRU_TLB_ENTRIES; entry++) {
    if (g.tlb.pfn[entry] === 0) {
      if (free < 0) free = entry;
    } else if (g.tlb.asid[entry] === asid && g.tlb.page[entry] === page) return entry;
  }
  if (free >= 0) return free;
  const next = g.chip.tlbNext[chip];
  g.chip.tlbNext[chip] = (next + 1) % GRU_TLB_ENTRIES;
  return first + next;
}

function dropWhere(g: Gru, chip: number, isMeant: (asid: number, page: number) => boolean): number {
  let dropped = 0;
  for (let entry = chip * GRU_TLB_ENTRIES; entry < (chip + 1) * GRU_TLB_ENTRIES; entry++) {
    if (g.tlb.pfn[entry] === 0 || !isMeant(g.tlb.asid[entry], g.tlb.page[entry])) continue;
    g.tlb.pfn[entry] = 0;
    dropped++;
  }
  for (let tfh = chip * GRU_NUM_TFH; tfh < (chip + 1) * GRU_NUM_TFH; tfh++) {
    if (g.tfh.state[tfh] === TFH_READ && isMeant(g.tfh.asid[tfh], g.tfh.page[tfh])) g.tfh.state[tfh] = TFH_CANCELLED;
  }
  return dropped;
}
