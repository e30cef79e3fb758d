/** The wrong ones of history, each a few lines around the right one: hjelmn/xpmem 242eaa1 as it is, SGI's of early 2008, and what v5 would make of it. */
import { PAGE_SIZE } from '@mmun/include';
import type { InSrcuRead, KernelServices, MaySleep, Mm, MmuNotifier, MmuNotifierOps, Mutex, SecondaryMmu, Step, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { xpmem } from '@mmun/plugin-xpmem';
import type { XpmemMmu } from '@mmun/plugin-xpmem';

function* nothing(): Task<Step> {
  // nop
}

type RangeOp = (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr, isBlockable: boolean) => Task<InSrcuRead, number | void>;

interface Brackets {
  readonly start: RangeOp;
  readonly end: RangeOp;
}

/** XPMEM with other brackets; `s` are the services that the recall sees. */
function bracketed(change: (usual: Brackets, s: KernelServices) => Brackets, services: (s: KernelServices) => KernelServices = (s) => s): XpmemMmu {
  return {
    ...xpmem,
    attach: (s) => {
      const driver = xpmem.attach(services(s));
      const { invalidateRangeStart, invalidateRangeEnd, ...ops } = driver.ops;
      const { start, end } = change({ start: invalidateRangeStart as RangeOp, end: invalidateRangeEnd as RangeOp }, s);
      return { ...driver, ops: { ...ops, invalidateRangeStart: start, invalidateRangeEnd: end as never } };
    },
  };
}

/** The recall comes when all is over. What hjelmn/xpmem does. */
const atTheEnd = ({ start, end }: Brackets): Brackets => ({
  * start(): Task<InSrcuRead> {
    // nop
  },
  * end(mn: MmuNotifier, mm: Mm, from: Vaddr, to: Vaddr): Task<InSrcuRead> {
    yield* start(mn, mm, from, to, true);
    yield* end(mn, mm, from, to, true);
  },
});

export const onlyRangeEnd: XpmemMmu = bracketed(atTheEnd);

/** The pages are let go when the message is sent: first unpinned and then zapped, as hjelmn/xpmem has it in xpmem_clear_PTEs_of_att. */
export const unpinBeforeZap: XpmemMmu = bracketed(atTheEnd, (s) => ({ ...s, waitEvent: nothing as never }));

/** Callbacks of threads that are not the owner's are dropped: `seg_tg->tgid != current->tgid`. */
export const ignoresOthers: XpmemMmu = bracketed(({ start, end }, s) => ({
  * start(mn: MmuNotifier, mm: Mm, from: Vaddr, to: Vaddr, isBlockable: boolean): Task<InSrcuRead> {
    if (s.currentMm() === mm) yield* start(mn, mm, from, to, isBlockable);
  },
  * end(mn: MmuNotifier, mm: Mm, from: Vaddr, to: Vaddr, isBlockable: boolean): Task<InSrcuRead> {
    if (s.currentMm() === mm) yield* end(mn, mm, from, to, isBlockable);
  },
}));

/** `start <= seg_end && end >= seg_start`: a page more on either side. */
export const inclusiveOverlap: XpmemMmu = bracketed(({ start, end }) => ({
  * start(mn: MmuNotifier, mm: Mm, from: Vaddr, to: Vaddr, isBlockable: boolean): Task<InSrcuRead> {
    yield* start(mn, mm, (from - PAGE_SIZE) as Vaddr, (to + PAGE_SIZE) as Vaddr, isBlockable);
  },
  * end(mn: MmuNotifier, mm: Mm, from: Vaddr, to: Vaddr, isBlockable: boolean): Task<InSrcuRead> {
    yield* end(mn, mm, (from - PAGE_SIZE) as Vaddr, (to + PAGE_SIZE) as Vaddr, isBlockable);
  },
}));

const otherMutexSpec = { mutex: 'i32' } as const;

/** att->mutex for the fault, att->invalidate_mutex for the invalidation. Two drivers over the same tables. */
export const faultUnderOtherMutex: XpmemMmu = {
  ...xpmem,
  tables: (config) => ({ ...xpmem.tables(config), other: { rows: 1, spec: otherMutexSpec } }),
  attach: (s) => {
    const { mutex } = s.table('other', otherMutexSpec);
    const faulting = xpmem.attach({ ...s, mutexAt: (): Mutex => s.mutexAt(mutex, 0) });
    const driver = xpmem.attach(s);
    return { ...driver, fault: faulting.fault };
  },
};

/** A mutex held over getUserPages, and taken by the start that comes out of it: 20080201220952.GA3875. */
export const mutexOverGup: XpmemMmu = {
  ...xpmem,
  tables: faultUnderOtherMutex.tables,
  attach: (s) => {
    const { mutex } = s.table('other', otherMutexSpec);
    const driver = xpmem.attach(s);
    const { invalidateRangeStart, ...ops } = driver.ops;
    return {
      ...driver,
      * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
        yield* s.mutexLock(s.mutexAt(mutex, 0));
        const result = yield* driver.fault(instance, address, isWrite);
        yield* s.mutexUnlock(s.mutexAt(mutex, 0));
        return result;
      },
      ops: {
        ...ops,
        * invalidateRangeStart(mn: MmuNotifier, mm: Mm, from: Vaddr, to: Vaddr, isBlockable: boolean): Task<InSrcuRead> {
          yield* s.mutexLock(s.mutexAt(mutex, 0));
          yield* (invalidateRangeStart as RangeOp)(mn, mm, from, to, isBlockable);
          yield* s.mutexUnlock(s.mutexAt(mutex, 0));
        },
      },
    };
  },
};

/** The recall with v5's ops around it, which only a cast allows: they are called under the PT lock. */
export const forcedUnderV5: SecondaryMmu = {
  ...xpmem,
  designs: { v5: ['release', 'invalidatePage', 'invalidatePages'] },
  attach: (s) => {
    const driver = xpmem.attach({ ...s, * srcuReadLock(): Task<Step, number> { return 0; }, srcuReadUnlock: nothing, synchronizeSrcu: s.synchronizeRcu as never });
    const { release, invalidateRangeStart, invalidateRangeEnd } = driver.ops;
    function* recall(mn: MmuNotifier, mm: Mm, from: Vaddr, to: Vaddr): Task<UnderPteLock> {
      yield* (invalidateRangeStart as RangeOp)(mn, mm, from, to, true) as Task<UnderPteLock>;
      yield* (invalidateRangeEnd as RangeOp)(mn, mm, from, to, true) as Task<UnderPteLock>;
    }
    const ops: MmuNotifierOps = {
      release: release as never,
      invalidatePage: (mn, mm, address) => recall(mn, mm, address, (address + PAGE_SIZE) as Vaddr),
      invalidatePages: recall,
    };
    return { ...driver, ops };
  },
};
