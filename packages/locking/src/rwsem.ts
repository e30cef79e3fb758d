/**
 * Reader-writer semaphores, fair: a waiting writer holds back later readers. kernel/locking/rwsem.c
 *
 *   31       24 23       17 16     15            0
 *   | unused   | writers   | writer | readers     |
 *   |          | waiting   | inside |  inside     |
 */
import { ACQUIRE, ACQUIRE_SHARED, RELEASE, RELEASE_SHARED, WRITE } from '@mmun/include';
import type { Rwsem, Sleep, Step, Task } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { point, pointUntil } from '#point';
import { isLockHeld, lockAcquired, lockReleased, lockdepMayWait, mightSleep } from '#lockdep';
import type { LockingMachine } from './locking-machine.js';

const READER = 1;
const READERS = 0xffff;
const WRITER = 0x10000;
const WAITING = 0x20000;
const WAITING_ALL = 0xfe0000;

/* @__NO_SIDE_EFFECTS__ */ export function rwsemAt(column: Int32Array | Uint32Array, element: number): Rwsem {
  return whereOf(column, element) as Rwsem;
}

/** @context process; may sleep */
export function downRead(m: LockingMachine, sem: Rwsem): Task<Sleep<'down_read'>>;
export function* downRead(m: LockingMachine, sem: Rwsem): Task<Step | Sleep<'down_read'>> {
  mightSleep(m, 'down_read');
  lockdepMayWait(m, sem);
  yield* pointUntil(m, ACQUIRE_SHARED, sem, WRITER | WAITING_ALL, 0);
  m.words[sem] = m.words[sem] + READER;
  lockAcquired(m, sem);
}

/** @returns false where a writer is inside or waits. */
export function* downReadTrylock(m: LockingMachine, sem: Rwsem): Task<Step, boolean> {
  yield* point(m, ACQUIRE_SHARED, sem);
  if ((m.words[sem] & (WRITER | WAITING_ALL)) !== 0) return false;
  m.words[sem] = m.words[sem] + READER;
  lockAcquired(m, sem);
  return true;
}

export function* upRead(m: LockingMachine, sem: Rwsem): Task<Step> {
  yield* point(m, RELEASE_SHARED, sem);
  lockReleased(m, sem);
  m.words[sem] = m.words[sem] - READER;
}

/** @context process; may sleep */
export function downWrite(m: LockingMachine, sem: Rwsem): Task<Sleep<'down_write'>>;
export function* downWrite(m: LockingMachine, sem: Rwsem): Task<Step | Sleep<'down_write'>> {
  mightSleep(m, 'down_write');
  lockdepMayWait(m, sem);
  yield* point(m, ACQUIRE, sem);
  if ((m.words[sem] & (READERS | WRITER)) !== 0) {
    m.words[sem] = m.words[sem] + WAITING;
    yield* pointUntil(m, ACQUIRE, sem, READERS | WRITER, 0);
    m.words[sem] = m.words[sem] - WAITING;
  }
  m.words[sem] = m.words[sem] | WRITER;
  lockAcquired(m, sem);
}

/** @returns false where anyone is inside. */
export function* downWriteTrylock(m: LockingMachine, sem: Rwsem): Task<Step, boolean> {
  yield* point(m, WRITE, sem);
  if ((m.words[sem] & (READERS | WRITER)) !== 0) return false;
  m.words[sem] = m.words[sem] | WRITER;
  lockAcquired(m, sem);
  return true;
}

export function* upWrite(m: LockingMachine, sem: Rwsem): Task<Step> {
  yield* point(m, RELEASE, sem);
  lockReleased(m, sem);
  m.words[sem] = m.words[sem] & ~WRITER;
}

/** The writer becomes a reader without letting a writer in between. */
export function* downgradeWrite(m: LockingMachine, sem: Rwsem): Task<Step> {
  yield* point(m, RELEASE, sem);
  m.words[sem] = (m.words[sem] & ~WRITER) + READER;
}

/** The current thread is inside, as the writer. */
export function isHeldForWrite(m: LockingMachine, sem: Rwsem): boolean {
  return isLockHeld(m, sem) && (m.words[sem] & WRITER) !== 0;
}
