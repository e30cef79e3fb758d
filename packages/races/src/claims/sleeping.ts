/** What the text of v5 says of start and end: C24, C25. */
import type { Claim, Compiled } from './claim.js';
import { clean, convicted } from './explored.js';

const c24: Claim = {
  id: 'C24', text: 'the GRU lacks the page pin (v5)', means: 'A driver that holds no page cannot use the model of start and end.',
  run: async (lab) => ({
    verdict: 'refuted',
    by: 'Pages may be freed before the end comes, so a driver that listens to the end alone does need a pin, and that is the schedule here. But it may listen to the start: drop everything then, and let no fault in until the end. GRU did that when it was merged, and KVM dropped its pins for it.',
    evidence: [
      await convicted(lab, { race: 'end-without-pin', variant: 'buggy', says: 'what the text fears: no pin, and only the end is listened to' }),
      await clean(lab, { race: 'end-without-pin', variant: 'fixed', says: 'no pin, the start takes all entries and faults wait for the end' }),
      await clean(lab, { race: 'end-without-pin', variant: 'kvm', says: 'KVM, which holds no page either' }),
      await clean(lab, { race: 'munmap-write', variant: 'range', says: 'the same where the CPUs have TLBs and pages are gathered' }),
    ],
  }),
};

const SLEEPING = `import type { MmuNotifierOps, Mutex, RangeNotifierOps, InSrcuRead, Task, UnderPteLock } from '@mmun/include';
import type { LockingMachine } from '@mmun/locking';
import { mutexLock } from '@mmun/locking';
declare const m: LockingMachine, mutex: Mutex;
`;
const V5_OP = `export const ops: MmuNotifierOps = { * invalidatePage(mn, mm, address): Task<UnderPteLock> { yield* mutexLock(m, mutex); } };
`;
const RANGE_OP = `export const ops: RangeNotifierOps = { * invalidateRangeEnd(mn, mm, start, end): Task<InSrcuRead> { yield* mutexLock(m, mutex); } };
`;

const c25: Claim = {
  id: 'C25', text: 'XPMEM needs begin and end (v5)', means: 'A driver that must take a mutex and send messages to drop its entries cannot do so from an op under the PT lock, and needs calls around the change.',
  run: async (lab) => {
    const compiled: Compiled = {
      kind: 'compiled', says: 'a mutex in an op, as the compiler sees it',
      rows: [
        { source: 'mutexLock in invalidatePage', design: 'v5', errors: await lab.typeErrors(SLEEPING + V5_OP, 'v5') },
        { source: 'mutexLock in invalidateRangeEnd', design: 'range', errors: await lab.typeErrors(SLEEPING + RANGE_OP, 'range') },
      ],
    };
    const isSo = (compiled.rows[0]?.errors.length ?? 0) > 0 && compiled.rows[1]?.errors.length === 0;
    return {
      verdict: isSo ? 'holds' : 'refuted',
      by: 'Under v5 such a driver does not compile, and one that hides it by a cast is stopped at its first call. Between start and end it may sleep, and every interleaving is clean.',
      evidence: [
        compiled,
        await convicted(lab, { race: 'recall-under-a-mutex', variant: 'buggy', says: 'a mutex in invalidate_page of v5, hidden by a cast' }),
        await clean(lab, { race: 'recall-under-a-mutex', variant: 'fixed', says: 'the same between start and end' }),
      ],
    };
  },
};

export const sleeping: readonly Claim[] = [c24, c25];
