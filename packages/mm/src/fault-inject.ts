// Models lib/fault-inject.c (6.18).
/** What may go wrong is decided by whoever explores, where the machine was booted for that; else nothing does. */
import type { Machine } from './mm-types.js';

/** @param what names the choice in schedules: `alloc_page` @returns true: let it fail */
export function shouldFail(m: Machine, what: string): boolean {
  return m.bootConfig.faultInjection === true && m.sched.choose(2, what) === 1;
}
