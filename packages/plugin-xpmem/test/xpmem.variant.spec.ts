import * as image from '@mmun/image';
import { EACCES, EBUSY, EFAULT, EINVAL, ENOMEM, ESRCH, MADV_PAGEOUT, MAP_SHARED, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE, PROT_NONE, PROT_READ } from '@mmun/include';
import type { Vaddr } from '@mmun/include';
import { xpmem } from '@mmun/plugin-xpmem';
import { gate } from '@mmun/test-support';
import { forcedUnderV5 } from './wrong-xpmems.js';
import { world } from './world.js';
import type { World } from './world.js';

const on = gate('NOTIFIER_RANGE');
const P = PAGE_SIZE;
const at = (a: Vaddr, page: number): Vaddr => (a + page * P) as Vaddr;
const ok = (w: World): void => { expect([w.audit(), w.check()]).toEqual([[], []]); };

/** Four pages that the owner has written and a partition has read or written. */
function mapped(isWrite = true, overrides: Parameters<typeof world>[0] = {}): { readonly w: World; readonly a: Vaddr } {
  const w = world(overrides);
  const a = w.mmap(4);
  for (let i = 0; i < 4; i++) {
    w.touch(at(a, i), true);
    w.remote(at(a, i), isWrite);
  }
  return { w, a };
}

/** Two pages of the owner as an area of another process, mapped there. */
function area(isWritable = true, isMapped = true): { readonly w: World; readonly a: Vaddr; readonly other: ReturnType<World['process']>; readonly id: number; readonly there: Vaddr } {
  const w = world();
  const a = w.mmap(2);
  for (const page of [0, 1]) w.touch(at(a, page), true);
  const other = w.process();
  const permit = image.run(w.m, w.driver.get(image.run(w.m, w.driver.make(w.instance, a, 2 * P)), isWritable));
  const id = image.run(w.m, w.driver.attachLocal(permit, image.mmOf(w.m, other)));
  const there = w.driver.addressIn(id, a);
  if (isMapped) for (const page of [0, 1]) expect(image.run(w.m, w.driver.fault(id, at(a, page), isWritable))).toBe(0);
  return { w, a, other, id, there };
}

describe('a fault of a remote partition', () => {
  on.it('pins the page that the owner has there, once, however many views there are of it', () => {
    const w = world();
    const a = w.mmap(1);
    w.touch(a, true);
    const { pfn } = w.primary(a);
    expect(w.remote(a, true)).toBe(pfn);
    expect(w.pins(pfn)).toBe(1);
    const second = image.run(w.m, w.driver.attachRemote(1));
    expect(w.remote(a, false, second)).toBe(pfn);
    expect(w.pins(pfn)).toBe(1);
    expect(w.driver.counters()).toEqual({ faults: 2, accesses: 4, hits: 2, invalidations: 0, pins: 1 });
    ok(w);
  });

  on.it('brings a page in as the owner would, and copies what the owner would copy, also within itself', () => {
    const w = world();
    const a = w.mmap(1);
    const zero = w.remote(a, false);
    expect(w.primary(a)).toEqual({ pfn: zero, isWritable: false });
    const own = w.remote(a, true);
    expect(own).not.toBe(zero);
    expect(w.primary(a)).toEqual({ pfn: own, isWritable: true });
    ok(w);
  });

  on.it('is refused where the owner has no access either, outside of the segment, and for writing by a permit to read', () => {
    const w = world();
    const [a, readOnly, none] = [w.mmap(2), w.mmap(1, PROT_READ), w.mmap(1, PROT_NONE)];
    expect([w.remote(readOnly, true), w.remote(none, false), w.remote(0x1000 as Vaddr, false)]).toEqual([-EFAULT, -EFAULT, -EFAULT]);
    const segment = image.run(w.m, w.driver.make(w.instance, a, P));
    const reader = image.run(w.m, w.driver.attachRemote(image.run(w.m, w.driver.get(segment, false))));
    expect([w.remote(a, false, reader) > 0, w.remote(a, true, reader), w.remote(at(a, 1), false, reader)]).toEqual([true, -EFAULT, -EFAULT]);
    ok(w);
  });

  on.it('that finds the tables full says so and breaks nothing', () => {
    const w = world({ nrFrames: 24 });
    const a = w.mmap(32);
    for (let i = 0; i < 32; i++) w.remote(at(a, i), false);
    expect(w.remote(at(a, 31), false)).toBe(-ENOMEM);
    expect(w.remote(a, false)).toBeGreaterThan(0);
    ok(w);
  });
});

