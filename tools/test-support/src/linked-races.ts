/** Races in the form in which everybody's are checked: linked with the image that a variant names and the lines that it edits. */
import { linkRace } from '@mmun/build/link-race';
import type { Checkable, CheckOptions, CheckReport, checkableOf, checkRace, Race, RaceImage } from '@mmun/races';

/** What is linked holds a copy of its own of everything. */
export interface LinkedRaces {
  readonly image: RaceImage;
  /** The catalogue, and what is beside it. */
  readonly allRaces: readonly Checkable[];
  readonly checkRace: typeof checkRace;
  readonly checkableOf: typeof checkableOf;
  /** What the module exports that was linked with them. */
  readonly user?: Readonly<Record<string, unknown>>;
}

/** @param id of a race that mmun knows */
export async function checkKnown(id: string, options: CheckOptions): Promise<CheckReport> {
  const raceIn = ({ allRaces }: LinkedRaces): Checkable => found(id, allRaces.find((race) => race.id === id));
  const { image, edits } = found(options.variant, raceIn((await linkRace({})) as LinkedRaces).variants.get(options.variant));
  const linked = (await linkRace({ image: image ?? 'toy', edits })) as LinkedRaces;
  return linked.checkRace(raceIn(linked), image === null ? null : linked.image, options);
}

/**
 * @param module absolute path of one that exports races in lists
 * @param likely the image of most of its races: what is linked to see what a variant wants
 */
export async function checkOwn(module: string, id: string, options: CheckOptions, likely = 'toy'): Promise<CheckReport> {
  const raceIn = ({ user = {}, checkableOf: of }: LinkedRaces): Checkable => of(found(id, lists(user).find((race) => race.id === id)));
  const { image, edits } = found(options.variant, raceIn((await linkRace({ race: module, image: likely })) as LinkedRaces).variants.get(options.variant));
  const linked = (await linkRace({ race: module, image: image ?? 'toy', edits })) as LinkedRaces;
  return linked.checkRace(raceIn(linked), linked.image, options);
}

function lists(user: Readonly<Record<string, unknown>>): readonly Race[] {
  return Object.values(user).flatMap((value) => (Array.isArray(value) ? (value as Race[]) : []));
}

function found<T>(name: string, value: T | undefined): T {
  if (value === undefined) throw new RangeError(`there is no \`${name}\``);
  return value;
}
