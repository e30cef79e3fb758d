/** Bugs of mm itself: a pte is gone or forbids more, and a CPU still goes by its TLB. No notifier is needed. */
import { PROT_READ } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr } from '@mmun/include';
import { defineRace } from '../define.js';
import type { Race, Setup, SourceEdit } from '../define.js';
import type { RaceContext } from '../race-context.js';
import type { RaceFile } from '../race-files.js';
import type { Page } from '../set-ups.js';

const MREMAP = 'mm/src/mremap.ts';
const RMAP = 'mm/src/rmap-walk.ts';
const WP = 'mm/src/memory-wp.ts';

/** A gather flushes what it unmapped and no more, as it has since 3.12; 2.6.24 flushes the whole mm, whatever it found. */
const RANGED_GATHER: readonly SourceEdit[] = [
  { file: 'mm/src/mmu-gather.ts', find: '  yield* tlbFlush(m, mmuGather.mm[row] as Mm, mmuGather.isFull[row] !== 0, mmuGather.hasTable[row] !== 0);\n', replace: '' },
  {
    file: 'mm/src/memory.ts', find: 'isFileOnly);\n  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);\n  yield* tlbFinishMmu(m);\n',
    replace: 'isFileOnly);\n  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);\n  if (m.mmuGather.nr[m.cpu.current[0]] > 0) yield* flushTlbRange(m, vma, start, end);\n  yield* tlbFinishMmu(m);\n',
  },
  { file: 'mm/src/memory.ts', find: "} from '#asm';\n", replace: "} from '#asm';\nimport { flushTlbRange } from '#asm';\n" },
];

/** CVE-2018-18281: the source is flushed when the locks have been left. */
const FLUSHES_AFTER_UNLOCK: readonly SourceEdit[] = [
  ...RANGED_GATHER,
  { file: MREMAP, find: "} from '#asm';\n", replace: "} from '#asm';\nimport { flushTlbRange, pteNone, ptepGetAndClear, ptepNone, setPteAt } from '#asm';\n" },
  {
    file: MREMAP, find: '  yield* ptepMoveRange(m, vma, oldAddr, pteOffset(m, oldPmdp, oldAddr), newAddr, pteOffset(m, newPmdp, newAddr), (bytes / PAGE_SIZE) | 0);\n',
    replace: `  for (let done = 0; done < bytes; done += PAGE_SIZE) {
    if (ptepNone(m, pteOffset(m, oldPmdp, (oldAddr + done) as Vaddr))) continue;
    const pte = yield* ptepGetAndClear(m, mm, (oldAddr + done) as Vaddr, pteOffset(m, oldPmdp, (oldAddr + done) as Vaddr));
    if (!pteNone(pte)) yield* setPteAt(m, mm, (newAddr + done) as Vaddr, pteOffset(m, newPmdp, (newAddr + done) as Vaddr), pte);
  }
`,
  },
  {
    file: MREMAP, find: '  if (inode !== 0) yield* rmapUnlock(m, mappingLock);\n}',
    replace: '  if (inode !== 0) yield* rmapUnlock(m, mappingLock);\n  yield* flushTlbRange(m, vma, oldAddr, (oldAddr + bytes) as Vaddr);\n}',
  },
];

/** 4.3: reclaim clears the pte and flushes once for many pages, before it frees the first of them. try_to_unmap_flush() */
const BATCHED_FLUSH: readonly SourceEdit[] = [
  { file: RMAP, find: '  const pte = yield* ptepClearFlush(m, vma, address, ptep);\n  yield* mmuNotifierInvalidatePage(m, mm, address);\n', replace: '  const pte = yield* ptepGetAndClear(m, mm, address, ptep);\n  yield* mmuNotifierInvalidatePage(m, mm, address);\n' },
  { file: RMAP, find: "} from '#asm';\n", replace: "} from '#asm';\nimport { flushTlbMm, ptepGetAndClear } from '#asm';\n" },
  {
    file: RMAP, find: '  return pageMapped(m, pfn) ? result : SWAP_SUCCESS;\n',
    replace: '  for (let mm = 1; mm <= m.bootConfig.nrMms; mm++) yield* flushTlbMm(m, mm as Mm);\n  return pageMapped(m, pfn) ? result : SWAP_SUCCESS;\n',
  },
];

