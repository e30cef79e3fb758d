/**
 * What a plugin is attacked with: each operation of mm that changes a page, against each way in which a device meets that page.
 *
 *   operation   munmap, mprotect, MADV_DONTNEED, fork, copy on write, mremap, reclaim, truncate, a hole, writeback, exit
 *   device      read, write, cold (both): it has no entry and faults;  warm: it has one and uses it;  close: it lets go meanwhile
 *
 * Machines are as small as they can be, because every interleaving of each is looked at: a page or two, one operation.
 */
import { MADV_DONTNEED, PAGE_SIZE, PROT_READ } from '@mmun/include';
import type { MachineConfig, MaySleep, Mm, SecondaryMmu, Task, TaskStruct, Vaddr } from '@mmun/include';
import type { Code } from '@mmun/oracle';
import type { Actor, ActorTask, MapOptions, Race, RaceContext, RaceFile, Setup, Variant } from '@mmun/races';

export type DesignName = 'v5' | 'range';

/** A call into the driver that only this plugin has, made beside everything else. */
export interface DeviceCall {
  /** `move-slot`: part of the scenario's name. */
  readonly name: string;
  /** `address` is the page that is fought over. */
  run(driver: never, instance: number, address: Vaddr): Task<MaySleep, unknown>;
}

export interface Scenario {
  /** `v5-munmap-cold`: what `--scenario` takes. */
  readonly id: string;
  readonly design: DesignName;
  /** Worth its time in a short run. */
  readonly isQuick: boolean;
  race(plugin: SecondaryMmu): Race;
}

/** What a set-up leaves behind; plain values, because nothing in it may change. */
interface Stage {
  /** The page that the device uses. */
  readonly a: Vaddr;
  /** Another one, where the operation needs it. */
  readonly b: Vaddr;
  readonly file: RaceFile | null;
  readonly child: TaskStruct;
  /** A second instance of the device; 0 where there is none. */
  readonly other: number;
}

