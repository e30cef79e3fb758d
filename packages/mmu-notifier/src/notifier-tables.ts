// Models struct mmu_notifier_mm and struct mmu_notifier of include/linux/mmu_notifier.h (4.12; users as in 5.4).
/**
 * What the range design adds to a machine, and how its lists are read.
 *
 *   mm row   isSet: someone has registered once     first ─> mn ─> 0       mmuNotifierHead: mm->mmu_notifier_mm
 *   mn row   ops, instance, users                                          mmuNotifier
 */
import { READ } from '@mmun/include';
import type { MaySleep, Mm, MmuNotifier, NotifierCounts, NotifierOps, Pte, RangeNotifierOps, Step, Task, Vaddr } from '@mmun/include';
import { bugOn, poolIsLive, reserve, reservePool, viewPool, viewTable, whereOf } from '@mmun/lib';
import type { Layout, Pool, Reserved, ReservedPool, Table } from '@mmun/lib';
import { hlistFirst, hlistNext, point, reserveSrcu, viewSrcu } from '@mmun/locking';
import type { LockingMachine, ReservedSrcu, SrcuMachine } from '@mmun/locking';
import { listHead, mmuNotifierAlloc as allocRow } from './notifier-rows.js';
import type { NotifierConfig } from './surface.js';

/** struct mmu_notifier_mm, one row per mm. */
const headSpec = {
  /** mm->mmu_notifier_mm != NULL: stays set after the last one unregistered. @guardedBy registration, all rmap locks held */
  isSet: 'u32',
  /** @guardedBy lock for writers, SRCU for walkers. */
  first: 'u32',
  lock: 'i32',
} as const;

/** struct mmu_notifier. */
const notifierSpec = {
  /** Which ops; constant while the notifier lives. */
  ops: 'u32',
  /** The row of the driver's own table that this notifier belongs to. */
  instance: 'u32',
  /** Of one that mmu_notifier_get made: the address space it is registered with. Constant while it is. */
  mm: 'u32',
  /** @guardedBy head.lock. Gets without their put; 0 where register made it. */
  users: 'u32',
  /** @guardedBy as head.first. */
  next: 'u32', pprev: 'u32',
} as const;

const countSpec = {
  invalidateRangeStart: 'f64', invalidateRangeEnd: 'f64', invalidatePage: 'f64', clearFlushYoung: 'f64', changePte: 'f64', release: 'f64',
} as const;

/** The ops as the walk calls them; the labels of contexts are yielded by nobody. */
export interface CalledOps {
  readonly release?: (mn: MmuNotifier, mm: Mm) => Task<MaySleep>;
  readonly invalidateRangeStart?: (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr, isBlockable: boolean) => Task<MaySleep, number | void>;
  readonly invalidateRangeEnd?: (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr) => Task<MaySleep>;
  readonly invalidatePage?: (mn: MmuNotifier, mm: Mm, address: Vaddr) => Task<Step>;
  readonly clearFlushYoung?: (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr) => Task<Step, number>;
  readonly changePte?: (mn: MmuNotifier, mm: Mm, address: Vaddr, pte: Pte) => Task<Step>;
  readonly allocNotifier?: (mm: Mm) => Task<MaySleep, number>;
  readonly freeNotifier?: (mn: MmuNotifier) => Task<Step>;
}

/** What this design adds to a machine. */
export interface NotifierMachine extends Pick<SrcuMachine, 'srcu'> {
  readonly notifierHead: Table<typeof headSpec>;
  readonly notifier: Table<typeof notifierSpec>;
  readonly notifierPool: Pool;
  readonly notifierCount: Table<typeof countSpec>;
  /** Entry 0 is unused. Grows at attach only. */
  readonly notifierOps: CalledOps[];
}

export interface ReservedNotifier {
  readonly head: Reserved<typeof headSpec>;
  readonly notifier: Reserved<typeof notifierSpec>;
  readonly pool: ReservedPool;
  readonly count: Reserved<typeof countSpec>;
  readonly srcu: ReservedSrcu;
}

/** A machine that can lock and has this design's tables. */
export type NotifierHost = LockingMachine & NotifierMachine;

export function reserveNotifier(layout: Layout, config: NotifierConfig): ReservedNotifier {
  return {
    head: reserve(layout, 'mmuNotifierHead', config.nrMms + 1, headSpec),
    notifier: reserve(layout, 'mmuNotifier', config.nrNotifiers + 1, notifierSpec),
    pool: reservePool(layout, 'mmuNotifier', config.nrNotifiers + 1),
    count: reserve(layout, 'mmuNotifierCount', 1, countSpec),
    srcu: reserveSrcu(layout, config, config.nrNotifiers),
  };
}

export function viewNotifier(buffer: ArrayBuffer, reserved: ReservedNotifier): NotifierMachine {
  return {
    notifierHead: viewTable(buffer, reserved.head), notifier: viewTable(buffer, reserved.notifier), notifierPool: viewPool(buffer, reserved.pool),
    notifierCount: viewTable(buffer, reserved.count), notifierOps: [{}], srcu: viewSrcu(buffer, reserved.srcu),
  };
}

/** A new mm starts without, also after fork. */
export function mmuNotifierMmInit(m: NotifierHost, mm: Mm): void {
  m.notifierHead.isSet[mm] = 0;
  m.notifierHead.first[mm] = 0;
  m.notifierHead.lock[mm] = 0;
}

/** Makes ops known to the machine; at attach. @returns what mmuNotifierAlloc takes */
export function addNotifierOps(m: NotifierHost, ops: NotifierOps): number {
  return m.notifierOps.push(ops as RangeNotifierOps as CalledOps) - 1;
}

/** The notifier that C embeds in a driver's struct. @returns 0 where all are in use */
export function mmuNotifierAlloc(m: NotifierHost, ops: number, instance: number): MmuNotifier {
  const mn = allocRow(m, ops, instance);
  if (mn === 0) return mn;
  m.notifier.mm[mn] = 0;
  m.notifier.users[mn] = 0;
  return mn;
}

/** Ops called since boot, by kind. */
export function notifierCounts(m: NotifierHost): NotifierCounts | null {
  const { invalidatePage, clearFlushYoung, release, invalidateRangeStart, invalidateRangeEnd, changePte } = m.notifierCount;
  return {
    invalidatePage: invalidatePage[0], invalidatePages: 0, agePage: clearFlushYoung[0], release: release[0],
    invalidateRangeStart: invalidateRangeStart[0], invalidateRangeEnd: invalidateRangeEnd[0], changePte: changePte[0],
  };
}

/** One read where nobody ever registered. */
export function* mmHasNotifiers(m: NotifierHost, mm: Mm): Task<Step, boolean> {
  yield* point(m, READ, whereOf(m.notifierHead.isSet, mm));
  return m.notifierHead.isSet[mm] !== 0;
}

export function* firstOf(m: NotifierHost, mm: Mm): Task<Step, MmuNotifier> {
  return (yield* hlistFirst(m, listHead(m, mm))) as MmuNotifier;
}

export function* nextOf(m: NotifierHost, mn: MmuNotifier): Task<Step, MmuNotifier> {
  return (yield* hlistNext(m, m.notifier, mn)) as MmuNotifier;
}

/** mn->ops: a read of the notifier, which whoever freed it too early takes away. */
export function* opsOf(m: NotifierHost, mn: MmuNotifier): Task<Step, CalledOps> {
  yield* point(m, READ, whereOf(m.notifier.ops, mn));
  bugOn(!poolIsLive(m.notifierPool, mn), 'range-notifier-use-after-free');
  return m.notifierOps[m.notifier.ops[mn]];
}
