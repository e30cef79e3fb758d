/** How often, and at whose expense: C20, C21, C22. */
import { ACQUIRE, ACQUIRE_SHARED, MADV_DONTNEED, PAGE_SIZE, PROT_READ, READ, RELEASE, RELEASE_SHARED } from '@mmun/include';
import type { Vaddr } from '@mmun/include';
import type { Claim, Lab, LabImage, Measured, Settled } from './claim.js';
import { openBench } from './measure.js';
import type { Bench, SeenStep } from './measure.js';

const BASE = 0x40000000;
const PAGES = 600;

interface Work {
  readonly name: string;
  /** After `PAGES` pages at BASE were written. */
  readonly act: (bench: Bench) => void;
}

const WORK: readonly Work[] = [
  { name: 'munmap', act: ({ run, image, m }) => { run(image.sysMunmap(m, BASE as Vaddr, PAGES * PAGE_SIZE)); } },
  { name: 'MADV_DONTNEED', act: ({ run, image, m }) => { run(image.sysMadvise(m, BASE as Vaddr, PAGES * PAGE_SIZE, MADV_DONTNEED)); } },
  { name: 'mprotect', act: ({ run, image, m }) => { run(image.sysMprotect(m, BASE as Vaddr, PAGES * PAGE_SIZE, PROT_READ)); } },
  { name: 'fork', act: ({ run, image, m }) => { run(image.sysClone(m, 0)); } },
  { name: 'exit', act: ({ run, image, m }) => { run(image.sysExit(m)); } },
];

/** Calls of the notifier, by work. */
function callsOf(image: LabImage): number[] {
  return WORK.map(({ act }) => {
    const bench = openBench(image, { config: { nrCpus: 4 } });
    bench.fill(bench.mmap(BASE, PAGES), PAGES);
    bench.calls.length = 0;
    act(bench);
    return bench.calls.length;
  });
}

const c20: Claim = {
  id: 'C20', text: '"Is is some sort of optimization?"', means: 'invalidate_pages saves calls by the size of a table, in mprotect and remap; munmap and exit still make one call for each page.',
  run: async (lab) => {
    const names = ['x86', 's390', 'generic', 'x86-range'];
    const counts = await Promise.all(names.map(async (name) => callsOf(await lab.image(name))));
    const rows = WORK.map(({ name }, i) => [name, ...counts.map((column) => String(column[i]))]);
    const [munmap, dontneed, mprotect, fork, exit] = WORK.map((_, i) => counts[0]?.[i] ?? 0) as [number, number, number, number, number];
    const holds = munmap === PAGES && dontneed === PAGES && mprotect === Math.ceil(PAGES / 512) && fork === 0 && exit === PAGES + 1;
    return {
      verdict: holds ? 'holds' : 'refuted',
      by: `So both were right. Of ${PAGES} present pages v5 reports mprotect in ${mprotect} calls, one for each table of 512, and munmap and exit in one for each page. The later design needs a start and an end. fork makes no call at all, which is the bug of C23.`,
      evidence: [{ kind: 'measured', says: `calls of a notifier, for ${PAGES} present pages`, columns: ['work', ...names.map((name) => (name === 'x86-range' ? 'x86, range' : `${name}, v5`))], rows }],
    };
  },
};

/** What a call costs whoever has no notifier: the whole work, without one. */
function unwatched(image: LabImage): { readonly bench: Bench; readonly steps: readonly SeenStep[] } {
  const bench = openBench(image, { isUnwatched: true, config: { nrSwapSlots: 64 } });
  const steps = bench.steps(() => {
    bench.fill(bench.mmap(BASE, 64), 64);
    bench.run(image.sysMprotect(bench.m, BASE as Vaddr, 64 * PAGE_SIZE, PROT_READ));
    bench.run(image.sysMunmap(bench.m, BASE as Vaddr, 64 * PAGE_SIZE));
    const { inode, file } = bench.file(8);
    bench.fill(bench.mmap(BASE, 8, { file, isShared: true }), 8);
    bench.run(image.truncateSetsize(bench.m, inode, 0));
    bench.fill(bench.mmap(BASE + 0x100000, 8), 8);
    bench.run(image.shrinkZone(bench.m, 4));
    bench.run(image.sysExit(bench.m));
  });
  return { bench, steps };
}

