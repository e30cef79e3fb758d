/**
 * The toy machine: 16 pages of addresses, two CPUs. First that it is a machine like any other, then that all of it can be
 * explored: every ordering of two CPUs, and what becomes of an access when a CPU is left out of the shootdowns.
 */
import { explore } from '@mmun/explorer';
import type { ExploreResult, Thread } from '@mmun/explorer';
import * as image from '@mmun/image';
import {
  CLONE_VM, EFAULT, ENOMEM, MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_GROWSDOWN, MAP_PRIVATE, PAGE_SIZE, PROT_READ, PROT_WRITE, VM_FAULT_SIGSEGV,
} from '@mmun/include';
import type { MachineConfig, TaskStruct, Task, Vaddr } from '@mmun/include';

import { numbers } from '@mmun/test-support';
const P = PAGE_SIZE;
const TASK_SIZE = 16 * P;
const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_PRIVATE | MAP_ANONYMOUS;
const NO_FILE = 0 as never;
const A = (13 * P) as Vaddr;
const B = (2 * P) as Vaddr;

type Machine = ReturnType<typeof image.boot>;

function mmapAt(m: Machine, address: number, pages: number, flags = 0): Task<string, number> {
  return image.sysMmap(m, address as Vaddr, pages * P, RW, ANON | flags, NO_FILE, 0);
}

/** A process as execve leaves it: a stack of one page at the top, and mappings to come below its guard gap. */
function process(config: Partial<MachineConfig> = {}, settings: Partial<MachineConfig['settings']> = {}): { m: Machine; task: TaskStruct; run<R>(task: Task<string, R>): R; read(address: number): number; write(address: number, word: number): number } {
  const m = image.boot({ ...image.toyConfig, ...config, settings: { ...image.toyConfig.settings, ...settings } });
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  const stack = { kind: 'stack', start: (TASK_SIZE - P) as Vaddr, end: TASK_SIZE as Vaddr, prot: RW, file: NO_FILE, pgoff: 0, name: '[stack]' } as const;
  const layout = { rows: [stack], mmapBase: (TASK_SIZE - 4 * P) as Vaddr, startBrk: B, startStack: stack.start, argStart: stack.start };
  expect(image.run(m, image.sysExecve(m, layout))).toBe(0);
  return {
    m, task,
    run: (code) => image.run(m, code),
    read: (address) => image.run(m, image.userRead(m, address as Vaddr)),
    write: (address, word) => image.run(m, image.userWrite(m, address as Vaddr, word)),
  };
}

describe('a machine of 16 pages', () => {
  it('is one buffer of less than 7 KiB', () => {
    const m = image.boot(image.toyConfig);
    expect(m.buffer.byteLength).toBeLessThan(7 * 1024);
    expect(image.checkMachine(m)).toEqual([]);
  });

  it('maps downward from mmap_base, faults pages in, and gives everything back', () => {
    const { m, run, read, write } = process();
    const at = run(mmapAt(m, 0, 2));
    expect(at).toBe(10 * P);
    expect([read(at + P), write(at, 7), read(at)]).toEqual([0, 0, 7]);
    expect(image.procMaps(m, image.mmOf(m, image.getCurrent(m))).map(({ start, end, anonymous }) => [start / P, end / P, anonymous])).toEqual([[10, 12, 1], [15, 16, 1]]);
    expect(run(image.sysMprotect(m, at as Vaddr, P, PROT_READ))).toBe(0);
    expect([write(at, 8), read(at)]).toEqual([-EFAULT, 7]);
    expect(run(image.sysMunmap(m, at as Vaddr, 2 * P))).toBe(0);
    expect(read(at)).toBe(-EFAULT);
    expect(image.checkMachine(m)).toEqual([]);
    run(image.sysExit(m));
    expect(image.checkMachine(m)).toEqual([]);
    expect([m.tablePool.head.used[0], m.framePool.head.used[0], m.vmaPool.head.used[0]]).toEqual([0, 1, 0]);
  });

  it('copies a page on the first write after fork', () => {
    const { m, task, run, read, write } = process();
    const at = run(mmapAt(m, 0, 1));
    write(at, 7);
    const child = run(image.sysClone(m, 0)) as TaskStruct;
    image.setCurrent(m, child);
    expect([read(at), write(at, 8), read(at)]).toEqual([7, 0, 8]);
    image.setCurrent(m, task);
    expect(read(at)).toBe(7);
    expect(image.checkMachine(m)).toEqual([]);
  });

  it('grows a stack, but not into its guard gap of one page', () => {
    const { m, run, read, write } = process();
    expect(run(mmapAt(m, 5 * P, 1, MAP_FIXED))).toBe(5 * P);
    expect(run(mmapAt(m, 8 * P, 1, MAP_FIXED | MAP_GROWSDOWN))).toBe(8 * P);
    expect([write(7 * P, 1), read(6 * P), read(7 * P)]).toEqual([0, -EFAULT, 1]);
  });

  it('has no seventeenth page and no place for seventeen', () => {
    const { m, run, read } = process();
    expect(run(mmapAt(m, 0, 17))).toBe(-ENOMEM);
    expect(read(TASK_SIZE)).toBe(-EFAULT);
    expect(run(image.doPageFault(m, TASK_SIZE as Vaddr, 0))).toBe(VM_FAULT_SIGSEGV);
  });

  it('a thread accesses memory by the TLB of the CPU that it is on', () => {
    const { m, task, run, read } = process();
    const at = run(mmapAt(m, 0, 1));
    const cached = (): number[] => [0, 1].map((cpu) => m.tlb.state.slice(4 * cpu, 4 * cpu + 4).filter((state) => state !== 0).length);
    image.setTaskCpu(m, task, 1);
    read(at);
    expect(cached()).toEqual([0, 1]);
    image.setTaskCpu(m, task, 0);
    read(at);
    expect(cached()).toEqual([1, 1]);
    run(image.sysMunmap(m, at as Vaddr, P));
    expect(cached()).toEqual([0, 0]);
  });
});