describe('a recall', () => {
  on.it('sends one message for a range, and none where nobody has anything', () => {
    const { w, a } = mapped();
    image.run(w.m, image.sysMunmap(w.m, at(a, 1), 2 * P));
    expect(w.driver.recalls()).toEqual({ recalls: 1, messages: 1 });
    expect([0, 1, 2, 3].map((page) => w.hit(at(a, page), false) > 0)).toEqual([true, false, false, true]);
    image.run(w.m, image.sysMunmap(w.m, w.mmap(8), 8 * P));
    expect(w.driver.recalls()).toEqual({ recalls: 1, messages: 1 });
    expect(w.driver.counters()).toMatchObject({ invalidations: 2, pins: 4 });
    ok(w);
  });

  on.it('unpins only what every partition has answered for', () => {
    const { w, a } = mapped();
    const second = image.run(w.m, w.driver.attachRemote(1));
    const pfn = w.remote(a, true, second);
    image.run(w.m, image.sysMprotect(w.m, a, P, PROT_READ));
    expect([w.hit(a, false), w.hit(a, false, second), w.pins(pfn)]).toEqual([0, 0, 0]);
    expect(w.driver.recalls().messages).toBe(2);
    ok(w);
  });

  on.it('takes the permission to write from a page that fork shares', () => {
    const { w, a } = mapped();
    const before = w.primary(a).pfn;
    w.fork();
    expect(w.hit(a, true)).toBe(0);
    expect(w.remote(a, true)).not.toBe(before);
    ok(w);
  });

  on.it('hands over what the other side has written', () => {
    const { w, a } = mapped(false);
    const frames = [0, 1].map((page) => w.primary(at(a, page)).pfn);
    w.remote(a, true);
    for (const pfn of frames) w.m.page.flags[pfn] = 0;
    image.run(w.m, image.sysMprotect(w.m, a, 4 * P, PROT_READ));
    expect(frames.map((pfn) => w.m.page.flags[pfn] !== 0)).toEqual([true, false]);
  });

  on.it('of every page is what the end of the owner is, and afterwards nothing can be had', () => {
    const { w, a } = mapped();
    w.exit(w.owner);
    expect([w.hit(a, false), image.run(w.m, w.driver.fault(w.instance, a, false))]).toEqual([0, -ESRCH]);
    expect(w.driver.counters().invalidations).toBe(4);
    ok(w);
    image.run(w.m, w.driver.destroy(w.instance));
    expect(w.m.mm.mmCount[w.mm]).toBe(0);
  });

  on.it('that needs more pages than are looked up one by one goes along the segment', () => {
    const w = world();
    const a = w.mmap(200);
    for (let i = 0; i < 200; i += 2) w.remote(at(a, i), true);
    image.run(w.m, image.sysMunmap(w.m, a, 150 * P));
    expect([w.hit(at(a, 148), false), w.hit(at(a, 150), false) > 0]).toEqual([0, true]);
    expect(w.driver.counters().invalidations).toBe(75);
    ok(w);
  });
});

