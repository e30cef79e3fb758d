// Models kernel/xpmem_private.h (hjelmn/xpmem 242eaa1; PFN table and proxies as the 2008 mails describe them).
/**
 * The tables of XPMEM. A process exports a part of itself, and others map it:
 *
 *   tg ──> seg ──> entry  (PFN table: one pinned page each)          the process that owns the memory
 *   │       └──> att ──> proxy ──> tlb                               a remote partition, with entries of its own
 *   │            att ──> tg, and ptes of a VM_PFNMAP area            another process of this machine
 *   └──> range  (changes of mm under way), fault  (faults under way)
 *
 * A remote partition's proxy entry is one word, so that its hardware and its kernel change it at once:
 *
 *   31                        4  3   2   1   0
 *   |          pfn            | D | - | W | P |
 *
 * Lock order: mmap_sem, rmap locks > seg.mutex > ptl > tg.faultLock, att.lock.
 */
import type { KernelServices, MachineConfig, Mm, MmuNotifier, Mutex, Pfn, SecondaryTable, Spinlock, Table, TableSpec } from '@mmun/include';
import { POOL_HEAD_SPEC, POOL_ROW_SPEC } from '@mmun/lib';
import type { HlistNodes, Pool } from '@mmun/lib';

export const PROXY_P = 1;
export const PROXY_W = 2;
export const PROXY_D = 8;
export const PROXY_PFN_SHIFT = 4;

/** Values of att.kind. */
export const ATT_REMOTE = 1;
export const ATT_LOCAL = 2;

/** Bits of tg.state. The process has ended, or nobody wants to see its memory any more: no fault makes an entry. */
export const TG_RELEASED = 1;
export const TG_CLOSED = 2;

/** Bits of entry.flags. */
export const ENTRY_WRITABLE = 1;
/** Some recall has taken it: nobody uses it any more, and the recall drops its page. */
export const ENTRY_RECALLED = 2;
/** mm took the page where nobody may sleep: a recall comes later. */
export const ENTRY_LATE = 4;

/** Values of range.state. */
export const RANGE_STARTING = 1;
export const RANGE_STARTED = 2;

/** TLB entries of a remote partition's CPU. */
export const TLB_ENTRIES = 4;

/** struct xpmem_thread_group: a process that exports memory, or one that another's is attached to. */
const tgSpec = {
  /** Pinned by mm_count only, so that the process can end first. */
  mm: 'u32',
  mn: 'u32',
  /** Guards all below, and the entries of the segments. Below the PT lock. */
  faultLock: 'i32',
  state: 'u32',
  /** Readers are ops, in their SRCU read section, or hold faultLock. */
  segs: 'u32',
  faults: 'u32', ranges: 'u32',
  /** Ranges under way for which no row was left. */
  nrBlind: 'u32',
  /** The attachment that goes by the number of the tg. */
  att: 'u32',
  /** Faults under way: who closes waits for them. Areas being cleared: who ends waits for those. */
  nrFaults: 'u32', nrZaps: 'u32',
} as const;

const segSpec = {
  tg: 'u32',
  start: 'f64', end: 'f64',
  /** Guards the attachments, and that an entry and what is made from it appear together. May sleep. */
  mutex: 'i32',
  atts: 'u32', nrPermits: 'u32',
  /** @guardedBy tg.faultLock */
  isRemoved: 'u32', entries: 'u32', orphans: 'u32', next: 'u32',
} as const;

/** struct xpmem_access_permit. 0 attachments: can be released. */
const permitSpec = { seg: 'u32', isWritable: 'u32', nrAtts: 'u32' } as const;

/** struct xpmem_attachment. */
const attSpec = {
  permit: 'u32', seg: 'u32', kind: 'u32',
  /** Guards proxies and TLB of a remote partition: a lock on the other side. */
  lock: 'i32',
  proxies: 'u32',
  next: 'u32', pprev: 'u32',
  /** Of a local one: the attaching tg, and where its area lies. */
  tg: 'u32', at: 'f64',
} as const;

/** A page of a segment, pinned once. @guardedBy tg.faultLock, and for those who add one also seg.mutex */
const entrySpec = {
  seg: 'u32', page: 'f64', pfn: 'u32', flags: 'u32',
  /** The other side has written. @guardedBy att.lock until the answer, then the recall's own */
  isDirty: 'u32',
  /** The recall that has taken it. */
  range: 'u32',
  next: 'u32', pprev: 'u32', segNext: 'u32', segPprev: 'u32',
} as const;

const proxySpec = { att: 'u32', page: 'f64', word: 'u32', entry: 'u32', next: 'u32', pprev: 'u32', attNext: 'u32', attPprev: 'u32' } as const;
/** Row TLB_ENTRIES * att + page % TLB_ENTRIES. */
const tlbSpec = { page: 'f64', word: 'u32' } as const;
/** A fault under way; isRetry: mm has changed its page since it began. */
const faultSpec = { page: 'f64', isRetry: 'u32', next: 'u32', pprev: 'u32' } as const;
/** A range under way, or a recall; `pending` answers are still to come. */
const rangeSpec = { start: 'f64', end: 'f64', state: 'u32', pending: 'u32', next: 'u32', pprev: 'u32' } as const;
const hashSpec = { first: 'u32' } as const;
const statSpec = { faults: 'f64', accesses: 'f64', hits: 'f64', invalidations: 'f64', pins: 'f64', recalls: 'f64', messages: 'f64' } as const;

