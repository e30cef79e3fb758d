/** What the PT lock covers, and that the ranged hooks stay below it: C1, C2, C3, C18, C19. */
import { MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE, WRITE } from '@mmun/include';
import type { File, MachineConfig, Pfn, Vaddr } from '@mmun/include';
import type { Claim, Lab, Measured } from './claim.js';
import { Unsettled } from './claim.js';
import { clean, convicted } from './explored.js';
import { openBench } from './measure.js';
import type { Bench, Call } from './measure.js';

/** Aligned to a table of every level on every arch. */
const BASE = 0x40000000;
/** On the real archs; the toy is too small for a span of pages. */
export const REAL: readonly string[] = ['x86', 's390', 'generic'];

/** Ptes that were changed under one lock, and whether each change had its lock held. */
interface Cover {
  readonly locks: number;
  readonly most: number;
  readonly unlocked: number;
}

/** mprotect of so many pages, and which lock was held at each store to a pte. */
function coverOf(bench: Bench, pages: number): Cover {
  const { image, m, mm } = bench;
  bench.fill(bench.mmap(BASE, pages), pages);
  const slots = new Map<number, number>();
  for (let i = 0; i < pages; i++) slots.set(image.translationWhere(m, mm, (BASE + i * PAGE_SIZE) as Vaddr), i);
  const byLock = new Map<string, Set<number>>();
  let unlocked = 0;
  const steps = bench.steps(() => { bench.run(image.sysMprotect(m, BASE as Vaddr, pages * PAGE_SIZE, PROT_READ)); });
  for (const { kind, where, held } of steps) {
    const slot = slots.get(where);
    if (kind !== WRITE || slot === undefined) continue;
    const lock = held.map((one) => image.nameOfWhere(m, one)).find((name) => /ptl|pageTableLock/.test(name));
    if (lock === undefined) unlocked++;
    else byLock.set(lock, (byLock.get(lock) ?? new Set()).add(slot));
  }
  return { locks: byLock.size, most: Math.max(0, ...[...byLock.values()].map(({ size }) => size)), unlocked };
}

/** Every call of invalidate_pages that mprotect makes for `pages` pages, from an address that is no table's first. */
function pagesCalls(bench: Bench, pages: number): readonly Call[] {
  const start = BASE + 7 * PAGE_SIZE;
  bench.fill(bench.mmap(start, pages), pages);
  bench.calls.length = 0;
  bench.run(bench.image.sysMprotect(bench.m, start as Vaddr, pages * PAGE_SIZE, PROT_READ));
  return bench.calls.filter(({ op }) => op === 'invalidatePages');
}

const SIZES: readonly number[] = [1, 100, 505, 506, 600];
/** Two tables and a lock for each, or one for both. */
const PAGES = 600;

const c1: Claim = {
  id: 'C1', text: '"already protects up to 512 ptes"', means: 'One PT lock covers the ptes of one page table, which are up to 512.',
  run: async (lab) => {
    const split: Partial<MachineConfig> = { nrCpus: 4 };
    const rows: string[][] = [];
    const most = new Set<number>();
    for (const arch of [...REAL, 's390-256']) {
      const image = await lab.image(arch);
      const cover = coverOf(openBench(image, { config: split }), PAGES);
      const few = coverOf(openBench(image, { config: { nrCpus: 2 } }), PAGES);
      if (cover.unlocked + few.unlocked > 0) throw new Unsettled(`${arch}: ${cover.unlocked + few.unlocked} ptes were stored to without a lock`);
      rows.push([arch, String(cover.most), String(cover.locks), String(few.most), String(few.locks)]);
      most.add(cover.most).add(few.most);
    }
    const table: Measured = {
      kind: 'measured', says: 'mprotect of 600 present pages: ptes stored to under one lock, and how many locks that took',
      columns: ['arch', 'ptes a lock, 4 CPUs', 'locks', 'ptes a lock, 2 CPUs', 'locks'], rows,
    };
    return {
      verdict: most.size > 1 ? 'arch-dependent' : 'holds',
      by: 'Each store to a pte had its lock held. With 4 CPUs and more a lock is one table of 512; with fewer there is one for the whole mm. On s390 from 2.6.25 on (s390-256) a table has 256, but the lock is that of its page, which holds two tables of one mm: 512 again, though they need not be neighbours. Not built here, and different again: i386 without PAE has 1024.',
      evidence: [table],
    };
  },
};

const c2: Claim = {
  id: 'C2', text: '"only across a _single_ 4k pagetable"', means: 'invalidate_pages is called for a range that lies within one page table.',
  run: async (lab) => {
    const { rows, isWithin } = await spans(lab);
    const evidence = [
      measuredSpans(rows),
      await clean(lab, { race: 'one-call-a-table', variant: 'fixed', says: 'a range over two tables of the toy, with a device beside it' }),
      await convicted(lab, { race: 'one-call-a-table', variant: 'buggy', says: 'the mutant: one call for the whole range, at the end of change_protection' }),
    ];
    return { verdict: isWithin ? 'holds' : 'refuted', by: 'Every call that mprotect makes was inside one table, on each arch and for ranges of 1 to 600 pages; a hook one level up is seen at once.', evidence };
  },
};

