/**
 * Memory that is short: what leaves it comes back the same, pages in use stay, and all counts add up. And what notifiers are
 * told of it: hooks #1 and #2 of v5 out of reclaim and writeback, and what stands in their places under range.
 */
import * as image from '@mmun/image';
import { MADV_COLD, MADV_FREE, MADV_PAGEOUT, MADV_REMOVE, MAP_PRIVATE, MAP_SHARED, MREMAP_MAYMOVE, MS_SYNC, PAGE_SIZE, PF_USER, PF_WRITE, PROT_READ, VM_FAULT_OOM } from '@mmun/include';
import type { Mm, Pfn, Task, TaskStruct, UnderPteLock, Vaddr } from '@mmun/include';
import { PTRS_PER_PTE } from '#asm';
import { addNotifierOps, mmuNotifierAlloc, mmuNotifierRegister } from '#mmu-notifier';
import { gate, later } from '@mmun/test-support';
import { allocPage } from '../src/page-alloc.js';
import { putPage } from '../src/swap.js';
import { ANON, world } from './page-world.js';
import type { Config, World } from './page-world.js';

const P = PAGE_SIZE;
/** Under v5 s390 overrides ptep_clear_flush_young and does not call the hook, as every arch that did in 2008. */
const ASKS = !image.config.arch.startsWith('s390') || image.config.design !== 'v5';
const on = gate('MMU_NOTIFIER');
const PRESSED: Config = { nrFrames: 48, nrSwapSlots: 512, pageContentWords: 4, settings: { faultAroundBytes: 4 * P } };

function pressed(config: Config = {}): World {
  return world({ ...PRESSED, ...config });
}

function fill(w: World, a: number, pages: number, base = 1000): void {
  expect(Array.from({ length: pages }, (_, i) => w.write(a + i * P + 4, base + i)).filter((code) => code !== 0)).toEqual([]);
}

function expectFilled(w: World, a: number, pages: number, base = 1000): void {
  expect(Array.from({ length: pages }, (_, i) => w.read(a + i * P + 4) - i)).toEqual(Array.from({ length: pages }, () => base));
}

function slotsUsed(w: World): number {
  return w.m.swapPool.head.used[0];
}

function pfnOf(w: World, address: number): Pfn {
  return (image.primaryTranslation(w.m, image.mmOf(w.m, image.getCurrent(w.m)), address as Vaddr) >>> 1) as Pfn;
}

/** The page of its stack that every process here has. */
const STACK = 1;

/** Everything that may go goes: enough rounds that no page is young any more. */
function reclaimAll(w: World): void {
  for (let i = 0; i < 4; i++) w.run(image.shrinkZone(w.m, 10_000));
}

let last: World | undefined;
afterEach(() => {
  if (last) expect(image.checkMachine(last.m)).toEqual([]);
  last = undefined;
});
function tested(w: World): World {
  last = w;
  return w;
}

