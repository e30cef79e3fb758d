/**
 * Every place where mm tells a notifier, under the design that is linked: which op with which range, under which locks, and
 * what is true at that moment of the pte, of the CPUs' TLBs and of the old page. The left-hand columns are the seed's subject
 * (history 1.4); `nobody` in v5 where range speaks is history 1.5.
 */
import * as image from '@mmun/image';
import { CLONE_VM, MADV_DONTNEED, MAP_PRIVATE, MAP_SHARED, MREMAP_MAYMOVE, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { Design, NotifierOps, Pfn, Task, TaskStruct, UnderPteLock, Vaddr } from '@mmun/include';
import { downWrite, upWrite } from '@mmun/locking';
import { ptePfn, ptePresent, pteWrite, ptepGet, walkPte } from '#asm';
import { addNotifierOps, mmuNotifierAlloc, mmuNotifierRegister } from '#mmu-notifier';
import { gate } from '@mmun/test-support';
import { world } from './page-world.js';
import type { World } from './page-world.js';

const P = PAGE_SIZE;
const DESIGN = image.config.design as Design;
const on = gate('MMU_NOTIFIER');
const IS_S390 = image.config.arch.startsWith('s390');

/**
 * Where archs differ. `later`: the CPUs are flushed afterwards, for all of the range; on s390 before: by IPTE, or where one
 * thread alone uses the mm by the gather when it begins, which is what `early` sees. `spared`: s390 too flushes afterwards where
 * that thread changes ptes, and by IPTE for anybody else. `gone`: s390 frees a page as soon as its pte is empty and its hook is over.
 */
const onArch = (users: number) => (seen: Seen): Seen => seen.replace('| later |', IS_S390 ? '| 0 |' : '| 1 |').replace('| early |', IS_S390 && users === 1 ? '| 0 |' : '| 1 |')
  .replace('| spared |', IS_S390 && users > 1 ? '| 0 |' : '| 1 |').replace('| gone', IS_S390 ? '| free' : '| live');
/** The fast build takes no locks. */
const withLocks = (seen: Seen): Seen => (image.config.build === 'fast' ? seen.replace(/\| .*? \|/, '| none |') : seen);

/** What was seen, `op pages | locks | pte | CPUs that translate | old page`. */
type Seen = string;

interface Watch {
  readonly w: World;
  readonly a: Vaddr;
  /** Forgets what was seen and which frame stands where. */
  reset(): void;
  seen(): Seen[];
}

/** A process whose two pages at `a` were written and are cached by its CPU, with a notifier. */
function watch(map: (w: World) => Vaddr = (w) => w.mmap(2), touch: (w: World, at: number) => void = (w, at) => void w.write(at, 1)): Watch {
  const w = world({ tlbEntries: 8, nrSwapSlots: 16 });
  const { m } = w;
  const a = map(w);
  const seen: Seen[] = [];
  const mm = image.mmOf(m, w.task);
  let before: Pfn = 0 as Pfn;
  const frameAt = (address: number): Pfn => Math.floor(image.primaryTranslation(m, mm, address as Vaddr) / 2) as Pfn;
  const pteAt = (address: Vaddr): string => {
    const ptep = walkPte(m, mm, address);
    const pte = ptepGet(m, ptep);
    return ptep === 0 || !ptePresent(pte) ? 'none' : `${ptePfn(pte) === before ? 'old' : 'new'} ${pteWrite(pte) ? 'rw' : 'ro'}`;
  };
  const see = (op: string, start: number, end: number): void => {
    if (op !== 'release' && (start < a || end > a + 2 * P)) return; // the stack
    const locks = image.heldLocks(m, image.getCurrent(m)).map((lock) => image.nameOfWhere(m, lock).replace(/^\w+\.|\[.*/g, ''));
    let cached = 0;
    image.auditTlb(m, (_cpu, of, address) => { if (of === mm && address === a) cached++; });
    const range = op === 'release' ? '' : ` ${(start - a) / P}..${(end - a) / P}`;
    seen.push(`${op}${range} | ${locks.join(' ') || 'none'} | ${pteAt(a)} | ${cached} | ${before !== 0 && m.page.refcount[before] > 0 ? 'live' : 'free'}`);
  };
  const ops = {
    *invalidatePage(_mn: number, _mm: number, at: number): Task<UnderPteLock> { see('page', at, at + P); },
    *invalidatePages(_mn: number, _mm: number, start: number, end: number): Task<UnderPteLock> { see('pages', start, end); },
    *invalidateRangeStart(_mn: number, _mm: number, start: number, end: number): Task<UnderPteLock> { see('start', start, end); },
    *invalidateRangeEnd(_mn: number, _mm: number, start: number, end: number): Task<UnderPteLock> { see('end', start, end); },
    *changePte(_mn: number, _mm: number, at: number): Task<UnderPteLock> { see('change', at, at + P); },
    *release(): Task<UnderPteLock> { see('release', 0, 0); },
    *agePage(_mn: number, _mm: number, at: number): Task<UnderPteLock, number> { see('age', at, at + P); return 0; },
    *clearFlushYoung(_mn: number, _mm: number, start: number, end: number): Task<UnderPteLock, number> { see('young', start, end); return 0; },
  };
  w.run(mmuNotifierRegister(m, mmuNotifierAlloc(m, addNotifierOps(m, ops as unknown as NotifierOps), 1), mm));
  const reset = (): void => {
    before = frameAt(a);
    seen.length = 0;
  };
  for (let i = 0; i < 2; i++) touch(w, a + i * P);
  touch(w, a);
  reset();
  return { w, a, reset, seen: () => [...seen] };
}

interface Site {
  readonly name: string;
  /** The last of them. */
  readonly isOfOneUser?: boolean;
  readonly setUp?: () => Watch;
  readonly act: (watched: Watch) => void;
  readonly v5: readonly Seen[];
  readonly range: readonly Seen[];
}

const fileOf = (w: World): { inode: number; file: number } => w.file(2, 'shmem');

/** What reclaim does to the page at an address, as a thread of its own that holds nothing. */
function asReclaim(w: World, a: Vaddr, act: (pfn: Pfn) => Task<string, unknown>): void {
  const pfn = Math.floor(image.primaryTranslation(w.m, image.mmOf(w.m, w.task), a) / 2) as Pfn;
  w.run(image.lruAddDrain(w.m));
  w.as(image.kernelThread(w.m), () => w.run(act(pfn)));
}

const SITES: readonly Site[] = [
  {
    name: 'zap_pte_range from munmap',
    act: ({ w, a }) => w.run(image.sysMunmap(w.m, a, 2 * P)),
    v5: [
      'page 0..1 | mmapSem ptl | none | later | live',
      'page 1..2 | mmapSem ptl | none | later | gone',
    ],
    range: [
      'start 0..2 | mmapSem | old rw | early | live',
      'end 0..2 | mmapSem | none | later | gone',
    ],
  },
  {
    name: 'zap_pte_range from MADV_DONTNEED',
    act: ({ w, a }) => w.run(image.sysMadvise(w.m, a, 2 * P, MADV_DONTNEED)),
    v5: [
      'page 0..1 | mmapSem ptl | none | later | live',
      'page 1..2 | mmapSem ptl | none | later | gone',
    ],
    range: [
      'start 0..2 | mmapSem | old rw | early | live',
      'end 0..2 | mmapSem | none | later | gone',
    ],
  },
  {
    name: 'zap_pte_range from truncate',
    setUp: () => watch((w) => w.mmap(2, { flags: MAP_SHARED, file: fileOf(w).file })),
    act: ({ w }) => w.run(image.truncateSetsize(w.m, 1 as never, 0)),
    v5: [
      'page 0..1 | iMmapLock ptl | none | later | live',
      'page 1..2 | iMmapLock ptl | none | later | live',
    ],
    range: [
      'start 0..2 | iMmapLock | old rw | early | live',
      'end 0..2 | iMmapLock | none | later | live',
      'start 0..2 | iMmapLock | none | 0 | free',
      'end 0..2 | iMmapLock | none | 0 | free',
    ],
  },
  {
    name: 'exit_mmap',
    isOfOneUser: true,
    act: ({ w }) => w.run(image.sysExit(w.m)),
    v5: [
      'page 0..1 | ptl | none | later | live',
      'page 1..2 | ptl | none | later | gone',
      'release | none | none | 0 | free',
    ],
    range: ['release | none | old rw | 1 | live'],
  },
  {
    name: 'change_pte_range from mprotect',
    act: ({ w, a }) => w.run(image.sysMprotect(w.m, a, 2 * P, PROT_READ)),
    v5: ['pages 0..2 | mmapSem ptl | old ro | spared | live'],
    range: [
      'start 0..2 | mmapSem | old rw | 1 | live',
      'end 0..2 | mmapSem | old ro | spared | live',
    ],
  },
  {
    name: 'ptep_clear_flush from mremap',
    setUp: () => watch((w) => w.mmap(2, { at: 0x40000000 })),
    act: ({ w, a }) => {
      w.mmap(1, { at: a + 2 * P });
      w.run(image.sysMremap(w.m, a, 2 * P, 20 * P, MREMAP_MAYMOVE, 0 as Vaddr));
    },
    v5: [
      'page 0..1 | mmapSem ptl ptl | none | 0 | live',
      'page 1..2 | mmapSem ptl ptl | none | 0 | live',
    ],
    range: [
      'start 0..2 | mmapSem | old rw | 1 | live',
      'end 0..2 | mmapSem | none | 0 | live',
      'start 0..2 | mmapSem | none | 0 | live',
      'end 0..2 | mmapSem | none | 0 | live',
    ],
  },
  {
    name: 'ptep_clear_flush from do_wp_page',
    act: (watched) => {
      watched.w.fork();
      watched.w.read(watched.a);
      watched.reset();
      watched.w.write(watched.a, 2);
    },
    v5: ['page 0..1 | mmapSem ptl | none | 0 | live'],
    range: [
      'start 0..1 | mmapSem | old ro | 1 | live',
      'change 0..1 | mmapSem ptl | none | 0 | live',
      'end 0..1 | mmapSem | new rw | 0 | live',
    ],
  },
  {
    name: 'ptep_clear_flush from try_to_unmap_one, of anonymous memory',
    act: ({ w, a }) => asReclaim(w, a, (pfn) => image.reclaimPage(w.m, pfn)),
    v5: ['page 0..1 | flags lock ptl | none | 0 | live'],
    range: ['page 0..1 | flags lock ptl | none | 0 | live'],
  },
  {
    name: 'ptep_clear_flush from try_to_unmap_one, of a file page',
    setUp: () => watch((w) => w.mmap(2, { flags: MAP_SHARED, file: w.file(2).file })),
    act: ({ w, a }) => asReclaim(w, a, (pfn) => image.reclaimPage(w.m, pfn)),
    v5: ['page 0..1 | flags iMmapLock ptl | none | 0 | live'],
    range: ['page 0..1 | flags iMmapLock ptl | none | 0 | live'],
  },
  {
    name: 'ptep_clear_flush from page_mkclean_one',
    setUp: () => watch((w) => w.mmap(2, { flags: MAP_SHARED, file: w.file(2).file })),
    act: ({ w }) => { w.run(image.filemapFdatawrite(w.m, 1 as never, 0, 1)); },
    v5: ['page 0..1 | flags iMmapLock ptl | none | 0 | live'],
    range: ['page 0..1 | flags iMmapLock ptl | none | 0 | live'],
  },
  {
    // the answers are asked for on every arch but s390, which overrides the macro; range asks at the call site
    name: 'ptep_clear_flush_young from page_referenced_one',
    act: ({ w, a }) => asReclaim(w, a, (pfn) => image.pageReferenced(w.m, pfn, false)),
    v5: image.config.arch.startsWith('s390') ? [] : ['age 0..1 | lock ptl | old rw | 0 | live'],
    range: [image.config.arch.startsWith('s390') ? 'young 0..1 | lock ptl | old rw | 1 | live' : 'young 0..1 | lock ptl | old rw | 0 | live'],
  },
  {
    name: 'remap_pte_range',
    setUp: () => watch((w) => w.mmap(2, { flags: MAP_SHARED, file: fileOf(w).file }), () => undefined),
    act: ({ w, a }) => {
      const mm = image.mmOf(w.m, w.task);
      w.run(downWrite(w.m, image.mmapSemOf(w.m, mm)));
      w.run(image.remapPfnRange(w.m, image.findVma(w.m, mm, a), a, 5 as Pfn, 2 * P));
      w.run(upWrite(w.m, image.mmapSemOf(w.m, mm)));
    },
    v5: ['pages 0..2 | mmapSem ptl | new rw | 0 | free'],
    range: [],
  },
  {
    name: 'fork, of private memory',
    act: ({ w }) => void w.fork(),
    v5: [],
    range: [
      'start 0..2 | mmapSem | old rw | 1 | live',
      'end 0..2 | mmapSem | old ro | spared | live',
    ],
  },
  {
    name: 'do_wp_page where the page is reused: more permissive, so nobody is told',
    act: (watched) => {
      const { w, a } = watched;
      const child: TaskStruct = w.fork();
      w.as(child, () => w.run(image.sysExit(w.m)));
      watched.reset();
      w.write(a, 2);
    },
    v5: [], range: [],
  },
  {
    name: 'fork, of shared memory: nothing changes for the parent',
    setUp: () => watch((w) => w.mmap(2, { flags: MAP_SHARED, file: fileOf(w).file })),
    act: ({ w }) => void w.fork(),
    v5: [], range: [],
  },
  {
    name: 'the first read of a private file page',
    setUp: () => watch((w) => w.mmap(2, { flags: MAP_PRIVATE, file: w.file(2).file }), () => undefined),
    act: ({ w, a }) => void w.read(a),
    v5: [], range: [],
  },
];

describe.each([1, 2])(`hook sites of ${DESIGN}, in an mm with %i users`, (users) => {
  for (const { name, isOfOneUser = false, setUp = watch, act, ...expected } of SITES) {
    if (isOfOneUser && users > 1) continue;
    on.it(name, () => {
      const watched = setUp();
      if (users > 1) {
        watched.w.run(image.sysClone(watched.w.m, CLONE_VM));
        watched.reset();
      }
      act(watched);
      const seen = watched.seen();
      expect(seen).toEqual(expected[DESIGN as 'v5' | 'range'].map(onArch(users)).map(withLocks));
      expect(image.checkMachine(watched.w.m)).toEqual([]);
    });
  }
});

describe('what a page that was written leaves behind', () => {
  it('the frame is dirty after its last pte has gone, wherever the arch kept the mark', () => {
    const w = world();
    const { file } = w.file(2, 'shmem');
    const a = w.mmap(2, { flags: MAP_SHARED, file });
    w.read(a);
    w.write(a + P, 1);
    const [read, written] = [0, 1].map((i) => Math.floor(image.primaryTranslation(w.m, image.mmOf(w.m, w.task), (a + i * P) as Vaddr) / 2) as Pfn);
    w.run(image.sysMunmap(w.m, a, 2 * P));
    expect([image.isPageDirty(w.m, read), image.isPageDirty(w.m, written)]).toEqual([false, true]);
  });
});
