// Models kernel/xpmem_main.c and xpmem_mmu_notifier.c (hjelmn/xpmem 242eaa1; ops of the range design, as the 2008 mails asked for).
/**
 * XPMEM as a driver: what it answers mm, and what others ask of it.
 *
 * Instances. `create` opens a thread group over the whole address space, with one segment, one permit and one attachment of a
 * remote partition; its number stands for that attachment too. Further attachments have the number
 *
 *   31                 16 15                 0
 *   |   attachment       |   thread group   |
 */
import { EFAULT } from '@mmun/include';
import type {
  InSrcuRead, KernelServices, MaySleep, Mm, MmuNotifier, OpName, Pfn, RangeNotifierOps, SecondaryCounters, SecondaryDriver, SecondaryMmu, Step, Task,
  TranslationVisitor, UnderPteLock, Vaddr,
} from '@mmun/include';
import { poolIsLive } from '@mmun/lib';
import { areaAddress } from './xpmem-area.js';
import { attachLocal, attachRemote, closeTg, detach, getPermit, makeSegment, openTg, releasePermit, removeSegment } from './xpmem-attach.js';
import { xpmemCalls } from './xpmem-calls.js';
import { faultPage } from './xpmem-fault.js';
import { findEntry, hasEntries, rangeEnded, rangeStarted } from './xpmem-pfn.js';
import { BY_MM, closeRange, lateRecall, recallAll, recallLater, recallRange, remoteRecall } from './xpmem-recall.js';
import { forEachRemote, remoteAccess } from './xpmem-remote.js';
import { ATT_LOCAL, ENTRY_WRITABLE, PROXY_W, faultLockOf, mmOfSeg, proxyPfn, tables, xpmemOf } from './xpmem-private.js';
import type { Xpmem } from './xpmem-private.js';

export interface XpmemDriver extends SecondaryDriver {
  readonly ops: RangeNotifierOps;
  /** Exports `[start, start + lenBytes)` of the instance's process. @returns a segment; -EINVAL, -ENOMEM */
  make(instance: number, start: Vaddr, lenBytes: number): Task<MaySleep, number>;
  /** Withdraws it, attached or not: whoever has attached it sees nothing more. @returns 0, -EINVAL */
  remove(segment: number): Task<MaySleep, number>;
  /** The right to attach a segment. @returns a permit; -EINVAL, -ENOMEM */
  get(segment: number, isWritable: boolean): Task<MaySleep, number>;
  /** @returns 0; -EINVAL, -EBUSY while something is attached by it */
  release(permit: number): Task<MaySleep, number>;
  /** A view from a remote partition. @returns what access and fault take, with addresses of the owner; -EINVAL, -ENOMEM */
  attachRemote(permit: number): Task<MaySleep, number>;
  /**
   * A view from another process of this machine: an area of its address space. Its pages come by `fault`, with addresses of the
   * owner; then the process's CPUs reach them through its own page table, and `access` does not.
   * @returns what fault takes; -EINVAL, -ENOMEM, -ESRCH where that process has ended, -EACCES where it is the owner
   */
  attachLocal(permit: number, mm: Mm): Task<MaySleep, number>;
  /** Where the area of a local attachment has an address of the owner. */
  addressIn(attachment: number, address: Vaddr): Vaddr;
  /** @returns 0, -EINVAL */
  detach(attachment: number): Task<MaySleep, number>;
  /** Recalls that found something to recall, and messages that they sent. */
  recalls(): { readonly recalls: number; readonly messages: number };
}

export interface XpmemMmu extends SecondaryMmu {
  readonly designs: { readonly range: readonly OpName[] };
  attach(services: KernelServices): XpmemDriver;
}

/** Cross-partition memory: what one process exports is mapped elsewhere, and taken back by messages. */
export const xpmem: XpmemMmu = {
  name: 'xpmem',
  designs: { range: ['release', 'invalidateRangeStart', 'invalidateRangeEnd', 'invalidatePage', 'clearFlushYoung'] },
  whyNot: { v5: 'its recall sleeps until other partitions have answered, and v5 calls its ops under the PT lock, where nobody may sleep' },
  tables,
  attach: (services: KernelServices): XpmemDriver => {
    const x = xpmemOf(services);
    x.work.remoteRecall = services.workFunction((message) => remoteRecall(x, message));
    x.work.lateRecall = services.workFunction((tg) => lateRecall(x, tg));
    return driverOf(x);
  },
  calls: xpmemCalls,
};

/** More than any arch has. */
const WHOLE_SPACE = 2 ** 64;