describe('swap', () => {
  for (const tlbEntries of [0, 4]) {
    it(`anonymous memory several times the frames reads back what was written, TLBs of ${tlbEntries}`, () => {
      const w = tested(pressed({ tlbEntries }));
      const pages = later(120, 240);
      const a = w.mmap(pages);
      fill(w, a, pages);
      expect(slotsUsed(w)).toBeGreaterThan(pages - 50);
      expectFilled(w, a, pages);
      fill(w, a, pages, 5000);
      expectFilled(w, a, pages, 5000);
      expect(w.row(a).anonymous).toBeLessThan(48);
    });
  }

  it('mincore counts what the swap cache holds, and not what is out', () => {
    const w = tested(pressed());
    const a = w.mmap(2);
    fill(w, a, 2);
    const frame = pfnOf(w, a);
    const vec = new Uint8Array(2);
    w.run(image.getPage(w.m, frame)); // so it is unmapped and stays in the swap cache
    w.run(image.sysMadvise(w.m, a as Vaddr, 2 * P, MADV_PAGEOUT));
    expect([pfnOf(w, a), pfnOf(w, a + P)]).toEqual([0, 0]);
    w.run(image.sysMincore(w.m, a as Vaddr, 2 * P, vec));
    expect([...vec]).toEqual([1, 0]);
    w.run(image.putPage(w.m, frame));
  });

  it('munmap, MADV_DONTNEED and exit give the slots back', () => {
    const w = tested(pressed());
    const a = w.mmap(120);
    fill(w, a, 120);
    const before = slotsUsed(w);
    w.run(image.sysMadvise(w.m, a, 40 * P, 4));
    expect(slotsUsed(w)).toBeLessThan(before);
    expect(w.read(a + 4)).toBe(0);
    w.run(image.sysMunmap(w.m, a, 120 * P));
    expect(slotsUsed(w)).toBeLessThanOrEqual(STACK);
    const b = w.mmap(120);
    fill(w, b, 120);
    w.run(image.sysExit(w.m));
    expect(slotsUsed(w)).toBe(0);
  });

  it('fork shares swap entries; each side then has its own page', () => {
    const w = tested(pressed());
    const a = w.mmap(60);
    fill(w, a, 60);
    reclaimAll(w);
    const child = w.fork();
    fill(w, a, 60, 2000);
    w.as(child, () => {
      expectFilled(w, a, 60);
      fill(w, a, 30, 3000);
      expectFilled(w, a, 30, 3000);
    });
    expectFilled(w, a, 60, 2000);
    w.as(child, () => w.run(image.sysExit(w.m)));
    expectFilled(w, a, 60, 2000);
  });

  it('mremap moves swap entries, mprotect leaves them', () => {
    const w = tested(pressed());
    const a = w.mmap(20);
    fill(w, a, 20);
    reclaimAll(w);
    expect(pfnOf(w, a)).toBe(0);
    w.mmap(1, { at: a + 20 * P });
    const b = w.run<number>(image.sysMremap(w.m, a, 20 * P, 30 * P, MREMAP_MAYMOVE, 0 as Vaddr));
    expect(b).not.toBe(a);
    w.run(image.sysMprotect(w.m, b as Vaddr, 20 * P, PROT_READ));
    expectFilled(w, b, 20);
    expect(w.write(b, 1)).toBeLessThan(0);
  });

  it('a page that only one process has is not copied when it comes back', () => {
    const w = tested(pressed());
    const a = w.mmap(1);
    w.write(a, 7);
    reclaimAll(w);
    expect(w.m.mm.nrSwapents[image.mmOf(w.m, w.task)]).toBeGreaterThan(0);
    w.read(a);
    const pfn = pfnOf(w, a);
    w.write(a, 8);
    expect(pfnOf(w, a)).toBe(pfn);
  });

  it('without a slot left anonymous memory stays, and an allocation fails: -ENOMEM, nothing lost', () => {
    const w = tested(pressed({ nrSwapSlots: 20 }));
    const a = w.mmap(240);
    let written = 0;
    while (written < 240 && w.fault(a + written * P, PF_USER | PF_WRITE) === 0) {
      w.write(a + written * P + 4, 1000 + written);
      written++;
    }
    expect(w.fault(a + written * P, PF_USER | PF_WRITE)).toBe(VM_FAULT_OOM);
    expect(written).toBeGreaterThan(40);
    expect(written).toBeLessThan(70);
    expect(image.checkMachine(w.m)).toEqual([]);
    w.run(image.sysMunmap(w.m, (a + (written - 3) * P) as Vaddr, 3 * P));
    expectFilled(w, a, written - 3);
  });

  it('mlocked memory stays', () => {
    const w = tested(pressed());
    const a = w.mmap(8);
    fill(w, a, 8);
    w.run(image.sysMlock(w.m, a, 8 * P));
    const frames = Array.from({ length: 8 }, (_, i) => pfnOf(w, a + i * P));
    fill(w, w.mmap(100), 100);
    reclaimAll(w);
    expect(Array.from({ length: 8 }, (_, i) => pfnOf(w, a + i * P))).toEqual(frames);
  });
});

