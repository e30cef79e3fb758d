// Models drivers/misc/sgi-gru/grutables.h (2.6.27; where 6.12 differs, said so).
/**
 * The tables of the GRU, hardware and driver.
 *
 *   chip   a chiplet: one TLB for all of its contexts, context handles (CCH), fault records (TFH), one handle for
 *          invalidates (TGH), and the numbers (ASIDs) by which its TLB tells address spaces apart
 *   gms    what the driver keeps per address space: the notifier, an ASID per chiplet, how many ranges are under way
 *   gts    a context of a process: which CCH it is loaded in, if any
 *
 *      mm ──> gms ──┬── gts ── cch 0 of chip 0 ─┐ same ASID on chip 0
 *                   ├── gts ── cch 2 of chip 0 ─┘
 *                   └── gts    not loaded
 *
 * The hardware of a chiplet does one thing at a time. Each of these is one step at the word `chip.hw`, whatever it reads and
 * writes beside it: an instruction, a miss, a read of a fault record, a fill, an invalidate, the loading of a context.
 *
 * Lock order: the driver's mutex > mmap_sem > ctxLock > PT lock > chip.lock > gms.asidLock > chip.asidLock > tghLock.
 */
import type { KernelServices, MachineConfig, Mm, MmuNotifier, Mutex, SecondaryTable, Spinlock, Table, Where } from '@mmun/include';
import { POOL_HEAD_SPEC, POOL_ROW_SPEC, bugOn, poolIsLive, whereOf } from '@mmun/lib';
import type { Pool } from '@mmun/lib';

/** Chiplets of a machine; real ones have two per blade. */
export const GRU_CHIPLETS = 2;
/** Context handles of a chiplet. GRU_NUM_CCH, of which there are 16 */
export const GRU_NUM_CCH = 4;
/** Fault records of a chiplet: one for each instruction that can be under way. GRU_NUM_TFM, of which there are 128 */
export const GRU_NUM_TFH = 4;
/** Entries of a TLB. */
export const GRU_TLB_ENTRIES = 8;
/** Pages that one invalidate can name. */
export const GRUMAXINVAL = 1024;

/** ASIDs: 24 bits in steps of 8, 2 million of them; here seven, so that they run out often. */
export const MIN_ASID = 8;
export const ASID_INC = 8;
export const MAX_ASID = 64;

/** States of a fault record. */
export const TFH_FREE = 0;
/** The instruction stands still and nobody has looked at the record. TFHSTATE_MISS_FMM */
export const TFH_MISS = 1;
/** The driver has read it: from now on an invalidate of its page has the fill ignored. */
export const TFH_READ = 2;
/** The fill will be ignored. */
export const TFH_CANCELLED = 3;

/** Bits of gms.state. */
/** release has run to its end. */
export const GMS_RELEASED = 1;
/** The last context is closed. */
export const GMS_CLOSED = 2;

const chipSpec = {
  /** The word at which all that the hardware does takes place. */
  hw: 'u32',
  /** Guards cch.gts. gs_lock */
  lock: 'i32',
  /** Guards asid, asidLimit, asidGen, and gmsAsid.ctxMap of this chiplet against being set. gs_asid_lock */
  asidLock: 'i32',
  /** The last ASID that was given out, where the next one in use begins, and how often they ran out. */
  asid: 'u32', asidLimit: 'u32', asidGen: 'u32',
  /** Held while an invalidate is under way. Deviation: 24 handles, some private to a CPU. */
  tghLock: 'i32',
  /** The entry that is replaced next. */
  tlbNext: 'u32',
} as const;

/** Row GRU_TLB_ENTRIES * chip + entry; pfn 0: empty. */
const tlbSpec = { asid: 'u32', page: 'f64', pfn: 'u32', isWritable: 'u32' } as const;

/** Row GRU_NUM_CCH * chip + cch. */
const cchSpec = {
  /** @guardedBy chip.lock. The context that has the handle. gs_gts */
  gts: 'u32',
  /** The hardware's: the context that is loaded, and its ASID; 0 none. */
  loaded: 'u32', asid: 'u32',
} as const;

