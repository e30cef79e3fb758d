/**
 * mmu_interval_notifier of Linux 5.5, over the start and end of design `range`: a driver subscribes to a range of addresses.
 *
 *   state    lock, seq (odd: ranges are under way), active: how many
 *   sub row  start, end, isIn: in the tree; isLeaving: to be taken out when nothing is under way; isAlive: not freed
 *
 * What comes or goes while ranges are under way is put off until the last of them ends; remove waits for that.
 */
import { READ, WRITE } from '@mmun/include';
import type { InSrcuRead, MaySleep, Mm, MmuNotifier, SecondaryDriver, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { kernelAssert } from '../assertion.js';
import { RANGE, rangeOps, tinyMmu } from './tiny-mmu.js';
import type { TinyMmu } from './tiny-mmu.js';

const treeSpec = { lock: 'i32', seq: 'u32', active: 'u32', start: 'f64', end: 'f64', isIn: 'u32', isLeaving: 'u32', isAlive: 'u32' } as const;

/** Subscriptions; row 0 is the state of the tree. */
const NR_SUBS = 3;

export interface IntervalDriver extends SecondaryDriver {
  /** mmu_interval_notifier_insert(), before anything is under way. @returns a subscription */
  insert(start: Vaddr, end: Vaddr): number;
  /** mmu_interval_notifier_remove(), and the caller's kfree(). */
  removeAndFree(sub: number): Task<MaySleep>;
}

/** @param readsUnderLock what remove waits for is looked at with the lock held (319561669a59) */
export function intervalNotifier(readsUnderLock: boolean): TinyMmu<IntervalDriver> {
  return tinyMmu<typeof treeSpec, IntervalDriver>('interval', {
    designs: RANGE,
    own: treeSpec,
    rows: NR_SUBS,
    drive: (t) => {
      const { s, own } = t;
      const lock = s.spinlockAt(own.lock, 0);
      const usual = rangeOps(t);
      const intersects = (sub: number, start: Vaddr, end: Vaddr): boolean => own.isIn[sub] === 1 && own.start[sub] < end && start < own.end[sub];
      return {
        ops: {
          ...usual,
          * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
            yield* s.spinLock(lock);
            own.active[0] += 1;
            yield* s.step(WRITE, whereOf(own.seq, 0)); // who waits for the end of ranges takes no lock
            for (let sub = 1; sub < NR_SUBS; sub++) if (intersects(sub, start, end)) own.seq[0] = own.seq[0] | 1;
            yield* s.spinUnlock(lock);
            yield* usual.invalidateRangeStart(mn, mm, start, end, true);
          },
          * invalidateRangeEnd(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<InSrcuRead> {
            yield* usual.invalidateRangeEnd(mn, mm, start, end);
            yield* s.spinLock(lock);
            own.active[0] -= 1;
            if (own.active[0] === 0 && own.seq[0] % 2 === 1) {
              yield* s.step(WRITE, whereOf(own.seq, 0));
              own.seq[0] += 1;
              for (let sub = 1; sub < NR_SUBS; sub++) {
                if (own.isLeaving[sub] === 0) continue;
                yield* s.step(WRITE, whereOf(own.isLeaving, sub));
                kernelAssert(own.isAlive[sub] === 1, 'use-after-free', `the end of a range takes subscription ${sub} out of the tree, and it is freed`);
                own.isLeaving[sub] = own.isIn[sub] = 0;
              }
            }
            yield* s.spinUnlock(lock);
          },
        },
        insert(start: Vaddr, end: Vaddr): number {
          const sub = own.isAlive.indexOf(0, 1);
          own.start[sub] = start;
          own.end[sub] = end;
          own.isIn[sub] = own.isAlive[sub] = 1;
          return sub;
        },
        * removeAndFree(sub: number): Task<MaySleep> {
          yield* s.spinLock(lock);
          const isDeferred = own.seq[0] % 2 === 1;
          if (isDeferred) own.isLeaving[sub] = 1;
          else own.isIn[sub] = 0;
          yield* s.spinUnlock(lock);
          if (isDeferred) {
            yield* s.waitEvent(own.seq, 0, 1, 0);
            if (readsUnderLock) {
              yield* s.spinLock(lock);
              yield* s.spinUnlock(lock);
            }
          }
          yield* s.step(READ, whereOf(own.isLeaving, sub));
          own.isAlive[sub] = 0;
        },
      };
    },
  });
}
