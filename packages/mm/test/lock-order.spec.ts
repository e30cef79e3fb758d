/** The order of locks, asserted where it is broken: in one run, with both places. */
import * as image from '@mmun/image';
import type { KernelServices, MmuNotifierOps, SecondaryMmu, Spinlock, Step, Task } from '@mmun/include';
import { mutexAt, mutexLock, recordLockSites, downRead, spinLock, spinLockNested, spinUnlock, spinlockAt } from '@mmun/locking';
import { rmapLock } from '#mmu-notifier';
import { gate } from '@mmun/test-support';
import { lockPage, trylockPage } from '../src/page-flags.js';
import { leftAsItIs, world } from './page-world.js';
import type { Machine } from './page-world.js';

const checked = gate('CHECKED');

type Take = (m: Machine) => Task<string, unknown>;

const leaf: Take = (m) => spinLock(m, spinlockAt(m.vm.lruLock, 0));
/** Outermost first. */
const ORDER: readonly (readonly [string, Take])[] = [
  ['mmap_sem', (m) => downRead(m, image.mmapSemOf(m, 1 as never))],
  ['mm_all_locks_mutex', (m) => mutexLock(m, mutexAt(m.vm.mmAllLocksMutex, 0))],
  ['hugetlb_instantiation_mutex', (m) => mutexLock(m, mutexAt(m.vm.hugetlbInstantiationMutex, 0))],
  ['page lock', (m) => lockPage(m, 9 as never)],
  ['i_mmap_lock', (m) => rmapLock(m as never, spinlockAt(m.inode.iMmapLock, 3))],
  ['anon_vma lock', (m) => rmapLock(m as never, spinlockAt(m.anonVma.lock, 3))],
  ['page_table_lock', (m) => spinLock(m, spinlockAt(m.mm.pageTableLock, 1))],
  ['lru_lock', leaf],
];

function machine(): Machine {
  const { m } = world();
  recordLockSites(m);
  leftAsItIs(m); // with the first lock held
  return m;
}

/** What the machine stops with; spinning where a sleep would be wrong too is no part of the question. */
function stopped(m: Machine, first: Take, second: Take): { code?: string; message?: string } {
  function* takesFirst(): Task<string, void> { yield* first(m); }
  function* takesSecond(): Task<string, void> { yield* second(m); }
  image.run(m, takesFirst());
  m.thread.preemptCount.fill(0);
  try {
    image.run(m, takesSecond());
  } catch (error) {
    return error as { code: string; message: string };
  }
  return {};
}

describe('locks taken in the wrong order', () => {
  for (let i = 0; i + 1 < ORDER.length; i++) {
    const [[outer, takeOuter], [inner, takeInner]] = [ORDER[i], ORDER[i + 1]] as const;
    checked.it(`${outer} under ${inner} is reported at once, with both places`, () => {
      const { code, message } = stopped(machine(), takeInner, takeOuter);
      expect(code).toBe('lock-order');
      expect(message).toContain(`${outer} comes before ${inner}`);
      expect(message).toMatch(/waited for at .*takesSecond.* taken at .*takesFirst/);
      expect(stopped(machine(), takeOuter, takeInner)).toEqual({});
    });
  }

  checked.it('a second pte lock is right only as a nested one', () => {
    const table = (m: Machine): Spinlock => spinlockAt(m.page.ptl, m.bootConfig.nrFrames + 2);
    const own: Take = (m) => spinLock(m, spinlockAt(m.page.ptl, m.bootConfig.nrFrames + 1));
    expect(stopped(machine(), own, (m) => spinLock(m, table(m)))).toMatchObject({ code: 'lock-order', message: expect.stringContaining('as nested') });
    expect(stopped(machine(), own, (m) => spinLockNested(m, table(m)))).toEqual({});
  });

  checked.it('a try waits for nobody, so it may come in any order', () => {
    const ptl = ORDER.find(([name]) => name === 'page_table_lock')?.[1] as Take;
    expect(stopped(machine(), ptl, (m) => trylockPage(m, 9 as never))).toEqual({});
    expect(stopped(machine(), ptl, (m) => lockPage(m, 9 as never))).toMatchObject({ code: 'lock-order' });
  });

  checked.it('whoever leaves a lock in the middle still knows where the others were taken', () => {
    const m = machine();
    const [a, b] = [spinlockAt(m.vm.lruLock, 0), spinlockAt(m.vm.swapLock, 0)];
    function* first(): Task<string, void> { yield* spinLock(m, a); }
    function* second(): Task<string, void> { yield* spinLock(m, b); }
    image.run(m, first());
    image.run(m, second());
    image.run(m, spinUnlock(m, a));
    const { message } = stopped(m, function* (): Task<string, void> { /* nothing more */ }, ORDER.find(([name]) => name === 'page_table_lock')?.[1] as Take);
    expect(message).toMatch(/swap_lock|swapLock/);
    expect(message).toMatch(/taken at .*second/);
  });
});

(image.config.build === 'checked' ? gate('MMU_NOTIFIER') : checked).it('a plugin\'s spinlock is below the pte lock: nothing of mm is waited for under it but what putPage takes', () => {
  let services: KernelServices | undefined;
  const spec = { lock: 'i32' } as const;
  const design = image.config.design as 'v5';
  const plugin: SecondaryMmu = {
    name: 'sample', designs: { [design]: [] }, tables: () => ({ own: { rows: 2, spec } }),
    attach: (s) => {
      services = s;
      const nothing = (): never => { throw new Error('never called'); };
      return { ops: {} satisfies MmuNotifierOps, create: nothing, destroy: nothing, fault: nothing, access: nothing, audit: nothing, counters: nothing };
    },
  };
  const m = image.boot(image.defaultConfig, [plugin]);
  image.attachSecondaryMmu(m, plugin as never);
  const s = services as KernelServices;
  const mine = s.spinlockAt(s.table('own', spec).lock, 1);
  const lock: Take = () => s.spinLock(mine) as Task<Step>;
  expect(stopped(m, lock, ORDER.find(([name]) => name === 'page_table_lock')?.[1] as Take)).toMatchObject({ code: 'lock-order', message: expect.stringContaining('page_table_lock comes before sample.own.lock') });
  const other = image.boot(image.defaultConfig, [plugin]);
  image.attachSecondaryMmu(other, plugin as never);
  const again = services as KernelServices;
  expect(stopped(other, () => again.spinLock(again.spinlockAt(again.table('own', spec).lock, 1)), leaf)).toEqual({});
});