/** Row GRU_NUM_TFH * chip + tfh. All of it the hardware's. */
const tfhSpec = { state: 'u32', cch: 'u32', asid: 'u32', page: 'f64', isWrite: 'u32' } as const;

/** struct gru_mm_struct */
const gmsSpec = {
  mm: 'u32',
  mn: 'u32',
  /** Guards the gmsAsid rows of it, isReleased and state. ms_asid_lock */
  asidLock: 'i32',
  /** Ranges between their start and end. ms_range_active */
  rangeActive: 'u32',
  /** @guardedBy asidLock. The address space has ended: no context is loaded any more. ms_released */
  isReleased: 'u32', state: 'u32',
  /** @guardedBy driver.mutex. Contexts, and: the last of them is closed. */
  nrContexts: 'u32', isClosing: 'u32',
  /** Chiplets where it has an ASID. @guardedBy asidLock for setting. ms_asidmap */
  asidMap: 'u32',
} as const;

/** struct gru_mm_tracker; row GRU_CHIPLETS * gms + chip. */
const gmsAsidSpec = {
  asid: 'u32', asidGen: 'u32',
  /** CCHs of the chiplet that hold a context of it. mt_ctxbitmap */
  ctxMap: 'u32',
} as const;

/** struct gru_thread_state */
const gtsSpec = {
  gms: 'u32',
  /** A mutex: guards `place`. ts_ctxlock */
  ctxLock: 'i32',
  /** 1 + row of the CCH, 0 where it is not loaded. The hardware reads it without the lock. */
  place: 'u32',
  /** @guardedBy ctxLock. It is closed, and what it shared with others may be gone. */
  isClosed: 'u32',
} as const;

const driverSpec = {
  /** Guards which gms and gts there are. */
  mutex: 'i32',
} as const;

const statSpec = { faults: 'f64', accesses: 'f64', hits: 'f64', invalidations: 'f64' } as const;

/** What a driver for the GRU is told of the machine, and of how it is to work. */
export interface GruOptions {
  /**
   * How misses reach the driver. `interrupt` tries in the interrupt and leaves to the process what may sleep, `polling` (UPM) has
   * the process ask for everything.
   */
  readonly mode?: 'interrupt' | 'polling';
  /** Pages that one invalidate can name; GRUMAXINVAL. */
  readonly maxInval?: number;
  /**
   * What an invalidate of that many pages does, which the driver's source does not say: `all` drops every page of the ASID, so
   * that one is enough for any range; `pages` drops what it names, so that a range takes as many as it takes.
   */
  readonly atMaxInval?: 'all' | 'pages';
}

/** The plugin on one machine: the services and the columns. Nothing in it ever changes. */
export interface Gru {
  readonly s: KernelServices;
  readonly options: Required<GruOptions>;
  readonly chip: Table<typeof chipSpec>;
  readonly tlb: Table<typeof tlbSpec>;
  readonly cch: Table<typeof cchSpec>;
  readonly tfh: Table<typeof tfhSpec>;
  readonly gms: Table<typeof gmsSpec>;
  readonly gmsPool: Pool;
  readonly gmsAsid: Table<typeof gmsAsidSpec>;
  readonly gts: Table<typeof gtsSpec>;
  readonly gtsPool: Pool;
  readonly driver: Table<typeof driverSpec>;
  readonly stat: Table<typeof statSpec>;
}

export function tables(config: MachineConfig): Readonly<Record<string, SecondaryTable>> {
  const { nrGms, nrGts } = capacities(config);
  return {
    chip: { rows: GRU_CHIPLETS, spec: chipSpec },
    tlb: { rows: GRU_CHIPLETS * GRU_TLB_ENTRIES, spec: tlbSpec },
    cch: { rows: GRU_CHIPLETS * GRU_NUM_CCH, spec: cchSpec },
    tfh: { rows: GRU_CHIPLETS * GRU_NUM_TFH, spec: tfhSpec },
    gms: { rows: nrGms, spec: gmsSpec }, gmsPool: { rows: nrGms, spec: POOL_ROW_SPEC }, gmsPoolHead: { rows: 1, spec: POOL_HEAD_SPEC },
    gmsAsid: { rows: nrGms * GRU_CHIPLETS, spec: gmsAsidSpec },
    gts: { rows: nrGts, spec: gtsSpec }, gtsPool: { rows: nrGts, spec: POOL_ROW_SPEC }, gtsPoolHead: { rows: 1, spec: POOL_HEAD_SPEC },
    driver: { rows: 1, spec: driverSpec },
    stat: { rows: 1, spec: statSpec },
  };
}

