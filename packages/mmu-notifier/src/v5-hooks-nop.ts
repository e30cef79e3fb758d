// No kernel original: the hooks of v5, where a later design is linked or none.
/**
 * Callbacks are made where mm brackets a change, not in the ptep macros of an arch: what an arch overrides cannot lose them.
 */
import type { MaySleep, Mm, Step, Task, Vaddr } from '@mmun/include';
import type { LockingMachine } from '@mmun/locking';
import type { Wanted } from './surface.js';

export function mmuNotifier<M extends number, A extends number>(
  m: LockingMachine, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
export function mmuNotifier<M extends number, A extends number, B extends number>(
  m: LockingMachine, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePages', start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<Step>;
export function* mmuNotifier(_m: LockingMachine, _mm: Mm, _op: 'invalidatePage' | 'invalidatePages', _start: Vaddr, _end?: Vaddr): Task<Step> {
  // nop
}

export function mmuNotifierPtep<M extends number, A extends number>(
  m: LockingMachine, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
export function* mmuNotifierPtep(_m: LockingMachine, _mm: Mm, _op: 'invalidatePage', _address: Vaddr): Task<Step> {
  // nop
}

/** Nobody else used the page. Behind `if (MMU_NOTIFIER)` the call itself goes too. */
export function* mmuNotifierAgePage(_m: LockingMachine, _mm: Mm, _address: Vaddr): Task<Step, number> {
  return 0;
}

/** A later design told of the end of an mm before its pages went: mmuNotifierReleaseEarly. */
export function* mmuNotifierRelease(_m: LockingMachine, _mm: Mm): Task<MaySleep> {
  // nop
}
