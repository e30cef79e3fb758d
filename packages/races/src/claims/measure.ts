/** A straight run on a linked image, with an ear at every hook: for claims about how often, where and under which locks. */
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type {
  File, Inode, KernelServices, MachineConfig, MaySleep, Mm, MmuNotifier, NotifierOps, OpName, PointKind, Scheduler, SecondaryDriver, SecondaryMmu, Step, Task, TaskStruct,
  Vaddr, Where,
} from '@mmun/include';
import type { WatchedMachine } from '@mmun/oracle';
import type { LabImage } from './claim.js';

/** One call of an op. */
export interface Call {
  readonly op: OpName;
  readonly start: Vaddr;
  readonly end: Vaddr;
  /** Names of the locks that the caller holds. */
  readonly locks: readonly string[];
}

/** One step of the run. */
export interface SeenStep {
  readonly kind: PointKind;
  readonly where: Where;
  /** Locks that are held before it. */
  readonly held: readonly Where[];
  /** A spinlock is among them. */
  readonly isAtomic: boolean;
}

export interface Bench {
  readonly image: LabImage;
  readonly m: WatchedMachine;
  readonly task: TaskStruct;
  readonly mm: Mm;
  readonly calls: Call[];
  /** Calls by op. */
  counts(): Readonly<Partial<Record<OpName, number>>>;
  run<R>(task: Task<string, R>): R;
  mmap(at: number, pages: number, more?: { readonly file?: File; readonly isShared?: boolean }): Vaddr;
  /** Writes every page of the range once. */
  fill(at: number, pages: number): void;
  file(pages: number): { readonly inode: Inode; readonly file: File };
  /** Everything that happens while `act` runs. */
  steps(act: () => void): SeenStep[];
}

export interface BenchOptions {
  readonly config?: Partial<MachineConfig>;
  /** No notifier follows the process. */
  readonly isUnwatched?: boolean;
  /** Called in each op, before it returns. */
  readonly onCall?: (call: Call, bench: Bench) => void;
}

const RW = PROT_READ | PROT_WRITE;

export function openBench(image: LabImage, { config = {}, isUnwatched = false, onCall }: BenchOptions = {}): Bench {
  const isToy = image.config.arch === 'toy';
  const base = isToy ? image.toyConfig : { ...image.defaultConfig, nrFrames: 8192, nrTables: 256, nrVmas: 256, nrAnonVmas: 128, nrAnonVmaChains: 512, nrTasks: 16, nrMms: 8, nrInodes: 8, nrFiles: 8 };
  const calls: Call[] = [];
  const ear = listener((op, start, end) => {
    const call: Call = { op, start, end, locks: image.heldLocks(m, image.getCurrent(m)).map((lock) => image.nameOfWhere(m, lock)) };
    calls.push(call);
    onCall?.(call, bench);
  });
  const m = image.boot({ ...base, ...config, settings: { ...base.settings, ...config.settings } }, image.config.design === 'off' ? [] : [ear]);
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  const mm = image.mmOf(m, task);
  const bench: Bench = {
    image, m, task, mm, calls,
    counts: () => countsOf(calls),
    run: (t) => image.run(m, t),
    mmap: (at, pages, { file = 0 as File, isShared = false } = {}) => {
      const flags = MAP_FIXED | (file === 0 ? MAP_ANONYMOUS : 0) | (isShared ? MAP_SHARED : MAP_PRIVATE);
      return image.run(m, image.sysMmap(m, at as Vaddr, pages * PAGE_SIZE, RW, flags, file, 0)) as Vaddr;
    },
    fill: (at, pages) => { for (let i = 0; i < pages; i++) image.run(m, image.userWrite(m, (at + i * PAGE_SIZE) as Vaddr, i + 1)); },
    file: (pages) => {
      const inode = image.newInode(m, { path: '/f', kind: 'regular', major: 8, minor: 1, ino: 7, size: pages * PAGE_SIZE, thpAligned: false });
      return { inode, file: image.filpOpen(m, inode, { isReadable: true, isWritable: true }) };
    },
    steps: (act) => stepsOf(image, m, act),
  };
  if (image.config.design !== 'off') {
    const driver = image.attachSecondaryMmu(m, ear);
    if (!isUnwatched) image.run(m, driver.create(mm));
  }
  return bench;
}

/** A secondary MMU without entries: it only hears. */
function listener(heard: (op: OpName, start: Vaddr, end: Vaddr) => void): SecondaryMmu {
  const range = (op: OpName) => function* (_mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<Step> { heard(op, start, end); };
  const page = (op: OpName) => function* (_mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<Step> { heard(op, address, (address + PAGE_SIZE) as Vaddr); };
  const age = (op: OpName) => function* (_mn: MmuNotifier, _mm: Mm, address: Vaddr): Task<Step, number> { heard(op, address, (address + PAGE_SIZE) as Vaddr); return 0; };
  const release = function* (): Task<Step> { heard('release', 0 as Vaddr, 0 as Vaddr); };
  const ops: Readonly<Record<string, NotifierOps>> = {
    v5: { release, invalidatePage: page('invalidatePage'), invalidatePages: range('invalidatePages'), agePage: age('agePage') },
    range: {
      release, invalidateRangeStart: range('invalidateRangeStart'), invalidateRangeEnd: range('invalidateRangeEnd'), invalidatePage: page('invalidatePage'),
      clearFlushYoung: age('clearFlushYoung'),
    },
  };
  return {
    name: 'ear', designs: { v5: ['release', 'invalidatePage', 'invalidatePages', 'agePage'], range: ['release', 'invalidateRangeStart', 'invalidateRangeEnd', 'invalidatePage', 'clearFlushYoung'] },
    tables: () => ({}),
    attach: (s: KernelServices): SecondaryDriver => ({
      ops: ops[s.design] as NotifierOps,
      * create(mm: Mm): Task<MaySleep, number> {
        yield* s.mmuNotifierRegister(s.mmuNotifierAlloc(1), mm);
        return 1;
      },
      * destroy(): Task<MaySleep> { /* lives as long as the machine */ },
      * fault(): Task<MaySleep, number> { return 0; },
      * access(): Task<never, never> { return 0 as never; },
      audit: () => undefined,
      counters: () => ({ faults: 0, accesses: 0, hits: 0, invalidations: 0, pins: 0 }),
    }),
  };
}

function countsOf(calls: readonly Call[]): Readonly<Partial<Record<OpName, number>>> {
  const counts: Partial<Record<OpName, number>> = {};
  for (const { op } of calls) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

function stepsOf(image: LabImage, m: WatchedMachine, act: () => void): SeenStep[] {
  const behind = m.sched;
  const steps: SeenStep[] = [];
  const see = (kind: PointKind, where: Where): void => { steps.push({ kind, where, held: image.heldLocks(m, image.getCurrent(m)), isAtomic: m.thread.preemptCount[image.getCurrent(m)] > 0 }); };
  const ear: Scheduler = {
    point: (kind, where) => { see(kind, where); return behind.point(kind, where); },
    until: (kind, where, mask, value) => { see(kind, where); return behind.until(kind, where, mask, value); },
    touch: (kind, where) => { behind.touch(kind, where); },
    choose: (nrOptions, label) => behind.choose(nrOptions, label),
  };
  m.sched = ear;
  try {
    act();
  } finally {
    m.sched = behind;
  }
  return steps;
}