describe('pages of files', () => {
  for (const kind of ['regular', 'shmem'] as const) {
    it(`of a ${kind} file are written back and come again`, () => {
      const w = tested(pressed());
      const { file } = w.file(200, kind);
      const a = w.mmap(200, { flags: MAP_SHARED, file });
      fill(w, a, 200);
      const b = w.mmap(200, { flags: MAP_SHARED, file });
      expectFilled(w, b, 200);
      fill(w, b, 200, 4000);
      expectFilled(w, a, 200, 4000);
    });
  }

  it('private copies of a file page are swapped, the page itself is not written', () => {
    const w = tested(pressed());
    const { file } = w.file(60);
    const a = w.mmap(60, { flags: MAP_PRIVATE, file });
    fill(w, a, 60);
    const b = w.mmap(60, { flags: MAP_SHARED, file });
    expect(w.read(b + 4)).toBe(0);
    expectFilled(w, a, 60);
  });

  it('truncation and holes reach what was written back, swapped private copies too', () => {
    const w = tested(pressed());
    const { file, inode } = w.file(40, 'shmem');
    const a = w.mmap(40, { flags: MAP_SHARED, file });
    const copy = w.mmap(40, { flags: MAP_PRIVATE, file });
    fill(w, a, 40);
    fill(w, copy, 40, 9000);
    reclaimAll(w);
    expect(w.m.inode.nrBlocks[inode]).toBe(40);
    expect(w.run(image.sysMadvise(w.m, (a + 4 * P) as Vaddr, 4 * P, MADV_REMOVE))).toBe(0);
    expect(w.read(a + 5 * P + 4)).toBe(0);
    expect(w.read(copy + 5 * P + 4)).toBe(9005);
    w.run(image.truncateSetsize(w.m, inode as never, 10 * P));
    w.run(image.truncateSetsize(w.m, inode as never, 40 * P));
    expect(w.m.inode.nrBlocks[inode]).toBeLessThanOrEqual(6);
    expectFilled(w, a, 4);
    expect(w.read(a + 20 * P + 4)).toBe(0);
    expect(w.read(copy + 20 * P + 4)).toBe(0);
    expect(w.read(copy + 9 * P + 4)).toBe(9009);
  });

  it('msync makes a shared page clean and read-only; the next write is told again', () => {
    const w = tested(pressed());
    const { file } = w.file(2);
    const a = w.mmap(2, { flags: MAP_SHARED, file });
    w.write(a, 1);
    const mm = image.mmOf(w.m, w.task);
    expect(image.primaryTranslation(w.m, mm, a) & 1).toBe(1);
    expect(w.run(image.sysMsync(w.m, a, 2 * P, MS_SYNC))).toBe(0);
    expect(image.primaryTranslation(w.m, mm, a) & 1).toBe(0);
    expect(image.isPageDirty(w.m, pfnOf(w, a))).toBe(false);
    w.write(a, 2);
    expect(image.isPageDirty(w.m, pfnOf(w, a))).toBe(true);
  });

  it('an unlinked file takes its blocks along', () => {
    const w = tested(pressed());
    const a = w.mmap(100, { flags: MAP_SHARED | 0x20 });
    fill(w, a, 100);
    expect(slotsUsed(w)).toBeGreaterThan(40);
    w.run(image.sysMunmap(w.m, a, 100 * P));
    expect(slotsUsed(w)).toBeLessThanOrEqual(STACK);
  });
});

