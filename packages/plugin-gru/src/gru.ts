// Models drivers/misc/sgi-gru (2.6.27), what the GRU is to the rest of the system.
/** The plugin: contexts of processes on chiplets whose TLBs follow the page tables of the processes. */
import type { KernelServices, MaySleep, Mm, OpName, Pfn, SecondaryCounters, SecondaryDriver, SecondaryMmu, Step, Task, TranslationVisitor, Vaddr } from '@mmun/include';
import { poolIsLive } from '@mmun/lib';
import { gruCalls } from './grucalls.js';
import { gruHandleMiss, gruUserFlushTlb } from './grufault.js';
import { gruClose, gruOpen, unregisterHeld } from './grufile.js';
import { gruInstruction } from './gruhandles.js';
import { GMS_CLOSED, GRU_CHIPLETS, GRU_NUM_CCH, GRU_TLB_ENTRIES, gruOf, gtsOf, instanceOf, mmOf, tables } from './grutables.js';
import type { Gru, GruOptions } from './grutables.js';
import { endOfOneSide, rangeOps, v5Ops } from './grutlbpurge.js';

export interface GruDriver extends SecondaryDriver {
  /** The process has its context forget `lenBytes` from `start` on. gru_user_flush_tlb() */
  userFlush(instance: number, start: Vaddr, lenBytes: number): Task<MaySleep>;
}

export interface GruMmu extends SecondaryMmu {
  readonly designs: { readonly v5: readonly OpName[]; readonly range: readonly OpName[] };
  attach(services: KernelServices): GruDriver;
}

/** The GRU with other hardware, or another way to hear of misses; `gru:polling` is the name of one in polling mode. */
export function gruWith(options: GruOptions): GruMmu {
  return {
    name: options.mode === 'polling' ? 'gru:polling' : 'gru',
    designs: {
      v5: ['release', 'invalidatePage', 'invalidatePages'],
      range: ['release', 'invalidateRangeStart', 'invalidateRangeEnd', 'invalidatePage'],
    },
    tables,
    attach: (services: KernelServices): GruDriver => driverOf(gruOf(services, options)),
    calls: gruCalls,
  };
}

/** Global Reference Unit: an instance is a context, those of one address space share a notifier. */
export const gru: GruMmu = /* @__PURE__ */ gruWith({});

function driverOf(g: Gru): GruDriver {
  return {
    ops: g.s.design === 'v5' ? v5Ops(g) : rangeOps(g),
    own: g,
    create: (mm: Mm): Task<MaySleep, number> => gruOpen(g, mm),
    destroy: (instance: number): Task<MaySleep> => destroyContext(g, gtsOf(g, instance)),
    fault: (instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> => gruHandleMiss(g, gtsOf(g, instance), address, isWrite),
    access: (instance: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> => gruInstruction(g, gtsOf(g, instance), address, isWrite),
    userFlush: (instance: number, start: Vaddr, lenBytes: number): Task<MaySleep> => gruUserFlushTlb(g, gtsOf(g, instance), start, lenBytes),
    audit: (visit: TranslationVisitor): void => { forEachEntry(g, visit); },
    counters: (): SecondaryCounters => ({
      faults: g.stat.faults[0], accesses: g.stat.accesses[0], hits: g.stat.hits[0], invalidations: g.stat.invalidations[0], pins: 0,
    }),
  };
}

/** gru_drop_mmu_notifier() for the last context of an address space. As with KVM, v5 unregisters only while that cannot end. */
function* destroyContext(g: Gru, gts: number): Task<MaySleep> {
  const gms = yield* gruClose(g, gts);
  if (gms === 0) return;
  const mm = mmOf(g, gms);
  if (g.s.design !== 'v5') {
    yield* unregisterHeld(g, gms);
    return;
  }
  if (!(yield* g.s.mmgetNotZero(mm))) {
    yield* endOfOneSide(g, gms, GMS_CLOSED);
    return;
  }
  yield* unregisterHeld(g, gms);
  yield* g.s.mmput(mm);
}

/** Entries whose ASID some context runs under, or would again as soon as it is loaded. The others cannot be reached. */
function forEachEntry(g: Gru, visit: TranslationVisitor): void {
  for (let chip = 0; chip < GRU_CHIPLETS; chip++) {
    for (let entry = chip * GRU_TLB_ENTRIES; entry < (chip + 1) * GRU_TLB_ENTRIES; entry++) {
      if (g.tlb.pfn[entry] === 0) continue;
      const gts = contextUnder(g, chip, g.tlb.asid[entry]);
      if (gts === 0) continue;
      visit(instanceOf(g, gts), mmOf(g, g.gts.gms[gts]), g.tlb.page[entry] as Vaddr, g.tlb.pfn[entry] as Pfn, g.tlb.isWritable[entry] !== 0);
    }
  }
}

/** A context that reaches the entries of an ASID; 0 where none does. */
function contextUnder(g: Gru, chip: number, asid: number): number {
  for (let cch = chip * GRU_NUM_CCH; cch < (chip + 1) * GRU_NUM_CCH; cch++) if (g.cch.loaded[cch] !== 0 && g.cch.asid[cch] === asid) return g.cch.loaded[cch];
  for (let gts = 1; gts < g.gtsPool.capacity; gts++) {
    const gms = g.gts.gms[gts];
    const row = gms * GRU_CHIPLETS + chip;
    const wouldGetIt = poolIsLive(g.gtsPool, gts) && g.gms.isReleased[gms] === 0 && g.gmsAsid.asid[row] === asid && g.gmsAsid.asidGen[row] === g.chip.asidGen[chip];
    if (wouldGetIt) return gts;
  }
  return 0;
}