/** flush_tlb_batched_pending(): a call that finds no pte cannot know that nobody goes by it any more. */
const MPROTECT_FLUSHES: SourceEdit = { file: 'mm/src/mprotect.ts', find: '  if (nrPages !== 0) yield* flushTlbRange(m, vma, start, end);\n', replace: '  yield* flushTlbRange(m, vma, start, end);\n' };

/** 2.6.24 itself: who alone maps a page writes to it, and the page leaves the rmap before the other's TLBs are flushed. */
const MAPCOUNT_DECIDES: SourceEdit = {
  file: WP,
  find: `  if ((flags[pfn] & PG_ANON_EXCLUSIVE) !== 0) return true;
  if (pageMapcount(m, pfn) !== 1 || pageCount(m, pfn) !== 1) return false;
`,
  replace: '  if (pageMapcount(m, pfn) !== 1) return false;\n',
};
const UNMAPPED_BEFORE_FLUSH: readonly SourceEdit[] = [
  MAPCOUNT_DECIDES,
  { file: WP, find: '    yield* ptepClearFlush(m, vma, address, ptep);\n', replace: '    if (old !== 0) pageRemoveRmap(m, old);\n    yield* ptepClearFlush(m, vma, address, ptep);\n' },
  { file: WP, find: '    if (old !== 0) pageRemoveRmap(m, old);\n  }\n  yield* spinUnlock(m, ptl);\n', replace: '  }\n  yield* spinUnlock(m, ptl);\n' },
];

/** Up to 5.18 a page with any further reference is copied. */
const REFERENCES_DECIDE: SourceEdit = {
  file: WP,
  find: '  if ((flags[pfn] & PG_ANON_EXCLUSIVE) !== 0) return true;\n',
  replace: '',
};
/** 6ce64428d620: whoever copies first sees to it that nobody writes meanwhile. */
const COPY_FLUSHES: readonly SourceEdit[] = [
  REFERENCES_DECIDE,
  { file: WP, find: '  if (pfn !== 0) yield* getPage(m, pfn);\n  yield* spinUnlock(m, ptl);\n', replace: '  yield* flushTlbPage(m, vma, address);\n  if (pfn !== 0) yield* getPage(m, pfn);\n  yield* spinUnlock(m, ptl);\n' },
  { file: WP, find: "} from '#asm';\n", replace: "} from '#asm';\nimport { flushTlbPage } from '#asm';\n" },
];

/** As from 2010 on, when mm_users no longer had a say in it: what was spared is flushed, whoever has come meanwhile. */
const FLUSHES_UNASKED: SourceEdit = { file: 'arch-s390/src/tlbflush.ts', find: '  if (yield* isOnlyUser(m, mm)) yield* flushAllCpus(m, mm);\n', replace: '  yield* flushAllCpus(m, mm);\n' };

/** Another thread reads the memory, as /proc/PID/mem does: it takes mm_users before it waits for mmap_sem. */
function* readByProc(t: RaceContext, { a, mm }: Watched): Task<MaySleep> {
  yield* t.put(yield* t.gup(a, false, mm));
}

type Watched = Page & { readonly mm: Mm };

/** A page of the first process that CPU 0 may write by its TLB. */
function cachedPage(t: Setup): Watched {
  const a = t.mmap(1);
  t.writeOn(0, a, 7);
  return { a, mm: t.mm };
}

