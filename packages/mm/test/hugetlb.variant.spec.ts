/**
 * hugetlb as 6.18 answers: every number here was read from the running kernel with `vm.nr_hugepages=20`, of which the model
 * needs no more than stands in each test. H is one huge page, 2 MiB.
 */
import * as image from '@mmun/image';
import {
  EACCES, EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, MADV_COLD, MADV_COLLAPSE, MADV_DODUMP, MADV_DONTDUMP, MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_HUGEPAGE, MADV_PAGEOUT,
  MADV_POPULATE_WRITE, MADV_REMOVE, MADV_WILLNEED, MADV_WIPEONFORK, MAP_ANONYMOUS, MAP_FIXED, MAP_GROWSDOWN, MAP_HUGETLB, MAP_LOCKED, MAP_NORESERVE, MAP_POPULATE, MAP_PRIVATE,
  MAP_SHARED, MAP_SHARED_VALIDATE, MAP_SYNC, MCL_CURRENT, MCL_FUTURE, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, MS_SYNC, PAGE_SIZE, PROT_NONE, PROT_READ, PROT_WRITE,
  VM_DONTEXPAND, VM_FAULT_SIGBUS, VM_HUGETLB, VM_LOCKED,
} from '@mmun/include';
import type { MapsRow, TaskStruct, Vaddr } from '@mmun/include';
import { HPAGE_SIZE, PUD_SIZE } from '#asm';
import { gate } from '@mmun/test-support';
import { world } from './page-world.js';
import type { Config, World } from './page-world.js';

const H = HPAGE_SIZE;
const NR = H / PAGE_SIZE;
const P = PAGE_SIZE;
const RW = PROT_READ | PROT_WRITE;
const HUGE = MAP_ANONYMOUS | MAP_HUGETLB;
const huge = gate('HUGE_PAGES');
const T = 0x100000000000;

const worlds: World[] = [];
afterEach(() => {
  for (const w of worlds.splice(0)) expect(image.checkMachine(w.m)).toEqual([]);
});

interface HugeWorld extends World {
  huge(pages: number, flags?: number, more?: { at?: number; prot?: number; offset?: number; lenBytes?: number }): Vaddr;
  /** Free and promised pages. */
  pool(): string;
  hugeRow(address: number): MapsRow;
}

function hugeWorld(nrHugePages: number, config: Config = {}): HugeWorld {
  const base = world({ nrHugePages, nrFrames: (nrHugePages + 1) * NR + 64, ...config });
  const { m } = base;
  const w: HugeWorld = {
    ...base,
    huge: (pages, flags = MAP_PRIVATE, { at = 0, prot = RW, offset = 0, lenBytes = pages * H } = {}) =>
      base.run<number>(image.sysMmap(m, at as Vaddr, lenBytes, prot, HUGE | flags, 0 as never, offset)) as Vaddr,
    pool: () => `${image.nrFreeHugePages(m)} free, ${image.nrReservedHugePages(m)} promised`,
    hugeRow: (address) => image.procMaps(m, image.mmOf(m, image.getCurrent(m))).find((row) => row.start <= address && address < row.end) as MapsRow,
  };
  worlds.push(w);
  return w;
}

const unmap = (w: World, address: number, bytes: number): number => w.run(image.sysMunmap(w.m, address as Vaddr, bytes));
const protect = (w: World, address: number, bytes: number, prot: number): number => w.run(image.sysMprotect(w.m, address as Vaddr, bytes, prot));
const advise = (w: World, address: number, bytes: number, advice: number): number => w.run(image.sysMadvise(w.m, address as Vaddr, bytes, advice));
const remap = (w: World, address: number, old: number, now: number, flags: number, to = 0): number => w.run(image.sysMremap(w.m, address as Vaddr, old, now, flags, to as Vaddr));
const exit = (w: World, task: TaskStruct): void => w.as(task, () => void w.run(image.sysExit(w.m)));
const SIGBUS = VM_FAULT_SIGBUS;

describe('an arch without huge pages', () => {
  gate('ARCH_S390').it('refuses MAP_HUGETLB, as a kernel that was built without hugetlb', () => {
    const w = world({ nrHugePages: 8 });
    expect(w.mmap(512, { flags: MAP_PRIVATE | HUGE })).toBe(-EINVAL);
    expect(image.nrFreeHugePages(w.m)).toBe(0);
  });
});