const isLock = ({ kind }: SeenStep): boolean => kind === ACQUIRE || kind === ACQUIRE_SHARED;
const isUnlock = ({ kind }: SeenStep): boolean => kind === RELEASE || kind === RELEASE_SHARED;

/** By design: steps, reads, locks, and of these those that sleep while nobody has a notifier. */
async function costs(lab: Lab): Promise<{ readonly table: Measured; readonly numbers: Readonly<Record<string, Cost>> }> {
  const numbers: Record<string, Cost> = {};
  for (const [name, image] of [['off', 'x86-off'], ['v5', 'x86'], ['range', 'x86-range']] as const) numbers[name] = costOf(unwatched(await lab.image(image)));
  const rows = Object.entries(numbers).map(([name, { reads, locks, rmapLocks, others, sleeping }]) => [name, ...[reads, locks, rmapLocks, others].map(String), sleeping ? 'sleep' : 'spin']);
  return {
    numbers,
    table: { kind: 'measured', says: 'the same work on x86 with no notifier anywhere: faults, mprotect, munmap, truncate, reclaim, exit', columns: ['design', 'loads', 'locks', 'of these rmap', 'other steps', 'rmap locks'], rows },
  };
}

interface Cost {
  readonly reads: number;
  readonly locks: number;
  readonly rmapLocks: number;
  readonly others: number;
  /** Somebody held a lock of the rmap and was not in atomic context. */
  readonly sleeping: boolean;
}

const RMAP = /iMmapLock|anonVma\.lock/;

function costOf({ bench, steps }: ReturnType<typeof unwatched>): Cost {
  const { image, m } = bench;
  const locks = steps.filter(isLock);
  const rmap = locks.filter(({ where }) => RMAP.test(image.nameOfWhere(m, where)));
  const reads = steps.filter(({ kind }) => kind === READ).length;
  return {
    reads, locks: locks.length, rmapLocks: rmap.length, others: steps.length - reads - locks.length - steps.filter(isUnlock).length,
    sleeping: steps.some(({ held, isAtomic }) => !isAtomic && held.some((lock) => RMAP.test(image.nameOfWhere(m, lock)))),
  };
}

const c21: Claim = {
  id: 'C21', text: '"leaving the overkill mutex locking requirements"', means: 'What sleeping costs falls on those who need to sleep, and on nobody else.',
  run: async (lab): Promise<Settled> => {
    const { table, numbers } = await costs(lab);
    const [off, v5] = [numbers['off'] as Cost, numbers['v5'] as Cost];
    return {
      verdict: v5.locks === off.locks && v5.rmapLocks === off.rmapLocks && !v5.sleeping && (numbers['range'] as Cost).sleeping ? 'holds' : 'refuted',
      by: 'Under v5 an mm without a notifier takes the locks that it takes without the patch, and they spin. The design that lets callbacks sleep made the locks of the rmap sleep for everybody, notifier or not.',
      evidence: [table],
    };
  },
};

const c22: Claim = {
  id: 'C22', text: 'nobody registered: no cost (v5)', means: 'Where nobody registered a hook costs one load and one branch.',
  run: async (lab): Promise<Settled> => {
    const { table, numbers } = await costs(lab);
    const [off, v5] = [numbers['off'] as Cost, numbers['v5'] as Cost];
    return {
      verdict: v5.locks === off.locks && v5.others === off.others && v5.reads > off.reads ? 'holds' : 'refuted',
      by: `Beside ${v5.reads - off.reads} loads of a list's head, one at each hook that was passed, the same work makes the same steps: no lock, no store, no read section.`,
      evidence: [table],
    };
  },
};

export const cost: readonly Claim[] = [c20, c21, c22];
