/** Spinlocks of the fast build: one thread, nobody to keep out. Where a trylock could fail it succeeds. */
import type { Spinlock, Step, Task } from '@mmun/include';
import type { LockingMachine } from './locking-machine.js';

/* @__NO_SIDE_EFFECTS__ */ export function spinlockAt(_column: Int32Array | Uint32Array, _element: number): Spinlock {
  return 0 as Spinlock;
}

export function* spinLock(_m: LockingMachine, _lock: Spinlock): Task<Step> {
  // nop
}

export function* spinLockNested(_m: LockingMachine, _lock: Spinlock): Task<Step> {
  // nop
}

export function* spinTrylock(_m: LockingMachine, _lock: Spinlock): Task<Step, boolean> {
  return true;
}

export function* spinUnlock(_m: LockingMachine, _lock: Spinlock): Task<Step> {
  // nop
}
