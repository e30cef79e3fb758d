/**
 * Where v5 calls a notifier (history 1.4), how often (the seed's claim C20), and what is true at that moment: a spinlock is
 * held, the pte is empty or already changed, the old page is not free.
 */
import * as image from '@mmun/image';
import { HPAGE_PMD_NR, PTRS_PER_PTE } from '#asm';
import { addNotifierOps, mmuNotifierAlloc, mmuNotifierRegister } from '#mmu-notifier';
import { MADV_DONTNEED, MADV_HUGEPAGE, MAP_PRIVATE, MAP_SHARED, MREMAP_MAYMOVE, PAGE_SIZE, PF_USER, PROT_READ } from '@mmun/include';
import type { MmuNotifierOps, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { gate } from '@mmun/test-support';
import { RW, world } from './page-world.js';
import type { Config, World } from './page-world.js';

const P = PAGE_SIZE;
const v5 = gate('NOTIFIER_V5');

interface Call {
  readonly op: string;
  readonly start: number;
  readonly end: number;
  /** A spinlock is held; the fast build holds none and is believed. */
  readonly isAtomic: boolean;
  readonly frame: 'none' | 'live' | 'free';
}

/** A world whose process has a notifier that writes down what it sees. `frames` remembers which frame stood where. */
function watched(config: Config = {}): { w: World; calls: Call[]; remember(address: number, pages: number): void; ops(): Record<string, number> } {
  const w = world(config);
  const calls: Call[] = [];
  const frames = new Map<number, number>();
  const see = (op: string, start: number, end: number): void => {
    const pfn = frames.get(start);
    const frame = pfn === undefined ? 'none' : w.m.page.refcount[pfn] > 0 ? 'live' : 'free';
    const isAtomic = image.config.build === 'fast' ? op !== 'release' : w.m.thread.preemptCount[image.getCurrent(w.m)] > 0;
    calls.push({ op, start, end, isAtomic, frame });
  };
  const ops: MmuNotifierOps = {
    *invalidatePage(_mn, _mm, address): Task<UnderPteLock> { see('invalidatePage', address, address + P); },
    *invalidatePages(_mn, _mm, start, end): Task<UnderPteLock> { see('invalidatePages', start, end); },
    *release(): Task<never> { see('release', 0, 0); },
  };
  const mn = mmuNotifierAlloc(w.m, addNotifierOps(w.m, ops), 1);
  w.run(mmuNotifierRegister(w.m, mn, image.mmOf(w.m, w.task)));
  return {
    w, calls,
    remember: (address, pages) => {
      for (let i = 0; i < pages; i++) {
        const at = address + i * P;
        frames.set(at, image.primaryTranslation(w.m, image.mmOf(w.m, w.task), at as Vaddr) >>> 1);
      }
    },
    ops: () => {
      const count: Record<string, number> = {};
      for (const { op } of calls.splice(0)) count[op] = (count[op] ?? 0) + 1;
      return count;
    },
  };
}

function filled(pages: number, config: Config = {}): ReturnType<typeof watched> & { a: Vaddr } {
  const t = watched(config);
  const a = t.w.mmap(pages);
  for (let i = 0; i < pages; i++) t.w.write(a + i * P, i + 1);
  expect(t.calls).toEqual([]);
  t.remember(a, pages);
  return { ...t, a };
}

describe('calls of v5', () => {
  v5.it('munmap: one for each present page, under the ptl, before the page is free', () => {
    const { w, a, calls } = filled(5);
    w.run(image.sysMunmap(w.m, a, 5 * P));
    expect(calls).toEqual([0, 1, 2, 3, 4].map((i) => ({ op: 'invalidatePage', start: a + i * P, end: a + (i + 1) * P, isAtomic: true, frame: 'live' })));
  });

  v5.it('the same with TLBs, where pages are freed after the flush', () => {
    const { w, a, calls } = filled(5, { tlbEntries: 4 });
    w.run(image.sysMunmap(w.m, a, 5 * P));
    expect(calls.map(({ frame }) => frame)).toEqual(Array(5).fill('live'));
    expect(image.checkMachine(w.m)).toEqual([]);
  });

  v5.it('untouched pages are not told of, the zero page is', () => {
    const { w, ops } = watched();
    const a = w.mmap(8);
    w.fault(a, PF_USER);
    w.run(image.sysMunmap(w.m, a, 8 * P));
    expect(ops()).toEqual({ invalidatePage: 1 });
  });

  v5.it('MADV_DONTNEED: one for each present page', () => {
    const { w, a, ops } = filled(5);
    w.run(image.sysMadvise(w.m, (a + P) as Vaddr, 3 * P, MADV_DONTNEED));
    expect(ops()).toEqual({ invalidatePage: 3 });
  });

  v5.it('mprotect: one for each page table, from the first pte to the last, whatever is present', () => {
    const { w, calls } = watched();
    const a = w.mmap(2000, { at: 0x40000000 });
    w.write(a, 1);
    w.write(a + 600 * P, 1);
    w.write(a + 1999 * P, 1);
    const T = PTRS_PER_PTE;
    const table = (page: number): number => page - page % T;
    calls.length = 0;
    w.run(image.sysMprotect(w.m, (a + P) as Vaddr, 1999 * P, PROT_READ));
    expect(calls.map(({ op, start, end }) => [op, (start - a) / P, (end - a) / P])).toEqual([
      ['invalidatePages', 1, T], ['invalidatePages', table(600), table(600) + T], ['invalidatePages', table(1999), 2000],
    ]);
    expect(calls.every(({ isAtomic }) => isAtomic)).toBe(true);
  });

  v5.it('mremap: one for each page that moves', () => {
    const { w, a, ops } = filled(5);
    w.mmap(1, { at: a + 5 * P });
    w.run(image.sysMremap(w.m, a, 5 * P, 50 * P, MREMAP_MAYMOVE, 0 as Vaddr));
    expect(ops()).toEqual({ invalidatePage: 5 });
  });

  v5.it('fork: none, which is the bug', () => {
    const { w, a, ops } = filled(5);
    w.fork();
    expect(ops()).toEqual({});
    w.run(image.sysMunmap(w.m, a, 5 * P));
    expect(ops()).toEqual({ invalidatePage: 5 });
  });

  v5.it('copy on write: one, and the old page is still there; where no copy is needed, none', () => {
    const { w, a, calls } = filled(2);
    const child = w.fork();
    w.write(a, 9);
    expect(calls).toEqual([{ op: 'invalidatePage', start: a, end: a + P, isAtomic: true, frame: 'live' }]);
    calls.length = 0;
    w.as(child, () => w.run(image.sysExit(w.m)));
    w.write(a + P, 9);
    expect(calls).toEqual([]);
  });

  v5.it('the first write to a private file page that was read, and to the zero page: one', () => {
    const { w, ops } = watched();
    const a = w.mmap(1, { flags: MAP_PRIVATE, file: w.file(1).file });
    const b = w.mmap(1);
    w.read(a);
    w.read(b);
    w.write(a, 1);
    w.write(b, 1);
    expect(ops()).toEqual({ invalidatePage: 2 });
  });

  v5.it('a shared file page that becomes writable: none, it is only more permissive', () => {
    const { w, ops } = watched();
    const a = w.mmap(1, { flags: MAP_SHARED, file: w.file(1).file });
    w.read(a);
    w.write(a, 1);
    expect(ops()).toEqual({});
    w.run(image.sysMunmap(w.m, a, P));
    expect(ops()).toEqual({ invalidatePage: 1 });
  });

  v5.it('truncation: one for each present page in each mapping', () => {
    const { w, ops } = watched();
    const { file, inode } = w.file(4, 'shmem');
    for (let i = 0; i < 2; i++) {
      const a = w.mmap(4, { flags: MAP_SHARED, file });
      for (let page = 0; page < 4; page++) w.write(a + page * P, 1);
    }
    w.run(image.truncateSetsize(w.m, inode as never, P));
    expect(ops()).toEqual({ invalidatePage: 6 });
  });

  v5.it('exit: one for each present page, and then release, which finds nothing mapped', () => {
    const { w, calls } = filled(5);
    w.run(image.sysExit(w.m));
    expect(calls.filter(({ op }) => op === 'invalidatePage').length).toBeGreaterThanOrEqual(5);
    expect(calls.at(-1)).toMatchObject({ op: 'release', isAtomic: false });
    expect(calls.findIndex(({ op }) => op === 'release')).toBe(calls.length - 1);
  });

  v5.it('a huge page that replaces the huge zero page: one for each pte', () => {
    const { w, ops } = watched();
    const a = w.mmap(1536, { prot: RW });
    w.run(image.sysMadvise(w.m, a, 1536 * P, MADV_HUGEPAGE));
    const block = Math.ceil(a / (HPAGE_PMD_NR * P)) * HPAGE_PMD_NR * P;
    w.read(block);
    w.write(block, 1);
    expect(ops()).toEqual({ invalidatePage: HPAGE_PMD_NR });
  });
});

describe('tables', () => {
  it('page tables that a neighbour needs stay, and go with it', () => {
    const w = world();
    const tables = (): number => w.m.tablePool.head.used[0];
    const a = w.mmap(2, { at: 0x40000000 });
    const before = tables();
    w.write(a, 1);
    w.write(a + P, 1);
    const built = tables();
    expect(built).toBeGreaterThan(before);
    w.run(image.sysMunmap(w.m, a, P));
    expect(tables()).toBe(built);
    w.run(image.sysMunmap(w.m, (a + P) as Vaddr, P));
    expect(tables()).toBe(before);
  });
});