describe('mmap of huge pages', () => {
  huge.it('promises every page that may be needed, and gives it at the first touch', () => {
    const w = hugeWorld(5);
    const a = w.huge(4);
    expect([w.pool(), a % H]).toEqual(['5 free, 4 promised', 0]);
    expect(w.read(a)).toBe(0);
    expect(w.pool()).toBe('4 free, 3 promised');
    expect(w.write(a + H + P, 5)).toBe(0);
    expect([w.read(a + H + P), w.read(a + H), w.pool()]).toEqual([5, 0, '3 free, 2 promised']);
    expect(unmap(w, a, 4 * H)).toBe(0);
    expect(w.pool()).toBe('5 free, 0 promised');
  });

  huge.it('an empty pool, or one that is promised, is -ENOMEM; MAP_NORESERVE promises nothing, and a touch may find nothing', () => {
    const w = hugeWorld(2);
    expect(w.huge(3)).toBe(-ENOMEM);
    const a = w.huge(2);
    const b = w.huge(1, MAP_PRIVATE | MAP_NORESERVE);
    expect(w.huge(1)).toBe(-ENOMEM);
    expect(w.fault(b)).toBe(SIGBUS);
    unmap(w, a, 2 * H);
    expect([w.fault(b), w.pool()]).toEqual([0, '1 free, 0 promised']);
    expect(hugeWorld(0).huge(1)).toBe(-ENOMEM);
  });

  huge.it('rounds a length up, and refuses addresses and offsets inside of a huge page', () => {
    const w = hugeWorld(2);
    const a = w.huge(0, MAP_PRIVATE, { lenBytes: 1 });
    expect(w.hugeRow(a)).toMatchObject({ start: a, end: a + H, name: '/anon_hugepage (deleted)', perms: 'rw-p', offset: 0, major: 0, minor: 17 });
    expect([unmap(w, a, 1), unmap(w, a, H)]).toEqual([-EINVAL, 0]);
    expect(w.huge(0)).toBe(-EINVAL);
    expect(w.huge(1, MAP_PRIVATE | MAP_FIXED, { at: T + P })).toBe(-EINVAL);
    expect(w.huge(1, MAP_PRIVATE, { at: T + P })).toBe(T + H);
    expect(w.huge(1, MAP_PRIVATE, { offset: P })).toBe(-EINVAL);
  });

  huge.it('an offset makes the file as long as what is mapped to be written, and no longer', () => {
    const w = hugeWorld(2);
    const a = w.huge(1, MAP_PRIVATE, { offset: H });
    expect([w.read(a), w.hugeRow(a).offset]).toEqual([0, H]);
    const b = w.huge(1, MAP_PRIVATE, { offset: H, prot: PROT_READ });
    expect(w.fault(b, 4)).toBe(SIGBUS);
  });

  huge.it('knows sizes by their logarithm, and flags that files know', () => {
    const w = hugeWorld(1);
    const log = (n: number): number => w.huge(1, MAP_PRIVATE | (n << 26));
    const a = log(Math.log2(H));
    expect(a).toBeGreaterThan(0);
    unmap(w, a, H);
    expect(log(24)).toBe(-EINVAL);
    if (PUD_SIZE === 2 ** 30) expect(log(30)).toBe(-ENOMEM);
    expect(w.huge(1, MAP_PRIVATE | MAP_GROWSDOWN)).toBe(-EINVAL);
    expect(w.huge(1, 8)).toBe(-EINVAL);
    expect(w.huge(1, MAP_SHARED_VALIDATE | MAP_SYNC)).toBe(-EOPNOTSUPP);
  });

  huge.it('takes what was there away even where the pool turns out to be short', () => {
    const w = hugeWorld(1);
    w.mmap(2 * NR, { flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, at: T });
    expect(w.huge(2, MAP_PRIVATE | MAP_FIXED, { at: T })).toBe(-ENOMEM);
    expect(w.hugeRow(T)).toBeUndefined();
    expect(w.huge(1, MAP_PRIVATE | MAP_FIXED, { at: T })).toBe(T);
    expect(w.mmap(1, { flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, at: T })).toBe(-EINVAL);
  });

  huge.it('is not locked and not counted as locked, but brought in', () => {
    const w = hugeWorld(4);
    const a = w.huge(1, MAP_PRIVATE | MAP_LOCKED);
    const b = w.huge(1, MAP_PRIVATE | MAP_POPULATE);
    expect(w.pool()).toBe('2 free, 0 promised');
    for (const at of [a, b]) expect(w.hugeRow(at)).toMatchObject({ vmFlags: expect.anything(), rss: 0, anonymous: 0, privateHugetlb: NR });
    expect(w.hugeRow(a).vmFlags & (VM_LOCKED | VM_HUGETLB | VM_DONTEXPAND)).toBe(VM_HUGETLB | VM_DONTEXPAND);
    expect(w.run(image.sysMlockall(w.m, MCL_CURRENT | MCL_FUTURE))).toBe(0);
    const c = w.huge(1);
    expect([w.hugeRow(c).vmFlags & VM_LOCKED, w.pool()]).toEqual([0, '1 free, 0 promised']);
    expect([w.huge(1, MAP_PRIVATE, { prot: PROT_NONE }) > 0, w.pool()]).toEqual([true, '1 free, 1 promised']);
  });
});