describe('a machine that is out of everything all the time', () => {
  it.each([1, 2])('refuses calls and leaves no count behind that does not add up (seed %i)', (seed) => {
    const random = numbers(seed);
    for (let round = 0; round < 40; round++) {
      const { m, run } = process({ nrFrames: 8 + random(6), tlbEntries: [4, 0][round % 2] as number }, { faultAroundBytes: [P, 16 * P][round % 2] as number, splitPtlockCpus: 2 + random(2) });
      const inode = image.newInode(m, { path: '/f', kind: round % 2 === 0 ? 'regular' : 'shmem', major: 8, minor: 1, ino: 7, size: 5 * P, thpAligned: true });
      const file = image.filpOpen(m, inode, { isReadable: true, isWritable: true });
      for (let op = 0; op < 40; op++) {
        const name = anyCall({ m, random, run, inode, file });
        const found = image.checkMachine(m);
        if (found.length > 0) throw new Error(`seed ${seed}, round ${round}, call ${op}, ${name}: ${JSON.stringify(found)}`);
      }
      run(image.sysExit(m));
      expect([image.checkMachine(m), m.tablePool.head.used[0]]).toEqual([[], 0]);
    }
  });
});

interface Scarce {
  readonly m: Machine;
  readonly inode: ReturnType<typeof image.newInode>;
  readonly file: ReturnType<typeof image.filpOpen>;
  random(below: number): number;
  run<R>(task: Task<string, R>): R;
}

/** @returns its name */
function anyCall({ m, random, run, inode, file }: Scarce): string {
  const a = (random(17) * P) as Vaddr;
  const lenBytes = (1 + random(4)) * P;
  const none = 0 as Vaddr;
  const calls: Readonly<Record<string, () => unknown>> = {
    mmap: () => run(image.sysMmap(m, random(2) === 0 ? none : a, lenBytes, random(4), ANON | (random(3) === 0 ? MAP_FIXED : 0), NO_FILE, 0)),
    mmapFile: () => run(image.sysMmap(m, none, lenBytes, random(4), 1 + random(2), file, random(3) * P)),
    munmap: () => run(image.sysMunmap(m, a, lenBytes)),
    mprotect: () => run(image.sysMprotect(m, a, lenBytes, random(4))),
    madvise: () => run(image.sysMadvise(m, a, lenBytes, MADV_DONTNEED)),
    mremap: () => run(image.sysMremap(m, a, lenBytes, (1 + random(5)) * P, random(2), none)),
    brk: () => run(image.sysBrk(m, (B + random(3) * P) as Vaddr)),
    truncate: () => run(image.truncateSetsize(m, inode, random(6) * P)),
    read: () => run(image.userRead(m, a)),
    write: () => run(image.userWrite(m, a, 1)),
    writeToo: () => run(image.userWrite(m, (random(16) * P) as Vaddr, 2)),
    fork: () => forkAndEnd({ m, run }, a, lenBytes),
  };
  const names = Object.keys(calls);
  const name = names[random(names.length)] as string;
  calls[name]?.();
  return name;
}