describe('second chance', () => {
  it('of pages that are used and pages that are not, those that are used stay', () => {
    const w = tested(pressed({ nrFrames: 64 }));
    const a = w.mmap(40);
    fill(w, a, 40);
    reclaimAll(w);
    expectFilled(w, a, 40);
    const hot = [3, 17, 29];
    for (let round = 0; round < 12; round++) {
      for (const i of hot) w.read(a + i * P + 4);
      w.run(image.shrinkZone(w.m, 2));
    }
    expect(hot.map((i) => pfnOf(w, a + i * P) !== 0)).toEqual([true, true, true]);
    expect(w.row(a).anonymous).toBeLessThan(30);
  });

  it('a pinned page keeps its frame: what the driver writes there the process reads', () => {
    const w = tested(pressed());
    const a = w.mmap(4);
    fill(w, a, 4);
    const pfn = pfnOf(w, a);
    w.m.page.refcount[pfn]++;
    fill(w, w.mmap(100), 100);
    reclaimAll(w);
    expect(image.isFrameLive(w.m, pfn)).toBe(true);
    w.m.pageContent[pfn * 4 + 1] = 77;
    expect(w.read(a + 4)).toBe(77);
    expect(pfnOf(w, a)).toBe(pfn);
    w.m.page.refcount[pfn]--;
  });

  it('the daemon makes room before anyone needs it', () => {
    const w = tested(pressed({ nrFrames: 64 }));
    fill(w, w.mmap(61), 61);
    const used = (): number => w.m.framePool.head.used[0];
    expect(used()).toBeGreaterThan(60);
    for (let i = 0; i < 3; i++) w.run(image.kswapd(w.m));
    expect(used()).toBeLessThanOrEqual(60);
  });
});

describe('advice', () => {
  it('MADV_PAGEOUT swaps pages out at once, young or not; shared ones stay', () => {
    const w = tested(pressed());
    const a = w.mmap(6);
    fill(w, a, 6);
    const child = w.fork();
    w.as(child, () => fill(w, a, 3, 3000));
    fill(w, a, 3);
    expect(w.run(image.sysMadvise(w.m, a, 6 * P, MADV_PAGEOUT))).toBe(0);
    expect(Array.from({ length: 6 }, (_, i) => pfnOf(w, a + i * P) !== 0)).toEqual([false, false, false, true, true, true]);
    expect(w.row(a)).toMatchObject({ anonymous: 3, rss: 3, swap: 3 });
    expectFilled(w, a, 6);
    expect(w.row(a)).toMatchObject({ anonymous: 6, swap: 0 });
  });

  it('MADV_COLD pages are the first to go', () => {
    const w = tested(pressed({ nrFrames: 64 }));
    const a = w.mmap(30);
    fill(w, a, 30);
    w.run(image.shrinkZone(w.m, 0));
    w.run(image.sysMadvise(w.m, (a + 10 * P) as Vaddr, 5 * P, MADV_COLD));
    w.run(image.shrinkZone(w.m, 5));
    const gone = Array.from({ length: 30 }, (_, i) => i).filter((i) => pfnOf(w, a + i * P) === 0);
    expect(gone.length).toBeGreaterThanOrEqual(5);
    for (const i of [10, 11, 12, 13, 14]) expect(gone).toContain(i);
    expectFilled(w, a, 30);
  });

  it('MADV_FREE: pages go without being written, unless they are written to again', () => {
    const w = tested(pressed());
    const a = w.mmap(8);
    fill(w, a, 8);
    expect(w.run(image.sysMadvise(w.m, a, 8 * P, MADV_FREE))).toBe(0);
    expectFilled(w, a, 8);
    w.run(image.sysMadvise(w.m, a, 8 * P, MADV_FREE));
    w.write(a + 2 * P + 4, 77);
    const before = slotsUsed(w);
    for (let i = 0; i < 2; i++) w.run(image.shrinkZone(w.m, 10_000));
    expect(w.read(a + 2 * P + 4)).toBe(77);
    expect(Array.from({ length: 8 }, (_, i) => w.read(a + i * P + 4))).toEqual([0, 0, 77, 0, 0, 0, 0, 0]);
    expect(slotsUsed(w) - before).toBeLessThan(4);
  });
});