/** The plugin on one machine: services, columns, numbers of its work functions. Nothing in it ever changes after attach. */
export interface Xpmem {
  readonly s: KernelServices;
  readonly words: Int32Array;
  readonly tg: Table<typeof tgSpec>; readonly tgPool: Pool;
  readonly seg: Table<typeof segSpec>; readonly segPool: Pool;
  readonly permit: Table<typeof permitSpec>; readonly permitPool: Pool;
  readonly att: Table<typeof attSpec>; readonly attPool: Pool;
  readonly entry: Table<typeof entrySpec>; readonly entryPool: Pool; readonly bySeg: HlistNodes; readonly entryHash: Table<typeof hashSpec>;
  readonly proxy: Table<typeof proxySpec>; readonly proxyPool: Pool; readonly byAtt: HlistNodes; readonly proxyHash: Table<typeof hashSpec>;
  readonly tlb: Table<typeof tlbSpec>;
  readonly fault: Table<typeof faultSpec>; readonly faultPool: Pool;
  readonly range: Table<typeof rangeSpec>; readonly rangePool: Pool;
  readonly stat: Table<typeof statSpec>;
  /** Numbers of work functions: what a partition does with a message, and the recall that mm could not wait for. */
  readonly work: { remoteRecall: number; lateRecall: number };
}

export function tables(config: MachineConfig): Readonly<Record<string, SecondaryTable>> {
  const rows = rowsOf(config);
  const pooled = (name: string, nr: number, spec: TableSpec): Record<string, SecondaryTable> => ({
    [name]: { rows: nr, spec }, [`${name}Pool`]: { rows: nr, spec: POOL_ROW_SPEC }, [`${name}PoolHead`]: { rows: 1, spec: POOL_HEAD_SPEC },
  });
  return {
    ...pooled('tg', rows.tg, tgSpec), ...pooled('seg', rows.seg, segSpec), ...pooled('permit', rows.att, permitSpec), ...pooled('att', rows.att, attSpec),
    ...pooled('entry', rows.page, entrySpec), ...pooled('proxy', rows.page, proxySpec), ...pooled('fault', rows.fault, faultSpec), ...pooled('range', rows.range, rangeSpec),
    entryHash: { rows: hashSize(rows.page), spec: hashSpec }, proxyHash: { rows: hashSize(rows.page), spec: hashSpec },
    tlb: { rows: rows.att * TLB_ENTRIES, spec: tlbSpec },
    stat: { rows: 1, spec: statSpec },
  };
}

export function xpmemOf(s: KernelServices): Xpmem {
  const rows = rowsOf(s.config);
  const pool = (name: string, capacity: number): Pool => ({ rows: s.table(`${name}Pool`, POOL_ROW_SPEC), head: s.table(`${name}PoolHead`, POOL_HEAD_SPEC), capacity });
  const entry = s.table('entry', entrySpec);
  const proxy = s.table('proxy', proxySpec);
  return {
    s, words: new Int32Array(entry.flags.buffer as ArrayBuffer),
    tg: s.table('tg', tgSpec), tgPool: pool('tg', rows.tg),
    seg: s.table('seg', segSpec), segPool: pool('seg', rows.seg),
    permit: s.table('permit', permitSpec), permitPool: pool('permit', rows.att),
    att: s.table('att', attSpec), attPool: pool('att', rows.att),
    entry, entryPool: pool('entry', rows.page), bySeg: { next: entry.segNext, pprev: entry.segPprev }, entryHash: s.table('entryHash', hashSpec),
    proxy, proxyPool: pool('proxy', rows.page), byAtt: { next: proxy.attNext, pprev: proxy.attPprev }, proxyHash: s.table('proxyHash', hashSpec),
    tlb: s.table('tlb', tlbSpec),
    fault: s.table('fault', faultSpec), faultPool: pool('fault', rows.fault),
    range: s.table('range', rangeSpec), rangePool: pool('range', rows.range),
    stat: s.table('stat', statSpec),
    work: { remoteRecall: 0, lateRecall: 0 },
  };
}

export function mmOfSeg(x: Xpmem, seg: number): Mm {
  return x.tg.mm[x.seg.tg[seg]] as Mm;
}

export function notifierOf(x: Xpmem, tg: number): MmuNotifier {
  return x.tg.mn[tg] as MmuNotifier;
}

export function mutexOf(x: Xpmem, seg: number): Mutex {
  return x.s.mutexAt(x.seg.mutex, seg);
}

export function faultLockOf(x: Xpmem, tg: number): Spinlock {
  return x.s.spinlockAt(x.tg.faultLock, tg);
}

export function proxyPfn(word: number): Pfn {
  return (word >>> PROXY_PFN_SHIFT) as Pfn;
}

/** `[start, end)` and `[from, to)` have a page in common. */
export function rangesOverlap(start: number, end: number, from: number, to: number): boolean {
  return start < to && from < end;
}

/** Where a page of a table hangs in a hash of `size` buckets. */
export function bucketIndex(row: number, page: number, size: number): number {
  const mixed = Math.imul(page / 4096, 0x9e3779b1) ^ Math.imul(row, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) & (size - 1);
}

interface Rows {
  readonly tg: number;
  readonly seg: number;
  readonly att: number;
  readonly page: number;
  readonly fault: number;
  readonly range: number;
}

/** Every thread can be in one fault, and in a range inside of a range. */
function rowsOf({ nrNotifiers, nrFrames, nrTasks }: MachineConfig): Rows {
  return { tg: nrNotifiers + 1, seg: 2 * nrNotifiers + 1, att: 2 * nrNotifiers + 1, page: nrFrames + 1, fault: nrTasks + 1, range: 2 * nrTasks + nrNotifiers + 1 };
}

function hashSize(nrPages: number): number {
  let size = 16;
  while (size < nrPages) size *= 2;
  return size;
}
