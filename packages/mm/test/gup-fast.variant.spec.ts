/** get_user_pages_fast, one thread at a time; every interleaving is in packages/races/test/gup-fast.race.spec.ts. */
import * as image from '@mmun/image';
import { ACQUIRE_SHARED, EFAULT, MAP_SHARED, PAGE_SIZE, PROT_READ, READ, WRITE } from '@mmun/include';
import type { Pfn, PointKind } from '@mmun/include';
import { gate } from '@mmun/test-support';
import { allocPage } from '../src/page-alloc.js';
import { world } from './page-world.js';
import type { World } from './page-world.js';

const P = PAGE_SIZE;
const fast = (w: World, at: number, isWrite = false): number => w.run<number>(image.getUserPagesFast(w.m, at as never, isWrite));
const frameAt = (w: World, at: number): number => image.primaryTranslation(w.m, image.mmOf(w.m, w.task), at as never) >>> 1;

/** The kinds of points and the columns that a call names. */
function pointsOf(w: World, call: () => void): string[] {
  const seen: [PointKind, string][] = [];
  const inner = w.m.sched;
  w.m.sched = { ...inner, point: (kind, where) => { seen.push([kind, image.nameOfWhere(w.m, where)]); return false; }, until: (kind, where, mask, value) => { seen.push([kind, image.nameOfWhere(w.m, where)]); return inner.until(kind, where, mask, value); } };
  call();
  w.m.sched = inner;
  return seen.map(([kind, name]) => `${kind === READ ? 'read' : kind === WRITE ? 'write' : kind === ACQUIRE_SHARED ? 'shared' : 'other'} ${name.replace(/\[.*/, '')}`);
}

describe('get_user_pages_fast', () => {
  it('gives the frame with a reference, for reading and for writing', () => {
    const w = world({ tlbEntries: 4 });
    const a = w.mmap(2);
    w.write(a, 7);
    const pfn = frameAt(w, a);
    expect([fast(w, a), fast(w, a, true), w.m.page.refcount[pfn]]).toEqual([pfn, pfn, 3]);
    w.run(image.sysMunmap(w.m, a, 2 * P));
    expect(image.isFrameLive(w.m, pfn as Pfn)).toBe(true);
    for (let i = 0; i < 2; i++) w.run(image.putPage(w.m, pfn as Pfn));
    expect([image.isFrameLive(w.m, pfn as Pfn), image.checkMachine(w.m)]).toEqual([false, []]);
  });

  it('faults in what is not there or may not be written yet, and refuses what the process may not touch', () => {
    const w = world({ tlbEntries: 4 });
    const a = w.mmap(3);
    const zero = fast(w, a);
    expect(zero).toBe(w.m.vm.zeroPfn[0]);
    const copy = fast(w, a, true);
    expect([copy === zero, copy]).toEqual([false, frameAt(w, a)]);
    expect([fast(w, w.mmap(1, { prot: PROT_READ }), true), fast(w, 0x1000), fast(w, w.mmap(1, { prot: 0 }))]).toEqual([-EFAULT, -EFAULT, -EFAULT]);
    expect(w.as(image.kernelThread(w.m), () => fast(w, a))).toBe(-EFAULT);
    for (const pfn of [zero, copy]) w.run(image.putPage(w.m, pfn as Pfn));
  });

  it('a pte that lets a driver\'s frame through is left to the slow way, which refuses', () => {
    const w = world({ tlbEntries: 4 });
    const { file } = w.file(2);
    const a = w.mmap(1, { flags: MAP_SHARED, file });
    const own = w.run<Pfn>(allocPage(w.m));
    w.run(image.remapPfnRange(w.m, image.findVma(w.m, image.mmOf(w.m, w.task), a), a, own, P));
    expect([fast(w, a), w.m.page.refcount[own]]).toEqual([-EFAULT, 1]);
    w.run(image.sysMunmap(w.m, a, P));
    w.run(image.putPage(w.m, own));
  });

  gate('CHECKED').it('takes no lock where the page is there; where no TLB is modelled it takes mmap_sem', () => {
    const [w, without] = [world({ tlbEntries: 4 }), world({ tlbEntries: 0 })];
    const locks = [w, without].map((on) => {
      const a = on.mmap(1);
      on.write(a, 7);
      const points = pointsOf(on, () => void fast(on, a));
      on.run(image.putPage(on.m, frameAt(on, a) as Pfn));
      return points.filter((point) => /mmapSem|ptl|Lock/.test(point)).length;
    });
    expect(locks[0]).toBe(0);
    expect(locks[1]).toBeGreaterThan(0);
  });
});
