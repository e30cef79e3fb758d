/** Copying a page, bringing one back from swap, and what others see of it meanwhile. */
import { MADV_PAGEOUT, PAGE_SIZE } from '@mmun/include';
import type { MaySleep, Mm, MmuNotifier, Pte, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { kvm } from '@mmun/plugin-kvm';
import { defineRace } from '../define.js';
import type { Race, SourceEdit } from '../define.js';
import { RANGE, bumpSeq, lockOf, rangeOps, tinyMmu, zap } from '../drivers/tiny-mmu.js';
import type { RaceContext } from '../race-context.js';
import type { Page } from '../set-ups.js';

const WP = 'mm/src/memory-wp.ts';
const GUP = 'mm/src/gup.ts';
const SWAP = 'mm/src/memory-swap.ts';

/** 2009 up to 2012: no start and end around the copy, and the new pte is told to those who bring change_pte. */
const NO_BRACKET: readonly SourceEdit[] = [
  { file: WP, find: '  yield* mmuNotifierInvalidateRangeStart(m, mm, mmunStart, mmunEnd);\n', replace: '' },
  { file: WP, find: '  yield* mmuNotifierInvalidateRangeEnd(m, mm, mmunStart, mmunEnd);\n', replace: '' },
];
const PTE_BEFORE_NOTIFIER: SourceEdit = {
  file: WP,
  find: '  yield* mmuNotifierChangePte(m, mm, address, entry);\n  yield* setPteAt(m, mm, address, ptep, entry);\n',
  replace: '  yield* setPteAt(m, mm, address, ptep, entry);\n  yield* mmuNotifierChangePte(m, mm, address, entry);\n',
};
/** 2012: all calls moved out of the PT lock, also that of a page whose pte has its new value by then. */
const NOTIFIER_AFTER_UNLOCK: readonly SourceEdit[] = [
  { file: WP, find: '  yield* mmuNotifierInvalidateRangeStart(m, mm, mmunStart, mmunEnd);\n', replace: '' },
  { file: WP, find: '  yield* mmuNotifierInvalidateRangeEnd(m, mm, mmunStart, mmunEnd);\n', replace: '  yield* mmuNotifierChangePte(m, mm, address, 0 as Pte);\n' },
  { file: WP, find: '  yield* mmuNotifierChangePte(m, mm, address, entry);\n', replace: '' },
];
/** SGI V4: the paths on which nothing was begun reach the end too. */
const END_WITHOUT_START: SourceEdit = { file: WP, find: '  yield* mmuNotifierInvalidateRangeStart(m, mm, mmunStart, mmunEnd);\n', replace: '' };

/** Knows single pages only: an entry goes when its page is replaced. */
const pager = tinyMmu('pager', {
  designs: RANGE,
  drive: (t) => {
    const { s } = t;
    const { release, invalidatePage } = rangeOps(t);
    return {
      ops: {
        release, invalidatePage,
        * changePte(mn: MmuNotifier, _mm: Mm, address: Vaddr, _pte: Pte): Task<UnderPteLock> {
          const instance = s.notifierInstance(mn);
          yield* s.spinLock(lockOf(t, instance));
          yield* bumpSeq(t, instance);
          yield* zap(t, instance, address, (address + PAGE_SIZE) as Vaddr);
          yield* s.spinUnlock(lockOf(t, instance));
        },
      },
    };
  },
});

/** The pte that lets more than before is told like one that lets less. */
const TELLS_OF_MORE: readonly SourceEdit[] = [
  {
    file: WP, find: '  yield* ptepSetAccessFlags(m, vma, address, ptep, pteMkwrite(pteMkdirty(pteMkyoung(seen))), true);\n',
    replace: "  yield* ptepSetAccessFlags(m, vma, address, ptep, pteMkwrite(pteMkdirty(pteMkyoung(seen))), true);\n  yield* mmuNotifier(m, vmaMm(m, vma), 'invalidatePage', address);\n",
  },
  { file: WP, find: "} from '#mmu-notifier';\n", replace: "} from '#mmu-notifier';\nimport { mmuNotifier } from '#mmu-notifier';\n" },
];

const sharedWithChild = (t: Parameters<Race['setup']>[0]): Page => {
  const a = t.mmap(1);
  t.write(a, 7);
  t.fork();
  t.dev.read(a);
  return { a };
};

/** The write intent goes once the copy was made; what comes after is looked up as for a read. */
const DROPS_WRITE_INTENT: SourceEdit = {
  file: GUP,
  find: `    const error = yield* faultinPage(m, vma, address, isWrite);
    if (error !== 0) return error;
  }
}

/** followPage()`,
  replace: `    const error = yield* faultinPage(m, vma, address, isWrite);
    if (error !== 0) return error;
    isWrite = false;
  }
}

/** followPage()`,
};

/** SWP_SYNCHRONOUS_IO: an entry that has one user is read past the swap cache, which nobody else can tell. */
const PAST_THE_CACHE: readonly SourceEdit[] = [
  {
    file: SWAP,
    find: '  const pfn = yield* readSwapCacheAsync(m, slot);\n',
    replace: `  yield* spinLock(m, swapLockOf(m));
  const isAlone = m.swap.page[slot] === 0 && m.swap.count[slot] === 1;
  yield* spinUnlock(m, swapLockOf(m));
  if (isAlone) return yield* swapinDirect(m, vma, address, ptep, ptl, seen, slot);
  const pfn = yield* readSwapCacheAsync(m, slot);
`,
  },
  {
    file: SWAP,
    find: '/** The page of a slot with a reference, read in',
    replace: `function* swapinDirect(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep, ptl: Spinlock, seen: Pte, slot: number): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  const pfn = yield* allocPage(m);
  if (pfn === 0) return VM_FAULT_OOM;
  yield* spinLock(m, swapLockOf(m));
  touch(m, READ, whereOf(m.swapContent, slot * m.bootConfig.pageContentWords));
  swapReadpage(m, slot, pfn);
  yield* spinUnlock(m, swapLockOf(m));
  yield* spinLock(m, ptl);
  if (!pteSame(ptepGet(m, ptep), seen)) {
    yield* spinUnlock(m, ptl);
    yield* putPage(m, pfn);
    return 0;
  }
  addMmCounter(m, mm, MM_ANONPAGES, 1);
  addMmCounter(m, mm, MM_SWAPENTS, -1);
  pageAddAnonRmap(m, pfn, vma, address, true);
  m.page.flags[pfn] = m.page.flags[pfn] | PG_ANON_EXCLUSIVE;
  yield* setPteAt(m, mm, address, ptep, pteMkwrite(pteMkdirty(pfnPte(pfn, vmaPageProt(m, vma)))));
  yield* swapFree(m, slot);
  yield* spinUnlock(m, ptl);
  return 0;
}

/** The page of a slot with a reference, read in`,
  },
  { file: SWAP, find: "import { VM_FAULT_OOM,", replace: "import { whereOf } from '@mmun/lib';\nimport { READ, VM_FAULT_OOM," },
  { file: SWAP, find: "import { spinLock, spinUnlock } from '@mmun/locking';\n", replace: "import { spinLock, spinUnlock, touch } from '@mmun/locking';\n" },
  { file: SWAP, find: "} from './swapfile.js';\n", replace: "} from './swapfile.js';\nimport { swapLockOf } from './swapfile.js';\n" },
  { file: SWAP, find: "import { putPage } from './swap.js';\n", replace: "import { putPage } from './swap.js';\nimport { swapReadpage } from './page-io.js';\n" },
];

export const copyOnWrite: readonly Race[] = [
  defineRace<Page>({
    id: 'pte-before-notifier',
    title: 'B59: the new pte stands before the secondary MMU has dropped the old page',
    source: '503358FF.3030009@linux.vnet.ibm.com',
    finds: ['lost-write', 'cow-leak', 'incoherent'],
    variants: { buggy: { plugin: pager, image: 'toy-range', edit: [...NO_BRACKET, PTE_BEFORE_NOTIFIER] }, fixed: { plugin: pager, image: 'toy-range', edit: NO_BRACKET } },
    setup: sharedWithChild,
    actors: { cpu0: (t, { a }) => t.write(a, 8), cpu1: (t, { a }) => t.write(a, 9), dev0: (t, { a }) => t.dev.access(a, false) },
  }),
  defineRace<Page>({
    id: 'notifier-after-unlock',
    title: 'M13: the notifier is told of a copied page when the PT lock has been left',
    source: '20170829235447.10050-1',
    finds: ['lost-write', 'cow-leak', 'incoherent'],
    variants: { buggy: { plugin: pager, image: 'toy-range', edit: NOTIFIER_AFTER_UNLOCK }, fixed: { plugin: pager, image: 'toy-range', edit: NO_BRACKET } },
    setup: sharedWithChild,
    actors: { cpu0: (t, { a }) => t.write(a, 8), cpu1: (t, { a }) => t.write(a, 9), dev0: (t, { a }) => t.dev.access(a, false) },
  }),
  defineRace<Page>({
    id: 'cow-end-without-start',
    title: 'M4: the end of a copy is reached without its start',
    source: '20080201042408.GG26420',
    finds: ['unbalanced-range'],
    variants: { buggy: { plugin: kvm, image: 'toy-range', edit: END_WITHOUT_START }, fixed: { plugin: kvm, image: 'toy-range' } },
    setup: sharedWithChild,
    actors: { cpu0: (t, { a }) => t.write(a, 8) },
  }),
  defineRace<Page>({
    id: 'told-of-more-permission',
    title: 'M12: a pte that allows more than before is invalidated in the device all the same, and its entry goes for nothing',
    source: 'Nick Piggin, 43261726420',
    finds: ['broken-claim'],
    variants: { buggy: { plugin: kvm, edit: TELLS_OF_MORE }, fixed: { plugin: kvm } },
    setup: (t) => {
      const a = t.mmap(1);
      t.write(a, 7);
      t.as(t.fork(), () => { t.exit(); });
      t.dev.read(a);
      return { a };
    },
    actors: { cpu0: (t, { a }) => t.write(a, 8) },
    atEnd: (t) => { t.assert(t.image.notifierCounts(t.m)?.invalidatePage === 0, 'broken-claim', 'nobody lost a permission, and a notifier was called'); },
  }),
  defineRace<Page & { readonly file: Vaddr; readonly mm: Mm }>({
    id: 'dirty-cow',
    title: 'B58 (CVE-2016-5195): GUP drops the write intent after the copy, the copy is thrown away, and the write lands in the file',
    source: '19be0eaffa3a',
    finds: ['cow-leak'],
    variants: { buggy: { edit: DROPS_WRITE_INTENT }, fixed: {} },
    setup: (t) => {
      const file = t.file();
      const shared = t.mmap(1, { file, isShared: true });
      t.write(shared, 5);
      const a = t.mmap(1, { file });
      t.read(a);
      return { a, file: shared, mm: t.mm };
    },
    actors: {
      * ptrace(t: RaceContext, { a, mm }: Page & { readonly mm: Mm }): Task<MaySleep> {
        const pfn = yield* t.gup(a, true, mm);
        if (pfn < 0) return;
        yield* t.poke(pfn, a, 99);
        yield* t.put(pfn);
      },
      cpu0: (t, { a }) => t.madvise(a),
    },
    atEnd: (t, { file }) => { t.assert(t.valueAt(file) === 5, 'cow-leak', 'a write to a private mapping is in the file'); },
  }),
  defineRace<Page>({
    id: 'swap-entry-reused',
    title: 'B81 (CVE-2024-26759): a swap entry is freed and used again while another thread reads it past the swap cache',
    source: '13ddaf26be32',
    finds: ['lost-write'],
    variants: { buggy: { edit: PAST_THE_CACHE }, fixed: {} },
    config: { nrSwapSlots: 1, tlbEntries: 0 },
    setup: (t) => {
      const a = t.mmap(1);
      t.write(a, 7);
      t.madvise(a, MADV_PAGEOUT);
      return { a };
    },
    actors: {
      cpu0: (t, { a }) => t.read(a),
      * cpu1(t: RaceContext, { a }: Page): Task<MaySleep> {
        yield* t.write(a, 8);
        yield* t.madvise(a, MADV_PAGEOUT);
      },
    },
  }),
] as unknown as readonly Race[];
