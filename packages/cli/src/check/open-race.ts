/** From what the command line says to a race that is linked with its image. */
import { existsSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { allRaces } from '@mmun/races';
import type { Checkable, CheckOptions, CheckReport, Race, RaceImage, SourceEdit } from '@mmun/races';
import { didYouMean, didYouMeanPath } from '../nearest.js';
import { UsageError } from '../usage-error.js';

/** What a linked bundle holds; its code is a copy of its own of everything. */
interface Linked {
  readonly image: RaceImage;
  readonly allRaces: readonly Checkable[];
  checkableOf(race: Race): Checkable;
  checkRace(race: Checkable, image: RaceImage | null, options: CheckOptions): Promise<CheckReport>;
  validateRace(value: unknown): Race;
  readonly user?: { readonly default?: unknown };
}

interface Linker {
  linkRace(options: { race?: string; image?: string; edits?: readonly SourceEdit[] }): Promise<Linked>;
  placeIn(race: string, stack: string): string;
  readonly LinkError: new () => Error;
}

export interface OpenRace {
  readonly race: Checkable;
  check(options: CheckOptions): Promise<CheckReport>;
}

const MODULE = /\.[cm]?[jt]s$/;

/** @param name id of a race of the catalogue, or path of a module @throws UsageError in one line, with file and line where there is one */
export async function openRace(name: string): Promise<OpenRace> {
  const known = allRaces.find(({ id }) => id === name);
  if (known !== undefined) return { race: known, check: (options) => checkKnown(known, options) };
  if (!MODULE.test(name) && !existsSync(name)) throw new UsageError(`no race is called ${JSON.stringify(name)}${didYouMean(name, allRaces.map(({ id }) => id))}: \`mmun races\` lists them; a race of your own is a path that ends in .ts or .mjs`);
  if (!existsSync(name)) throw new UsageError(`${name}: no such file${didYouMeanPath(name)}`);
  if (!MODULE.test(name)) throw new UsageError(`${name}: a race is a module: expected .ts or .mjs${extname(name) === '' ? '' : `, not ${extname(name)}`}`);
  return openModule(name);
}

async function checkKnown(race: Checkable, options: CheckOptions): Promise<CheckReport> {
  const { image, edits } = planOf(race, options.variant);
  const linked = await link({ image: image ?? 'toy', edits });
  const own = linked.allRaces.find(({ id }) => id === race.id) as Checkable;
  return guarded(race.id, () => linked.checkRace(own, image === null ? null : linked.image, options));
}

async function openModule(name: string): Promise<OpenRace> {
  const path = resolve(name);
  const first = await link({ race: path });
  const race = await guarded(path, () => Promise.resolve(first.checkableOf(first.validateRace(first.user?.default))));
  return {
    race,
    async check(options: CheckOptions): Promise<CheckReport> {
      const { image, edits } = planOf(race, options.variant);
      const linked = image === 'toy' && edits.length === 0 ? first : await link({ race: path, image: image ?? 'toy', edits });
      return guarded(path, () => linked.checkRace(linked.checkableOf(linked.validateRace(linked.user?.default)), linked.image, options));
    },
  };
}

function planOf(race: Checkable, variant: string): { readonly image: string | null; readonly edits: readonly SourceEdit[] } {
  const plan = race.variants.get(variant);
  if (plan === undefined) throw new UsageError(`--variant ${variant}: race \`${race.id}\` has the variants ${[...race.variants.keys()].join(', ')}${didYouMean(variant, [...race.variants.keys()])}`);
  return plan;
}

async function link(options: Parameters<Linker['linkRace']>[0]): Promise<Linked> {
  const { linkRace, LinkError } = await linker();
  try {
    return await linkRace(options);
  } catch (error) {
    throw error instanceof LinkError ? new UsageError(error.message) : error;
  }
}

/** Errors of the race's own code are the reader's, with the place; those of its options say what was expected. */
async function guarded<T>(race: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.constructor.name === 'ReplaySyntax' || error instanceof RangeError) throw new UsageError(error.message);
    const { placeIn } = await linker();
    const place = MODULE.test(race) ? placeIn(race, error.stack ?? '') : race;
    const hint = MODULE.test(race) && !/:\d+$/.test(place) && error instanceof TypeError ? ': is a `yield*` missing before a call of `t`?' : '';
    throw new UsageError(`${place}: ${error.message}${hint}`);
  }
}

/** Loaded when it is needed: it brings compilers. */
async function linker(): Promise<Linker> {
  return (await import('@mmun/build/link-race')) as unknown as Linker;
}
