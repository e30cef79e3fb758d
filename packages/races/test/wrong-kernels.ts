/** Programs whose kernel is wrong, a line each: under every design, and without a device. */
import { MADV_DONTNEED, PROT_READ } from '@mmun/include';
import type { MaySleep, Task, Vaddr } from '@mmun/include';
import { defineRace, kvm, onePage, sharedPage } from '@mmun/races';
import type { Page, Race, RaceContext, SourceEdit } from '@mmun/races';
import { idOf } from './wrong-drivers.js';

interface Program {
  readonly edit: SourceEdit | readonly SourceEdit[];
  /** Left out: the kernel as it is. */
  readonly rightEdit?: SourceEdit | readonly SourceEdit[];
  /** A device listens. */
  readonly isWatched?: boolean;
  readonly race: Pick<Race<Page>, 'actors'> & Partial<Race<Page>>;
}

const edited = (file: string, find: string, replace: string): SourceEdit => ({ file: `mm/src/${file}`, find, replace });

/** In changePteRange, before ptes change. */
const MODIFY = '  const nrPages = yield* ptepModifyRange(';
const LOCK_IMPORT = edited('mprotect.ts', "import { spinLock, spinUnlock } from '@mmun/locking';", "import { mutexAt, mutexLock, mutexUnlock, spinLock, spinUnlock, spinlockAt } from '@mmun/locking';");
const inModify = (first: string): SourceEdit => edited('mprotect.ts', MODIFY, `${first}${MODIFY}`);
const twoLocks = (one: number, other: number): string =>
  `  yield* spinLock(m, spinlockAt(m.page.ptl, ${one})); yield* spinLock(m, spinlockAt(m.page.ptl, ${other})); yield* spinUnlock(m, spinlockAt(m.page.ptl, ${other})); yield* spinUnlock(m, spinlockAt(m.page.ptl, ${one}));\n`;
/** In zapPteRange, before ptes go. */
const ZAP = '  const first = pteOffset(m, pmdp, start);\n';
const ZAP_IMPORT = edited('memory.ts', "import { spinLock, spinUnlock } from '@mmun/locking';", "import { spinLock, spinUnlock, spinlockAt } from '@mmun/locking';");
const inZap = (first: string): SourceEdit => edited('memory.ts', ZAP, `${first}${ZAP}`);
const SLEEPS = '  yield* mutexLock(m, mutexAt(m.inode.iMmapLock, 1)); yield* mutexUnlock(m, mutexAt(m.inode.iMmapLock, 1));\n';

const mprotect = (t: RaceContext, { a }: Page): Task<MaySleep, number> => t.mprotect(a, PROT_READ);
const munmap = (t: RaceContext, { a }: Page): Task<MaySleep, number> => t.munmap(a);

/** Written, and then shared with a child. */
function forkedPage(t: Parameters<Race<Page>['setup']>[0]): Page {
  const a = t.mmap(1);
  t.write(a, 7);
  t.fork();
  return { a };
}

function* readTwice(t: RaceContext, { a }: Page): Task<MaySleep> {
  yield* t.read(a);
  yield* t.read(a);
}

function* writeTwice(t: RaceContext, { a }: Page): Task<MaySleep> {
  yield* t.write(a, 1);
  yield* t.write(a, 2);
}

function* thereAndBack(t: RaceContext, page: Page): Task<MaySleep> {
  const { a, to } = page as Page & { readonly to: Vaddr };
  yield* t.mremap(a, to);
  yield* t.mremap(to, a);
  yield* t.mprotect(a, PROT_READ);
  yield* t.madvise(a, MADV_DONTNEED);
}

