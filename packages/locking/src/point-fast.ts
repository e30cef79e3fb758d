/** Scheduling points of the fast build: there is nobody to switch to. */
import type { PointKind, Step, Task, Where } from '@mmun/include';
import type { LockingMachine } from './locking-machine.js';

export const BUILD: 'checked' | 'fast' = 'fast';

export function* point(_m: LockingMachine, _kind: PointKind, _where: Where): Task<Step> {
  // nop
}

export function* pointUntil(_m: LockingMachine, _kind: PointKind, _where: Where, _mask: number, _value: number): Task<Step> {
  // nop
}

export function touch(_m: LockingMachine, _kind: PointKind, _where: Where): void {
  // nop
}