describe('calls on huge pages', () => {
  huge.it('cut nothing inside of one', () => {
    const w = hugeWorld(4);
    const a = w.huge(4);
    expect([unmap(w, a, P), unmap(w, a + P, 2 * H - P), unmap(w, a, H + P)]).toEqual([-EINVAL, -EINVAL, -EINVAL]);
    expect([protect(w, a, P, PROT_READ), protect(w, a, P, RW), protect(w, a, H, PROT_READ)]).toEqual([-EINVAL, 0, 0]);
    expect([advise(w, a, P, MADV_DONTDUMP), advise(w, a, P, 1)]).toEqual([-EINVAL, -EINVAL]);
    expect(w.hugeRow(a)).toMatchObject({ start: a, end: a + H, perms: 'r--p' });
    expect(unmap(w, a + 3 * H, H + P)).toBe(0);
    expect(w.pool()).toBe('4 free, 3 promised');
  });

  huge.it('mprotect keeps the page and what it holds', () => {
    const w = hugeWorld(1);
    const a = w.huge(1);
    w.write(a, 3);
    protect(w, a, H, PROT_READ);
    expect([w.read(a), w.fault(a) !== 0]).toEqual([3, true]);
    protect(w, a, H, PROT_NONE);
    expect(w.fault(a, 4)).not.toBe(0);
    protect(w, a, H, RW);
    expect([w.read(a), w.write(a + P, 4), w.read(a), w.read(a + P), w.pool()]).toEqual([3, 0, 3, 4, '0 free, 0 promised']);
  });

  huge.it('madvise knows what is given up whole, and what never', () => {
    const w = hugeWorld(3);
    const a = w.huge(3);
    for (let i = 0; i < 2; i++) w.write(a + i * H, 7);
    expect([advise(w, a, P, MADV_DONTNEED), advise(w, a + P, H, MADV_DONTNEED), w.pool()]).toEqual([0, -EINVAL, '1 free, 1 promised']);
    expect([advise(w, a, H + P, MADV_DONTNEED), w.pool()]).toEqual([0, '2 free, 2 promised']);
    expect([w.read(a), w.read(a + H), w.pool()]).toEqual([0, 7, '1 free, 1 promised']);
    const refused = [MADV_FREE, MADV_COLD, MADV_PAGEOUT, MADV_WIPEONFORK, MADV_COLLAPSE].map((advice) => advise(w, a, H, advice));
    expect(refused).toEqual(refused.map(() => -EINVAL));
    expect(advise(w, a, H, MADV_REMOVE)).toBe(-EACCES);
    expect([MADV_HUGEPAGE, MADV_DODUMP, MADV_WILLNEED, MADV_DONTNEED_LOCKED].map((advice) => advise(w, a, 3 * H, advice))).toEqual([0, 0, 0, 0]);
    expect(w.pool()).toBe('3 free, 3 promised');
    expect([advise(w, a + H, P, MADV_POPULATE_WRITE), w.pool()]).toEqual([0, '2 free, 2 promised']);
  });

  huge.it('userfaultfd of 5.7 knows none', () => {
    const w = hugeWorld(1);
    const a = w.huge(1);
    expect(w.write(a, 1)).toBe(0);
    expect(w.run(image.mwriteprotectRange(w.m, image.mmOf(w.m, w.task), a, H))).toBe(-ENOENT);
  });

  huge.it('mincore, mlock and msync', () => {
    const w = hugeWorld(2);
    const a = w.huge(2);
    w.read(a);
    const vec = new Uint8Array(2 * NR);
    w.run(image.sysMincore(w.m, a, 2 * H, vec));
    expect([vec[0], vec[NR - 1], vec[NR]]).toEqual([1, 1, 0]);
    expect(w.run(image.sysMlock(w.m, (a + H + P) as Vaddr, P))).toBe(0);
    expect([w.hugeRow(a).vmFlags & VM_LOCKED, w.hugeRow(a).privateHugetlb, w.pool()]).toEqual([0, 2 * NR, '0 free, 0 promised']);
    expect(w.run(image.sysMsync(w.m, a, H, MS_SYNC))).toBe(0);
  });

  huge.it('mremap shrinks and moves whole pages, and never grows', () => {
    const w = hugeWorld(5);
    const a = w.huge(4);
    w.write(a, 1);
    w.write(a + H, 2);
    expect([remap(w, a, 4 * H, 3 * H, 0), remap(w, a, 3 * H, 2 * H + P, 0), w.pool()]).toEqual([a, a, '3 free, 1 promised']);
    expect(remap(w, a, 3 * H, 4 * H, MREMAP_MAYMOVE)).toBe(-EINVAL);
    expect(remap(w, a, 3 * H, 3 * H, MREMAP_MAYMOVE | MREMAP_FIXED, T + P)).toBe(-EINVAL);
    expect(remap(w, a, 3 * H, 3 * H, MREMAP_MAYMOVE | MREMAP_FIXED, T)).toBe(T);
    expect([w.read(T), w.read(T + H + P), w.read(T + H), w.pool()]).toEqual([1, 0, 2, '3 free, 1 promised']);
    expect(remap(w, T + H, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, T + 8 * H)).toBe(T + 8 * H);
    expect([w.read(T + 8 * H), w.hugeRow(T + 8 * H).offset]).toEqual([2, H]);
    expect(remap(w, T, H, H, MREMAP_MAYMOVE | MREMAP_DONTUNMAP)).toBe(-EINVAL);
    expect(remap(w, T, 0, H, MREMAP_MAYMOVE)).toBe(-EINVAL);
    expect(remap(w, T, P, P, 0, P)).toBe(-EINVAL);
    unmap(w, T, 10 * H);
    expect(w.pool()).toBe('5 free, 0 promised');
  });

  huge.it('promises move with the pages, so that none is lost when a part was moved', () => {
    const w = hugeWorld(4);
    const a = w.huge(4);
    expect(remap(w, a + H, H, H, MREMAP_MAYMOVE | MREMAP_FIXED, T)).toBe(T);
    expect(w.pool()).toBe('4 free, 4 promised');
    expect([w.fault(T), w.fault(a), w.pool()]).toEqual([0, 0, '2 free, 2 promised']);
    unmap(w, T, H);
    unmap(w, a, 4 * H);
    expect(w.pool()).toBe('4 free, 0 promised');
  });
});