describe('where mm may not sleep', () => {
  on.it('a page that a partition has is young, and reclaim leaves it', () => {
    const { w, a } = mapped(true, { nrSwapSlots: 64 });
    for (let i = 0; i < 4; i++) image.run(w.m, image.shrinkZone(w.m, 4));
    expect(w.hit(a, false)).toBe(w.primary(a).pfn);
    expect(image.notifierCounts(w.m)).toMatchObject({ invalidatePage: 0 });
    ok(w);
  });

  on.it('a page that is to be put out all the same is pinned, and stays where both have it', () => {
    const { w, a } = mapped(true, { nrSwapSlots: 64 });
    const { pfn } = w.primary(a);
    image.run(w.m, image.sysMadvise(w.m, a, 4 * P, MADV_PAGEOUT));
    expect([w.primary(a).pfn, w.hit(a, true)]).toEqual([pfn, pfn]);
    expect(image.notifierCounts(w.m)).toMatchObject({ invalidatePage: 0 });
    image.run(w.m, w.driver.detach(w.instance));
    image.run(w.m, image.sysMadvise(w.m, a, 4 * P, MADV_PAGEOUT));
    expect(w.primary(a).pfn).toBe(0);
    ok(w);
  });

  on.it('a file that is written back is not written to by a partition, which may read it', () => {
    const w = world({ nrSwapSlots: 64 });
    const inode = image.newInode(w.m, { path: '/f', kind: 'regular', major: 8, minor: 1, ino: 7, size: P, thpAligned: false });
    const file = image.filpOpen(w.m, inode, { isReadable: true, isWritable: true });
    const a = image.run(w.m, image.sysMmap(w.m, 0 as Vaddr, P, 3, MAP_SHARED, file, 0)) as Vaddr;
    w.touch(a, true);
    expect([w.remote(a, true), w.remote(a, false)]).toEqual([-EFAULT, w.primary(a).pfn]);
    image.run(w.m, image.filemapFdatawrite(w.m, inode, 0, 1));
    ok(w);
  });
});

describe('the OOM reaper, which waits for nobody', () => {
  on.it('is let through: what a partition has is recalled afterwards, and pinned until then', () => {
    const { w, a } = mapped();
    const { pfn } = w.primary(a);
    const before = w.driver.recalls().recalls;
    expect(image.run(w.m, image.oomReapTaskMm(w.m, w.mm))).toBe(true);
    expect([w.driver.recalls().recalls > before, w.hit(a, false), w.m.page.refcount[pfn]]).toEqual([true, 0, 0]);
    ok(w);
  });
});

describe('segments, permits, attachments', () => {
  on.it('a segment that goes takes what was attached with it, and only that', () => {
    const w = world();
    const a = w.mmap(2);
    const segment = image.run(w.m, w.driver.make(w.instance, a, P));
    const permit = image.run(w.m, w.driver.get(segment, true));
    const id = image.run(w.m, w.driver.attachRemote(permit));
    const pfn = w.remote(a, true, id);
    w.remote(at(a, 1), true);
    expect(image.run(w.m, w.driver.remove(segment))).toBe(0);
    expect([w.hit(a, false, id), w.pins(pfn), w.hit(at(a, 1), false) > 0]).toEqual([0, 0, true]);
    expect([image.run(w.m, w.driver.fault(id, a, false)), image.run(w.m, w.driver.get(segment, true)), image.run(w.m, w.driver.remove(segment))]).toEqual([-EFAULT, -EINVAL, -EINVAL]);
    expect([image.run(w.m, w.driver.release(permit)), image.run(w.m, w.driver.detach(id)), image.run(w.m, w.driver.release(permit))]).toEqual([-EBUSY, 0, 0]);
    ok(w);
  });

  on.it('the last view that goes lets the pages go', () => {
    const { w, a } = mapped();
    const { pfn } = w.primary(a);
    const second = image.run(w.m, w.driver.attachRemote(1));
    w.remote(a, false, second);
    expect(image.run(w.m, w.driver.detach(w.instance))).toBe(0);
    expect([w.hit(a, false), w.pins(pfn), w.hit(a, false, second)]).toEqual([0, 1, pfn]);
    image.run(w.m, w.driver.detach(second));
    expect([w.pins(pfn), image.run(w.m, w.driver.detach(second))]).toEqual([0, -EINVAL]);
    expect(image.run(w.m, w.driver.fault(w.instance, a, false))).toBe(-EFAULT);
    ok(w);
  });

  on.it('closing takes all of it along, and is followed by no op', () => {
    const { w, a } = mapped();
    image.run(w.m, w.driver.attachRemote(1));
    image.run(w.m, w.driver.make(w.instance, a, P));
    image.run(w.m, w.driver.destroy(w.instance));
    const { invalidateRangeStart } = image.notifierCounts(w.m) as { invalidateRangeStart: number };
    image.run(w.m, image.sysMunmap(w.m, a, 4 * P));
    expect(image.notifierCounts(w.m)?.invalidateRangeStart).toBe(invalidateRangeStart);
    ok(w);
    expect(image.run(w.m, w.driver.create(w.mm))).toBe(w.instance);
  });

  on.it('are as many as there is room for; one for an ended process is -ESRCH', () => {
    const w = world({ nrNotifiers: 2 });
    const mm = image.mmOf(w.m, w.process());
    expect([image.run(w.m, w.driver.create(mm)), image.run(w.m, w.driver.create(mm))]).toEqual([2, -ENOMEM]);
    const gone = world();
    gone.exit(gone.owner);
    expect(image.run(gone.m, gone.driver.create(gone.mm))).toBe(-ESRCH);
  });

  on.it('are in the snapshot of the machine', () => {
    const { w, a } = mapped();
    const pfn = w.hit(a, true);
    const snapshot = new Uint8Array(w.m.buffer).slice();
    image.run(w.m, image.sysMunmap(w.m, a, P));
    expect(w.hit(a, true)).toBe(0);
    new Uint8Array(w.m.buffer).set(snapshot);
    expect(w.hit(a, true)).toBe(pfn);
    ok(w);
  });
});

