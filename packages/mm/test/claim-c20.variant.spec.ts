/**
 * Claim C20 of the mail, and what Lameter held against it: invalidate_pages saves calls in mprotect and remap only; unmap and
 * exit still call once for each present page. The arithmetic, by design, for N present pages in T tables.
 */
import * as image from '@mmun/image';
import { MADV_DONTNEED, MAP_SHARED, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { Design, NotifierCounts, NotifierOps, Pfn, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { PTRS_PER_PTE } from '#asm';
import { addNotifierOps, mmuNotifierAlloc, mmuNotifierRegister } from '#mmu-notifier';
import { gate, later } from '@mmun/test-support';
import { world } from './page-world.js';
import type { World } from './page-world.js';

const P = PAGE_SIZE;
const DESIGN = image.config.design as Design;
/** The last is more than a table holds, on each arch. */
const SIZES = [1, 100, later(600, 1500)];
const tablesOf = (pages: number): number => Math.ceil(pages / PTRS_PER_PTE);

type Counts = Partial<Record<keyof NotifierCounts, number>>;

interface Row {
  readonly name: string;
  readonly act: (w: World, a: Vaddr, pages: number) => void;
  readonly v5: (pages: number) => Counts;
  readonly range: (pages: number) => Counts;
  /** The pages are of a file. */
  readonly isShared?: boolean;
}

/** The stack's page and its range come in where the whole mm is meant. */
const STACK = 1;
const bracket = (calls: number): Counts => ({ invalidateRangeStart: calls, invalidateRangeEnd: calls });

/** Each page is taken by a thread that has nothing to do with the process, whether it was used or not. */
function reclaimAll(w: World, a: Vaddr, pages: number): void {
  const mm = image.mmOf(w.m, w.task);
  w.run(image.lruAddDrain(w.m));
  w.as(image.kernelThread(w.m), () => {
    for (let i = 0; i < pages; i++) w.run(image.reclaimPage(w.m, (image.primaryTranslation(w.m, mm, (a + i * P) as Vaddr) >>> 1) as Pfn));
  });
}

const ROWS: readonly Row[] = [
  { name: 'munmap', act: (w, a, n) => w.run(image.sysMunmap(w.m, a, n * P)), v5: (n) => ({ invalidatePage: n }), range: () => bracket(1) },
  { name: 'MADV_DONTNEED', act: (w, a, n) => w.run(image.sysMadvise(w.m, a, n * P, MADV_DONTNEED)), v5: (n) => ({ invalidatePage: n }), range: () => bracket(1) },
  { name: 'mprotect', act: (w, a, n) => w.run(image.sysMprotect(w.m, a, n * P, PROT_READ)), v5: (n) => ({ invalidatePages: tablesOf(n) }), range: () => bracket(1) },
  { name: 'fork', act: (w) => void w.fork(), v5: () => ({}), range: () => bracket(1 + STACK) },
  { name: 'exit', act: (w) => w.run(image.sysExit(w.m)), v5: (n) => ({ invalidatePage: n + STACK, release: 1 }), range: () => ({ release: 1 }) },
  // unmap_mapping_range is called twice, before and after the pages leave the cache
  { name: 'truncate', act: (w) => w.run(image.truncateSetsize(w.m, 1 as never, 0)), v5: (n) => ({ invalidatePage: n }), range: () => bracket(2), isShared: true },
  { name: 'reclaim', act: reclaimAll, v5: (n) => ({ invalidatePage: n }), range: (n) => ({ invalidatePage: n }) },
];

/** Counts of one operation on `pages` written pages at the start of a table. */
function count({ act, isShared }: Row, pages: number): Counts {
  const w = world({ nrFrames: later(2048, 8192), nrSwapSlots: later(1024, 2048) });
  const a = w.mmap(pages, { at: 0x40000000, ...(isShared === true ? { flags: MAP_SHARED, file: w.file(pages, 'shmem').file } : {}) });
  for (let i = 0; i < pages; i++) w.write(a + i * P, 1);
  const nop = function* (): Task<UnderPteLock> { /* counted by the kernel */ };
  const ops = { invalidatePage: nop, invalidatePages: nop, invalidateRangeStart: nop, invalidateRangeEnd: nop, release: nop } as unknown as NotifierOps;
  w.run(mmuNotifierRegister(w.m, mmuNotifierAlloc(w.m, addNotifierOps(w.m, ops), 1), image.mmOf(w.m, w.task)));
  act(w, a, pages);
  const counts = image.notifierCounts(w.m) ?? {};
  return Object.fromEntries(Object.entries(counts).filter(([, calls]) => calls !== 0));
}

const text = (counts: Counts): string => Object.entries(counts).map(([op, calls]) => `${calls} ${op}`).join(', ') || 'none';

gate('MMU_NOTIFIER').it('calls for N present pages are what C20 says', () => {
  const table = ROWS.map((row) => ({ row, seen: SIZES.map((pages) => count(row, pages)) }));
  const lines = table.map(({ row, seen }) => `  ${row.name.padEnd(15)}${seen.map((counts) => text(counts).padEnd(46)).join('')}`.trimEnd());
  process.stdout.write([`calls of ${DESIGN} on ${image.config.arch}, for N = ${SIZES.join(', ')} present pages`, ...lines, ''].join('\n'));
  for (const { row, seen } of table) expect([row.name, seen]).toEqual([row.name, SIZES.map(row[DESIGN as 'v5' | 'range'])]);
});