export function gruOf(s: KernelServices, { mode = 'interrupt', maxInval = GRUMAXINVAL, atMaxInval = 'all' }: GruOptions): Gru {
  const { nrGms, nrGts } = capacities(s.config);
  return {
    s,
    options: { mode, maxInval, atMaxInval },
    chip: s.table('chip', chipSpec),
    tlb: s.table('tlb', tlbSpec),
    cch: s.table('cch', cchSpec),
    tfh: s.table('tfh', tfhSpec),
    gms: s.table('gms', gmsSpec),
    gmsPool: { rows: s.table('gmsPool', POOL_ROW_SPEC), head: s.table('gmsPoolHead', POOL_HEAD_SPEC), capacity: nrGms },
    gmsAsid: s.table('gmsAsid', gmsAsidSpec),
    gts: s.table('gts', gtsSpec),
    gtsPool: { rows: s.table('gtsPool', POOL_ROW_SPEC), head: s.table('gtsPoolHead', POOL_HEAD_SPEC), capacity: nrGts },
    driver: s.table('driver', driverSpec),
    stat: s.table('stat', statSpec),
  };
}

/**
 * Contexts and address spaces are numbered in one row, address spaces first: the notifier belongs to the latter, an instance
 * is one of the former.
 */
export function instanceOf(g: Gru, gts: number): number {
  return g.gmsPool.capacity + gts - 1;
}

export function gtsOf(g: Gru, instance: number): number {
  return instance - g.gmsPool.capacity + 1;
}

/** The address space of a notifier. It is freed when nobody can call its ops any more, so each op is a proof that it lives. */
export function gmsOfNotifier(g: Gru, mn: MmuNotifier): number {
  const gms = g.s.notifierInstance(mn);
  assertLive(g, gms);
  return gms;
}

export function assertLive(g: Gru, gms: number): void {
  bugOn(!poolIsLive(g.gmsPool, gms), 'gru-gms-use-after-free');
}

export function mmOf(g: Gru, gms: number): Mm {
  return g.gms.mm[gms] as Mm;
}

export function notifierOf(g: Gru, gms: number): MmuNotifier {
  return g.gms.mn[gms] as MmuNotifier;
}

export function chipOfCch(cch: number): number {
  return Math.floor(cch / GRU_NUM_CCH);
}

/** The bit of a CCH in ctxMap. */
export function ctxBit(cch: number): number {
  return 1 << (cch % GRU_NUM_CCH);
}

export function driverMutexOf(g: Gru): Mutex {
  return g.s.mutexAt(g.driver.mutex, 0);
}

export function ctxLockOf(g: Gru, gts: number): Mutex {
  return g.s.mutexAt(g.gts.ctxLock, gts);
}

export function chipLockOf(g: Gru, chip: number): Spinlock {
  return g.s.spinlockAt(g.chip.lock, chip);
}

export function chipAsidLockOf(g: Gru, chip: number): Spinlock {
  return g.s.spinlockAt(g.chip.asidLock, chip);
}

export function gmsAsidLockOf(g: Gru, gms: number): Spinlock {
  return g.s.spinlockAt(g.gms.asidLock, gms);
}

/** Where the hardware of a chiplet does what it does. */
export function hwWhere(g: Gru, chip: number): Where {
  return whereOf(g.chip.hw, chip);
}

function capacities(config: MachineConfig): { readonly nrGms: number; readonly nrGts: number } {
  return { nrGms: config.nrNotifiers + 1, nrGts: 2 * config.nrNotifiers + 1 };
}