function driverOf(x: Xpmem): XpmemDriver {
  return {
    ops: rangeOps(x),
    own: x,
    create: (mm: Mm): Task<MaySleep, number> => create(x, mm),
    destroy: (instance: number): Task<MaySleep> => closeTg(x, instance),
    fault: (instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> => fault(x, instance, address, isWrite),
    access: (instance: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> => access(x, instance, address, isWrite),
    make: (instance: number, start: Vaddr, lenBytes: number): Task<MaySleep, number> => makeSegment(x, instance, start, start + lenBytes),
    remove: (segment: number): Task<MaySleep, number> => removeSegment(x, segment),
    get: (segment: number, isWritable: boolean): Task<MaySleep, number> => getPermit(x, segment, isWritable),
    release: (permit: number): Task<MaySleep, number> => releasePermit(x, permit),
    * attachRemote(permit: number): Task<MaySleep, number> {
      return idOf(x, yield* attachRemote(x, permit));
    },
    * attachLocal(permit: number, mm: Mm): Task<MaySleep, number> {
      return idOf(x, yield* attachLocal(x, permit, mm));
    },
    addressIn: (attachment: number, address: Vaddr): Vaddr => areaAddress(x, attOf(x, attachment), address),
    detach: (attachment: number): Task<MaySleep, number> => detach(x, attOf(x, attachment)),
    audit: (visit: TranslationVisitor): void => { audit(x, visit); },
    counters: (): SecondaryCounters => ({
      faults: x.stat.faults[0], accesses: x.stat.accesses[0], hits: x.stat.hits[0], invalidations: x.stat.invalidations[0], pins: x.stat.pins[0],
    }),
    recalls: () => ({ recalls: x.stat.recalls[0], messages: x.stat.messages[0] }),
  };
}

/** changePte is absent: the start has recalled the page. */
function rangeOps(x: Xpmem): RangeNotifierOps {
  return {
    * release(mn: MmuNotifier, _mm: Mm): Task<InSrcuRead> {
      yield* recallAll(x, x.s.notifierInstance(mn));
    },
    * invalidateRangeStart(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr, isBlockable: boolean): Task<InSrcuRead> {
      const tg = x.s.notifierInstance(mn);
      const range = isBlockable ? yield* recallRange(x, tg, start, end, BY_MM, 0) : yield* closeRange(x, tg, start, end);
      yield* rangeStarted(x, tg, range);
    },
    * invalidateRangeEnd(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
      yield* rangeEnded(x, x.s.notifierInstance(mn), start, end);
    },
    * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
      yield* recallLater(x, x.s.notifierInstance(mn), address);
    },
    * clearFlushYoung(mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock, number> {
      return (yield* isMapped(x, x.s.notifierInstance(mn), start, end)) ? 1 : 0;
    },
  };
}

/** The other side is not asked how young a page is: while it has it, it is pinned, and to unmap it would gain nothing. */
function* isMapped(x: Xpmem, tg: number, start: Vaddr, end: Vaddr): Task<Step, boolean> {
  const lock = faultLockOf(x, tg);
  let isThere = false;
  yield* x.s.spinLock(lock);
  for (let seg = x.tg.segs[tg]; seg !== 0 && !isThere; seg = x.seg.next[seg]) isThere = hasEntries(x, seg, start, end);
  yield* x.s.spinUnlock(lock);
  return isThere;
}

/** xpmem_open(), xpmem_make(), xpmem_get() and xpmem_attach() in one. */
function* create(x: Xpmem, mm: Mm): Task<MaySleep, number> {
  const tg = yield* openTg(x, mm);
  if (tg < 0) return tg;
  const seg = yield* makeSegment(x, tg, 0 as Vaddr, WHOLE_SPACE);
  const permit = seg < 0 ? seg : yield* getPermit(x, seg, true);
  const att = permit < 0 ? permit : yield* attachRemote(x, permit);
  if (att > 0) {
    x.tg.att[tg] = att;
    return tg;
  }
  yield* closeTg(x, tg);
  return att;
}

function* fault(x: Xpmem, instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const att = attOf(x, instance);
  return att === 0 ? -EFAULT : yield* faultPage(x, att, address, isWrite);
}

function* access(x: Xpmem, instance: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> {
  const att = attOf(x, instance);
  x.stat.accesses[0] += 1;
  return att === 0 || x.att.kind[att] === ATT_LOCAL ? (0 as Pfn) : yield* remoteAccess(x, att, address, isWrite);
}

/** Every pinned page, and what a partition still has of one that is not. */
function audit(x: Xpmem, visit: TranslationVisitor): void {
  for (let row = 1; row <= x.entryPool.head.bump[0]; row++) {
    if (!poolIsLive(x.entryPool, row)) continue;
    const seg = x.entry.seg[row];
    visit(x.seg.tg[seg], mmOfSeg(x, seg), x.entry.page[row] as Vaddr, x.entry.pfn[row] as Pfn, (x.entry.flags[row] & ENTRY_WRITABLE) !== 0);
  }
  forEachRemote(x, (att, page, word) => {
    const seg = x.att.seg[att];
    const entry = findEntry(x, seg, page);
    if (entry === 0 || x.entry.pfn[entry] !== proxyPfn(word)) visit(x.seg.tg[seg], mmOfSeg(x, seg), page, proxyPfn(word), (word & PROXY_W) !== 0);
  });
}

/** @param instance of create, or of an attachment @returns 0 where there is none any more */
function attOf(x: Xpmem, instance: number): number {
  const att = instance < ATTACHMENT ? x.tg.att[instance] : Math.floor(instance / ATTACHMENT);
  return att !== 0 && poolIsLive(x.attPool, att) ? att : 0;
}

function idOf(x: Xpmem, att: number): number {
  return att < 0 ? att : att * ATTACHMENT + x.seg.tg[x.att.seg[att]];
}

const ATTACHMENT = 2 ** 16;
