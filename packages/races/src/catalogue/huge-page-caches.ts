/** Huge pages as CPUs and drivers cache them: shared tables, one address for all of a page, copies without a flush. */
import { PAGE_SIZE } from '@mmun/include';
import type { MaySleep, Mm, MmuNotifier, SecondaryDriver, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { defineRace } from '../define.js';
import type { Race, SourceEdit } from '../define.js';
import { V5, install, lockOf, mmOfTiny, tinyMmu, zapLocked } from '../drivers/tiny-mmu.js';
import type { TinyMmu } from '../drivers/tiny-mmu.js';
import type { Page } from '../set-ups.js';

const HUGE_SIZE = 2 * PAGE_SIZE;

/** CVE-2021-4002: leaving a table is not taken for something that needs a flush. A gather flushes where it gathered. */
const FLUSHES_IF_GATHERED: SourceEdit = { file: 'mm/src/mmu-gather.ts', find: '  yield* tlbFlush(m, mmuGather.mm[row] as Mm, mmuGather.isFull[row] !== 0, mmuGather.hasTable[row] !== 0);\n', replace: '  if (mmuGather.nr[row] > 0) yield* tlbFlush(m, mmuGather.mm[row] as Mm, mmuGather.isFull[row] !== 0, mmuGather.hasTable[row] !== 0);\n' };
const NO_FLUSH_AFTER_UNSHARE: readonly SourceEdit[] = [
  FLUSHES_IF_GATHERED,
  {
    file: 'mm/src/hugetlb-unmap.ts', find: '  yield* flushHugetlbRange(m, vma, start, end, isUnshared);\n',
    replace: '  if (!isUnshared) yield* flushHugetlbRange(m, vma, start, end, isUnshared);\n',
  },
];

const COPY_WITHOUT_FLUSH: SourceEdit = {
  file: 'mm/src/hugetlb.ts',
  find: '    yield* flushTlbRange(m, vma, mmunStart, mmunEnd);\n    addNewAnon(',
  replace: '    addNewAnon(',
};

/** Of a huge page v5 names the first address, once, and no length. */
function hugeAware(dropsAll: boolean): TinyMmu<SecondaryDriver> {
  return tinyMmu('hugeaware', {
    designs: V5,
    drive: (t) => ({
      ops: {
        * invalidatePage(mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<UnderPteLock> {
          yield* zapLocked(t, t.s.notifierInstance(mn), address, (address + (dropsAll ? HUGE_SIZE : PAGE_SIZE)) as Vaddr);
        },
        * release(mn: MmuNotifier, _mm: Mm): Task<MaySleep> {
          yield* zapLocked(t, t.s.notifierInstance(mn), 0 as Vaddr, (16 * PAGE_SIZE) as Vaddr);
        },
      },
      * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
        return yield* t.s.withPte(mmOfTiny(t, instance), address, isWrite, function* (_cookie, at, pfn, isWritable): Task<UnderPteLock, number> {
          yield* t.s.spinLock(lockOf(t, instance));
          yield* install(t, instance, at, pfn, isWritable);
          yield* t.s.spinUnlock(lockOf(t, instance));
          return 0;
        }, instance);
      },
    }),
  });
}

const config = { nrHugePages: 4, nrFrames: 16, nrTables: 14 };

export const hugePageCaches: readonly Race[] = [
  defineRace<Page>({
    id: 'unshare-without-flush',
    title: 'B79 (CVE-2021-4002): a table of huge pages that another process has too is left without a flush, and CPUs go on by it',
    source: 'a4a118f2eead',
    finds: ['stale-after-return', 'stale-translation'],
    config,
    variants: { buggy: { edit: NO_FLUSH_AFTER_UNSHARE }, fixed: { edit: FLUSHES_IF_GATHERED } },
    setup: (t) => {
      const a = t.mmap(4, { isHuge: true, isShared: true });
      t.write(a, 7);
      t.readAs(t.fork(), a);
      t.readOn(1, a);
      return { a };
    },
    actors: { cpu0: (t, { a }) => t.munmap(a, 4), cpu1: (t, { a }) => t.read(a) },
  }),
  defineRace<Page>({
    id: 'huge-page-by-one-address',
    title: 'M11: one invalidate_page for a huge page, and the driver drops what it maps at that address only',
    source: '20170829235447.10050-1',
    finds: ['stale-translation'],
    config,
    variants: { buggy: { plugin: hugeAware(false) }, fixed: { plugin: hugeAware(true) } },
    setup: (t) => {
      const a = t.mmap(2, { isHuge: true });
      t.write(a, 7);
      t.dev.read((a + PAGE_SIZE) as Vaddr);
      return { a };
    },
    actors: { cpu0: (t, { a }) => t.munmap(a, 2) },
  }),
  defineRace<Page>({
    id: 'hugetlb-cow-without-flush',
    title: 'M18: a huge page is copied, and the CPUs of the process keep the old one in their TLBs',
    source: '8fe627ec5b7',
    finds: ['lost-write', 'incoherent', 'stale-translation', 'cow-leak', 'stale-after-return'],
    config,
    variants: { buggy: { edit: COPY_WITHOUT_FLUSH }, fixed: {} },
    setup: (t) => {
      const a = t.mmap(2, { isHuge: true });
      t.write(a, 7);
      t.fork();
      t.readOn(1, a);
      return { a };
    },
    actors: { cpu0: (t, { a }) => t.write(a, 8), cpu1: (t, { a }) => t.read(a) },
  }),
] as unknown as readonly Race[];