describe('frames of a driver', () => {
  it('are mapped, read and written, copied by fork, and never reclaimed', () => {
    const w = tested(pressed());
    const pfn = w.run<Pfn>(allocPage(w.m));
    const { file } = w.file(4);
    const a = w.mmap(1, { flags: MAP_SHARED, file });
    const vma = image.findVma(w.m, image.mmOf(w.m, w.task), a);
    expect(w.run(image.remapPfnRange(w.m, vma, a, pfn, P))).toBe(0);
    expect(w.write(a + 4, 5)).toBe(0);
    reclaimAll(w);
    expect(pfnOf(w, a)).toBe(pfn);
    expect(w.row(a)).toMatchObject({ rss: 0, anonymous: 0 });
    const child = w.fork();
    expect(w.as(child, () => w.read(a + 4))).toBe(5);
    w.as(child, () => w.run(image.sysExit(w.m)));
    w.run(image.sysMunmap(w.m, a, P));
    expect(image.isFrameLive(w.m, pfn)).toBe(true);
    w.run(putPage(w.m, pfn));
  });
});

interface Seen {
  readonly op: string;
  readonly address: number;
  readonly isAtomic: boolean;
  readonly pte: number;
  readonly isLive: boolean;
}

/** The process is followed by a secondary MMU that has used the pages in `used`. */
function followed(w: World, used: ReadonlySet<number> = new Set()): { seen: Seen[]; frames: Map<number, Pfn> } {
  const seen: Seen[] = [];
  const frames = new Map<number, Pfn>();
  const see = (op: string, mm: Mm, address: number): void => {
    seen.push({
      op, address, isAtomic: image.config.build === 'fast' || w.m.thread.preemptCount[image.getCurrent(w.m)] > 0,
      pte: image.primaryTranslation(w.m, mm, address as Vaddr), isLive: w.m.page.refcount[frames.get(address) ?? 0] > 0,
    });
  };
  function* age(_mn: unknown, mm: Mm, address: Vaddr): Task<UnderPteLock, number> {
    see('agePage', mm, address);
    return used.has(address) ? 1 : 0;
  }
  const ops = {
    * invalidatePage(_mn: unknown, mm: Mm, address: Vaddr): Task<UnderPteLock> { see('invalidatePage', mm, address); },
    * invalidateRangeStart(_mn: unknown, mm: Mm, address: Vaddr): Task<UnderPteLock> { see('invalidateRangeStart', mm, address); },
    * invalidatePages(_mn: unknown, mm: Mm, address: Vaddr): Task<UnderPteLock> { see('invalidatePages', mm, address); },
    agePage: age, clearFlushYoung: age,
  };
  const mn = mmuNotifierAlloc(w.m, addNotifierOps(w.m, ops as never), 1);
  w.run(mmuNotifierRegister(w.m, mn, image.mmOf(w.m, w.task)));
  return { seen, frames };
}

