/** A driver with what the guard knows of it besides, for those who judge it. */
import type { InSrcuRead, KernelServices, MaySleep, SecondaryDriver, Task } from '@mmun/include';

/** A driver that is followed, and what is known of it besides. */
export interface GuardedDriver extends SecondaryDriver {
  /** Made, and not closed. */
  openInstances(): number[];
  /** Of each of its tables that rows are given out of: how many more than at attach are. */
  rowsInUse(): { readonly name: string; readonly used: number }[];
  /** An op of design range as mm calls it: in the read section that who frees something waits for. */
  asMm<R>(op: Task<InSrcuRead, R>): Task<MaySleep, R>;
}

/** The guard's own, in the machine so that it goes where the machine goes. */
export const OPEN = 'kitOpen';
export const OPEN_SPEC = { isOpen: 'u32', isEnded: 'u32' } as const;
export const MANY_INSTANCES = 256;

export function* inSrcu<R>(services: Pick<KernelServices, 'srcuReadLock' | 'srcuReadUnlock'>, op: Task<InSrcuRead, R>): Task<MaySleep, R> {
  const index = yield* services.srcuReadLock();
  const result = yield* op as unknown as Task<MaySleep, R>;
  yield* services.srcuReadUnlock(index);
  return result;
}
