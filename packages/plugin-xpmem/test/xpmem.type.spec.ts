// What the mail leaves to luck, and the compiler does not: the recall of XPMEM is no op of v5.
import { typeErrors } from '@mmun/build/type-errors';

const HEAD = `
import type { InSrcuRead, KernelServices, Mm, MmuNotifier, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { xpmem } from '@mmun/plugin-xpmem';
import { attachSecondaryMmu, boot, defaultConfig } from '@mmun/image';
declare const s: KernelServices;
declare const column: Int32Array;
const { invalidateRangeStart } = xpmem.attach(s).ops;
`;

const errors = (source: string, conditions: readonly string[] = []): string[] => typeErrors(HEAD + source, import.meta.dirname, conditions).map(({ message }) => message);

/** Programs are slow to make, so one holds all that must not compile. */
let lines: string[] = [];

beforeAll(() => {
  lines = errors(`
    export function* start(mn: MmuNotifier, mm: Mm, a: Vaddr, b: Vaddr): Task<InSrcuRead> {
      yield* invalidateRangeStart!(mn, mm, a, b, true);
      yield* s.waitEvent(column, 0, -1, 0);
    }
    export function* invalidatePage(mn: MmuNotifier, mm: Mm, a: Vaddr): Task<UnderPteLock> {
      yield* invalidateRangeStart!(mn, mm, a, a, true);
      yield* s.waitEvent(column, 0, -1, 0);
      yield* s.mutexLock(s.mutexAt(column, 0));
    }
    attachSecondaryMmu(boot(defaultConfig, [xpmem]), xpmem);`);
});

it('the recall is an op of the range design, and under one of v5 it does not compile: what may sleep is named', () => {
  expect(lines.slice(0, 3)).toEqual([
    expect.stringMatching(/is not assignable to type 'UnderPteLock'/),
    `Type '"may sleep: wait_event"' is not assignable to type 'UnderPteLock'.`,
    `Type '"may sleep: mutex_lock"' is not assignable to type 'UnderPteLock'.`,
  ]);
});

it('an image of v5 does not take it, and one of range does', () => {
  expect(lines.slice(3)).toEqual([expect.stringContaining("Property 'v5' is missing")]);
  expect(errors('attachSecondaryMmu(boot(defaultConfig, [xpmem]), xpmem);', ['@mmun/notifier-range'])).toEqual([]);
});
