/** A laboratory out of the tools that link and compile: what the command and the tests run claims in. */
import { allRaces } from '../all-races.js';
import type { Checkable } from '../checkable.js';
import type { CheckOptions, CheckReport } from '../check-race.js';
import type { SourceEdit } from '../define.js';
import type { RaceImage } from '../race-image.js';
import type { Lab, LabImage } from './claim.js';

export interface LabTools {
  linkRace(options: { image?: string; edits?: readonly SourceEdit[] }): Promise<unknown>;
  typeErrors(source: string, folder: string, conditions?: readonly string[]): readonly { readonly message: string }[];
  evaluate(source: string, image: string): Promise<unknown>;
  /** Left out: on this thread, linked with what the variant wants. */
  checkRace?(race: Checkable, options: CheckOptions): Promise<CheckReport>;
  /** Where sources that are compiled pretend to stand: a folder of the workspace. */
  readonly folder: string;
}

interface Linked {
  readonly image: RaceImage;
  readonly allRaces: readonly Checkable[];
  checkRace(race: Checkable, image: RaceImage | null, options: CheckOptions): Promise<CheckReport>;
}

const CONDITIONS: Readonly<Record<'v5' | 'range' | 'off', readonly string[]>> = { v5: [], range: ['@mmun/notifier-range'], off: ['@mmun/notifier-off'] };

/** @param signal ends the search that is under way */
export function openLab({ linkRace, typeErrors, evaluate, checkRace, folder }: LabTools, signal?: AbortSignal): Lab {
  /** What takes seconds is not begun any more. */
  const goOn = (): void => { if (signal?.aborted === true) throw new Error('interrupted'); };
  const link = async (image: string, edits: readonly SourceEdit[] = []): Promise<Linked> => {
    goOn();
    return await linkRace({ image, edits }) as Linked;
  };
  const check = checkRace ?? ((race, options): Promise<CheckReport> => checkLinked(link, race, options));
  const known = new Map<string, Promise<CheckReport>>();
  return {
    // several claims rest on one exploration
    check: (race, options) => {
      const key = JSON.stringify([race, options]);
      const run = known.get(key) ?? check(named(allRaces, race), { ...options, ...(signal === undefined ? {} : { signal }) });
      known.set(key, run);
      return run;
    },
    image: async (name) => (await link(name)).image as LabImage,
    typeErrors: async (source, design) => {
      goOn();
      return typeErrors(source, folder, CONDITIONS[design]).map(({ message }) => message.split('\n')[0] as string);
    },
    evaluate: async (source, image) => {
      goOn();
      return evaluate(source, image);
    },
  };
}

async function checkLinked(link: (image: string, edits?: readonly SourceEdit[]) => Promise<Linked>, { id, variants }: Checkable, options: CheckOptions): Promise<CheckReport> {
  const plan = variants.get(options.variant);
  if (plan === undefined) throw new RangeError(`race \`${id}\` has no variant \`${options.variant}\``);
  const linked = await link(plan.image ?? 'toy', plan.edits);
  return linked.checkRace(named(linked.allRaces, id), plan.image === null ? null : linked.image, options);
}

function named(races: readonly Checkable[], name: string): Checkable {
  const race = races.find(({ id }) => id === name);
  if (race === undefined) throw new RangeError(`no race is called \`${name}\``);
  return race;
}