function forkAndEnd({ m, run }: Pick<Scarce, 'm' | 'run'>, a: Vaddr, lenBytes: number): void {
  const parent = image.getCurrent(m);
  const child = run(image.sysClone(m, 0));
  if (child < 0) return;
  image.setCurrent(m, child as TaskStruct);
  run(image.userWrite(m, a, 99));
  run(image.sysMunmap(m, a, lenBytes));
  run(image.sysExit(m));
  image.setCurrent(m, parent);
}

/** Thread 1 on CPU 0 in a call, thread 2 of the same process on CPU 1 in an access to page A, which both have in their TLB. */
interface Race {
  readonly call: (m: Machine) => Task<string, unknown>;
  readonly access: (m: Machine) => Task<string, number>;
  /** CPUs that shootdowns reach; 2 is right. */
  readonly shotDown?: number;
}

/** @returns what the access came to in some ordering, and the result of the search */
function race({ call, access, shotDown = 2 }: Race): { words: number[]; result: ExploreResult } {
  const words = new Set<number>();
  const threads: Thread<Machine>[] = [
    { name: 'call', handle: 1, run: call },
    { name: 'access', handle: 2, * run(m): Task<string> { words.add(yield* access(m)); } },
  ];
  const atEnd = (m: Machine, report: (found: { code: string; message: string }) => void): void => image.checkMachine(m).forEach(report);
  const result = explore({ name: 'toy', boot: () => bootRace(shotDown), threads, atEnd }, { strategy: 'dpor', findsAll: true });
  return { words: [...words].sort((a, b) => a - b), result };
}

function bootRace(nrCpus: number): Machine {
  const m = image.boot(image.toyConfig);
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  image.run(m, mmapAt(m, A, 1, MAP_FIXED));
  const second = image.run(m, image.sysClone(m, CLONE_VM)) as TaskStruct;
  expect([m.thread.cpu[task], m.thread.cpu[second]]).toEqual([0, 1]);
  image.run(m, image.userWrite(m, A, 7));
  image.setCurrent(m, second);
  image.run(m, image.userWrite(m, A, 7));
  image.setCurrent(m, task);
  return { ...m, tlb: { ...m.tlb, nrCpus } };
}

const read = (m: Machine): Task<string, number> => image.userRead(m, A);
const write = (m: Machine): Task<string, number> => image.userWrite(m, A, 5);

/** Frees the page, and gets it again for another address. */
function* munmapAndReuse(m: Machine): Task<string> {
  yield* image.sysMunmap(m, A, P);
  yield* mmapAt(m, B, 1, MAP_FIXED);
  yield* image.userWrite(m, B, 9);
}

function* forkAndWrite(m: Machine): Task<string> {
  yield* image.sysClone(m, 0);
  yield* image.userWrite(m, A, 6);
}

describe('two CPUs in every ordering', () => {
  it.each([
    ['munmap', 'a read', (m: Machine) => image.sysMunmap(m, A, P), read, [-EFAULT, 7]],
    ['munmap and reuse', 'a read', munmapAndReuse, read, [-EFAULT, 7]],
    ['munmap and reuse', 'a write', munmapAndReuse, write, [-EFAULT, 0]],
    ['MADV_DONTNEED', 'a read', (m: Machine) => image.sysMadvise(m, A, P, MADV_DONTNEED), read, [0, 7]],
    ['mprotect', 'a write', (m: Machine) => image.sysMprotect(m, A, P, PROT_READ), write, [-EFAULT, 0]],
    ['fork and write', 'a read', forkAndWrite, read, [6, 7]],
    ['fork and write', 'a write', forkAndWrite, write, [0]],
  ])('%s against %s', (_call, _access, call, access, words) => {
    const found = race({ call, access });
    expect(found.result).toMatchObject({ exhaustive: true, findings: [] });
    expect(found.result.executions).toBeGreaterThan(1);
    expect(found.words).toEqual(words);
  });

  it('a CPU that shootdowns do not reach reads what the next owner of the page wrote', () => {
    expect(race({ call: munmapAndReuse, access: read, shotDown: 1 }).words).toContain(9);
    expect(race({ call: munmapAndReuse, access: read, shotDown: 2 }).words).not.toContain(9);
  });

  it('and writes to a page that was made read-only', () => {
    function* protectThenRead(m: Machine): Task<string, number> {
      yield* image.sysMprotect(m, A, P, PROT_READ);
      return yield* image.userRead(m, A);
    }
    const after = (shotDown: number): Set<number> => {
      const seen = new Set<number>();
      race({ shotDown, access: write, call: function* (m): Task<string> { if ((yield* protectThenRead(m)) !== (yield* image.userRead(m, A))) seen.add(1); } });
      return seen;
    };
    expect(after(1).size).toBe(1);
    expect(after(2).size).toBe(0);
  });
});