export const tlbFlush: readonly Race[] = [
  defineRace<Watched>({
    id: 's390-flush-beside-proc',
    title: '2.6.24 itself on s390: mprotect spares IPTE as the mm\'s only user, /proc takes the mm, and the flush takes it for flushed',
    source: 'include/asm-s390/tlbflush.h of v2.6.24; "s390x kernel: fix tlb flushing vs. concurrent /proc accesses" of 2.6.32-70.el6',
    finds: ['stale-after-return', 'excess-permission'],
    variants: { buggy: { image: 's390' }, fixed: { image: 's390', edit: FLUSHES_UNASKED } },
    setup: cachedPage,
    actors: {
      * cpu0(t: RaceContext, { a }: Watched): Task<MaySleep> {
        yield* t.mprotect(a, PROT_READ);
        t.assert((yield* t.write(a, 9)) < 0, 'stale-after-return', 'mprotect has returned, and the CPU writes through its TLB');
      },
      proc: readByProc,
    },
  }),
  defineRace<Watched>({
    id: 's390-fork-beside-proc',
    title: '2.6.24 itself on s390: the same at fork, and the parent goes on to write a page that is the child\'s too',
    source: 'include/asm-s390/tlbflush.h of v2.6.24; "s390x kernel: fix tlb flushing vs. concurrent /proc accesses" of 2.6.32-70.el6',
    finds: ['cow-leak', 'excess-permission', 'lost-write', 'incoherent'],
    variants: { buggy: { image: 's390' }, fixed: { image: 's390', edit: FLUSHES_UNASKED } },
    setup: cachedPage,
    actors: {
      * cpu0(t: RaceContext, { a }: Watched): Task<MaySleep> {
        yield* t.fork();
        yield* t.write(a, 9);
      },
      proc: readByProc,
    },
  }),
  defineRace<Page & { readonly to: Vaddr; readonly file: RaceFile }>({
    id: 'mremap-late-flush',
    title: 'B49 (CVE-2018-18281): mremap leaves its locks before it flushes the old place, and truncate frees the page',
    source: 'eb66ae030829',
    finds: ['stale-translation'],
    variants: { buggy: { edit: FLUSHES_AFTER_UNLOCK }, fixed: { edit: RANGED_GATHER } },
    setup: (t) => {
      const file = t.file();
      const a = t.mmap(1, { file, isShared: true });
      t.readOn(1, a);
      return { a, to: t.room(), file };
    },
    actors: { cpu0: (t, { a, to }) => t.mremap(a, to), other: (t, { file }) => t.truncate(file), cpu1: (t, { a }) => t.read(a) },
  }),
  defineRace<Page>({
    id: 'mprotect-beside-batched-flush',
    title: 'B34: reclaim has cleared the pte and flushes later; mprotect finds nothing to flush and returns',
    source: '3ea277194daa',
    finds: ['stale-after-return', 'excess-permission'],
    variants: { buggy: { edit: BATCHED_FLUSH }, fixed: { edit: [...BATCHED_FLUSH, MPROTECT_FLUSHES] }, unbatched: {} },
    config: { nrSwapSlots: 2 },
    setup: (t) => {
      const a = t.mmap(1);
      t.writeOn(1, a, 7);
      return { a };
    },
    actors: {
      kswapd: (t, { a }) => t.reclaim(a),
      * cpu1(t: RaceContext, { a }: Page): Task<MaySleep> {
        yield* t.mprotect(a, PROT_READ);
        t.assert((yield* t.write(a, 9)) < 0, 'stale-after-return', 'mprotect has returned, and the CPU writes through its TLB');
      },
    },
  }),
  defineRace<Page & { readonly child: number }>({
    id: 'cow-unmapped-before-flush',
    title: 'M17: the page leaves the rmap before the flush, its new sole owner writes, and a third CPU reads that',
    source: '945754a1754f',
    finds: ['cow-leak', 'lost-write', 'incoherent'],
    variants: { buggy: { edit: UNMAPPED_BEFORE_FLUSH }, fixed: { edit: MAPCOUNT_DECIDES } },
    setup: (t) => {
      const a = t.mmap(1);
      t.write(a, 7);
      return { a, child: t.fork() };
    },
    actors: { cpu0: (t, { a }) => t.write(a, 8), cpu1: (t, { a }) => t.read(a), cpu2: { as: (s) => s.child, run: (t, { a }) => t.write(a, 9) } },
  }),
  defineRace<Page & { readonly pinned: number }>({
    id: 'uffd-wp-deferred-flush',
    title: 'B60: userfaultfd write-protects and flushes later; the page is copied before that, and a write to the old one is lost',
    source: '20210303095116.3814443-1-namit@vmware.com',
    finds: ['lost-write'],
    variants: { buggy: { edit: REFERENCES_DECIDE }, fixed: { edit: COPY_FLUSHES } },
    setup: (t) => {
      const a = t.mmap(1);
      t.writeOn(1, a, 7);
      return { a, pinned: t.gup(a) };
    },
    actors: {
      monitor: (t, { a }) => t.writeProtect(a),
      * cpu0(t: RaceContext, { a, pinned }: Page & { readonly pinned: number }): Task<MaySleep> {
        yield* t.put(yield* t.gup(a, true));
        yield* t.put(pinned);
      },
      cpu1: (t, { a }) => t.write(a, 9),
    },
  }),
] as unknown as readonly Race[];
