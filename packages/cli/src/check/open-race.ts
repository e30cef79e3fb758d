/** From what the command line says to a race that is linked with its image, and checked by whoever has time. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import type { RacePool, RaceTask } from '@mmun/build/race-pool';
import { allRaces } from '@mmun/races';
import type { Progress } from '@mmun/explorer';
import type { Checkable, CheckOptions, CheckReport, Race, VariantPlan } from '@mmun/races';
import { didYouMean, didYouMeanPath } from '../nearest.js';
import { UsageError } from '../usage-error.js';
import { droppedCalls } from './dropped-tasks.js';

/** What a linked bundle holds; its code is a copy of its own of everything. */
interface Linked {
  checkableOf(race: Race): Checkable;
  validateRace(value: unknown): Race;
  readonly user?: { readonly default?: unknown };
}

interface Linker {
  linkRace(options: { readonly race: string }): Promise<Linked>;
  placeIn(race: string, stack: string): string;
  readonly LinkError: new () => Error;
}

export interface OpenRace {
  readonly race: Checkable;
  /** @returns null where it was interrupted before it was begun */
  check(options: CheckOptions): Promise<CheckReport | null>;
}

const MODULE = /\.[cm]?[jt]s$/;

/** @param name id of a race of the catalogue, or path of a module @param pool who checks it @throws UsageError in one line, with file and line where there is one */
export async function openRace(name: string, pool: RacePool): Promise<OpenRace> {
  const known = allRaces.find(({ id }) => id === name);
  if (known !== undefined) return { race: known, check: (options) => checkKnown(known, options, pool) };
  if (!MODULE.test(name) && !existsSync(name)) throw new UsageError(`no race is called ${JSON.stringify(name)}${didYouMean(name, allRaces.map(({ id }) => id))}: \`mmun races\` lists them; a race of your own is a path that ends in .ts or .mjs`);
  if (!existsSync(name)) throw new UsageError(`${name}: no such file${didYouMeanPath(name)}`);
  if (statSync(name).isDirectory()) throw new UsageError(`${name}: is a directory: expected a module, .ts or .mjs`);
  if (!MODULE.test(name)) throw new UsageError(`${name}: a race is a module: expected .ts or .mjs${extname(name) === '' ? '' : `, not ${extname(name)}`}`);
  return openModule(name, pool);
}

/** @param race that mmun knows: one of the catalogue, or made for a claim */
export async function checkKnown(race: Checkable, options: CheckOptions, pool: RacePool): Promise<CheckReport | null> {
  const { image, edits } = planOf(race, options.variant);
  return guarded(race.id, () => give(pool, { link: { image: image ?? 'toy', edits }, race: race.id, isBare: image === null }, options));
}

async function openModule(name: string, pool: RacePool): Promise<OpenRace> {
  const path = resolve(name);
  const [dropped] = await droppedCalls(path);
  if (dropped !== undefined) throw new UsageError(`${dropped.place}: \`${dropped.text}\` without \`yield*\` does nothing`);
  const { linkRace } = await linker();
  const race = await guarded(path, async () => {
    const { checkableOf, validateRace, user } = await linkRace({ race: path });
    return checkableOf(validateRace(user?.default));
  });
  return {
    race,
    async check(options: CheckOptions): Promise<CheckReport | null> {
      const { image, edits } = planOf(race, options.variant);
      const isPlain = image === 'toy' && edits.length === 0;
      return guarded(path, () => give(pool, { link: isPlain ? { race: path } : { race: path, image: image ?? 'toy', edits } }, options));
    },
  };
}

function give(pool: RacePool, what: Pick<RaceTask, 'link' | 'race' | 'isBare'>, { signal, onProgress, ...options }: CheckOptions): Promise<CheckReport | null> {
  return pool.check<CheckReport, Progress>({ ...what, options: { ...options } }, { ...(signal === undefined ? {} : { signal }), ...(onProgress === undefined ? {} : { onProgress }) });
}

function planOf(race: Checkable, variant: string): { readonly image: string | null; readonly edits: VariantPlan['edits'] } {
  const plan = race.variants.get(variant);
  if (plan === undefined) throw new UsageError(`--variant ${variant}: race \`${race.id}\` has the variants ${[...race.variants.keys()].join(', ')}${didYouMean(variant, [...race.variants.keys()])}`);
  return plan;
}

/** Errors of the race's own code are the reader's, with the place; those of its options say what was expected. */
async function guarded<T>(race: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if ([error.constructor.name, error.name].includes('ReplaySyntax') || error instanceof RangeError) throw new UsageError(error.message);
    if (error.constructor.name === 'WorkerLost') throw error;
    const { LinkError, placeIn } = await linker();
    if (LinkError.prototype.isPrototypeOf(error)) throw new UsageError(error.message);
    const place = MODULE.test(race) ? placeIn(race, error.stack ?? '') : race;
    const hint = MODULE.test(race) && !/:\d+$/.test(place) && error instanceof TypeError ? ': is a `yield*` missing before a call of `t`?' : '';
    throw new UsageError(`${place}: ${asWritten(error.message, race, place)}${hint}`);
  }
}

/** `$v[1].mnap is not a function` is `t.mnap` in the source: local variables lie in an array once a task is linked. */
function asWritten(message: string, race: string, place: string): string {
  const [, member] = /^\$v\[\d+\]\.(\w+) /.exec(message) ?? [];
  const [, line] = /:(\d+)$/.exec(place) ?? [];
  if (member === undefined || line === undefined) return message;
  const [owner = '..'] = new RegExp(`[\\w.]+(?=\\.${member}\\b)`).exec(readFileSync(race, 'utf8').split('\n')[Number(line) - 1] ?? '') ?? [];
  return message.replace(/^\$v\[\d+\]/, owner);
}

/** Loaded when it is needed: it brings compilers. */
async function linker(): Promise<Linker> {
  return (await import('@mmun/build/link-race')) as unknown as Linker;
}
