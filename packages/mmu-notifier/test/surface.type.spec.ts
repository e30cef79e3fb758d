// What must not compile, and in which words. The words are part of the product: a driver's author reads them, not us.
import { typeErrors } from '@mmun/build/type-errors';

const HEAD = `
import type { GracePeriod, InRcuRead, InSrcuRead, MaySleep, Mm, MmuNotifierOps, Mutex, Pfn, RangeNotifierOps, Step, Task, UnderPteLock, Vaddr } from '@mmun/include';
import type { LockingMachine, RcuMachine, SrcuMachine } from '@mmun/locking';
import { mutexLock, synchronizeRcu, synchronizeSrcu } from '@mmun/locking';
declare const srcu: SrcuMachine, rcu: RcuMachine, mutex: Mutex, mm: Mm, address: Vaddr, pfn: Pfn;
`;

function errorsOf(body: string): string[] {
  return typeErrors(`${HEAD}${body}`, import.meta.dirname).map(({ message, line }) => `${line - HEAD.split('\n').length + 1}: ${message}`);
}

describe('an op', () => {
  it('under the PT lock cannot take a mutex', () => {
    expect(errorsOf(`export const ops: MmuNotifierOps = {
  * invalidatePage(mn, mm, address): Task<UnderPteLock> {
    yield* mutexLock(rcu, mutex);
  },
};`)).toEqual([`3: Type '"may sleep: mutex_lock"' is not assignable to type 'UnderPteLock'.`]);
  });

  it('in an RCU read section cannot wait for a grace period', () => {
    expect(errorsOf(`export function* release(): Task<InRcuRead> {
  yield* synchronizeRcu(rcu);
}`)).toContain(`2: Type '"waits for RCU readers: synchronize_rcu"' is not assignable to type 'InRcuRead'.`);
  });

  it('that may sleep may do both, as release of v5 does', () => {
    expect(errorsOf(`export const ops: MmuNotifierOps = {
  * release(mn, mm): Task<MaySleep> {
    yield* mutexLock(rcu, mutex);
    yield* synchronizeRcu(rcu);
  },
};`)).toEqual([]);
  });

  it('whose context is too wide for the place it is put in is refused', () => {
    expect(errorsOf(`function* sleepy(): Task<MaySleep> {}
export const ops: MmuNotifierOps = { invalidatePage: sleepy };`)[0]).toMatch(/^2: Type '\(\) => Task<MaySleep>' is not assignable/);
  });
});

describe('an op of range', () => {
  it('that starts a range may take a mutex, and may not wait for the readers that it is one of', () => {
    expect(errorsOf(`export const ops: RangeNotifierOps = {
  * invalidateRangeStart(mn, mm, start, end): Task<InSrcuRead> {
    yield* mutexLock(rcu, mutex);
  },
};`)).toEqual([]);
    expect(errorsOf(`export const ops: RangeNotifierOps = {
  * release(mn, mm): Task<InSrcuRead> {
    yield* synchronizeSrcu(srcu);
  },
};`)).toEqual([`3: Type '"waits for RCU readers: synchronize_srcu"' is not assignable to type 'InSrcuRead'.`]);
  });

  it('on one page is under the PT lock, whatever SRCU allows', () => {
    expect(errorsOf(`export const ops: RangeNotifierOps = {
  * invalidatePage(mn, mm, address): Task<UnderPteLock> {
    yield* mutexLock(rcu, mutex);
  },
};`)).toEqual([`3: Type '"may sleep: mutex_lock"' is not assignable to type 'UnderPteLock'.`]);
  });
});

