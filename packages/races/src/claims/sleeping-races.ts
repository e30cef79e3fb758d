/** Claims about those who must sleep, and about the design that lets them. */
import type { InSrcuRead, KernelServices, MaySleep, Mm, MmuNotifier, MmuNotifierOps, Mutex, RangeNotifierOps, SecondaryMmu, Step, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { kvm } from '@mmun/plugin-kvm';
import { defineRace } from '../define.js';
import type { Race } from '../define.js';
import { RANGE, mutexOf, rangeOps, tinyMmu } from '../drivers/tiny-mmu.js';
import type { Tiny } from '../drivers/tiny-mmu.js';
import { onePage } from '../set-ups.js';
import type { Page } from '../set-ups.js';

/** Listens to the end alone and holds no page: what the model of XPMEM is without its pins. */
const endOnly: SecondaryMmu = tinyMmu('end-only', {
  designs: RANGE,
  drive: (t: Tiny) => {
    const ops = rangeOps(t);
    return {
      ops: {
        ...ops,
        * invalidateRangeStart(): Task<Step> { /* nothing goes before the end */ },
        * invalidateRangeEnd(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
          yield* ops.invalidateRangeStart(mn, mm, start, end, true) as Task<InSrcuRead>;
          yield* ops.invalidateRangeEnd(mn, mm, start, end);
        },
      },
    };
  },
});

/** The right one: the start takes everything away and keeps faults out, and no page is held. */
const startAndEnd: SecondaryMmu = tinyMmu('start-and-end', { designs: RANGE, drive: (t: Tiny) => ({ ops: rangeOps(t) }) });

/** A message to another partition has to be sent, and answered: under a mutex. */
function* recall(s: KernelServices, mutex: Mutex): Task<MaySleep> {
  yield* s.mutexLock(mutex);
  yield* s.mutexUnlock(mutex);
}

const sleepsInV5: SecondaryMmu = tinyMmu('sleeps-in-v5', {
  designs: { v5: ['release', 'invalidatePage', 'invalidatePages'] },
  drive: (t: Tiny) => {
    const ops = rangeOps(t);
    const v5: MmuNotifierOps = {
      release: ops.release as NonNullable<MmuNotifierOps['release']>,
      * invalidatePage(mn: MmuNotifier, mm: Mm, address: Vaddr): Task<UnderPteLock> {
        // a cast, or it would not compile
        yield* recall(t.s, mutexOf(t, t.s.notifierInstance(mn))) as unknown as Task<UnderPteLock>;
        yield* ops.invalidatePage(mn, mm, address);
      },
      * invalidatePages(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock> {
        for (let at: number = start; at < end; at += 4096) yield* ops.invalidatePage(mn, mm, at as Vaddr);
      },
    };
    return { ops: v5 };
  },
});

const sleepsInRange: SecondaryMmu = tinyMmu('sleeps-in-range', {
  designs: RANGE,
  drive: (t: Tiny) => {
    const ops: Required<Pick<RangeNotifierOps, 'release' | 'invalidateRangeStart' | 'invalidateRangeEnd' | 'invalidatePage'>> = rangeOps(t);
    return {
      ops: {
        ...ops,
        * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
          yield* recall(t.s, mutexOf(t, t.s.notifierInstance(mn))) as Task<InSrcuRead>;
          yield* ops.invalidateRangeStart(mn, mm, start, end, true) as Task<InSrcuRead>;
        },
      },
    };
  },
});

export const sleepingRaces: readonly Race[] = [
  defineRace<Page>({
    id: 'end-without-pin', title: 'a driver that holds no page and listens to the end alone', source: '20080131171806.GN7185@v2.random',
    finds: ['stale-translation', 'stale-after-return', 'incoherent'], config: { tlbEntries: 0 },
    variants: { buggy: { plugin: endOnly, image: 'toy-range' }, fixed: { plugin: startAndEnd, image: 'toy-range' }, kvm: { plugin: kvm, image: 'toy-range' } },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.read(a) },
  }),
  defineRace<Page>({
    id: 'recall-under-a-mutex', title: 'a driver that must sleep to take its entries away', source: '20080131171806.GN7185@v2.random', finds: ['sleep-in-atomic'],
    variants: { buggy: { plugin: sleepsInV5 }, fixed: { plugin: sleepsInRange, image: 'toy-range' } },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.read(a) },
  }),
] as unknown as readonly Race[];
