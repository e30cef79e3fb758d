/** A driver with what the guard knows of it besides, for those who judge it. */
import type { InSrcuRead, KernelServices, MaySleep, SecondaryDriver, Task } from '@mmun/include';

/** A driver that is followed, and what is known of it besides. */
export interface GuardedDriver extends SecondaryDriver {
  /** Made, and not closed. */
  openInstances(): number[];
  /** Of each of its tables that rows are given out of: how many more than at attach are. */
  rowsInUse(): { readonly name: string; readonly used: number }[];
  /** An op of design range as mm calls it: in the read section that who frees something waits for. */
  asMm(op: () => Task<InSrcuRead, unknown>): Task<MaySleep>;
}

/** The guard's own, in the machine so that it goes where the machine goes. */
export const OPEN = 'kitOpen';
export const OPEN_SPEC = { isOpen: 'u32', isEnded: 'u32' } as const;
export const MANY_INSTANCES = 256;

export function* inSrcu(services: Pick<KernelServices, 'srcuReadLock' | 'srcuReadUnlock'>, op: () => Task<InSrcuRead, unknown>): Task<MaySleep> {
  const index = yield* services.srcuReadLock();
  yield* op() as Task<MaySleep, unknown>;
  yield* services.srcuReadUnlock(index);
}
