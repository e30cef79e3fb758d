/** Mutexes of the fast build: one thread, nobody to keep out. */
import type { Mutex, Sleep, Step, Task, Where } from '@mmun/include';
import type { LockingMachine } from './locking-machine.js';

/* @__NO_SIDE_EFFECTS__ */ export function mutexAt(_column: Int32Array | Uint32Array, _element: number): Mutex {
  return 0 as Mutex;
}

export function* mutexLock(_m: LockingMachine, _mutex: Mutex): Task<Sleep<'mutex_lock'>> {
  // nop
}

export function* mutexTrylock(_m: LockingMachine, _mutex: Mutex): Task<Step, boolean> {
  return true;
}

export function* mutexUnlock(_m: LockingMachine, _mutex: Mutex): Task<Step> {
  // nop
}

export function* mutexLockNest(_m: LockingMachine, _mutex: Mutex, _nest: Where): Task<Sleep<'mutex_lock'>> {
  // nop
}

export function* mutexUnlockNest(_m: LockingMachine, _mutex: Mutex): Task<Step> {
  // nop
}