const programs: Readonly<Record<string, Program>> = {
  'stale-translation.cpu': {
    edit: edited('mmu-gather.ts', '  yield* tlbFlush(m, mmuGather.mm[row] as Mm, mmuGather.isFull[row] !== 0, mmuGather.hasTable[row] !== 0);\n', ''),
    race: { actors: { cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED), cpu1: readTwice } },
  },
  'excess-permission.cpu': {
    edit: edited('mprotect.ts', '  if (nrPages !== 0) yield* flushTlbRange(m, vma, start, end);\n', ''),
    race: { actors: { cpu0: mprotect, cpu1: writeTwice } },
  },
  'stale-after-return.cpu': {
    edit: edited('mprotect.ts', '  if (nrPages !== 0) yield* flushTlbRange(m, vma, start, end);\n', ''),
    race: { actors: { cpu0: mprotect, cpu1: writeTwice } },
  },
  'incoherent.cpu': {
    edit: { file: 'arch-generic/src/pgtable.ts', find: "  yield* flushTlbPage(m, vma, address);\n  yield* mmuNotifierPtep(m, mm, 'invalidatePage', address);\n", replace: "  yield* mmuNotifierPtep(m, mm, 'invalidatePage', address);\n" },
    race: {
      setup: forkedPage,
      actors: { cpu0: (t, { a }) => t.write(a, 9), cpu1: (t, { a }) => t.read(a) },
    },
  },
  'lost-dirty.cpu': {
    edit: edited('memory.ts', '      if (pteDirty(ptent)) setFlag(m, pfn, PG_DIRTY);\n', ''),
    race: { setup: sharedPage, actors: { * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> { yield* t.write(a, 9); yield* t.madvise(a, MADV_DONTNEED); } } },
  },
  'lost-dirty.reclaimed': {
    // reclaim lets the page go as a clean one, and nobody is left who could be asked whether it was
    edit: edited('rmap-walk.ts', '  if (pteDirty(pte) || (testFlag(m', '  if ((testFlag(m'),
    race: { config: { nrSwapSlots: 2 }, setup: sharedPage, actors: { * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> { yield* t.write(a, 9); yield* t.reclaim(a); } } },
  },
  'lost-write': {
    // two threads fault a page in, and the second maps its own over the first one's
    edit: edited('memory-fault.ts', 'isStable && ptepNone(m, ptep);\n  if (isOurs) yield* setAnonPte(m, vma, address, ptep, pfn)', 'isStable;\n  if (isOurs) yield* setAnonPte(m, vma, address, ptep, pfn)'),
    race: {
      config: { tlbEntries: 0 }, setup: (t) => ({ a: t.mmap(1) }),
      actors: { * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> { yield* t.write(a, 5); yield* t.read(a); }, cpu1: (t, { a }) => t.write(a, 6) },
    },
  },
  'cow-leak': {
    edit: edited('memory-copy.ts', '        yield* ptepSetWrprotect(m, srcMm, address, src);\n', '\n'),
    race: { actors: { * cpu0(t: RaceContext, { a }: Page): Task<MaySleep> { yield* t.fork(); yield* t.write(a, 9); } } },
  },
  'use-after-free.page': {
    edit: edited('memory.ts', '    pageRemoveRmap(m, pfn);\n    if (m.gatherPages', '    if (m.gatherPages'),
    race: { actors: { cpu0: munmap } },
  },
  'double-free.page': {
    edit: edited('memory.ts', '    else yield* tlbRemovePage(m, pfn);\n  }\n', '    else { yield* tlbRemovePage(m, pfn); yield* tlbRemovePage(m, pfn); }\n  }\n'),
    race: { actors: { cpu0: munmap } },
  },
  'sleep-in-atomic.kernel': {
    edit: [LOCK_IMPORT, inModify(SLEEPS)],
    rightEdit: [LOCK_IMPORT, edited('mprotect.ts', '  let nrPages = 0;\n  let mmunStart', `${SLEEPS}  let nrPages = 0;\n  let mmunStart`)],
    race: { actors: { cpu0: mprotect } },
  },
  // both orders of two PT locks; the right kernel takes them in both orders too, but under mmap_sem held for writing
  'lock-order.gate': {
    edit: [LOCK_IMPORT, ZAP_IMPORT, inModify(twoLocks(1, 2)), inZap(twoLocks(2, 1))],
    race: {
      setup: (t) => {
        const a = t.mmap(1);
        t.room(4);
        const to = t.room();
        t.write(a, 7);
        return { a, to };
      },
      actors: { cpu0: thereAndBack },
    },
  },
  'deadlock.kernel': {
    edit: edited('mprotect.ts', "  yield* mmuNotifier(m, mm, 'invalidatePages', start, end);\n  yield* spinUnlock(m, ptl);\n", "  yield* mmuNotifier(m, mm, 'invalidatePages', start, end);\n"),
    race: { actors: { cpu0: mprotect, cpu1: (t, { a }) => t.madvise(a, MADV_DONTNEED) } },
  },
  'self-deadlock.kernel': { edit: inModify('  yield* spinLock(m, ptl);\n'), race: { actors: { cpu0: mprotect } } },
  'lock-misuse.kernel': { edit: inModify('  yield* spinUnlock(m, ptl);\n'), race: { actors: { cpu0: mprotect } } },
  'refcount-leak.page': {
    edit: edited('memory-wp.ts', '    if (isOurs) yield* putPage(m, old);\n', ''),
    race: {
      setup: forkedPage,
      actors: { cpu0: (t, { a }) => t.write(a, 9) },
    },
  },
  'retry-livelock.kernel': {
    edit: edited('memory-wp.ts', 'ptep, pteMkwrite(pteMkdirty(pteMkyoung(seen))), true);\n}', 'ptep, pteMkyoung(seen), true);\n}'),
    race: {
      setup: (t) => {
        const a = t.mmap(1);
        t.write(a, 7);
        t.mprotect(a, PROT_READ);
        t.mprotect(a, 3);
        return { a };
      },
      actors: { cpu0: (t, { a }) => t.write(a, 9) },
    },
  },
};

/** Only the range design has brackets. */
const rangePrograms: Readonly<Record<string, Program>> = {
  'unbalanced-range': {
    edit: edited('memory-copy.ts', '  yield* mmuNotifierInvalidateRangeEnd(m, srcMm, mmunStart, mmunEnd);\n', '\n'), isWatched: true,
    race: { actors: { cpu0: (t) => t.fork() } },
  },
};

export function wrongKernels(design: 'v5' | 'range' | 'off'): readonly Race[] {
  const image = design === 'v5' ? 'toy' : design === 'range' ? 'toy-range' : 'toy-off';
  return Object.entries({ ...programs, ...(design === 'range' ? rangePrograms : {}) }).map(([name, { edit, rightEdit, isWatched = false, race }]) => {
    const plugin = isWatched ? { plugin: kvm } : {};
    return defineRace<Page>({
      id: idOf(name, design), title: name, source: 'none', finds: [name.replace(/\..*/, '')] as unknown as Race['finds'],
      setup: onePage, ...race, variants: { buggy: { image, edit, ...plugin }, fixed: { image, ...(rightEdit === undefined ? {} : { edit: rightEdit }), ...plugin } },
    }) as unknown as Race;
  });
}
