import * as image from '@mmun/image';
import { EFAULT, EINVAL, ENOMEM, PAGE_SIZE } from '@mmun/include';
import type { Mm, Task, Vaddr } from '@mmun/include';
import { kvm, kvmWith } from '@mmun/plugin-kvm';
import type { Protocol } from '@mmun/plugin-kvm';
import { gate } from '@mmun/test-support';
import { vm } from './process.js';
import type { Vm } from './process.js';

const on = gate('MMU_NOTIFIER');

/** A page that the process has written, and how vCPUs get at it. */
function guest(protocol?: Protocol, pages = 1) {
  const p = vm({}, protocol === undefined ? kvm : kvmWith({ protocol }));
  const a = p.mmap(pages);
  for (let i = 0; i < pages; i++) p.touch((a + i * PAGE_SIZE) as Vaddr, true);
  const hit = (vcpu: number, gpa: number, isWrite: boolean): number => image.run(p.m, p.driver.guestAccess({ instance: p.instance, vcpu, gpa }, isWrite));
  const access = (vcpu: number, gpa: number, isWrite: boolean): number => {
    const first = hit(vcpu, gpa, isWrite);
    const error = first === 0 ? image.run(p.m, p.driver.guestFault({ instance: p.instance, vcpu, gpa }, isWrite)) : 0;
    return first !== 0 ? first : error !== 0 ? error : hit(vcpu, gpa, isWrite);
  };
  return { p, a, hit, access };
}

/** What reclaim asks of a page. */
interface Aging {
  pageReferenced(m: Vm['m'], pfn: number, isLocked: boolean): Task<string, number>;
}
const isUsed = ({ m }: Vm, pfn: number): boolean => image.run(m, (image as unknown as Aging).pageReferenced(m, pfn, false)) > 0;

describe('vCPUs', () => {
  on.it('have roots of their own, and lose what the process loses together', () => {
    const { p, a, hit, access } = guest();
    const second = image.run(p.m, p.driver.createVcpu(p.instance));
    expect([second, image.run(p.m, p.driver.createVcpu(p.instance))]).toEqual([1, -EINVAL]);
    expect(access(0, a, true)).toBe(p.primary(a).pfn);
    expect(hit(1, a, false)).toBe(0);
    expect(access(1, a, true)).toBe(p.primary(a).pfn);
    image.run(p.m, image.sysMunmap(p.m, a, PAGE_SIZE));
    expect([hit(0, a, false), hit(1, a, false), p.driver.counters().invalidations]).toEqual([0, 0, 2]);
    expect(p.audit()).toEqual([]);
  });

  on.it('reach a page by every slot that maps it, and by none after it is gone', () => {
    const { p, a, hit, access } = guest();
    const region = (slot: number, baseGfn: number, npages: number, userspaceAddr: Vaddr): number =>
      image.run(p.m, p.driver.setMemoryRegion(p.instance, { slot, baseGfn, npages, userspaceAddr }));
    expect([region(0, 16, 1, a), region(1, 32, 1, a), region(4, 0, 1, a)]).toEqual([0, 0, -EFAULT]);
    expect([access(0, 16 * PAGE_SIZE, true), access(0, 32 * PAGE_SIZE, true), access(0, 48 * PAGE_SIZE, false)]).toEqual([p.primary(a).pfn, p.primary(a).pfn, -EFAULT]);
    expect(p.audit()).toEqual([]);
    image.run(p.m, image.sysMunmap(p.m, a, PAGE_SIZE));
    expect([hit(0, 16 * PAGE_SIZE, false), hit(0, 32 * PAGE_SIZE, false)]).toEqual([0, 0]);
  });

  on.it('lose what they reached through a slot that moves', () => {
    const { p, a, hit, access } = guest(undefined, 2);
    access(0, a, true);
    image.run(p.m, p.driver.setMemoryRegion(p.instance, { slot: 0, baseGfn: 0, npages: 1, userspaceAddr: (a + PAGE_SIZE) as Vaddr }));
    expect([hit(0, a, false), access(0, 0, true)]).toEqual([0, p.primary((a + PAGE_SIZE) as Vaddr).pfn]);
    expect(p.audit()).toEqual([]);
  });
});

describe('ageing', () => {
  on.it('hears of a page that only the guest uses, once for each time that it used it', () => {
    const { p, a, access } = guest();
    const { pfn } = p.primary(a);
    access(0, a, false);
    isUsed(p, pfn);
    expect(isUsed(p, pfn)).toBe(false);
    access(0, a, false); // by the TLB, had the flush not emptied it
    expect(isUsed(p, pfn)).toBe(true);
    expect(isUsed(p, pfn)).toBe(false);
  });
});

describe.each(['pt-lock', 'retry', 'pinned'] as const)('protocol %s', (protocol) => {
  on.it('holds a reference to the pages of its entries if it is to, and gives each back', () => {
    const { p, a, access } = guest(protocol, 3);
    const counts = (): number[] => [0, 1, 2].map((i) => p.m.page.refcount[p.primary((a + i * PAGE_SIZE) as Vaddr).pfn]);
    const before = counts();
    for (let i = 0; i < 3; i++) access(0, a + i * PAGE_SIZE, true);
    const held = protocol === 'pinned' ? 1 : 0;
    expect(counts()).toEqual(before.map((count) => count + held));
    expect(p.driver.counters().pins).toBe(3 * held);
    image.run(p.m, image.sysMunmap(p.m, a, PAGE_SIZE));
    image.run(p.m, p.driver.destroy(p.instance));
    expect(counts().slice(1)).toEqual(before.slice(1));
    expect(image.checkMachine(p.m)).toEqual([]);
  });

  on.it('gives an entry that is there more rights when it is written, and keeps one reference', () => {
    const { p, a, access } = guest(protocol);
    const before = p.m.page.refcount[p.primary(a).pfn];
    expect([access(0, a, false), access(0, a, true)]).toEqual([p.primary(a).pfn, p.primary(a).pfn]);
    expect(p.m.page.refcount[p.primary(a).pfn]).toBe(before + (protocol === 'pinned' ? 1 : 0));
    expect(p.audit()).toEqual([]);
  });
});

describe('failing allocations', () => {
  on.it('end a machine that was being made, and a fault, with -ENOMEM and nothing lost', () => {
    const p = vm({ faultInjection: true });
    const a = p.mmap(1);
    p.touch(a, true);
    const { sched } = p.m;
    let asked = 0;
    const failing = (at: number): void => {
      asked = 0;
      p.m.sched = { ...sched, choose: () => (asked++ === at ? 1 : 0), point: () => false, until: () => false, touch: () => undefined };
    };
    failing(0);
    expect(image.run(p.m, p.driver.create(p.mm as Mm))).toBe(-ENOMEM);
    failing(0);
    expect(image.run(p.m, p.driver.fault(p.instance, a, true))).toBe(-ENOMEM);
    p.m.sched = sched;
    expect(p.m.mm.mmCount[p.mm]).toBeGreaterThan(0);
    expect([p.audit(), image.checkMachine(p.m)]).toEqual([[], []]);
  });
});
