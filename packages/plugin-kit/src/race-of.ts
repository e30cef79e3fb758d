/** A scenario as a race: one variant, the driver as it is, on the image of its design. */
import type { MachineConfig, MaySleep, SecondaryMmu, Task } from '@mmun/include';
import type { Code } from '@mmun/oracle';
import type { Race, RaceContext, Setup, Variant } from '@mmun/races';
import type { Stage } from './operations.js';
import type { DesignName, Scenario } from './scenarios.js';

const IMAGES: Readonly<Record<DesignName, NonNullable<Variant['image']>>> = { v5: 'toy', range: 'toy-range' };
/** What a finding is called is up to the oracles. */
const ANY: readonly Code[] = ['stale-translation'];

export function raceOf(
  id: string, design: DesignName, variant: Variant, config: Partial<MachineConfig>, actors: Race<Stage>['actors'], setup: (t: Setup) => Stage,
): Race {
  const both: Variant = { image: IMAGES[design], ...variant };
  const race: Race<Stage> = { id, title: id, source: 'the kit', finds: ANY, variants: { buggy: both, fixed: both }, config, actors, setup };
  return race as unknown as Race;
}

/** What is written down for a scenario that is none of an operation against a way. */
export interface Drawn {
  readonly name: string;
  /** Left out: every design. */
  readonly designs?: readonly DesignName[];
  readonly isQuick: boolean;
  readonly look?: 'light';
  readonly config?: Partial<MachineConfig>;
  readonly opensDevices?: boolean;
  readonly isRefusing?: boolean;
  readonly actors: Race<Stage>['actors'];
  readonly setup: (t: Setup) => Stage;
  readonly atEnd?: () => void;
}

export function drawn(design: DesignName, { name, isQuick, look, config = {}, opensDevices = false, isRefusing = false, actors, setup, atEnd }: Drawn): Scenario {
  const id = `${design}-${name}`;
  return { id, design, isQuick, isRefusing, ...(look === undefined ? {} : { look }), race: (plugin: SecondaryMmu): Race => ({ ...raceOf(id, design, { plugin }, config, actors, setup), opensDevices, ...(atEnd === undefined ? {} : { atEnd }) }) };
}

export type Act = (t: RaceContext, s: Stage) => Task<MaySleep, unknown>;