describe('shared huge pages', () => {
  huge.it('stay in their file, and a hole in it takes them from everybody', () => {
    const w = hugeWorld(3);
    const a = w.huge(2, MAP_SHARED);
    w.write(a, 1);
    w.write(a + H, 2);
    expect([w.pool(), w.hugeRow(a).perms]).toEqual(['1 free, 0 promised', 'rw-s']);
    unmap(w, a, H);
    expect(w.pool()).toBe('1 free, 0 promised');
    expect(advise(w, a + H, H, MADV_DONTNEED)).toBe(0);
    expect([w.pool(), w.read(a + H)]).toEqual(['1 free, 0 promised', 2]);
    expect([advise(w, a + H, H, MADV_REMOVE), w.pool()]).toEqual([0, '2 free, 0 promised']);
    expect([w.read(a + H), w.pool()]).toEqual([0, '1 free, 0 promised']);
    unmap(w, a + H, H);
    expect(w.pool()).toBe('3 free, 0 promised');
  });

  huge.it('mincore asks the file where there is no table, and only there', () => {
    const w = hugeWorld(2);
    const a = w.huge(2, MAP_SHARED | MAP_FIXED, { at: T });
    const vec = new Uint8Array(2 * NR);
    const child = w.fork();
    w.as(child, () => w.read(a));
    w.run(image.sysMincore(w.m, a, 2 * H, vec));
    expect([vec[0], vec[1], vec[NR]]).toEqual([1, 1, 0]);
    w.read(a + H);
    w.run(image.sysMincore(w.m, a, 2 * H, vec));
    expect([vec[0], vec[NR]]).toEqual([0, 1]);
  });

  huge.it('a hole in a part of one leaves zeros there and nowhere else', () => {
    const w = hugeWorld(1);
    const a = w.huge(1, MAP_SHARED);
    w.write(a, 7);
    w.write(a + P, 8);
    expect([advise(w, a, P, MADV_REMOVE), w.read(a), w.read(a + P), w.pool()]).toEqual([0, 0, 8, '0 free, 0 promised']);
  });

  huge.it('fork shares them, and the child finds them by faults', () => {
    const w = hugeWorld(2);
    const a = w.huge(1, MAP_SHARED);
    w.write(a, 1);
    const child = w.fork();
    w.as(child, () => {
      expect(w.hugeRow(a).sharedHugetlb).toBe(0);
      expect([w.read(a), w.write(a + P, 2)]).toEqual([1, 0]);
    });
    expect([w.read(a + P), w.hugeRow(a).sharedHugetlb, w.pool()]).toEqual([2, NR, '1 free, 0 promised']);
    exit(w, child);
    expect(w.hugeRow(a).privateHugetlb).toBe(NR);
  });

  huge.it('two mappings of one file promise each page once, and truncation takes pages and promises', () => {
    const w = hugeWorld(4);
    expect(w.pool()).toBe('4 free, 0 promised');
    const inode = image.newInode(w.m, { path: '/huge', kind: 'hugetlb', major: 0, minor: 40, ino: 9, size: 0, thpAligned: false });
    const file = image.filpOpen(w.m, inode, { isReadable: true, isWritable: true });
    const map = (flags: number): Vaddr => w.run<number>(image.sysMmap(w.m, 0 as Vaddr, 2 * H - P, RW, flags, file, 0)) as Vaddr;
    const a = map(MAP_SHARED);
    const b = map(MAP_SHARED);
    expect([w.pool(), w.hugeRow(a).name, Math.abs(b - a) % H]).toEqual(['4 free, 2 promised', '/huge', 0]);
    w.write(a, 5);
    expect([w.read(b), w.pool()]).toEqual([5, '3 free, 1 promised']);
    const c = map(MAP_PRIVATE);
    expect([w.read(c), w.pool()]).toEqual([5, '3 free, 3 promised']);
    expect([w.write(c, 6), w.read(a), w.read(c), w.pool()]).toEqual([0, 5, 6, '2 free, 2 promised']);
    expect([w.run(image.truncateSetsize(w.m, inode, P)), w.run(image.truncateSetsize(w.m, inode, 0))]).toEqual([-EINVAL, 0]);
    expect([w.fault(a), w.fault(c)]).toEqual([SIGBUS, SIGBUS]);
    for (const at of [a, b, c]) unmap(w, at, 2 * H);
    w.run(image.filpClose(w.m, file));
    expect(w.pool()).toBe('4 free, 0 promised');
  });
});

