import * as image from '@mmun/image';
import { EFAULT, ENOMEM, ESRCH, MADV_DONTNEED, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE, PROT_NONE, PROT_READ } from '@mmun/include';
import type { Design, Vaddr } from '@mmun/include';
import { gate } from '@mmun/test-support';
import { RW, attached, thread, vm } from './process.js';

const on = gate('MMU_NOTIFIER');
/** What v5 tells in another way than range. */
const byDesign = <T>(v5: T, range: T): T => ((image.config.design as Design) === 'range' ? range : v5);

describe('a fault of the guest', () => {
  on.it('maps the frame that the process has there, with what its pte allows', () => {
    const p = vm();
    const a = p.mmap(2);
    p.touch(a, true);
    expect(p.guest(a, true)).toBe(p.primary(a).pfn);
    expect(p.driver.counters()).toEqual({ faults: 1, accesses: 2, hits: 1, invalidations: 0, pins: 0 });
    expect(p.audit()).toEqual([]);
  });

  on.it('brings a page in that the process has not touched, as the process would', () => {
    const p = vm();
    const a = p.mmap(1);
    const zero = p.guest(a, false);
    expect(p.primary(a)).toEqual({ pfn: zero, isWritable: false });
    const own = p.guest(a, true);
    expect(own).not.toBe(zero);
    expect(p.primary(a)).toEqual({ pfn: own, isWritable: true });
    expect(p.audit()).toEqual([]);
  });

  on.it('is refused where the process has no access either', () => {
    const p = vm();
    const a = p.mmap(1, PROT_READ);
    const none = p.mmap(1, PROT_NONE);
    expect([p.guest(a, true), p.guest(none, false), p.guest(0x1000 as Vaddr, false)]).toEqual([-EFAULT, -EFAULT, -EFAULT]);
    expect(p.guest(a, false)).toBeGreaterThan(0);
  });

  on.it('that finds the shadow table full says so and breaks nothing', () => {
    const p = vm({ nrFrames: 24 });
    const a = p.mmap(32);
    for (let i = 0; i < 32; i++) p.guest((a + i * PAGE_SIZE) as Vaddr, false);
    expect(p.guest((a + 31 * PAGE_SIZE) as Vaddr, false)).toBe(-ENOMEM);
    expect(p.guest(a, false)).toBeGreaterThan(0);
    expect(p.audit()).toEqual([]);
  });
});

