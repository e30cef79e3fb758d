// No kernel original: the hooks of later designs, where v5 is linked or none.
/** In v5 a change is told of after it was made and under its lock; nothing brackets it. */
import type { MaySleep, Mm, Pte, Spinlock, Step, Task, Vaddr } from '@mmun/include';
import { spinLock, spinUnlock } from '@mmun/locking';
import type { LockingMachine } from '@mmun/locking';
import type { Wanted } from './surface.js';

export function mmuNotifierInvalidateRangeStart<M extends number, A extends number, B extends number>(
  m: LockingMachine, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep>;
export function* mmuNotifierInvalidateRangeStart(_m: LockingMachine, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<MaySleep> {
  // nop
}

/** Nobody is asked, so nobody refuses. */
export function mmuNotifierInvalidateRangeStartNonblock<M extends number, A extends number, B extends number>(
  m: LockingMachine, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep, number>;
export function* mmuNotifierInvalidateRangeStartNonblock(_m: LockingMachine, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<MaySleep, number> {
  return 0;
}

export function mmuNotifierInvalidateRangeEnd<M extends number, A extends number, B extends number>(
  m: LockingMachine, mm: Wanted<Mm, M, 'an Mm'>, start: Wanted<Vaddr, A, 'a Vaddr'>, end: Wanted<Vaddr, B, 'a Vaddr'>): Task<MaySleep>;
export function* mmuNotifierInvalidateRangeEnd(_m: LockingMachine, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<MaySleep> {
  // nop
}

export function mmuNotifierInvalidatePage<M extends number, A extends number>(
  m: LockingMachine, mm: Wanted<Mm, M, 'an Mm'>, address: Wanted<Vaddr, A, 'a Vaddr'>): Task<Step>;
export function* mmuNotifierInvalidatePage(_m: LockingMachine, _mm: Mm, _address: Vaddr): Task<Step> {
  // nop
}

export function* mmuNotifierClearFlushYoung(_m: LockingMachine, _mm: Mm, _start: Vaddr, _end: Vaddr): Task<Step, number> {
  return 0;
}

export function* mmuNotifierChangePte(_m: LockingMachine, _mm: Mm, _address: Vaddr, _pte: Pte): Task<Step> {
  // nop
}

export function* mmuNotifierReleaseEarly(_m: LockingMachine, _mm: Mm): Task<MaySleep> {
  // nop
}

/** What is called under it may not sleep, so it spins. */
export function* rmapLock(m: LockingMachine, lock: Spinlock): Task<MaySleep> {
  yield* spinLock(m, lock);
}

export function* rmapUnlock(m: LockingMachine, lock: Spinlock): Task<MaySleep> {
  yield* spinUnlock(m, lock);
}

/** Nothing is freed later. */
export function* mmuNotifierDoBatch(_m: LockingMachine): Task<MaySleep> {
  // nop
}

export function mmuNotifierPending(_m: LockingMachine): boolean {
  return false;
}