describe('fork of private huge pages', () => {
  huge.it('copies on write, each from what nobody was promised', () => {
    const w = hugeWorld(4);
    const a = w.huge(2);
    w.write(a, 1);
    const child = w.fork();
    w.as(child, () => {
      expect(w.hugeRow(a)).toMatchObject({ sharedHugetlb: NR, privateHugetlb: 0, rss: 0, anonymous: 0 });
      expect([w.read(a), w.read(a + H), w.pool()]).toEqual([1, 0, '2 free, 1 promised']);
      expect([w.write(a, 3), w.read(a), w.pool()]).toEqual([0, 3, '1 free, 1 promised']);
      expect(w.hugeRow(a).privateHugetlb).toBe(2 * NR);
    });
    expect([w.read(a), w.write(a, 9), w.pool()]).toEqual([1, 0, '1 free, 1 promised']);
    exit(w, child);
    expect([w.read(a), w.pool()]).toEqual([9, '3 free, 1 promised']);
  });

  huge.it('who made the mapping takes the page from its children where the pool is empty; they lose it, and others not', () => {
    const w = hugeWorld(2);
    const a = w.huge(2);
    w.write(a, 1);
    w.write(a + H, 2);
    const child = w.fork();
    w.as(child, () => expect(w.fault(a, 7)).toBe(SIGBUS));
    expect([w.write(a, 77), w.read(a)]).toEqual([0, 77]);
    w.as(child, () => {
      expect([w.fault(a, 4), w.read(a + H)]).toEqual([SIGBUS, 2]);
      expect(w.hugeRow(a).sharedHugetlb).toBe(NR);
    });
    exit(w, child);
    unmap(w, a, 2 * H);
    expect(w.pool()).toBe('2 free, 0 promised');
  });
});

