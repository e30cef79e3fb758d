// No kernel original: what a test can have a GRU do that no other device does.
/** Calls for the kit: a process that flushes its own entries, and more contexts than there are handles for. */
import { PAGE_SIZE } from '@mmun/include';
import type { MaySleep, OwnCall, Surroundings, Task, Vaddr } from '@mmun/include';
import type { GruDriver } from './gru.js';
import { GRU_CHIPLETS, GRU_NUM_CCH } from './grutables.js';

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

export const gruCalls: readonly OwnCall[] = [{ name: 'flush', run: userFlush }, { name: 'crowd', isLong: true, run: crowd }];
