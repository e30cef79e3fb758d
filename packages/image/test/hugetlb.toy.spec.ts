/**
 * Huge pages on the toy machine, two pages each: every ordering of two CPUs that fault, unmap, fork and punch holes, and long
 * runs of calls with too little of everything, after each of which all counts add up.
 */
import { explore } from '@mmun/explorer';
import type { Thread } from '@mmun/explorer';
import * as image from '@mmun/image';
import {
  CLONE_VM, EFAULT, ENOMEM, MADV_DONTNEED, MADV_REMOVE, MAP_ANONYMOUS, MAP_FIXED, MAP_HUGETLB, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE, PROT_READ, PROT_WRITE,
} from '@mmun/include';
import type { MachineConfig, Task, TaskStruct, Vaddr } from '@mmun/include';
import { effort, later, numbers } from '@mmun/test-support';

const P = PAGE_SIZE;
const H = 2 * P;
/** Of what one table spans. */
const TABLE = 4 * P;
const RW = PROT_READ | PROT_WRITE;
const A = TABLE as Vaddr;
const NO_FILE = 0 as never;

type Machine = ReturnType<typeof image.boot>;

function boot(config: Partial<MachineConfig> = {}): { m: Machine; task: TaskStruct } {
  const m = image.boot({ ...image.toyConfig, nrFrames: 12, nrHugePages: 4, nrTables: 12, ...config });
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  return { m, task };
}

function mmapHuge(m: Machine, at: number, pages: number, flags: number): Task<string, number> {
  return image.sysMmap(m, at as Vaddr, pages * P, RW, MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED | flags, NO_FILE, 0);
}

const pool = (m: Machine): number[] => [image.nrFreeHugePages(m), image.nrReservedHugePages(m)];

describe('a table of the toy', () => {
  it('holds huge pages and small ones side by side', () => {
    const { m } = boot();
    const run = <R>(task: Task<string, R>): R => image.run(m, task);
    expect(run(mmapHuge(m, A, 2, MAP_PRIVATE))).toBe(A);
    expect(run(image.sysMmap(m, (A + H) as Vaddr, 2 * P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NO_FILE, 0))).toBe(A + H);
    for (let i = 0; i < 4; i++) expect(run(image.userWrite(m, (A + i * P) as Vaddr, i + 1))).toBe(0);
    expect([0, 1, 2, 3].map((i) => run(image.userRead(m, (A + i * P) as Vaddr)))).toEqual([1, 2, 3, 4]);
    const mm = image.mmOf(m, image.getCurrent(m));
    expect(image.primaryTranslation(m, mm, (A + P) as Vaddr) - image.primaryTranslation(m, mm, A)).toBe(2);
    expect(image.checkMachine(m)).toEqual([]);
    expect([run(image.sysMunmap(m, A, P)), run(image.sysMunmap(m, A, H)), run(image.userRead(m, A)), run(image.userRead(m, (A + H) as Vaddr))]).toEqual([-22, 0, -EFAULT, 3]);
    expect([image.checkMachine(m), pool(m)]).toEqual([[], [4, 0]]);
  });

  it('is shared by two processes that map all of it, until one of them changes it', () => {
    const { m, task } = boot();
    const run = <R>(code: Task<string, R>): R => image.run(m, code);
    run(mmapHuge(m, A, 4, MAP_SHARED));
    run(image.userWrite(m, A, 7));
    const child = run(image.sysClone(m, 0)) as TaskStruct;
    image.setCurrent(m, child);
    const before = m.tablePool.head.used[0];
    expect([run(image.userRead(m, A)), run(image.userWrite(m, (A + H) as Vaddr, 8)), m.tablePool.head.used[0] - before]).toEqual([7, 0, 0]);
    expect(image.primaryTranslation(m, image.mmOf(m, task), (A + H) as Vaddr)).not.toBe(0);
    expect(image.checkMachine(m)).toEqual([]);
    run(image.sysMprotect(m, A, H, PROT_READ));
    expect([run(image.userRead(m, (A + H) as Vaddr)), m.tablePool.head.used[0] - before, image.checkMachine(m)]).toEqual([8, 1, []]);
    run(image.sysExit(m));
    image.setCurrent(m, task);
    expect([run(image.userRead(m, A)), image.checkMachine(m), pool(m)]).toEqual([7, [], [2, 0]]);
  });
});

