/**
 * Reclaim on the toy machine, in every ordering with another CPU: whatever is swapped out, dropped or written back meanwhile,
 * no access reads or loses what it should not, no lock is taken in the wrong order, and all counts add up.
 */
import { explore } from '@mmun/explorer';
import type { Thread } from '@mmun/explorer';
import * as image from '@mmun/image';
import { CLONE_VM, EFAULT, MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { Pfn, Task, TaskStruct, Vaddr } from '@mmun/include';

const P = PAGE_SIZE;
const A = (13 * P) as Vaddr;
const RW = PROT_READ | PROT_WRITE;

type Machine = ReturnType<typeof image.boot>;

/** Threads 1 and 2 of one process, on two CPUs, have written 7 to page A; thread 3 is the kernel's, on CPU 0. */
function bootPage(isFile: boolean, isOut: boolean, tlbEntries: number, nrCpus: number): Machine {
  const m = image.boot({ ...image.toyConfig, nrSwapSlots: 3, tlbEntries });
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  const inode = image.newInode(m, { path: '/f', kind: 'regular', major: 8, minor: 1, ino: 7, size: P, thpAligned: false });
  const file = image.filpOpen(m, inode, { isReadable: true, isWritable: true });
  image.run(m, image.sysMmap(m, A, P, RW, MAP_FIXED | (isFile ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), file, 0));
  const second = image.run(m, image.sysClone(m, CLONE_VM)) as TaskStruct;
  image.run(m, image.userWrite(m, A, 7));
  image.setCurrent(m, second);
  image.run(m, image.userRead(m, A));
  image.kernelThread(m);
  image.setCurrent(m, task);
  image.run(m, image.shrinkZone(m, 0));
  if (isOut) image.run(m, image.reclaimPage(m, pfnOfA(m)));
  return { ...m, tlb: { ...m.tlb, nrCpus } };
}

function pfnOfA(m: Machine): Pfn {
  return (image.primaryTranslation(m, image.mmOf(m, 1 as TaskStruct), A) >>> 1) as Pfn;
}

/** What the process would read at A, without a step: in memory, in the swap cache, in its slot or block. */
function wordAtA(m: Machine): number {
  const pfn = pfnOfA(m);
  if (pfn !== 0) return m.pageContent[pfn];
  const pte = m.words[image.translationWhere(m, image.mmOf(m, 1 as TaskStruct), A)];
  if (pte !== 0) return m.swap.page[pte >>> 8] !== 0 ? m.pageContent[m.swap.page[pte >>> 8]] : m.swapContent[pte >>> 8];
  for (let frame = 1; frame <= m.bootConfig.nrFrames; frame++) if (m.page.mapping[frame] === 2 && m.page.refcount[frame] > 0) return m.pageContent[frame];
  for (let slot = 1; slot <= 3; slot++) if (m.swap.inode[slot] === 1) return m.swapContent[slot];
  return 0;
}

interface Against {
  readonly kernel: (m: Machine) => Task<string, unknown>;
  readonly access: (m: Machine) => Task<string, number>;
  readonly isFile?: boolean;
  readonly isOut?: boolean;
  readonly tlbEntries?: number;
  /** CPUs that shootdowns reach; 2 is right. */
  readonly shotDown?: number;
}

function every({ kernel, access, isFile = false, isOut = false, tlbEntries = 4, shotDown = 2 }: Against): { words: number[]; left: number[] } {
  const words = new Set<number>();
  const left = new Set<number>();
  const threads: Thread<Machine>[] = [
    { name: 'kernel', handle: kernel === second ? 1 : 3, run: kernel },
    { name: 'access', handle: 2, * run(m): Task<string> { words.add(yield* access(m)); } },
  ];
  const atEnd = (m: Machine, report: (found: { code: string; message: string }) => void): void => {
    left.add(wordAtA(m));
    image.checkMachine(m).forEach(report);
  };
  const result = explore({ name: 'toy', boot: () => bootPage(isFile, isOut, tlbEntries, shotDown), threads, atEnd }, { strategy: 'dpor', findsAll: true });
  expect(result).toMatchObject({ exhaustive: true, findings: [] });
  expect(result.executions).toBeGreaterThan(1);
  const sorted = (set: Set<number>): number[] => [...set].sort((a, b) => a - b);
  return { words: sorted(words), left: sorted(left) };
}

const reclaim = (m: Machine): Task<string, unknown> => image.reclaimPage(m, pfnOfA(m));
const flush = (m: Machine): Task<string, unknown> => image.filemapFdatawrite(m, 1 as never, 0, 1);
const second = (m: Machine): Task<string, unknown> => image.userRead(m, A);
const read = (m: Machine): Task<string, number> => image.userRead(m, A);
const write = (m: Machine): Task<string, number> => image.userWrite(m, A, 5);

describe('in every ordering', () => {
  it.each([
    ['swap out', 'a read', { kernel: reclaim, access: read }, [7], [7]],
    ['swap out', 'a write', { kernel: reclaim, access: write }, [0], [5]],
    ['swap out', 'munmap', { kernel: reclaim, access: (m: Machine) => image.sysMunmap(m, A, P) }, [0], [0]],
    ['swap out', 'MADV_DONTNEED', { kernel: reclaim, access: (m: Machine) => image.sysMadvise(m, A, P, MADV_DONTNEED) }, [0], [0]],
    ['swap out', 'mprotect', { kernel: reclaim, access: (m: Machine) => image.sysMprotect(m, A, P, PROT_READ) }, [0], [7]],
    ['swap in by another thread', 'a write', { kernel: second, access: write, isOut: true, tlbEntries: 0 }, [0], [5]],
    ['dropping a file page', 'a write', { kernel: reclaim, access: write, isFile: true }, [0], [5]],
    ['writeback', 'a write', { kernel: flush, access: write, isFile: true }, [0], [5]],
    ['writeback', 'munmap', { kernel: flush, access: (m: Machine) => image.sysMunmap(m, A, P), isFile: true }, [0], [7]],
    ['dropping a file page', 'truncation', { kernel: reclaim, access: (m: Machine) => image.truncateSetsize(m, 1 as never, 0), isFile: true }, [0], [0]],
  ] as const)('%s against %s', (_kernel, _access, against, words, left) => {
    expect(every(against as Against)).toEqual({ words, left });
  });

  it('a CPU that shootdowns do not reach writes to a page that was swapped out, and the write is lost', () => {
    expect(every({ kernel: reclaim, access: write, shotDown: 1 }).left).toContain(7);
    expect(every({ kernel: reclaim, access: write, shotDown: 2 }).left).toEqual([5]);
  });

  it('truncation against a read: the page or a signal, and in the end nothing', () => {
    const found = every({ kernel: (m) => image.truncateSetsize(m, 1 as never, 0), access: read, isFile: true });
    expect(found).toEqual({ words: [-EFAULT, 7], left: [0] });
  });
});
