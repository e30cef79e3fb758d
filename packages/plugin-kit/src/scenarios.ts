/**
 * What a plugin is attacked with: each operation of mm that changes a page, against each way in which a device meets that page.
 *
 *   operation   munmap, mprotect, MADV_DONTNEED, fork, copy on write, mremap, reclaim, truncate, a hole, writeback, exit
 *   device      read, write, cold (both): it has no entry and faults;  warm: it has one and uses it;  close: it lets go meanwhile
 *
 * And what concerns more than a page: two of them at once, two devices that come and go, calls that only this driver has.
 */
import { PAGE_SIZE } from '@mmun/include';
import type { MaySleep, OwnCall, SecondaryMmu, Task, TaskStruct, Vaddr } from '@mmun/include';
import { onePage } from '@mmun/races';
import type { Actor, ActorTask, Race, Setup } from '@mmun/races';
import { OPERATIONS, QUICK_TOO, WAYS, actorOf, forked, openTouchClose, stageOf } from './operations.js';
import type { Operation, Stage, WayName } from './operations.js';
import { ofCalls } from './own-calls.js';
import { ofPairs } from './pairs.js';
import { raceOf } from './race-of.js';

export type DesignName = 'v5' | 'range';

/** A call into the driver that only this plugin has, made beside everything else. */
export type DeviceCall = OwnCall;

export interface Scenario {
  /** `v5-munmap-cold`: what `--scenario` takes. */
  readonly id: string;
  readonly design: DesignName;
  /** Worth its time in a short run. */
  readonly isQuick: boolean;
  /**
   * How it is looked at there. `light`: not as far as the others, for its ways are long, and what is wrong shows in many orders;
   * `orderings`: none at random, because what is wrong shows in few.
   */
  readonly look?: 'light' | 'orderings';
  /** Every lock that the driver only tries to get is somebody else's. */
  readonly isRefusing?: boolean;
  race(plugin: SecondaryMmu): Race;
}

/** Every scenario of a plugin, by its designs. */
export function scenariosOf(plugin: SecondaryMmu, calls: readonly DeviceCall[] = []): Scenario[] {
  const designs = (['v5', 'range'] as const).filter((design) => plugin.designs[design] !== undefined);
  return designs.flatMap((design) => [
    ...OPERATIONS.filter((operation) => operation.designs?.includes(design) !== false).flatMap((operation) => waysOf(operation).map((way) => scenario(design, operation, way))),
    ...ofCalls(design, calls), ...ofPairs(design),
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
    id: `${design}-${name}`, design, isQuick: (isQuick && operation.isQuick) || QUICK_TOO.has(name), ...(operation.isRare === true ? { look: 'orderings' } : {}),
    race: (plugin) => raceOf(`${design}-${name}`, design, { plugin }, operation.config ?? {}, actors, (t) => {
      const s = stageOf(operation, t);
      if (isWarm) t.dev.read(s.a);
      if (isWarm && operation.setup !== forked) t.dev.write(s.a);
      return way === 'both' ? { ...s, other: t.dev.open(t.mm) } : s;
    }),
  };
}

/** Whatever the driver asks about may fail. */
function failing(design: DesignName): Scenario {
  const id = `${design}-munmap-failing`;
  return {
    id, design, isQuick: true,
    race: (plugin) => ({
      ...raceOf(id, design, { plugin }, { faultInjection: true }, { cpu0: (t, { a }) => t.munmap(a), dev0: openTouchClose }, onePage as (t: Setup) => Stage),
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
      * dev0(t, { a, b }): Task<MaySleep> {
        yield* t.dev.access(b, false);
        yield* t.dev.access(a, false);
      },
      * dev1(t, { b }): Task<MaySleep> {
        yield* t.dev.fault(b, false);
        yield* t.dev.access(b, false);
      },
    }, (t) => {
      const [a, b] = [t.mmap(1, { at: PAGE_SIZE as Vaddr }), t.mmap(1, { at: (9 * PAGE_SIZE) as Vaddr })];
      t.write(a, 7);
      t.write(b, 8);
      // for writing, so that the entry that makes room has something to tell
      t.dev.write(a);
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
    }, onePage as (t: Setup) => Stage),
  };
}
