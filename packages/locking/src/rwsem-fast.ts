/** Reader-writer semaphores of the fast build: one thread, nobody to keep out. */
import type { Rwsem, Sleep, Step, Task } from '@mmun/include';
import type { LockingMachine } from './locking-machine.js';

/* @__NO_SIDE_EFFECTS__ */ export function rwsemAt(_column: Int32Array | Uint32Array, _element: number): Rwsem {
  return 0 as Rwsem;
}

export function* downRead(_m: LockingMachine, _sem: Rwsem): Task<Sleep<'down_read'>> {
  // nop
}

export function* downReadTrylock(_m: LockingMachine, _sem: Rwsem): Task<Step, boolean> {
  return true;
}

export function* upRead(_m: LockingMachine, _sem: Rwsem): Task<Step> {
  // nop
}

export function* downWrite(_m: LockingMachine, _sem: Rwsem): Task<Sleep<'down_write'>> {
  // nop
}

export function* downWriteTrylock(_m: LockingMachine, _sem: Rwsem): Task<Step, boolean> {
  return true;
}

export function* upWrite(_m: LockingMachine, _sem: Rwsem): Task<Step> {
  // nop
}

export function* downgradeWrite(_m: LockingMachine, _sem: Rwsem): Task<Step> {
  // nop
}

export function isHeldForWrite(_m: LockingMachine, _sem: Rwsem): boolean {
  return true;
}