describe('huge pages where there is too little of everything', () => {
  it.each(Array.from({ length: effort(2, 12) }, (_, i) => i + 1))('leave no count behind that does not add up (seed %i)', (seed) => {
    const random = numbers(seed);
    for (let round = 0; round < effort(later(3, 10), 25); round++) {
      const { m, task } = boot({ nrFrames: 7 + random(8), nrHugePages: 1 + random(5), nrTables: 5 + random(9), tlbEntries: [4, 0][round % 2] as number, nrMms: 3, nrVmas: 16, nrInodes: 4, nrFiles: 4, nrTasks: 6 });
      const alive = [task];
      for (let op = 0; op < 60; op++) {
        const name = anyCall(m, random, alive);
        const found = image.checkMachine(m);
        if (found.length > 0) throw new Error(`seed ${seed}, round ${round}, call ${op}, ${name}: ${JSON.stringify(found)}`);
      }
      for (const one of alive) {
        image.setCurrent(m, one);
        image.run(m, image.sysExit(m));
      }
      expect([image.checkMachine(m), m.tablePool.head.used[0], pool(m)]).toEqual([[], 0, [m.nrHugePages, 0]]);
    }
  });
});

/** @returns its name */
function anyCall(m: Machine, random: (below: number) => number, alive: TaskStruct[]): string {
  const run = <R>(task: Task<string, R>): R => image.run(m, task);
  const any = (): Vaddr => ((1 + random(15)) * P) as Vaddr;
  const huge = (): Vaddr => (H * (1 + random(7))) as Vaddr;
  const a = random(4) === 0 ? any() : huge();
  const lenBytes = random(4) === 0 ? (1 + random(4)) * P : (1 + random(2)) * H;
  image.setCurrent(m, alive[random(alive.length)] as TaskStruct);
  const calls: Readonly<Record<string, () => unknown>> = {
    mmapHuge: () => run(image.sysMmap(m, a, lenBytes, random(4), MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED | (1 + random(2)) | (random(3) === 0 ? MAP_NORESERVE : 0), NO_FILE, random(6) === 0 ? H : 0)),
    mmapTable: () => run(mmapHuge(m, TABLE * (1 + random(3)), 4, MAP_SHARED | (random(2) === 0 ? MAP_NORESERVE : 0))),
    mmap: () => run(image.sysMmap(m, any(), lenBytes, RW, MAP_PRIVATE | MAP_ANONYMOUS | (random(2) === 0 ? MAP_FIXED : 0), NO_FILE, 0)),
    munmap: () => run(image.sysMunmap(m, a, lenBytes)),
    mprotect: () => run(image.sysMprotect(m, a, lenBytes, random(4))),
    dontneed: () => run(image.sysMadvise(m, a, lenBytes, MADV_DONTNEED)),
    remove: () => run(image.sysMadvise(m, a, lenBytes, MADV_REMOVE)),
    mremap: () => run(image.sysMremap(m, a, lenBytes, lenBytes, MREMAP_MAYMOVE | MREMAP_FIXED, huge())),
    read: () => run(image.userRead(m, any())),
    write: () => run(image.userWrite(m, any(), 1)),
    writeToo: () => run(image.userWrite(m, a, 2)),
    fork: () => {
      const child = run(image.sysClone(m, 0));
      if (child > 0) alive.push(child as TaskStruct);
    },
    exit: () => {
      if (alive.length < 2) return;
      alive.splice(alive.indexOf(image.getCurrent(m)), 1);
      run(image.sysExit(m));
    },
  };
  const names = Object.keys(calls);
  const name = names[random(names.length)] as string;
  calls[name]?.();
  return name;
}

interface Ordered {
  readonly flags: number;
  readonly setup?: (m: Machine) => void;
  readonly one: (m: Machine) => Task<string, number>;
  readonly other: (m: Machine) => Task<string, number>;
  /** All that the two can come to, `one other`. */
  readonly answers: readonly string[];
}