describe.each([['v5', '@mmun/mmu-notifier'], ['range', '@mmun/mmu-notifier/range'], ['off', '@mmun/mmu-notifier/off']])('the dispatch of %s', (_design, entry) => {
  const bracket = (text: string): string[] => errorsOf(`import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '${entry}';
import type { NotifierHost } from '${entry}';
declare const m: NotifierHost;
export function* change(): Task<MaySleep> {
  yield* ${text};
}`);

  it.each([
    [`mmuNotifierInvalidateRangeStart(m, mm, address, address)`, []],
    [`mmuNotifierInvalidateRangeStart(m, address, address, address)`, [`5: Argument of type 'Vaddr' is not assignable to parameter of type '"an Mm"'.`]],
    [`mmuNotifierInvalidateRangeEnd(m, mm, pfn, address)`, [`5: Argument of type 'Pfn' is not assignable to parameter of type '"a Vaddr"'.`]],
    [`mmuNotifierInvalidateRangeEnd(m, mm, address, address + 4096)`, [`5: Argument of type 'number' is not assignable to parameter of type '"a Vaddr"'.`]],
    [`mmuNotifierInvalidateRangeEnd(m, mm, address)`, ['5: Expected 4 arguments, but got 3.']],
  ])('of a bracket: %s', (text, errors) => {
    expect(bracket(text)).toEqual(errors);
  });

  const call = (text: string): string[] => errorsOf(`import { mmuNotifier, mmuNotifierPtep } from '${entry}';
import type { NotifierHost } from '${entry}';
declare const m: NotifierHost;
export function* hook(): Task<Step> {
  yield* ${text};
}`);

  it('takes what it is meant to take', () => {
    expect(call(`mmuNotifier(m, mm, 'invalidatePage', address)`)).toEqual([]);
    expect(call(`mmuNotifier(m, mm, 'invalidatePages', address, (address + 4096) as Vaddr)`)).toEqual([]);
    expect(call(`mmuNotifierPtep(m, mm, 'invalidatePage', address)`)).toEqual([]);
  });

  it.each([
    [`mmuNotifier(m, mm, 'invalidatePge', address)`, `Argument of type '"invalidatePge"' is not assignable to parameter of type '"invalidatePage"'.`],
    [`mmuNotifier(m, mm, 'invalidatePags', address, address)`, `Argument of type '"invalidatePags"' is not assignable to parameter of type '"invalidatePages"'.`],
    [`mmuNotifier(m, mm, 'agePage', address)`, `Argument of type '"agePage"' is not assignable to parameter of type '"invalidatePage"'.`],
    [`mmuNotifier(m, mm, 'invalidatePage', pfn)`, `Argument of type 'Pfn' is not assignable to parameter of type '"a Vaddr"'.`],
    [`mmuNotifier(m, mm, 'invalidatePage', 4096)`, `Argument of type '4096' is not assignable to parameter of type '"a Vaddr"'.`],
    [`mmuNotifier(m, mm, 'invalidatePage', address + 4096)`, `Argument of type 'number' is not assignable to parameter of type '"a Vaddr"'.`],
    [`mmuNotifier(m, mm, 'invalidatePage', 'x')`, `Argument of type '"x"' is not assignable to parameter of type '"a Vaddr"'.`],
    [`mmuNotifier(m, address, 'invalidatePage', address)`, `Argument of type 'Vaddr' is not assignable to parameter of type '"an Mm"'.`],
    [`mmuNotifier(m, mm, 'invalidatePages', address, mm)`, `Argument of type 'Mm' is not assignable to parameter of type '"a Vaddr"'.`],
    [`mmuNotifier(m, mm, 'invalidatePages', address)`, `Argument of type '"invalidatePages"' is not assignable to parameter of type '"invalidatePage"'.`],
    [`mmuNotifier(m, mm, 'invalidatePage')`, 'Expected 4-5 arguments, but got 3.'],
    [`mmuNotifierPtep(m, mm, 'invalidatePges', address)`, `Argument of type '"invalidatePges"' is not assignable to parameter of type '"invalidatePage"'.`],
    [`mmuNotifierPtep(m, pfn, 'invalidatePage', address)`, `Argument of type 'Pfn' is not assignable to parameter of type '"an Mm"'.`],
  ])('refuses %s in one line', (text, message) => {
    expect(call(text)).toEqual([`5: ${message}`]);
  });
});