describe('an area of another process', () => {
  on.it('shows the owner\'s pages, which its mm does not count', () => {
    const { w, a, other, there } = area();
    expect(w.primary(there, other)).toEqual(w.primary(a));
    expect([w.m.mm.rssAnon[image.mmOf(w.m, other)], w.m.mm.rssShmem[image.mmOf(w.m, other)], w.pins(w.primary(a).pfn)]).toEqual([0, 0, 1]);
    ok(w);
  });

  on.it('gets a signal where nothing is mapped yet, and by a permit to read where it writes', () => {
    const { w, there, other } = area(true, false);
    expect(w.touch(there, false, other)).not.toBe(0);
    const readOnly = area(false);
    expect([readOnly.w.primary(readOnly.there, readOnly.other).isWritable, readOnly.w.touch(readOnly.there, true, readOnly.other) === 0]).toEqual([false, false]);
  });

  on.it('is cleared by the recall, with the calls that the other process\'s own notifiers are owed', () => {
    const { w, a, other, there } = area();
    const { pfn } = w.primary(a);
    const before = image.notifierCounts(w.m)?.invalidateRangeStart as number;
    image.run(w.m, image.sysMunmap(w.m, a, P));
    expect([w.primary(there, other).pfn, w.m.page.refcount[pfn], w.primary(at(there, 1), other).pfn]).toEqual([0, 0, w.primary(at(a, 1)).pfn]);
    expect(image.notifierCounts(w.m)?.invalidateRangeStart).toBe(before + 2); // the owner's range, and the area's
    ok(w);
  });

  // the fast build has no locks to wait for
  gate('NOTIFIER_RANGE', 'CHECKED').it('that cannot be cleared now keeps its pages, and whoever comes by next lets them go', () => {
    const { w, a, other, there, id } = area();
    const { pfn } = w.primary(a);
    const mmapSem = image.mmapSemOf(w.m, image.mmOf(w.m, other));
    w.m.words[mmapSem] = -1; // as a writer has it
    image.run(w.m, image.sysMunmap(w.m, a, P));
    w.m.words[mmapSem] = 0;
    expect([w.primary(there, other).pfn, w.m.page.refcount[pfn]]).toEqual([pfn, 1]);
    expect(image.run(w.m, w.driver.detach(id))).toBe(0);
    expect([w.primary(there, other).pfn, w.m.page.refcount[pfn]]).toEqual([0, 0]);
    ok(w);
  });

  on.it('may be unmapped, and something else mapped there, by its process: that is not the driver\'s any more', () => {
    const { w, a, other, there, id } = area();
    w.as(other, () => image.run(w.m, image.sysMunmap(w.m, there, 2 * P)));
    const mine = w.as(other, () => image.run(w.m, image.sysMmap(w.m, there, 2 * P, 3, 0x32, 0 as never, 0)));
    expect(mine).toBe(there);
    w.touch(there, true, other);
    const own = w.primary(there, other).pfn;
    expect(image.run(w.m, w.driver.fault(id, a, true))).toBe(-EFAULT);
    image.run(w.m, image.sysMunmap(w.m, a, 2 * P));
    image.run(w.m, w.driver.detach(id));
    expect(w.primary(there, other).pfn).toBe(own);
    ok(w);
  });

  on.it('is neither moved nor inherited', () => {
    const { w, other, there } = area();
    const moved = w.as(other, () => image.run(w.m, image.sysMremap(w.m, there, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, (there - 64 * P) as Vaddr)));
    const child = w.as(other, () => w.fork());
    expect([moved, image.vmaAfter(w.m, image.mmOf(w.m, child), there)?.start === there]).toEqual([-EINVAL, false]);
    ok(w);
  });

  on.it('outlives neither its process nor the owner, in either order', () => {
    for (const isOwnerFirst of [true, false]) {
      const { w, a, other, there, id } = area();
      const frames = [0, 1].map((page) => w.primary(at(a, page)).pfn);
      if (isOwnerFirst) {
        w.exit(w.owner);
        expect(w.primary(there, other).pfn).toBe(0);
        w.exit(other);
      } else {
        w.exit(other);
        expect(frames.map((pfn) => w.pins(pfn))).toEqual([1, 1]);
        expect(image.run(w.m, w.driver.fault(id, a, true))).toBe(-EFAULT);
        w.exit(w.owner);
      }
      expect(frames.map((pfn) => w.m.page.refcount[pfn])).toEqual([0, 0]);
      ok(w);
      image.run(w.m, w.driver.destroy(w.instance));
      ok(w);
      expect(w.m.tablePool.head.used[0]).toBe(0);
    }
  });

  on.it('is not made of one\'s own memory', () => {
    const { w } = area();
    expect(image.run(w.m, w.driver.attachLocal(2, w.mm))).toBe(-EACCES);
  });
});

