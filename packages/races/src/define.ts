/** What a race is: a set-up, actors, what must be found in the wrong variant and never in the right one. */
import type { MachineConfig, SecondaryMmu, Task } from '@mmun/include';
import type { Code, WatchedObjects } from '@mmun/oracle';
import type { Parameters, RaceContext } from './race-context.js';

/** The same calls as plain functions: for set-ups, where nobody else runs. */
export type Setup<T = RaceContext> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => Generator<unknown, infer R> ? (...args: A) => R
    : T[K] extends (...args: never[]) => unknown ? T[K] : K extends 'dev' ? Setup<T[K]> : T[K] extends readonly (infer D)[] ? readonly Setup<D>[] : T[K];
};

/** One line of real code, changed when the image is linked. */
export interface SourceEdit {
  /** From `packages/` on: `mm/src/memory-copy.ts`. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** The one change that makes real code wrong, or right. */
export interface Variant {
  /** The secondary MMU under test, if any. */
  readonly plugin?: SecondaryMmu;
  /** Where there are more: `t.devs` in this order, `plugin` before them. Each follows the first process. */
  readonly plugins?: readonly SecondaryMmu[];
  /** Subpath of `@mmun/image`, without `-fast`; left out: `toy`. */
  readonly image?: 'toy' | 'toy-off' | 'toy-range' | 's390';
  /** More than one where the change needs an import. */
  readonly edit?: SourceEdit | readonly SourceEdit[];
  /** Replace those of the race. */
  readonly parameters?: Parameters;
}

/** An actor's code; `s` is what the set-up returned. */
export type ActorTask<S> = (t: RaceContext, s: S) => Task<string, unknown>;

export interface Actor<S> {
  readonly run: ActorTask<S>;
  /** Acts as a thread that the set-up made, such as a forked child. */
  readonly as?: (s: S) => number;
  /** May still wait when all others are done. Left out: only `kworker` may. */
  readonly isDaemon?: boolean;
}

export interface Race<S = unknown> {
  /** Lower case, with hyphens; what `mmun check` takes. */
  readonly id: string;
  /** One line on what is at stake. */
  readonly title: string;
  /** Message-ID or commit where it was found, or argued about. */
  readonly source: string;
  /** What the wrong variant is convicted of: any of these. */
  readonly finds: readonly Code[];
  /** By name, with their defaults; `--set` replaces them. */
  readonly parameters?: Parameters;
  /** `buggy` is convicted and `fixed` is clean; further ones are for those who ask for them. */
  readonly variants: Readonly<Record<'buggy' | 'fixed', Variant>> & Readonly<Record<string, Variant>>;
  /** What differs from the toy machine; CPUs are as many as actors ask for. */
  readonly config?: Partial<MachineConfig>;
  /** Columns whose plain uses must be ordered by locks or atomics, as `page.flags`: the search then is dpor, pct or random. */
  readonly watchFields?: readonly string[];
  /** Tables of plugins whose rows must not be used once they were freed, each with the column that is odd while a row is live: `{ 'kvm.kvm': 'kvm.kvmPool.gen' }`. */
  readonly watchObjects?: WatchedObjects;
  /** Left out: each plugin follows the first process before the set-up. */
  readonly opensDevices?: boolean;
  /** Runs alone, as the first process; returns what the actors are to know. Numbers and plain objects, for nothing in it may change. */
  setup(t: Setup): S;
  /**
   * By name. `cpu0`, `cpu1` are threads of the process on CPUs of their own; any other name is a thread beside it, as a device
   * has one; `kworker` runs the work that drivers queue.
   */
  readonly actors: Readonly<Record<string, ActorTask<S> | Actor<S>>>;
  /** Judges the machine at rest, with `t.assert`. Nothing in it is a step: it reads, and calls nobody. */
  readonly atEnd?: (t: RaceContext, s: S) => void;
}

/** Says what a race is; nothing happens until it is checked. */
export function defineRace<S>(race: Race<S>): Race<S> {
  return race;
}
