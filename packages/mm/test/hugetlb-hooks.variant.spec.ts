/**
 * Every place where hugetlb tells a notifier, under the design that is linked, and those where v5 does not (history 1.4 #7 and
 * 1.5). As hook-sites.variant.spec.ts, in huge pages; `dirty` says whether the page's mark was set already.
 */
import * as image from '@mmun/image';
import { MADV_DONTNEED, MADV_REMOVE, MAP_ANONYMOUS, MAP_FIXED, MAP_HUGETLB, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { Design, Mm, NotifierOps, Pfn, Pte, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { HPAGE_SIZE, PUD_SIZE, hugePteOffset, pgdNone, pgdOffset, pmdOffset, ptePfn, ptePresent, pteWrite, ptepGet, pudNone, pudOffset } from '#asm';
import { addNotifierOps, mmuNotifierAlloc, mmuNotifierRegister } from '#mmu-notifier';
import { gate } from '@mmun/test-support';
import { RW, world } from './page-world.js';
import type { World } from './page-world.js';

const H = HPAGE_SIZE;
const DESIGN = image.config.design as Design;
const HUGE = MAP_ANONYMOUS | MAP_HUGETLB;
const T = Math.ceil(0x100000000000 / PUD_SIZE) * PUD_SIZE;
const told = gate('MMU_NOTIFIER', 'HUGE_PAGES');

/** `op pages | locks | entry | CPUs that translate the first page | first page, and its mark` */
type Seen = string;
/** The fast build takes no locks. */
const withLocks = (seen: Seen): Seen => (image.config.build === 'fast' ? seen.replace(/\| .*? \|/, '| none |') : seen);

/** include/linux/page-flags.h, as page-flags.ts numbers it */
const PG_DIRTY = 0x4;

/** The huge entry itself, whatever VMA is there; 0 without one. */
function entryAt({ m }: World, mm: Mm, address: Vaddr): Pte {
  const none = 0 as Pte;
  if (m.mm.pgd[mm] === 0) return none;
  const pgdp = pgdOffset(m, mm, address);
  if (pgdNone(m, pgdp)) return none;
  const pudp = pudOffset(m, pgdp, address);
  return pudNone(m, pudp) ? none : ptepGet(m, hugePteOffset(m, pmdOffset(m, pudp, address), address));
}

interface Watch {
  readonly w: World;
  readonly a: Vaddr;
  reset(): void;
  seen(): Seen[];
}

function watch(flags: number = MAP_PRIVATE, pages = 2, touched = pages): Watch {
  const w = world({ tlbEntries: 8, nrHugePages: 6, nrFrames: 4096 });
  const { m } = w;
  const a = w.run<number>(image.sysMmap(m, T as Vaddr, pages * H, RW, HUGE | MAP_FIXED | flags, 0 as never, 0)) as Vaddr;
  expect(a).toBe(T);
  const seen: Seen[] = [];
  const mm = image.mmOf(m, w.task);
  let before = 0;
  const see = (op: string, start: number, end: number): void => {
    if ((start < a || end > a + pages * H)) return; // the stack
    const locks = image.heldLocks(m, image.getCurrent(m)).map((lock) => image.nameOfWhere(m, lock).replace(/^\w+\.|\[.*/g, ''));
    const pte = entryAt(w, mm, start as Vaddr);
    let cached = 0;
    image.auditTlb(m, (_cpu, of, address) => { if (of === mm && address === a) cached++; });
    const entry = !ptePresent(pte) ? 'none' : `${ptePfn(pte) === before ? 'old' : 'new'} ${pteWrite(pte) ? 'rw' : 'ro'}`;
    const page = before === 0 || !image.isFrameLive(m, before as Pfn) ? 'free' : (m.page.flags[before] & PG_DIRTY) !== 0 ? 'live dirty' : 'live';
    seen.push(`${op}${op === 'release' ? '' : ` ${(start - a) / H}..${(end - a) / H}`} | ${locks.join(' ') || 'none'} | ${entry} | ${cached} | ${page}`);
  };
  const ops = {
    *invalidatePage(_mn: number, _mm: number, at: number): Task<UnderPteLock> { see('page', at, at + PAGE_SIZE); },
    *invalidatePages(_mn: number, _mm: number, start: number, end: number): Task<UnderPteLock> { see('pages', start, end); },
    *invalidateRangeStart(_mn: number, _mm: number, start: number, end: number): Task<UnderPteLock> { see('start', start, end); },
    *invalidateRangeEnd(_mn: number, _mm: number, start: number, end: number): Task<UnderPteLock> { see('end', start, end); },
    *release(): Task<UnderPteLock> { see('release', a, a); },
  };
  w.run(mmuNotifierRegister(m, mmuNotifierAlloc(m, addNotifierOps(m, ops as unknown as NotifierOps), 1), mm));
  const reset = (): void => {
    before = Math.floor(image.primaryTranslation(m, mm, a) / 2);
    seen.length = 0;
  };
  for (let i = touched - 1; i >= 0; i--) w.write(a + i * H, 1);
  reset();
  return { w, a, reset, seen: () => [...seen] };
}

interface Site {
  readonly name: string;
  readonly setUp?: () => Watch;
  readonly act: (watched: Watch) => void;
  readonly v5: readonly Seen[];
  readonly range: readonly Seen[];
}

/** One call for each huge page, of its first small page and no more. */
const FIRST = `0..${PAGE_SIZE / H}`;
const SECOND = `1..${1 + PAGE_SIZE / H}`;
const sharedTable = (): Watch => {
  const watched = watch(MAP_SHARED | MAP_NORESERVE, PUD_SIZE / H, 2);
  const child = watched.w.fork();
  watched.w.as(child, () => expect(watched.w.read(watched.a)).toBe(1));
  watched.reset();
  return watched;
};

const SITES: readonly Site[] = [
  {
    name: '__unmap_hugepage_range from munmap, before the dirty mark and the flush',
    act: ({ w, a }) => w.run(image.sysMunmap(w.m, a, 2 * H)),
    v5: [
      `page ${FIRST} | mmapSem iMmapLock pageTableLock | none | 1 | live`,
      `page ${SECOND} | mmapSem iMmapLock pageTableLock | none | 1 | live dirty`,
    ],
    range: [
      'start 0..2 | mmapSem | old rw | 1 | live',
      'start 0..2 | mmapSem iMmapLock | old rw | 1 | live',
      'end 0..2 | mmapSem iMmapLock | none | 0 | live dirty',
      'end 0..2 | mmapSem | none | 0 | free',
    ],
  },
  {
    name: '__unmap_hugepage_range from MADV_DONTNEED, of whole pages',
    act: ({ w, a }) => w.run(image.sysMadvise(w.m, a, H + PAGE_SIZE, MADV_DONTNEED)),
    v5: [`page ${FIRST} | mmapSem iMmapLock pageTableLock | none | 1 | live`],
    range: [
      'start 0..1 | mmapSem | old rw | 1 | live',
      'start 0..1 | mmapSem iMmapLock | old rw | 1 | live',
      'end 0..1 | mmapSem iMmapLock | none | 0 | live dirty',
      'end 0..1 | mmapSem | none | 0 | free',
    ],
  },
  {
    name: '__unmap_hugepage_range from a hole in the file',
    setUp: () => watch(MAP_SHARED),
    act: ({ w, a }) => w.run(image.sysMadvise(w.m, a, H, MADV_REMOVE)),
    v5: [`page ${FIRST} | mmapSem iMmapLock pageTableLock | none | 1 | live`],
    range: [
      'start 0..1 | mmapSem iMmapLock | old rw | 1 | live',
      'end 0..1 | mmapSem iMmapLock | none | 0 | live dirty',
    ],
  },
  {
    name: 'exit_mmap',
    act: ({ w }) => w.run(image.sysExit(w.m)),
    v5: [
      `page ${FIRST} | iMmapLock pageTableLock | none | 1 | live`,
      `page ${SECOND} | iMmapLock pageTableLock | none | 1 | live dirty`,
      'release | none | none | 0 | free',
    ],
    range: ['release | none | old rw | 1 | live'],
  },
  {
    name: 'fork: v5 forgot it, and Linux until 2014',
    act: ({ w }) => void w.fork(),
    v5: [],
    range: [
      'start 0..2 | mmapSem | old rw | 1 | live',
      'end 0..2 | mmapSem | old ro | 1 | live',
    ],
  },
  {
    name: 'hugetlb_cow: v5 forgot it, and Linux until 2010',
    act: (watched) => {
      watched.w.fork();
      watched.w.read(watched.a);
      watched.reset();
      watched.w.write(watched.a, 2);
    },
    v5: [],
    range: [
      'start 0..1 | mmapSem hugetlbInstantiationMutex | old ro | 1 | live',
      'end 0..1 | mmapSem hugetlbInstantiationMutex | new rw | 0 | live',
    ],
  },
  {
    name: 'hugetlb_change_protection: v5 forgot it',
    act: ({ w, a }) => w.run(image.sysMprotect(w.m, a, H, PROT_READ)),
    v5: [],
    range: [
      'start 0..1 | mmapSem | old rw | 1 | live',
      'end 0..1 | mmapSem | old ro | 0 | live',
    ],
  },
  {
    name: 'huge_pmd_unshare from munmap: v5 forgot it; range says one page and a whole table goes',
    setUp: sharedTable,
    act: ({ w, a }) => w.run(image.sysMunmap(w.m, (a + H) as Vaddr, H)),
    v5: [],
    range: [
      'start 1..2 | mmapSem | new rw | 0 | live',
      'start 1..2 | mmapSem iMmapLock | new rw | 0 | live',
      'end 1..2 | mmapSem iMmapLock | none | 0 | live',
      'end 1..2 | mmapSem | none | 0 | live',
    ],
  },
  {
    name: 'huge_pmd_unshare from mprotect: v5 forgot it',
    setUp: sharedTable,
    act: ({ w, a }) => w.run(image.sysMprotect(w.m, (a + H) as Vaddr, H, PROT_READ)),
    v5: [],
    range: [
      'start 1..2 | mmapSem | new rw | 0 | live',
      'end 1..2 | mmapSem | none | 0 | live',
    ],
  },
  {
    name: 'mremap, which 2.6.24 refuses',
    act: ({ w, a }) => w.run(image.sysMremap(w.m, a, H, H, MREMAP_MAYMOVE | MREMAP_FIXED, (a + 4 * H) as Vaddr)),
    v5: [`page ${FIRST} | mmapSem iMmapLock pageTableLock | none | 1 | live`],
    range: [
      'start 0..1 | mmapSem | old rw | 1 | live',
      'end 0..1 | mmapSem | none | 0 | live',
      'start 0..1 | mmapSem | none | 0 | live',
      'start 0..1 | mmapSem iMmapLock | none | 0 | live',
      'end 0..1 | mmapSem iMmapLock | none | 0 | live',
      'end 0..1 | mmapSem | none | 0 | live',
    ],
  },
  {
    name: 'hugetlb_wp where the page is reused: more permissive, so nobody is told',
    act: (watched) => {
      const { w, a } = watched;
      const child = w.fork();
      w.as(child, () => w.run(image.sysExit(w.m)));
      watched.reset();
      w.write(a, 2);
    },
    v5: [], range: [],
  },
  {
    name: 'the first touch',
    setUp: () => watch(MAP_PRIVATE, 2, 0),
    act: ({ w, a }) => void w.write(a, 1),
    v5: [], range: [],
  },
];

describe(`hook sites of ${DESIGN} in hugetlb`, () => {
  for (const { name, setUp = watch, act, ...expected } of SITES) {
    told.it(name, () => {
      const watched = setUp();
      act(watched);
      expect(watched.seen()).toEqual(expected[DESIGN as 'v5' | 'range'].map(withLocks));
      expect(image.checkMachine(watched.w.m)).toEqual([]);
    });
  }
});