describe('rows for ranges that are all taken', () => {
  on.it('close the whole segment instead, and the recall is made on the spot', () => {
    const w = world();
    const pool = w.m.secondaryTables['xpmem.rangePoolHead'] as unknown as { readonly free: Uint32Array; readonly bump: Uint32Array };
    const a = w.mmap(2);
    const frames = [0, 1].map((page) => w.remote(at(a, page), true));
    pool.free[0] = 0;
    pool.bump[0] = 1e6;
    image.run(w.m, image.sysMunmap(w.m, a, P));
    expect([w.hit(a, false), w.m.page.refcount[frames[0] as number], w.hit(at(a, 1), false)]).toEqual([0, 0, frames[1]]);
    expect(w.remote(at(a, 1), true)).toBe(frames[1]);
    ok(w);
  });
});

describe('v5', () => {
  gate('NOTIFIER_V5', 'CHECKED').it('forced upon it, the recall sleeps under the PT lock, and the machine stops', () => {
    const w = world({}, forcedUnderV5);
    const a = w.mmap(1);
    expect(w.remote(a, true)).toBe(w.primary(a).pfn);
    expect(() => image.run(w.m, image.sysMunmap(w.m, a, P))).toThrow(/mutex_lock.*spinlock|sleep.*atomic/is);
  });

  it('is refused, with the reason', () => {
    const refusal = image.secondaryMmuRefusal(xpmem);
    if (image.config.design === 'range') expect(refusal).toBe('');
    else expect(refusal).toMatch(new RegExp(`^plugin .xpmem. does not know notifier design .${image.config.design}.: it has ops for range${image.config.design === 'v5' ? '; its recall sleeps until other partitions have answered' : '$'}`));
  });
});
