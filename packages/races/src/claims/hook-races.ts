/** Claims about the place of a hook and what is true there: each with the mutant that would make it false. */
import { MADV_COLD, MADV_DONTNEED, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { KernelServices, MaySleep, Mm, MmuNotifier, MmuNotifierOps, Step, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { kvm } from '@mmun/plugin-kvm';
import type { KvmMmu } from '@mmun/plugin-kvm';
import { kernelAssert } from '../assertion.js';
import { defineRace } from '../define.js';
import type { Race, SourceEdit } from '../define.js';
import type { RaceContext } from '../race-context.js';
import { onePage, sharedPage } from '../set-ups.js';
import type { Page } from '../set-ups.js';

/** Entries of a page table of arch toy. */
const PTRS_PER_PTE = 4;
const MAIL = '20080131232842.GQ7185@v2.random';
const HOOK_4 = "    yield* mmuNotifier(m, mm, 'invalidatePage', address);\n";

/** The hook that takes pages away comes when the lock has been left, and so after pages were given back. */
const AFTER_UNLOCK: readonly SourceEdit[] = [
  { file: 'mm/src/memory.ts', find: HOOK_4, replace: '' },
  {
    file: 'mm/src/memory.ts',
    find: '  if (nrAnon !== 0) addMmCounter(m, mm, MM_ANONPAGES, -nrAnon);\n  yield* spinUnlock(m, ptl);\n',
    replace: "  if (nrAnon !== 0) addMmCounter(m, mm, MM_ANONPAGES, -nrAnon);\n  yield* spinUnlock(m, ptl);\n  yield* mmuNotifier(m, mm, 'invalidatePages', start, end);\n",
  },
];

/** #v4: one call for the range, when the gather has flushed and freed. */
const AFTER_FREE: readonly SourceEdit[] = [
  { file: 'mm/src/memory.ts', find: HOOK_4, replace: '' },
  {
    file: 'mm/src/memory.ts',
    find: 'unmapPageRange(m, vma, start, end, isFileOnly);\n  yield* mmuNotifierInvalidateRangeEnd(m, mm, start, end);\n  yield* tlbFinishMmu(m);\n',
    replace: "unmapPageRange(m, vma, start, end, isFileOnly);\n  yield* tlbFinishMmu(m);\n  yield* mmuNotifier(m, mm, 'invalidatePages', start, end);\n",
  },
];

/** One call for all that mprotect was asked for, when the last lock has been left. */
const WHOLE_RANGE: readonly SourceEdit[] = [
  { file: 'mm/src/mprotect.ts', find: "  yield* mmuNotifier(m, mm, 'invalidatePages', start, end);\n", replace: '' },
  {
    file: 'mm/src/mprotect.ts',
    find: '  if (nrPages !== 0) yield* flushTlbRange(m, vma, start, end);\n',
    replace: "  yield* mmuNotifier(m, vmaMm(m, vma), 'invalidatePages', start, end);\n  if (nrPages !== 0) yield* flushTlbRange(m, vma, start, end);\n",
  },
];

const NO_HOOK_6: SourceEdit = { file: 'mm/src/mprotect.ts', find: "  yield* mmuNotifier(m, mm, 'invalidatePages', start, end);\n", replace: '' };

/** What i386, s390 and ppc64 had in its place: their own, without the call. */
const OWN_YOUNG: SourceEdit = {
  file: 'arch-generic/src/pgtable.ts', find: '  return young | (yield* mmuNotifierAgePage(m, m.vma.vmMm[vma] as Mm, address));\n', replace: '  return young;\n',
};

type PageOp = (mn: MmuNotifier, mm: Mm, address: Vaddr) => Task<UnderPteLock>;
type PagesOp = (mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr) => Task<UnderPteLock>;

/** KVM, which looks first: `look` is asked in each op that reports ptes, with what the pte says at that moment. */
function looking(look: (pte: number, start: Vaddr, end: Vaddr) => void): KvmMmu {
  return {
    ...kvm,
    attach: (s: KernelServices) => {
      const driver = kvm.attach(s);
      const ops = driver.ops as MmuNotifierOps;
      return {
        ...driver,
        ops: {
          ...ops,
          * invalidatePage(mn: MmuNotifier, mm: Mm, address: Vaddr): Task<UnderPteLock> {
            look(yield* s.atomicPteLookup(mm, address) as Task<Step, number>, address, (address + PAGE_SIZE) as Vaddr);
            yield* (ops.invalidatePage as PageOp)(mn, mm, address);
          },
          * invalidatePages(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr): Task<UnderPteLock> {
            look(yield* s.atomicPteLookup(mm, start) as Task<Step, number>, start, end);
            yield* (ops.invalidatePages as PagesOp)(mn, mm, start, end);
          },
        },
      };
    },
  };
}

const withinTable = looking((_pte, start, end) => {
  const table = PTRS_PER_PTE * PAGE_SIZE;
  kernelAssert(Math.floor(start / table) === Math.floor((end - 1) / table), 'broken-claim', `invalidate_pages of 0x${start.toString(16)} up to 0x${end.toString(16)}: more than one page table`);
});
const emptyInside = looking((pte) => { kernelAssert(pte === 0, 'broken-claim', 'invalidate_page found the pte with a value'); });
const finalInside = looking((pte) => { kernelAssert(pte !== 0, 'broken-claim', 'invalidate_page found the pte empty: its final value comes later'); });
const keepsDirty: KvmMmu = { ...kvm, attach: (s) => kvm.attach({ ...s, * setPageDirty(): Task<Step> { /* that is the bug */ } }) };

function* writeTwice(t: RaceContext, { a }: Page): Task<MaySleep> {
  yield* t.dev.write(a);
  yield* t.dev.write((a + PAGE_SIZE) as Vaddr);
}

export const hookRaces: readonly Race[] = [
  defineRace<Page>({
    id: 'one-call-a-table', title: 'mprotect over two page tables makes two calls, each within one', source: MAIL, finds: ['broken-claim'],
    variants: { buggy: { plugin: withinTable, edit: WHOLE_RANGE }, fixed: { plugin: withinTable } },
    setup: (t) => {
      // the last page of one table and the first of the next
      while (t.room() < (PTRS_PER_PTE - 2) * PAGE_SIZE) { /* on */ }
      const a = t.mmap(2);
      t.write(a, 7);
      t.write((a + PAGE_SIZE) as Vaddr, 8);
      return { a };
    },
    actors: { cpu0: (t, { a }) => t.mprotect(a, PROT_READ, 2), dev0: (t, { a }) => t.dev.read(a) },
  }),
  defineRace<Page>({
    id: 'called-after-unlock', title: 'a hook that came after the PT lock would come after the page was given back', source: MAIL,
    finds: ['stale-translation', 'stale-after-return', 'incoherent'], config: { tlbEntries: 0 },
    variants: { buggy: { plugin: kvm, edit: AFTER_UNLOCK }, fixed: { plugin: kvm } },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.munmap(a), dev0: (t, { a }) => t.dev.read(a) },
  }),
  defineRace<Page>({
    id: 'called-after-free', title: 'the order of #v4: pages are freed, then the range is reported', source: '20080122200858.GB15848@v2.random',
    finds: ['stale-translation', 'stale-after-return', 'incoherent'],
    variants: { buggy: { plugin: kvm, edit: AFTER_FREE }, fixed: { plugin: kvm } },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED), dev0: (t, { a }) => t.dev.read(a) },
  }),
  defineRace<Page>({
    id: 'empty-inside', title: 'inside of invalidate_page the pte is empty; the final value comes before the lock is left', source: MAIL, finds: ['broken-claim'],
    variants: { buggy: { plugin: finalInside }, fixed: { plugin: emptyInside } },
    setup: (t) => {
      const a = t.mmap(1);
      t.write(a, 7);
      t.fork();
      return { a };
    },
    actors: { cpu0: (t, { a }) => t.write(a, 9), dev0: (t, { a }) => t.dev.read(a) },
  }),
  defineRace<Page>({
    id: 'dirty-handed-over', title: 'what the device wrote until it was told is a dirty page', source: MAIL, finds: ['lost-dirty'],
    variants: { buggy: { plugin: keepsDirty }, fixed: { plugin: kvm } },
    setup: sharedPage,
    actors: { dev0: (t, { a }) => t.dev.write(a), cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED) },
  }),
  defineRace<Page>({
    id: 'two-pages-one-call', title: 'one call for both pages of a table, and the device can write neither', source: MAIL, finds: ['excess-permission', 'stale-after-return'],
    variants: { buggy: { plugin: kvm, edit: NO_HOOK_6 }, fixed: { plugin: kvm } },
    setup: (t) => {
      const a = t.mmap(2);
      t.write(a, 7);
      t.write((a + PAGE_SIZE) as Vaddr, 8);
      return { a };
    },
    actors: { cpu0: (t, { a }) => t.mprotect(a, PROT_READ, 2), dev0: writeTwice },
  }),
  defineRace<Page & { readonly b: Vaddr; readonly mm: Mm }>({
    id: 'asked-for-its-age', title: 'a page that the device alone uses is not the one that reclaim takes', source: MAIL, finds: ['broken-claim'], config: { nrSwapSlots: 2 },
    variants: { buggy: { plugin: kvm, edit: OWN_YOUNG }, fixed: { plugin: kvm } },
    setup: (t) => {
      const a = t.mmap(1);
      const b = t.mmap(1);
      t.write(a, 7);
      t.write(b, 8);
      t.dev.read(a);
      // both are old now, and the device's is the older one
      t.madvise(a, MADV_COLD);
      t.madvise(b, MADV_COLD);
      return { a, b, mm: t.mm };
    },
    actors: {
      * dev0(t: RaceContext, { a }): Task<MaySleep> {
        yield* t.dev.read(a);
        yield* t.kswapd(1);
      },
    },
    atEnd: (t, { a, b, mm }) => {
      const isIn = (address: Vaddr): boolean => t.image.primaryTranslation(t.m, mm, address) !== 0;
      t.assert(isIn(a) || isIn(b), 'broken-claim', 'reclaim took both pages');
      t.assert(isIn(a), 'broken-claim', 'the device read the page a moment ago, and reclaim took that one: nobody had asked the device');
    },
  }),
] as unknown as readonly Race[];
