/** What can be checked: a race over an image, or a program of the primitives alone, behind one door. */
import type { ExplorableMachine, Program } from '@mmun/explorer';
import type { Code, OrderSeen, WatchedImage, WatchedMachine } from '@mmun/oracle';
import type { Race, SourceEdit } from './define.js';
import type { Parameters } from './race-context.js';
import type { RaceImage } from './race-image.js';
import { raceProgram } from './race-program.js';

/** A variant as those see it who link images. */
export interface VariantPlan {
  /** Subpath of `@mmun/image`; null: the race needs no kernel. */
  readonly image: string | null;
  readonly edits: readonly SourceEdit[];
  readonly parameters: Parameters;
}

/** A program to explore, and what else is known of it. */
export interface Subject {
  readonly program: Program<ExplorableMachine>;
  /** In which order its locks were taken, over all executions. */
  orders(): readonly OrderSeen[];
  /** How to look into its machines; null where there is no kernel. */
  readonly image: WatchedImage<WatchedMachine> | null;
  /** Something is kept outside of the machine: executions must be run from their beginning. */
  readonly needsWholeRuns: boolean;
}

export interface Checkable {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly finds: readonly Code[];
  /** Names and defaults. */
  readonly parameters: Parameters;
  readonly variants: ReadonlyMap<string, VariantPlan>;
  /** @param image null where the variant's plan says so @throws RangeError where a parameter is out of range */
  subject(variant: string, parameters: Parameters, image: RaceImage | null): Subject;
}

export function checkableOf<S>(race: Race<S>): Checkable {
  const { id, title, source, finds, parameters = {}, variants } = race;
  const plans = Object.entries(variants).map(([name, { image = 'toy', edit, parameters: own = {} }]): [string, VariantPlan] =>
    [name, { image, edits: edit === undefined ? [] : [edit].flat(), parameters: own }]);
  return {
    id, title, source, finds, parameters, variants: new Map(plans),
    subject: (name, given, image): Subject => {
      const variant = variants[name];
      if (variant === undefined || image === null) throw new TypeError(`race \`${id}\` has no variant \`${name}\``);
      const program = raceProgram(race, variant, image, given);
      return { program: program as unknown as Program<ExplorableMachine>, orders: () => program.oracle.orders(), image, needsWholeRuns: (race.watchFields ?? []).length > 0 };
    },
  };
}

/** A race module that is none; the message says what is missing. */
export class RaceShapeError extends Error {}

/** Says in one line what keeps `value` from being a race. */
export function validateRace(value: unknown): Race {
  const race = value as Partial<Race> | null | undefined;
  const fail = (what: string): never => { throw new RaceShapeError(what); };
  if (typeof race !== 'object' || race === null) fail('the default export is no race: write `export default defineRace({ .. })`');
  const { id, title, source, finds, variants, setup, actors } = race as Partial<Race>;
  if (typeof id !== 'string' || !/^[a-z][a-z0-9-]*$/.test(id)) fail(`\`id\` is ${JSON.stringify(id)}, expected lower case, digits and hyphens`);
  if (typeof title !== 'string' || typeof source !== 'string') fail('`title` and `source` are lines of text, and both are needed');
  if (!Array.isArray(finds) || finds.length === 0) fail('`finds` lists the codes that the wrong variant is convicted of');
  if (typeof variants !== 'object' || variants === null || variants['buggy'] === undefined || variants['fixed'] === undefined) fail('`variants` needs `buggy` and `fixed`: no race without its twin');
  if (typeof setup !== 'function') fail('`setup` is a function of `t`');
  if (typeof actors !== 'object' || actors === null || Object.keys(actors).length === 0) fail('`actors` holds at least one function of `t` and what `setup` returned');
  for (const [name, actor] of Object.entries(actors as object)) {
    const run: unknown = typeof actor === 'function' ? actor : (actor as { run?: unknown } | null)?.run;
    if (typeof run !== 'function') fail(`actor \`${name}\` is neither a function nor { run, as }`);
    if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) fail(`actor \`${name}\`: a name is letters, digits, - and _`);
  }
  return race as Race;
}

/** The race's own parameters, the variant's, and those that were given. @throws RangeError with what was expected */
export function settleParameters({ id, parameters, variants }: Checkable, variant: string, given: Parameters): Parameters {
  const settled: Record<string, number | string> = { ...parameters, ...variants.get(variant)?.parameters };
  for (const [name, text] of Object.entries(given)) {
    const usual = settled[name];
    if (usual === undefined) throw new RangeError(`--set ${name}=${text}: race \`${id}\` has ${Object.keys(settled).length === 0 ? 'no parameters' : `the parameters ${Object.keys(settled).join(', ')}`}`);
    if (typeof usual === 'number' && !/^-?\d+(\.\d+)?$/.test(String(text))) throw new RangeError(`--set ${name}=${text}: expected a number, as ${usual}`);
    settled[name] = typeof usual === 'number' ? Number(text) : String(text);
  }
  return settled;
}