interface Operation {
  readonly name: string;
  /** Left out: every design. v5 leaves the parent's entries writable at fork, which is no plugin's fault. */
  readonly designs?: readonly DesignName[];
  readonly isQuick: boolean;
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

type WayName = 'cold' | 'read' | 'write' | 'warm' | 'close' | 'reopen' | 'both';

interface Way {
  readonly isQuick: boolean;
  /** The device has an entry before anybody runs. */
  readonly isWarm: boolean;
  readonly run: ActorTask<Stage>;
}

/** The first page of the second table of arch toy is page 4: a range across tables is told to v5 in two calls. */
const ACROSS = (3 * PAGE_SIZE) as Vaddr;
const SWAP: Partial<MachineConfig> = { nrSwapSlots: 2 };

function page(t: Setup): Partial<Stage> {
  const a = t.mmap(1);
  t.write(a, 7);
  return { a };
}

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

const OPERATIONS: readonly Operation[] = [
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
  { name: 'reclaim', isQuick: true, config: SWAP, actor: 'kswapd', run: (t, { a }) => t.reclaim(a) },
  { name: 'truncate', isQuick: true, setup: shared('shmem'), run: (t, { file }) => t.truncate(file as RaceFile) },
  { name: 'truncate-private', isQuick: false, setup: shared('shmem', { isShared: false }), run: (t, { file }) => t.truncate(file as RaceFile) },
  { name: 'punch-hole', isQuick: false, setup: shared('shmem'), run: (t, { file }) => t.punchHole(file as RaceFile) },
  { name: 'shared-munmap', isQuick: true, setup: shared('shmem'), run: (t, { a }) => t.munmap(a) },
  { name: 'writeback', isQuick: true, config: SWAP, setup: shared('regular'), actor: 'flusher', run: (t, { file }) => t.writeback(file as RaceFile) },
  { name: 'exit', isQuick: true, run: (t) => t.exit() },
];

const WAYS: Readonly<Record<WayName, Way>> = {
  cold: { isQuick: false, isWarm: false, run: readThenWrite },
  read: { isQuick: true, isWarm: false, run: (t, { a }) => t.dev.read(a) },
  write: { isQuick: true, isWarm: false, run: (t, { a }) => t.dev.write(a) },
  warm: { isQuick: false, isWarm: true, run: (t, { a }) => t.dev.write(a) },
  close: { isQuick: false, isWarm: true, run: (t) => t.dev.close() },
  reopen: { isQuick: false, isWarm: false, run: reopen },
  both: { isQuick: false, isWarm: false, run: (t, { a }) => t.dev.read(a) },
};
/** What a short run tries besides. */
const QUICK_TOO: ReadonlySet<string> = new Set(['munmap-cold', 'exit-close', 'munmap-close', 'exit-reopen', 'munmap-warm', 'exit-warm']);

/** Every scenario of a plugin, by its designs. */
export function scenariosOf(plugin: SecondaryMmu, calls: readonly DeviceCall[] = []): Scenario[] {
  const designs = (['v5', 'range'] as const).filter((design) => plugin.designs[design] !== undefined);
  return designs.flatMap((design) => [
    ...OPERATIONS.filter((operation) => operation.designs?.includes(design) !== false).flatMap((operation) => waysOf(operation).map((way) => scenario(design, operation, way))),
    ...calls.flatMap((call) => ['munmap', 'dontneed', 'exit'].map((name) => withCall(design, OPERATIONS.find((operation) => operation.name === name) as Operation, call))),
    failing(design), twoPlugins(design), pagesApart(design),
  ]);
}

function waysOf({ without = [] }: Operation): WayName[] {
  return (Object.keys(WAYS) as WayName[]).filter((way) => !without.includes(way));
}

function scenario(design: DesignName, operation: Operation, way: WayName): Scenario {
  const { run, isWarm, isQuick } = WAYS[way];
  const actors: Record<string, ActorTask<Stage> | Actor<Stage>> = { [operation.actor ?? 'cpu0']: actorOf(operation), dev0: run };
  // two instances of one address space
  if (way === 'both') actors['dev1'] = (t, { a, other }): Task<string, unknown> => t.dev.write(a, other);
  const name = `${operation.name}-${way}`;
  return {
    id: `${design}-${name}`, design, isQuick: (isQuick && operation.isQuick) || QUICK_TOO.has(name),
    race: (plugin) => raceOf(`${design}-${name}`, design, { plugin }, operation.config ?? {}, actors, (t) => {
      const s = stageOf(operation, t);
      if (isWarm) t.dev.read(s.a);
      if (isWarm && operation.setup !== forked) t.dev.write(s.a);
      return way === 'both' ? { ...s, other: t.dev.open(t.mm) } : s;
    }),
  };
}

/** A call of the driver's own beside an operation, while the device has an entry. */
function withCall(design: DesignName, operation: Operation, call: DeviceCall): Scenario {
  const id = `${design}-${operation.name}-${call.name}`;
  return {
    id, design, isQuick: operation.name === 'munmap',
    race: (plugin) => raceOf(id, design, { plugin }, operation.config ?? {}, {
      cpu0: actorOf(operation),
      * dev0(t, { a }): Task<MaySleep> {
        yield* call.run(t.dev.driver as never, t.dev.instance, a);
        yield* t.dev.read(a);
      },
    }, (t) => {
      const s = stageOf(operation, t);
      t.dev.write(s.a);
      return s;
    }),
  };
}

/** Whatever the driver asks about may fail. */
function failing(design: DesignName): Scenario {
  const id = `${design}-munmap-failing`;
  return {
    id, design, isQuick: true,
    race: (plugin) => ({
      ...raceOf(id, design, { plugin }, { faultInjection: true }, { cpu0: (t, { a }) => t.munmap(a), dev0: openTouchClose }, page as (t: Setup) => Stage),
      opensDevices: true,
    }),
  };
}

/** Two pages that are far apart by a power of two: a device that has one place for both must not take one for the other. */
function pagesApart(design: DesignName): Scenario {
  const id = `${design}-two-pages`;
  return {
    id, design, isQuick: true,
    race: (plugin) => raceOf(id, design, { plugin }, {}, {
      // once each: two pages that take one place in turn are no livelock
      dev0: (t, { b }) => t.dev.access(b, false),
      * dev1(t, { b }): Task<MaySleep> {
        yield* t.dev.fault(b, false);
        yield* t.dev.access(b, false);
      },
    }, (t) => {
      const [a, b] = [t.mmap(1, { at: PAGE_SIZE as Vaddr }), t.mmap(1, { at: (9 * PAGE_SIZE) as Vaddr })];
      t.write(a, 7);
      t.write(b, 8);
      t.dev.read(a);
      return { a, b, file: null, child: 0 as TaskStruct, other: 0 };
    }),
  };
}

/** Two plugins, each with its own entries for the one page. */
function twoPlugins(design: DesignName): Scenario {
  const id = `${design}-munmap-two-plugins`;
  return {
    id, design, isQuick: false,
    race: (plugin) => raceOf(id, design, { plugins: [plugin, { ...plugin, name: `${plugin.name}-too` }] }, { nrNotifiers: 4 }, {
      cpu0: (t, { a }) => t.munmap(a),
      dev0: (t, { a }) => t.dev.read(a),
      dev1: (t, { a }) => t.devs[1]?.write(a) ?? t.dev.read(a),
    }, page as (t: Setup) => Stage),
  };
}

const IMAGES: Readonly<Record<DesignName, NonNullable<Variant['image']>>> = { v5: 'toy', range: 'toy-range' };
/** What a finding is called is up to the oracles. */
const ANY: readonly Code[] = ['stale-translation'];

function raceOf(
  id: string, design: DesignName, variant: Variant, config: Partial<MachineConfig>, actors: Race<Stage>['actors'], setup: (t: Setup) => Stage,
): Race {
  const both: Variant = { image: IMAGES[design], ...variant };
  const race: Race<Stage> = { id, title: id, source: 'the kit', finds: ANY, variants: { buggy: both, fixed: both }, config, actors, setup };
  return race as unknown as Race;
}

function actorOf({ run, as }: Operation): ActorTask<Stage> | Actor<Stage> {
  return as === undefined ? run : { run, as };
}

function stageOf({ setup = page }: Operation, t: Setup): Stage {
  return { a: 0 as Vaddr, b: 0 as Vaddr, file: null, child: 0 as TaskStruct, other: 0, ...setup(t) };
}

function forked(t: Setup): Partial<Stage> {
  const s = page(t);
  return { ...s, child: t.fork() };
}

function withRoom(t: Setup): Partial<Stage> {
  return { ...page(t), b: t.room(1) };
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

function* openTouchClose(t: RaceContext, { a }: Stage): Task<MaySleep> {
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
