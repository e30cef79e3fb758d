// Models the CONFIG_MMU_NOTIFIER=n half of include/linux/mmu_notifier.h of "[PATCH] mmu notifiers #v5".
/**
 * No notifiers: no state and no code. Every call is still checked as in v5, down
 * to the name of the op. The patch itself checked the dispatch but not register,
 * unregister and release, which were macros that ignored their arguments; Lameter
 * asked for functions, and here all are.
 */
import type { MaySleep, Mm, MmuNotifier, NotifierCounts, NotifierOps, Pte, Spinlock, Step, Task, Vaddr } from '@mmun/include';
import type { Layout } from '@mmun/lib';
import { spinLock, spinUnlock } from '@mmun/locking';
import type { LockingMachine } from '@mmun/locking';
import type { NotifierConfig, NotifierServices, RegisterHost, Wanted } from './surface.js';

/** Nothing. */
export type NotifierMachine = Readonly<Record<never, never>>;
export type ReservedNotifier = Readonly<Record<never, never>>;
export type NotifierHost = LockingMachine & NotifierMachine;

export const DESIGN = 'off' as const;
export const MMU_NOTIFIER = false as const;

export function reserveNotifier(_layout: Layout, _config: NotifierConfig): ReservedNotifier {
  return {};
}

export function viewNotifier(_buffer: ArrayBuffer, _reserved: ReservedNotifier): NotifierMachine {
  return {};
}

export function* mmuNotifierRegister(_m: NotifierHost, _mn: MmuNotifier, _mm: Mm): Task<Step> {
  // nop
}

export function* mmuNotifierUnregister(_m: NotifierHost, _mn: MmuNotifier, _mm: Mm): Task<MaySleep> {
  // nop
}

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

/** Nobody else used the page. Behind `if (MMU_NOTIFIER)` the call itself goes too. */
export function* mmuNotifierAgePage(_m: NotifierHost, _mm: Mm, _address: Vaddr): Task<Step, number> {
  return 0;
}

export function* mmuNotifierRelease(_m: NotifierHost, _mm: Mm): Task<MaySleep> {
  // nop
}

export function mmuNotifierInvalidateRangeStart<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep>;
export function* mmuNotifierInvalidateRangeStart(_m: NotifierHost, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<MaySleep> {
  // nop
}

/** Nobody is asked, so nobody refuses. */
export function mmuNotifierInvalidateRangeStartNonblock<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep, number>;
export function* mmuNotifierInvalidateRangeStartNonblock(_m: NotifierHost, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<MaySleep, number> {
  return 0;
}

export function mmuNotifierInvalidateRangeEnd<M extends number, A extends number, B extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep>;
export function* mmuNotifierInvalidateRangeEnd(_m: NotifierHost, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<MaySleep> {
  // nop
}

export function mmuNotifierInvalidatePage<M extends number, A extends number>(
  m: NotifierHost, mm: Wanted<Mm, M, 'an Mm'>, address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
export function* mmuNotifierInvalidatePage(_m: NotifierHost, _mm: Mm, _address: Vaddr): Task<Step> {
  // nop
}

export function* mmuNotifierClearFlushYoung(_m: NotifierHost, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<Step, number> {
  return 0;
}

export function* mmuNotifierChangePte(_m: NotifierHost, _mm: Mm, _address: Vaddr, _pte: Pte): Task<Step> {
  // nop
}

export function* mmuNotifierReleaseEarly(_m: NotifierHost, _mm: Mm): Task<MaySleep> {
  // nop
}

/** What is called under it may not sleep, so it spins. */
export function* rmapLock(m: NotifierHost, lock: Spinlock): Task<MaySleep> {
  yield* spinLock(m, lock);
}

export function* rmapUnlock(m: NotifierHost, lock: Spinlock): Task<MaySleep> {
  yield* spinUnlock(m, lock);
}

export function mmuNotifierMmInit(_m: NotifierHost, _mm: Mm): void {
  // nop
}

export function addNotifierOps(_m: NotifierHost, _ops: NotifierOps): number {
  return 0;
}

/** Nobody can attach, so nobody gets these. */
export function notifierServices(_m: NotifierHost, _ops: () => number, _host: RegisterHost): NotifierServices {
  return {} as NotifierServices;
}

export function mmuNotifierAlloc(_m: NotifierHost, _ops: number, _instance: number): MmuNotifier {
  return 0 as MmuNotifier;
}

export function mmuNotifierFree(_m: NotifierHost, _mn: MmuNotifier): void {
  // nop
}

export function mmuNotifierInstance(_m: NotifierHost, _mn: MmuNotifier): number {
  return 0;
}

export function notifierCounts(_m: NotifierHost): NotifierCounts | null {
  return null;
}

/** Nothing is freed later. */
export function* mmuNotifierDoBatch(_m: NotifierHost): Task<MaySleep> {
  // nop
}

export function mmuNotifierPending(_m: NotifierHost): boolean {
  return false;
}
