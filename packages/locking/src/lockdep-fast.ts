/** The fast build has one thread and no assertions. */
import type { Where } from '@mmun/include';
import type { LockClass, LockingMachine } from './locking-machine.js';

export function lockAcquired(_m: LockingMachine, _lock: Where): void {
  // nop
}

export function lockReleased(_m: LockingMachine, _lock: Where): void {
  // nop
}

/** Nobody asks who holds what: every lock counts as held. */
export function isLockHeld(_m: LockingMachine, _lock: Where): boolean {
  return true;
}

export function lockdepAssertHeld(_m: LockingMachine, _lock: Where): void {
  // nop
}

export function lockdepMayWait(_m: LockingMachine, _lock: Where, _isNested = false): void {
  // nop
}

export function declareLockOrder(_m: LockingMachine, _classes: readonly LockClass[]): void {
  // nop
}

export function declareColumn(_m: LockingMachine, _column: Int32Array | Uint32Array, _rank: number): void {
  // nop
}

export function recordLockSites(_m: LockingMachine): void {
  // nop
}

export function mightSleep(_m: LockingMachine, _why: string): void {
  // nop
}

export function nonBlockStart(_m: LockingMachine): void {
  // nop
}

export function nonBlockEnd(_m: LockingMachine): void {
  // nop
}