describe('notifiers out of reclaim', () => {
  on.it('each look asks the secondary MMU, each unmapped page is told of: pte empty, ptl held, page not free', () => {
    const w = tested(pressed());
    const a = w.mmap(3);
    fill(w, a, 3);
    const { seen, frames } = followed(w);
    for (let i = 0; i < 3; i++) frames.set(a + i * P, pfnOf(w, a + i * P));
    reclaimAll(w);
    const told = seen.filter(({ op, address }) => op === 'invalidatePage' && address >= a && address < a + 3 * P);
    expect(told.map(({ address }) => address).sort((x, y) => x - y)).toEqual([a, a + P, a + 2 * P]);
    expect(told.every(({ isAtomic, pte, isLive }) => isAtomic && pte === 0 && isLive)).toBe(true);
    expect(seen.some(({ op }) => op === 'agePage')).toBe(ASKS);
    for (let i = 0; ASKS && i < 3; i++) {
      const first = seen.findIndex(({ op, address }) => op === 'agePage' && address === a + i * P);
      expect(first).toBeGreaterThanOrEqual(0);
      expect(first).toBeLessThan(seen.findIndex(({ op, address }) => op === 'invalidatePage' && address === a + i * P));
    }
  });

  // the device leaves no storage key here: history 2.5, a key belongs to the frame, so one that does is seen by page_referenced on s390 without being asked
  on.it('a page that only a device uses stays where the device is asked; on s390 under v5 nobody asks, so it is evicted where no storage key tells of it', () => {
    const w = tested(pressed());
    const a = w.mmap(10);
    fill(w, a, 10);
    followed(w, new Set([a + 4 * P]));
    reclaimAll(w);
    expect(Array.from({ length: 10 }, (_, i) => pfnOf(w, a + i * P) !== 0)).toEqual([false, false, false, false, ASKS, false, false, false, false, false]);
  });

  on.it('a page of a file in two processes: one call for each address space that is followed', () => {
    const w = tested(pressed());
    const { file } = w.file(1, 'shmem');
    const a = w.mmap(1, { flags: MAP_SHARED, file });
    const b = w.mmap(1, { flags: MAP_SHARED, file });
    w.write(a, 1);
    w.read(b);
    const child = w.fork();
    w.as(child, () => w.read(a));
    const { seen } = followed(w);
    reclaimAll(w);
    expect(seen.filter(({ op, address }) => op === 'invalidatePage' && (address === a || address === b)).map(({ address }) => address).sort((x, y) => x - y)).toEqual([a, b].sort((x, y) => x - y));
  });

  on.it('writeback write-protects: one call for each writable mapping, none for a clean one', () => {
    const w = tested(pressed());
    const { file } = w.file(2);
    const a = w.mmap(2, { flags: MAP_SHARED, file });
    w.write(a, 1);
    w.read(a + P);
    const { seen } = followed(w);
    w.run(image.sysMsync(w.m, a, 2 * P, MS_SYNC));
    w.run(image.sysMsync(w.m, a, 2 * P, MS_SYNC));
    expect(seen.map(({ op, address, isAtomic, pte }) => [op, address, isAtomic, pte])).toEqual([['invalidatePage', a, true, 0]]);
  });

  on.it('remap_pfn_range: hook #5 of v5, once for each table, and nobody under range', () => {
    const w = tested(pressed());
    const { file } = w.file(600);
    const a = w.mmap(600, { flags: MAP_SHARED, file, at: 0x40000000 });
    const { seen } = followed(w);
    expect(w.run(image.remapPfnRange(w.m, image.findVma(w.m, image.mmOf(w.m, w.task), a), a, 100_000 as Pfn, 600 * P))).toBe(0);
    const perTable = Array.from({ length: Math.ceil(600 / PTRS_PER_PTE) }, (_, i) => a + i * PTRS_PER_PTE * P);
    expect(seen.map(({ op, address, isAtomic }) => [op, address, isAtomic])).toEqual(image.config.design === 'v5' ? perTable.map((at) => ['invalidatePages', at, true]) : []);
    w.run(image.sysMunmap(w.m, a, 600 * P));
    expect(seen.length).toBeGreaterThan(0);
  });

  on.it('swap in tells nobody', () => {
    const w = tested(pressed());
    const a = w.mmap(2);
    fill(w, a, 2);
    reclaimAll(w);
    const { seen } = followed(w);
    expectFilled(w, a, 2);
    expect(seen).toEqual([]);
    w.run(image.sysMunmap(w.m, a, 2 * P));
    expect(seen).not.toEqual([]);
  });
});

describe('many processes', () => {
  it('a tree of forks under pressure keeps every one its own memory', () => {
    const w = tested(pressed({ nrFrames: 80, nrSwapSlots: 2000 }));
    const a = w.mmap(40, { flags: ANON });
    fill(w, a, 40);
    const tasks: TaskStruct[] = [w.task];
    for (let generation = 0; generation < 3; generation++) {
      for (const parent of tasks.slice()) tasks.push(w.as(parent, () => w.fork()));
    }
    tasks.forEach((task, i) => w.as(task, () => fill(w, a + (i % 3) * P, 20, 10_000 * (i + 1))));
    tasks.forEach((task, i) => w.as(task, () => {
      expectFilled(w, a + (i % 3) * P, 20, 10_000 * (i + 1));
      for (let page = 30; page < 40; page++) expect(w.read(a + page * P + 4)).toBe(1000 + page);
    }));
    expect(image.checkMachine(w.m)).toEqual([]);
    for (const task of tasks.slice(1)) w.as(task, () => w.run(image.sysExit(w.m)));
    fill(w, a, 40, 1);
    expectFilled(w, a, 40, 1);
  });
});
