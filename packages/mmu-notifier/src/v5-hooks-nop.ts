// No kernel original: the hooks of v5, which no later design has.
/**
 * Callbacks are made where mm brackets a change, not in the ptep macros of an arch: what an arch overrides cannot lose them.
 */
import type { MaySleep, Mm, Step, Task, Vaddr } from '@mmun/include';
import type { NotifierHost } from './notifier-tables.js';
import type { Wanted } from './surface.js';

export function mmuNotifier<M extends number, A extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
export function mmuNotifier<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePages', start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<Step>;
export function* mmuNotifier(_m: NotifierHost, _mm: Mm, _op: 'invalidatePage' | 'invalidatePages', _start: Vaddr, _end?: Vaddr): Task<Step> {
  // nop
}

export function mmuNotifierPtep<M extends number, A extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, op: 'invalidatePage', address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
export function* mmuNotifierPtep(_m: NotifierHost, _mm: Mm, _op: 'invalidatePage', _address: Vaddr): Task<Step> {
  // nop
}

export function* mmuNotifierAgePage(_m: NotifierHost, _mm: Mm, _address: Vaddr): Task<Step, number> {
  return 0;
}

/** The end of an mm was told before its pages went: mmuNotifierReleaseEarly. */
export function* mmuNotifierRelease(_m: NotifierHost, _mm: Mm): Task<MaySleep> {
  // nop
}