describe.each<[string, Ordered]>([
  ['two faults on one page make one page', {
    flags: MAP_PRIVATE, one: (m) => image.userWrite(m, A, 5), other: (m) => image.userRead(m, A), answers: ['0 0', '0 5'],
  }],
  ['a write is seen or the page is gone', {
    flags: MAP_PRIVATE, setup: (m) => void image.run(m, image.userWrite(m, A, 7)),
    one: (m) => image.sysMunmap(m, A, H), other: (m) => image.userRead(m, (A + P) as Vaddr), answers: [`0 ${-EFAULT}`, '0 0'],
  }],
  ['a hole in the file and a read come one after the other', {
    flags: MAP_SHARED, setup: (m) => void image.run(m, image.userWrite(m, A, 7)),
    one: (m) => image.sysMadvise(m, A, H, MADV_REMOVE), other: (m) => image.userRead(m, A), answers: ['0 0', '0 7'],
  }],
])('%s', (_name, { flags, setup, one, other, answers }) => {
  it('in every ordering, with no count wrong at its end', () => {
    const seen = new Set<string>();
    const said: number[] = [];
    const threads: Thread<Machine>[] = [
      { name: 'one', handle: 1, * run(m): Task<string> { said[0] = yield* one(m); } },
      { name: 'other', handle: 2, * run(m): Task<string> { said[1] = yield* other(m); } },
    ];
    const bootTwo = (): Machine => {
      const { m, task } = boot({ nrFrames: 8, nrHugePages: 2, nrTables: 10 });
      expect(image.run(m, mmapHuge(m, A, 2, flags))).toBe(A);
      setup?.(m);
      image.setTaskCpu(m, image.run(m, image.sysClone(m, CLONE_VM)) as TaskStruct, 1);
      image.setCurrent(m, 0 as TaskStruct);
      expect(task).toBe(1);
      return m;
    };
    const atEnd = (m: Machine, report: (found: { code: string; message: string }) => void): void => {
      seen.add(said.join(' '));
      image.checkMachine(m).forEach(report);
    };
    const { findings, exhaustive } = explore({ name: 'hugetlb', boot: bootTwo, threads, atEnd }, { strategy: 'dpor', findsAll: true });
    expect({ findings, exhaustive, seen }).toEqual({ findings: [], exhaustive: true, seen: new Set(answers) });
  });
});

/** Of millions. */
const EXECUTIONS = effort(40, 3000);

/** Three processes with one shared and one private mapping, of which each thread does everything there is. */
function* life(m: Machine, i: number): Task<string> {
  const B = (2 * TABLE) as Vaddr;
  yield* image.userWrite(m, A, 10 + i);
  yield* image.userWrite(m, (B + P) as Vaddr, 20 + i);
  const calls = [
    () => image.sysMprotect(m, A, H, PROT_READ), () => image.sysMadvise(m, B, H, MADV_REMOVE), () => image.sysClone(m, 0), () => image.sysMunmap(m, (B + H) as Vaddr, H),
    () => image.sysMadvise(m, A, TABLE, MADV_DONTNEED), () => image.sysMprotect(m, A, H, RW),
  ];
  for (let n = 0; n < 3; n++) {
    yield* (calls[(i * 2 + n) % calls.length] as () => Task<string, number>)();
    yield* image.userWrite(m, (A + n * P) as Vaddr, i);
    yield* image.userRead(m, (B + i * P) as Vaddr);
  }
  yield* image.sysExit(m);
}

later(it.skip, it).each([['without', 0], ['with', 4]] as [string, number][])('processes that share tables and pages leave everything in order, whatever the order, %s TLBs', (_with, tlbEntries) => {
  const threads: Thread<Machine>[] = [1, 2, 3, 4].map((handle) => ({ name: `t${handle}`, handle, run: (m) => life(m, handle) }));
  const bootThree = (): Machine => {
    const { m, task } = boot({ nrCpus: 4, nrFrames: 30, nrHugePages: 12, nrTables: 40, nrTasks: 12, nrMms: 8, nrVmas: 40, nrAnonVmas: 30, nrAnonVmaChains: 60, tlbEntries });
    const run = <R>(code: Task<string, R>): R => image.run(m, code);
    run(mmapHuge(m, A, 4, MAP_PRIVATE));
    run(mmapHuge(m, 2 * TABLE, 4, MAP_SHARED));
    for (const at of [A, 2 * TABLE]) run(image.userWrite(m, at as Vaddr, 1));
    for (const flags of [0, 0, CLONE_VM]) run(image.sysClone(m, flags));
    for (let thread = 1; thread <= 4; thread++) image.setTaskCpu(m, thread as TaskStruct, thread - 1);
    image.setCurrent(m, task);
    image.setCurrent(m, 0 as TaskStruct);
    return m;
  };
  const atEnd = (m: Machine, report: (found: { code: string; message: string }) => void): void => image.checkMachine(m).forEach(report);
  const { findings, executions } = explore({ name: 'hugetlb', boot: bootThree, threads, atEnd }, { strategy: 'random', maxExecutions: EXECUTIONS, seed: 1 });
  expect({ findings, isEnough: executions >= EXECUTIONS }).toEqual({ findings: [], isEnough: true });
});

it('an empty pool is -ENOMEM at mmap', () => {
  const { m } = boot({ nrHugePages: 0 });
  expect(image.run(m, mmapHuge(m, A, 2, MAP_PRIVATE))).toBe(-ENOMEM);
});
