/** Rules of ranges: every page of one goes, however large it is, however many there are, and whoever asks. */
import { MADV_DONTNEED, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { RangeNotifierOps, Task, Vaddr } from '@mmun/include';
import type { Setup } from '@mmun/races';
import { FIRST_NOTIFIER, MANY, doWork, hex, must, primary, run, touch } from './conduct-steps.js';

const FAR_AWAY = (2 ** 40) as Vaddr;

/** Whatever is changed of a range: its first page, its last, and those behind the end of a page table. */
export function rangesGo(t: Setup): void {
  const { instance, driver } = t.dev;
  const changes: readonly (readonly [string, boolean, (at: Vaddr, pages: number) => void])[] = [
    ['mprotect to read-only', true, (at, pages): void => { t.mprotect(at, PROT_READ, pages); }],
    ['MADV_DONTNEED', false, (at, pages): void => { t.madvise(at, MADV_DONTNEED, pages); }],
    ['munmap', false, (at, pages): void => { t.munmap(at, pages); }],
  ];
  const a = (2 * PAGE_SIZE) as Vaddr;
  for (const [name, isWrite, change] of changes) {
    // a range of one page is told as one page
    for (const [first, pages] of [[0, 8], [1, 1], [1, 2], [2, 5]] as const) {
      t.mmap(8, { at: a });
      for (let i = 0; i < 8; i++) {
        t.write((a + i * PAGE_SIZE) as Vaddr, i);
        touch(t, instance, (a + i * PAGE_SIZE) as Vaddr, true);
      }
      change((a + first * PAGE_SIZE) as Vaddr, pages);
      for (let i = first; i < first + pages; i++) {
        const page = (a + i * PAGE_SIZE) as Vaddr;
        const pfn = run(t, driver.access(instance, page, isWrite));
        must(pfn === 0, `${name} of ${pages} pages from ${hex(a + first * PAGE_SIZE)} has returned and the device still ${isWrite ? 'writes' : 'reaches'} ${hex(page)}`);
      }
    }
  }
}

/** As mm tells of a whole address space: a driver may go another way through its entries then. */
export function largeRangesGo(t: Setup): void {
  const { instance, driver } = t.dev;
  const ops = driver.ops as RangeNotifierOps;
  const a = t.mmap(2);
  for (const first of [a, (a + PAGE_SIZE) as Vaddr]) {
    for (const page of [a, (a + PAGE_SIZE) as Vaddr]) {
      t.write(page, 7);
      touch(t, instance, page, true);
    }
    run(t, ops.invalidateRangeStart?.(FIRST_NOTIFIER, t.mm, first, FAR_AWAY, true) as Task<string, unknown>);
    run(t, ops.invalidateRangeEnd?.(FIRST_NOTIFIER, t.mm, first, FAR_AWAY) as Task<string, unknown>);
    const pfn = run(t, driver.access(instance, (a + PAGE_SIZE) as Vaddr, false));
    must(pfn === 0, `a range from ${hex(first)} to ${hex(FAR_AWAY)} was told and is over, and the device still reaches ${hex(a + PAGE_SIZE)}`);
  }
}

/** Whatever the driver remembers of a range has rows, and mm may tell of more: of these, too, every entry goes. */
export function manyRanges(t: Setup): void {
  const { instance, driver } = t.dev;
  const ops = driver.ops as RangeNotifierOps;
  const tell = (name: 'invalidateRangeStart' | 'invalidateRangeEnd', at: Vaddr): void => {
    run(t, ops[name]?.(FIRST_NOTIFIER, t.mm, at, (at + PAGE_SIZE) as Vaddr, true) as Task<string, unknown>);
  };
  const a = t.mmap(1);
  t.write(a, 7);
  touch(t, instance, a, true);
  const told = [...Array.from({ length: MANY }, (_, i) => (FAR_AWAY + i * PAGE_SIZE) as Vaddr), a];
  for (const at of told) tell('invalidateRangeStart', at);
  const pfn = run(t, driver.access(instance, a, false));
  must(pfn === 0, `a range with ${hex(a)} has begun, ${MANY} others are under way, and the device still reaches frame ${pfn}`);
  for (const at of told.toReversed()) tell('invalidateRangeEnd', at);
  must(touch(t, instance, a, true) === primary(t, a), `${told.length} ranges that were under way at once are over, and the device does not reach ${hex(a)}`);
}

/** The OOM reaper takes the pages. What a driver would have to wait for it leaves to a work item, which has run when this looks. */
export function reaped(t: Setup): void {
  const { instance, driver } = t.dev;
  const a = t.mmap(2);
  const pages = [a, (a + PAGE_SIZE) as Vaddr];
  for (const page of pages) {
    t.write(page, 7);
    touch(t, instance, page, true);
  }
  const isDone = t.oomReap(t.mm);
  doWork(t);
  for (const page of isDone ? pages : []) {
    const pfn = run(t, driver.access(instance, page, false));
    must(pfn === 0, `the OOM reaper has taken the page at ${hex(page)}, what was left for later is done, and the device still reaches frame ${pfn}`);
  }
}