describe('the guest loses what the process loses', () => {
  const mapped = (isWrite = true): { p: ReturnType<typeof vm>; a: Vaddr } => {
    const p = vm();
    const a = p.mmap(4);
    for (let i = 0; i < 4; i++) p.touch((a + i * PAGE_SIZE) as Vaddr, true);
    for (let i = 0; i < 4; i++) p.guest((a + i * PAGE_SIZE) as Vaddr, isWrite);
    return { p, a };
  };

  on.it('munmap', () => {
    const { p, a } = mapped();
    image.run(p.m, image.sysMunmap(p.m, (a + PAGE_SIZE) as Vaddr, PAGE_SIZE));
    expect(p.hit((a + PAGE_SIZE) as Vaddr, false)).toBe(0);
    expect(p.hit(a, true)).toBe(p.primary(a).pfn);
    expect(p.guest((a + PAGE_SIZE) as Vaddr, false)).toBe(-EFAULT);
    expect(p.driver.counters().invalidations).toBe(1);
  });

  on.it('MADV_DONTNEED', () => {
    const { p, a } = mapped();
    const before = p.primary(a).pfn;
    image.run(p.m, image.sysMadvise(p.m, a, 4 * PAGE_SIZE, MADV_DONTNEED));
    expect(p.hit(a, false)).toBe(0);
    expect(p.guest(a, false)).not.toBe(before);
    expect(p.audit()).toEqual([]);
  });

  on.it('mprotect, in one call for the table, or between one start and one end', () => {
    const { p, a } = mapped();
    image.run(p.m, image.sysMprotect(p.m, a, 4 * PAGE_SIZE, PROT_READ));
    expect(p.hit(a, true)).toBe(0);
    expect(p.guest(a, true)).toBe(-EFAULT);
    expect(p.guest(a, false)).toBe(p.primary(a).pfn);
    expect(image.notifierCounts(p.m)).toMatchObject({ invalidatePage: 0, ...byDesign({ invalidatePages: 1, invalidateRangeStart: 0 }, { invalidatePages: 0, invalidateRangeStart: 1, invalidateRangeEnd: 1 }) });
    image.run(p.m, image.sysMprotect(p.m, a, 4 * PAGE_SIZE, RW));
    expect(p.guest(a, true)).toBe(p.primary(a).pfn);
    expect(p.audit()).toEqual([]);
  });

  on.it('mremap, and finds the page at its new place', () => {
    const { p, a } = mapped();
    const { pfn } = p.primary(a);
    const place = (a - 64 * PAGE_SIZE) as Vaddr;
    expect(image.run(p.m, image.sysMremap(p.m, a, 4 * PAGE_SIZE, 4 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, place))).toBe(place);
    expect(p.hit(a, false)).toBe(0);
    expect(p.guest(place, true)).toBe(pfn);
    expect(p.audit()).toEqual([]);
  });

  on.it('copy on write by the process', () => {
    const { p, a } = mapped(false);
    const child = p.fork();
    const before = p.primary(a).pfn;
    p.touch(a, true);
    expect(p.primary(a).pfn).not.toBe(before);
    expect(p.hit(a, false)).toBe(0);
    expect(p.guest(a, true)).toBe(p.primary(a).pfn);
    p.exit(child);
  });

  on.it('exit: page by page and then release, or by release alone', () => {
    const { p, a } = mapped();
    p.exit(p.task);
    expect(image.notifierCounts(p.m)).toMatchObject({ ...byDesign({ invalidatePage: 4 }, { invalidatePage: 0, invalidateRangeStart: 0 }), release: 1 });
    expect([p.hit(a, false), p.guest(a, false)]).toEqual([0, -ESRCH]);
    expect(p.audit()).toEqual([]);
  });
});

describe('v5 forgot fork', () => {
  gate('NOTIFIER_V5').it('so the guest can write a page of the parent that the child sees', () => {
    const p = vm();
    const a = p.mmap(1);
    p.touch(a, true);
    p.guest(a, true);
    p.fork();
    expect(p.primary(a).isWritable).toBe(false);
    expect(p.hit(a, true)).toBe(p.primary(a).pfn);
    expect([...new Set(p.audit().map(({ code }) => code))]).toEqual(['excess-permission']); // the spte, and what the TLB holds of it
  });

  gate('NOTIFIER_RANGE').it('and range did not: the guest has to fault, and gets a copy', () => {
    const p = vm();
    const a = p.mmap(1);
    p.touch(a, true);
    const before = p.guest(a, true);
    p.fork();
    expect(p.hit(a, true)).toBe(0);
    expect(p.guest(a, true)).not.toBe(before);
    expect(p.primary(a).isWritable).toBe(true);
    expect(p.audit()).toEqual([]);
    expect(image.notifierCounts(p.m)?.invalidateRangeStart).toBe(image.notifierCounts(p.m)?.invalidateRangeEnd);
  });
});

describe('marks of the hardware', () => {
  on.it('a page that the guest wrote is dirty when its entry goes, one that it read is not', () => {
    const p = vm();
    const [written, read] = [p.mmap(1, RW), p.mmap(1, RW)];
    for (const a of [written, read]) p.touch(a, true);
    const frames = [p.guest(written, true), p.guest(read, false)];
    for (const pfn of frames) p.m.page.flags[pfn] = 0;
    image.run(p.m, image.sysMprotect(p.m, read, 2 * PAGE_SIZE, PROT_READ));
    expect(frames.map((pfn) => p.m.page.flags[pfn] !== 0)).toEqual([true, false]);
  });

  on.it('a write of the guest is seen by the process', () => {
    const p = vm({ pageContentWords: 4 });
    const a = p.mmap(1);
    p.touch(a, true);
    const pfn = p.guest(a, true);
    p.guest((a + 4) as Vaddr, true);
    p.guest((a + 4) as Vaddr, true);
    expect([...p.m.pageContent.subarray(pfn * 4, pfn * 4 + 4)]).toEqual([1, 2, 0, 0]);
  });
});

