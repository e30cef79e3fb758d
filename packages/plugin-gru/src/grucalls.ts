// No kernel original: what a test can have a GRU do that no other device does.
/** Calls for the kit: a process that flushes its own entries, and more contexts than there are handles for. */
import { PAGE_SIZE } from '@mmun/include';
import type { MaySleep, OwnCall, Surroundings, Task, Vaddr } from '@mmun/include';
import type { GruDriver } from './gru.js';
import { ASID_INC, GRU_CHIPLETS, GRU_NUM_CCH, MAX_ASID } from './grutables.js';

/** The entry is there, and gone when the flush has returned. */
function* userFlush(gru: GruDriver, instance: number, address: Vaddr, { isAlone }: Surroundings): Task<MaySleep, string> {
  if ((yield* gru.access(instance, address, false)) === 0) yield* gru.fault(instance, address, false);
  const isThere = (yield* gru.access(instance, address, false)) !== 0;
  yield* gru.userFlush(instance, (address + PAGE_SIZE) as Vaddr, PAGE_SIZE);
  if (isAlone && isThere && (yield* gru.access(instance, address, false)) === 0) return 'a flush of the page behind drops this one';
  // from the middle of the page into the next
  yield* gru.userFlush(instance, (address + PAGE_SIZE / 2) as Vaddr, PAGE_SIZE);
  return isAlone && (yield* gru.access(instance, address, false)) !== 0 ? 'a page is reached after it was flushed' : '';
}

/** Contexts of another process take every handle, so this one loses its own and must get it back. */
function* crowd(gru: GruDriver, instance: number, address: Vaddr, { other, isAlone }: Surroundings): Task<MaySleep, string> {
  const contexts: number[] = [];
  for (let i = 0; i <= GRU_CHIPLETS * GRU_NUM_CCH; i++) {
    const context = yield* gru.create(other);
    if (context < 0) break;
    contexts.push(context);
    yield* gru.fault(context, address, false);
  }
  const error = yield* gru.fault(instance, address, false);
  const pfn = yield* gru.access(instance, address, false);
  for (const context of contexts) yield* gru.destroy(context);
  return isAlone && error === 0 && pfn === 0 ? 'a context that had to give way cannot come back' : '';
}

/**
 * Contexts of another process come and go, and what is flushed while none is loaded takes the number of the address space with it: so the numbers
 * run out. One that is never loaded holds what they share.
 */
function* numbers(gru: GruDriver, _instance: number, address: Vaddr, { other }: Surroundings): Task<MaySleep, string> {
  const idle = yield* gru.create(other);
  if (idle < 0) return '';
  for (let i = 0; i < MAX_ASID / ASID_INC - 1; i++) {
    const context = yield* gru.create(other);
    if (context < 0) continue;
    yield* gru.fault(context, address, false);
    yield* gru.destroy(context);
    yield* gru.userFlush(idle, address, PAGE_SIZE);
  }
  yield* gru.destroy(idle);
  return '';
}

/** @returns a context of another process, which has been at work */
function* lend(gru: GruDriver, _instance: number, address: Vaddr, { other }: Surroundings): Task<MaySleep, number> {
  const context = yield* gru.create(other);
  if (context > 0) yield* gru.fault(context, address, false);
  return context;
}

/** It is closed while its process flushes it. */
function* flushClosed(gru: GruDriver, _instance: number, address: Vaddr, { prepared = 0, turn }: Surroundings): Task<MaySleep, string> {
  if (prepared > 0) yield* turn === 0 ? gru.userFlush(prepared, address, PAGE_SIZE) : gru.destroy(prepared);
  return '';
}

export const gruCalls: readonly OwnCall[] = [
  { name: 'flush', run: userFlush }, { name: 'crowd', isLong: true, run: crowd }, { name: 'numbers', isLong: true, run: numbers }, { name: 'flush-closed', prepare: lend, run: flushClosed },
];