const c3: Claim = {
  id: 'C3', text: '"I never call invalidate_pages _outside_"', means: 'invalidate_pages runs while the PT lock of its table is held.',
  run: async (lab) => {
    const { rows, isLocked } = await spans(lab);
    const evidence = [
      measuredSpans(rows),
      await clean(lab, { race: 'called-after-unlock', variant: 'fixed', says: 'as posted' }),
      await convicted(lab, { race: 'called-after-unlock', variant: 'buggy', says: 'the mutant: the hook of zap_pte_range after the lock, where pages go at once' }),
    ];
    return {
      verdict: isLocked ? 'holds' : 'refuted',
      by: 'Every call found the PT lock held. It matters where pages are freed: the same hook behind the unlock lets a device reach a free frame. In mprotect, which frees nothing and holds mmap_sem, the mutant is harmless.',
      evidence,
    };
  },
};

const c18: Claim = {
  id: 'C18', text: '"The above is perfectly fine too"', means: 'One call for all ptes of a table, at the end of change_pte_range, is enough: no device goes on with what was before.',
  run: async (lab) => {
    const evidence = [
      await clean(lab, { race: 'two-pages-one-call', variant: 'fixed', says: 'two pages become read only, a device writes both' }),
      await clean(lab, { race: 'mprotect-write', variant: 'fixed', set: { writers: 1 }, strategy: 'stateful', says: 'one page, a device and a second thread write' }),
      await convicted(lab, { race: 'two-pages-one-call', variant: 'buggy', says: 'the mutant: without the call' }),
    ];
    return { verdict: 'holds', by: 'Every interleaving of mprotect, device and a second thread is clean. An entry that is made while ptes change waits for the same PT lock, and one that was made before is dropped before that lock is left.', evidence };
  },
};

const c19: Claim = {
  id: 'C19', text: '"range that spawns over a region"', means: 'The hook at the end of remap_pte_range is right where it stands.',
  run: async (lab) => {
    const rows: string[][] = [];
    let isWithin = true;
    for (const arch of REAL) {
      const { calls, wasEmpty } = await remapped(lab, arch);
      isWithin &&= wasEmpty && calls.length > 0 && calls.every(({ locks }) => locks.some((lock) => /ptl|pageTableLock/.test(lock)));
      rows.push([arch, String(REMAPPED), String(calls.length), wasEmpty ? 'every one' : 'not all']);
    }
    return {
      verdict: isWithin ? 'holds' : 'refuted',
      by: 'remap_pfn_range maps only where no pte is (BUG_ON(!pte_none)), so no device can have an entry when the hook comes. It is right, and it does nothing.',
      evidence: [{ kind: 'measured', says: 'remap_pfn_range with a notifier: calls, and ptes that were none before', columns: ['arch', 'pages', 'calls', 'ptes none before'], rows }],
    };
  },
};

export const pageTableLock: readonly Claim[] = [c1, c2, c3, c18, c19];

const REMAPPED = 600;

async function remapped(lab: Lab, arch: string): Promise<{ readonly calls: readonly Call[]; readonly wasEmpty: boolean }> {
  const image = await lab.image(arch);
  const bench = openBench(image, { config: { nrCpus: 4 } });
  const { m, mm } = bench;
  bench.run(image.sysMmap(m, BASE as Vaddr, REMAPPED * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS, 0 as File, 0));
  const pages = Array.from({ length: REMAPPED }, (_, i) => (BASE + i * PAGE_SIZE) as Vaddr);
  const wasEmpty = pages.every((page) => image.primaryTranslation(m, mm, page) === 0);
  bench.calls.length = 0;
  // frames of a device lie behind those of the machine
  bench.run(image.remapPfnRange(m, image.findVma(m, mm, BASE as Vaddr), BASE as Vaddr, (m.bootConfig.nrFrames + m.bootConfig.nrTables + 16) as Pfn, REMAPPED * PAGE_SIZE));
  return { calls: bench.calls.filter(({ op }) => op === 'invalidatePages'), wasEmpty };
}

/** By arch: calls, the widest, whether the PT lock was held in each. */
function spans(lab: Lab): Promise<Spans> {
  const known = seenSpans.get(lab) ?? measureSpans(lab);
  seenSpans.set(lab, known);
  return known;
}

interface Spans {
  readonly rows: string[][];
  readonly isWithin: boolean;
  readonly isLocked: boolean;
}

/** Two claims rest on one measurement. */
const seenSpans = new WeakMap<Lab, Promise<Spans>>();

async function measureSpans(lab: Lab): Promise<Spans> {
  const rows: string[][] = [];
  let isWithin = true;
  let isLocked = true;
  for (const arch of REAL) {
    const calls: Call[] = [];
    const image = await lab.image(arch);
    for (const pages of SIZES) calls.push(...pagesCalls(openBench(image, { config: { nrCpus: 4 } }), pages));
    const table = coverOf(openBench(image, { config: { nrCpus: 4 } }), PAGES).most * PAGE_SIZE;
    isWithin &&= calls.every(({ start, end }) => Math.floor(start / table) === Math.floor((end - 1) / table));
    isLocked &&= calls.every(({ locks }) => locks.some((lock) => lock.includes('ptl')));
    rows.push([arch, String(calls.length), String(Math.max(...calls.map(({ start, end }) => (end - start) / PAGE_SIZE))), isWithin ? 'all' : 'not all', isLocked ? 'all' : 'not all']);
  }
  return { rows, isWithin, isLocked };
}

function measuredSpans(rows: readonly (readonly string[])[]): Measured {
  return {
    kind: 'measured', says: `calls of invalidate_pages from mprotect of ${SIZES.join(', ')} pages, not aligned`,
    columns: ['arch', 'calls', 'pages at most', 'within one table', 'with its lock'], rows,
  };
}