describe('life of a machine', () => {
  on.it('ends while the process runs: no op is called any more', () => {
    const p = vm();
    const a = p.mmap(1);
    p.touch(a, true);
    p.guest(a, true);
    image.run(p.m, p.driver.destroy(p.instance));
    image.run(p.m, image.sysMunmap(p.m, a, PAGE_SIZE));
    expect(image.notifierCounts(p.m)).toMatchObject({ invalidatePage: 0 });
    expect(p.m.mm.mmCount[p.mm]).toBe(1);
  });

  on.it('ends after the process: nothing is unregistered, and the last pin of the mm goes', () => {
    const p = vm();
    p.guest(p.mmap(1), false);
    p.exit(p.task);
    expect(p.m.mm.mmCount[p.mm]).toBe(byDesign(1, 2)); // range pins it for whoever is registered, too
    image.run(p.m, p.driver.destroy(p.instance));
    expect(p.m.mm.mmCount[p.mm]).toBe(0);
    expect(image.run(p.m, p.driver.create(image.mmOf(p.m, image.newProcess(p.m))))).toBe(p.instance);
  });

  on.it('does not hold the address space: exit of the last thread is the end of it', () => {
    const p = vm();
    const other = thread(p);
    p.exit(p.task);
    expect(image.notifierCounts(p.m)).toMatchObject({ release: 0 });
    p.exit(other);
    expect(image.notifierCounts(p.m)).toMatchObject({ release: 1 });
  });

  on.it('as many as notifiers; the next one is told -ENOMEM, and one for an ended process -ESRCH', () => {
    const { m, driver } = attached({ nrNotifiers: 2 });
    const mm = image.mmOf(m, image.newProcess(m));
    expect([1, 2, 3].map(() => image.run(m, driver.create(mm)))).toEqual([1, 2, -ENOMEM]);
    const p = vm();
    p.exit(p.task);
    expect(image.run(p.m, p.driver.create(p.mm))).toBe(-ESRCH);
  });

  on.it('a slot that moves takes its entries along', () => {
    const p = vm();
    const a = p.mmap(2);
    p.guest(a, false);
    const setRegion = (npages: number): number =>
      image.run(p.m, p.driver.setMemoryRegion(p.instance, { slot: 0, baseGfn: 0x100, npages, userspaceAddr: a }));
    expect(setRegion(1)).toBe(0);
    expect(p.hit(a, false)).toBe(0);
    expect(p.guest(a, false)).toBe(p.primary(a).pfn);
    expect(p.guest((a + PAGE_SIZE) as Vaddr, false)).toBe(-EFAULT);
    expect(p.audit()).toEqual([]);
    expect(image.run(p.m, p.driver.setMemoryRegion(p.instance, { slot: 99, baseGfn: 0, npages: 1, userspaceAddr: a }))).toBe(-EFAULT);
  });

  on.it('is in the snapshot of the machine', () => {
    const p = vm();
    const a = p.mmap(1);
    const pfn = p.guest(a, true);
    const snapshot = new Uint8Array(p.m.buffer).slice();
    image.run(p.m, image.sysMunmap(p.m, a, PAGE_SIZE));
    expect(p.hit(a, true)).toBe(0);
    new Uint8Array(p.m.buffer).set(snapshot);
    expect(p.hit(a, true)).toBe(pfn);
    expect(p.audit()).toEqual([]);
  });
});

describe('a design that KVM does not know', () => {
  gate('NOTIFIER_V5').it('is not v5', () => {
    expect(attached().driver.ops).toHaveProperty('invalidatePages');
  });

  gate('NOTIFIER_RANGE').it('is not range', () => {
    expect(attached().driver.ops).toHaveProperty('invalidateRangeStart');
  });

  it('is refused in one line', () => {
    const refusal = image.secondaryMmuRefusal({ name: 'gru', designs: {}, tables: () => ({}), attach: () => ({}) as never });
    expect(refusal).toBe(`plugin \`gru\` does not know notifier design \`${image.config.design}\`: it has ops for no design`);
  });
});
