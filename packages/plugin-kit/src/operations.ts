/**
 * The two sides of a scenario: operations of mm that change a page, and ways in which a device meets that page.
 *
 * Machines are as small as they can be, because every interleaving of each is looked at: a page or two, one operation.
 */
import { MADV_DONTNEED, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { MachineConfig, MaySleep, Mm, Task, TaskStruct, Vaddr } from '@mmun/include';
import { onePage } from '@mmun/races';
import type { Actor, ActorTask, MapOptions, RaceContext, RaceFile, Setup } from '@mmun/races';
import type { DesignName } from './scenarios.js';

/** What a set-up leaves behind; plain values, because nothing in it may change. */
export interface Stage {
  /** The page that the device uses. */
  readonly a: Vaddr;
  /** Another one, where the operation needs it. */
  readonly b: Vaddr;
  readonly file: RaceFile | null;
  readonly child: TaskStruct;
  /** A second instance of the device, or another process's address space; 0 where there is none. */
  readonly other: number;
}

export interface Operation {
  readonly name: string;
  /** Left out: every design. v5 leaves the parent's entries writable at fork, which is no plugin's fault. */
  readonly designs?: readonly DesignName[];
  readonly isQuick: boolean;
  /** The page is told alone, with no range around: what slips through does so in a few orderings of many. */
  readonly isRare?: boolean;
  readonly config?: Partial<MachineConfig>;
  /** Left out: one private page that was written. */
  readonly setup?: (t: Setup) => Partial<Stage>;
  /** Who does it; left out: `cpu0`. */
  readonly actor?: string;
  readonly as?: (s: Stage) => number;
  readonly run: (t: RaceContext, s: Stage) => Task<string, unknown>;
  /** Ways that make no sense here. */
  readonly without?: readonly WayName[];
}

export type WayName = 'cold' | 'read' | 'write' | 'warm' | 'close' | 'reopen' | 'both';

export interface Way {
  readonly isQuick: boolean;
  /** The device has an entry before anybody runs. */
  readonly isWarm: boolean;
  readonly run: ActorTask<Stage>;
}

/** The first page of the second table of arch toy is page 4: a range across tables is told to v5 in two calls. */
const ACROSS = (3 * PAGE_SIZE) as Vaddr;
const SWAP: Partial<MachineConfig> = { nrSwapSlots: 2 };

function twoPages(t: Setup): Partial<Stage> {
  const b = t.mmap(2, { at: ACROSS });
  t.write(b, 6);
  t.write((b + PAGE_SIZE) as Vaddr, 7);
  return { a: (b + PAGE_SIZE) as Vaddr, b };
}

function shared(kind: 'regular' | 'shmem', options: Partial<MapOptions> = {}): (t: Setup) => Partial<Stage> {
  return (t) => {
    const file = t.file(1, kind);
    const a = t.mmap(1, { file, isShared: true, ...options });
    // a pte that allows writing and is not dirty: who writes by it must say so
    t.read(a);
    return { a, file };
  };
}

export const OPERATIONS: readonly Operation[] = [
  { name: 'munmap', isQuick: true, run: (t, { a }) => t.munmap(a) },
  { name: 'munmap-tables', isQuick: false, setup: twoPages, run: (t, { b }) => t.munmap(b, 2) },
  { name: 'reuse', isQuick: false, run: reuse },
  { name: 'mprotect', isQuick: true, run: (t, { a }) => t.mprotect(a, PROT_READ) },
  { name: 'mprotect-tables', isQuick: false, setup: twoPages, run: (t, { b }) => t.mprotect(b, PROT_READ, 2) },
  { name: 'dontneed', isQuick: true, run: (t, { a }) => t.madvise(a, MADV_DONTNEED) },
  { name: 'dontneed-write', isQuick: false, run: dontneedWrite },
  { name: 'fork', designs: ['range'], isQuick: true, run: (t) => t.fork() },
  { name: 'cow', isQuick: true, setup: forked, run: (t, { a }) => t.write(a, 9) },
  { name: 'cow-child', isQuick: false, setup: forked, actor: 'child', as: ({ child }) => child, run: (t, { a }) => t.write(a, 9) },
  { name: 'mremap', isQuick: true, setup: withRoom, run: (t, { a, b }) => t.mremap(a, b) },
  { name: 'mremap-onto', isQuick: false, setup: (t) => swapped(withRoom(t)), run: (t, { a, b }) => t.mremap(b, a), without: ['warm', 'close', 'reopen'] },
  { name: 'reclaim', isQuick: true, isRare: true, config: SWAP, actor: 'kswapd', run: (t, { a }) => t.reclaim(a) },
  { name: 'age', isQuick: false, config: SWAP, actor: 'kswapd', run: (t) => t.kswapd(1) },
  { name: 'truncate', isQuick: true, setup: shared('shmem'), run: (t, { file }) => t.truncate(file as RaceFile) },
  { name: 'truncate-private', isQuick: false, setup: shared('shmem', { isShared: false }), run: (t, { file }) => t.truncate(file as RaceFile) },
  { name: 'punch-hole', isQuick: false, setup: shared('shmem'), run: (t, { file }) => t.punchHole(file as RaceFile) },
  { name: 'shared-munmap', isQuick: true, setup: shared('shmem'), run: (t, { a }) => t.munmap(a) },
  { name: 'writeback', isQuick: true, isRare: true, config: SWAP, setup: shared('regular'), actor: 'flusher', run: (t, { file }) => t.writeback(file as RaceFile) },
  { name: 'exit', isQuick: true, run: (t) => t.exit() },
];

export const WAYS: Readonly<Record<WayName, Way>> = {
  cold: { isQuick: false, isWarm: false, run: readThenWrite },
  read: { isQuick: true, isWarm: false, run: (t, { a }) => t.dev.read(a) },
  write: { isQuick: true, isWarm: false, run: (t, { a }) => t.dev.write(a) },
  warm: { isQuick: false, isWarm: true, run: (t, { a }) => t.dev.write(a) },
  close: { isQuick: false, isWarm: true, run: (t) => t.dev.close() },
  reopen: { isQuick: false, isWarm: false, run: reopen },
  both: { isQuick: false, isWarm: false, run: (t, { a }) => t.dev.read(a) },
};
/** What a short run tries besides. */
export const QUICK_TOO: ReadonlySet<string> = new Set(['age-write', 'munmap-cold', 'exit-close', 'munmap-close', 'exit-reopen', 'munmap-warm', 'exit-warm']);

export function actorOf({ run, as }: Operation): ActorTask<Stage> | Actor<Stage> {
  return as === undefined ? run : { run, as };
}

export function stageOf({ setup = onePage }: Operation, t: Setup): Stage {
  return { a: 0 as Vaddr, b: 0 as Vaddr, file: null, child: 0 as TaskStruct, other: 0, ...setup(t) };
}

export function forked(t: Setup): Partial<Stage> {
  const s = onePage(t);
  return { ...s, child: t.fork() };
}

function withRoom(t: Setup): Partial<Stage> {
  return { ...onePage(t), b: t.room(1) };
}

/** The device waits where the page comes to. */
function swapped({ a, b }: Partial<Stage>): Partial<Stage> {
  return { a: b as Vaddr, b: a as Vaddr };
}

/** As a program would: load, then store. */
function* readThenWrite(t: RaceContext, { a }: Stage): Task<MaySleep> {
  yield* t.dev.read(a);
  yield* t.dev.write(a);
}

function* reopen(t: RaceContext, { a }: Stage): Task<MaySleep> {
  yield* t.dev.close();
  const instance = yield* t.dev.open(FIRST_MM);
  if (instance > 0) yield* t.dev.read(a, instance);
}

export function* openTouchClose(t: RaceContext, { a }: Stage): Task<MaySleep> {
  const instance = yield* t.dev.open(FIRST_MM);
  if (instance <= 0) return;
  yield* t.dev.write(a, instance);
  yield* t.dev.close(instance);
}

function* reuse(t: RaceContext, { a }: Stage): Task<MaySleep> {
  yield* t.munmap(a);
  yield* t.mmap(1, { at: a });
  yield* t.write(a, 9);
}

function* dontneedWrite(t: RaceContext, { a }: Stage): Task<MaySleep> {
  yield* t.madvise(a, MADV_DONTNEED);
  yield* t.write(a, 9);
}

/** The process that the set-up runs as. */
const FIRST_MM = 1 as Mm;
