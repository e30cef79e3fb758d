import * as image from '@mmun/image';
import { EACCES, EBUSY, EFAULT, EINVAL, ENOMEM, ESRCH, MADV_DONTNEED, MADV_PAGEOUT, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { TaskStruct, Vaddr } from '@mmun/include';
import { xpmem } from '@mmun/plugin-xpmem';
import { gate } from '@mmun/test-support';
import { world } from './world.js';
import type { World } from './world.js';

const on = gate('NOTIFIER_RANGE');
const P = PAGE_SIZE;
const at = (a: Vaddr, page: number): Vaddr => (a + page * P) as Vaddr;

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
    expect([w.audit(), w.check()]).toEqual([[], []]);
  });
});