describe('the frames of a huge page', () => {
  huge.it('stand side by side, under one head that has the counts', () => {
    const w = hugeWorld(2);
    const a = w.huge(1);
    w.write(a, 1);
    const mm = image.mmOf(w.m, w.task);
    const at = (offset: number): number => image.primaryTranslation(w.m, mm, (a + offset) as Vaddr);
    expect([at(P) - at(0), at(H - P) - at(0), at(0) % 2]).toEqual([2, 2 * (NR - 1), 1]);
    expect(image.pagemapEntry(w.m, mm, (a + P) as Vaddr)).toBe(Math.floor(at(P) / 2) * 4 + 2);
    const pinned = w.run(image.getUserPageOf(w.m, mm, (a + P) as Vaddr, true));
    expect([pinned, image.isFrameLive(w.m, pinned as never)]).toEqual([Math.floor(at(P) / 2), true]);
    unmap(w, a, H);
    expect([w.pool(), image.isFrameLive(w.m, pinned as never)]).toEqual(['1 free, 0 promised', true]);
    w.run(image.putPage(w.m, pinned as never));
    expect([w.pool(), image.isFrameLive(w.m, pinned as never)]).toEqual(['2 free, 0 promised', false]);
  });

  huge.it('are translated by the processor, entry by entry of its TLB, and flushed as one', () => {
    const w = hugeWorld(1, { tlbEntries: 8 });
    const a = w.huge(1);
    w.write(a, 1);
    w.write(a + P, 2);
    const cached = (): number => {
      let nr = 0;
      image.auditTlb(w.m, (_cpu, _mm, address) => { if (address >= a && address < a + H) nr++; });
      return nr;
    };
    expect([cached(), w.read(a), w.read(a + P)]).toEqual([2, 1, 2]);
    unmap(w, a, H);
    expect(cached()).toBe(0);
  });

  huge.it('are none of reclaim\'s', () => {
    const w = hugeWorld(2, { nrSwapSlots: 64, nrFrames: 3 * NR + 32 });
    const a = w.huge(2);
    for (let i = 0; i < 2; i++) w.write(a + i * H, i + 1);
    const b = w.mmap(60);
    for (let i = 0; i < 60; i++) w.write(b + i * P, i);
    w.run(image.shrinkZone(w.m, 20));
    expect([w.read(a), w.read(a + H), w.pool()]).toEqual([1, 2, '0 free, 0 promised']);
  });
});

describe('tables of huge entries', () => {
  const tables = (w: World, task: TaskStruct): number => w.m.mm.nrPgtables[image.mmOf(w.m, task)];
  const shared = (w: HugeWorld): Vaddr => {
    const at = Math.ceil(T / PUD_SIZE) * PUD_SIZE;
    return w.huge(PUD_SIZE / H, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, { at });
  };

  huge.it('are shared where a shared mapping covers all of one, and left by who changes one', () => {
    const w = hugeWorld(3);
    const a = shared(w);
    w.write(a, 1);
    const child = w.fork();
    const before = tables(w, child);
    w.as(child, () => expect(w.read(a)).toBe(1));
    expect(w.hugeRow(a).sharedHugetlb).toBe(NR);
    w.write(a + H, 2);
    const mm = image.mmOf(w.m, child);
    expect(image.primaryTranslation(w.m, mm, (a + H) as Vaddr)).not.toBe(0); // without a fault of its own
    expect(image.checkMachine(w.m)).toEqual([]);
    w.as(child, () => protect(w, a, H, PROT_READ));
    expect(image.primaryTranslation(w.m, mm, (a + H) as Vaddr)).toBe(0);
    expect([tables(w, child) <= before + 3, w.as(child, () => w.read(a + H)), w.read(a)]).toEqual([true, 2, 1]);
    exit(w, child);
    expect([w.read(a), w.pool()]).toEqual([1, '1 free, 0 promised']);
  });

  huge.it('outlive the one who made them', () => {
    const w = hugeWorld(2);
    const a = shared(w);
    const child = w.fork();
    w.as(child, () => w.write(a, 4));
    w.read(a);
    exit(w, child);
    expect(w.read(a)).toBe(4);
  });
});
