/** The races of a plugin on the toy machine of the design under test: right ones clean, and convicted without the line that matters. */
import type { CheckReport, Race } from '@mmun/races';
import { effort } from './effort.js';
import { image } from './gate.js';
import { checkOwn } from './linked-races.js';

export interface PluginRaces {
  /** Absolute path of the module that exports them. */
  readonly module: string;
  /** Those whose `fixed` is the driver as it is; an id begins with the design. */
  readonly right: readonly Race[];
  /** Those whose `buggy` is the driver, or its hardware, with a line edited. */
  readonly wrong: readonly Race[];
  /** What a short run looks at of the right ones, and of the wrong ones. */
  readonly quick: RegExp;
  readonly quickWrong: RegExp;
}

/** What `auto` gives up before dpor is through, which takes it a minute: for a night. */
const HARD = /^range-[a-z-]*(dontneed|cow|truncate)-(read|write)$/;
const MILLIS = 600_000;

/** Whether this run looks at a race. @param quick what a short run looks at */
export function isAsked({ id }: Pick<Race, 'id'>, quick: RegExp): boolean {
  const depth = effort(0, 1, 2);
  return id.startsWith(`${image().design}-`) && (quick.test(id) || depth === 2 || (depth === 1 && !HARD.test(id)));
}

export function checkPluginRace(module: string, id: string, variant: 'buggy' | 'fixed', options: { readonly findsAll?: boolean } = {}): Promise<CheckReport> {
  const isHard = variant === 'fixed' && HARD.test(id);
  return checkOwn(module, id, { variant, strategy: isHard ? 'dpor' : 'auto', maxMillis: MILLIS, ...options }, image().design === 'v5' ? 'toy' : 'toy-range');
}

/** Declares the tests. */
export function explorePlugin({ module, right, wrong, quick, quickWrong }: PluginRaces): void {
  jest.setTimeout(MILLIS + 100_000);
  const asked = right.filter((race) => isAsked(race, quick)).map(({ id }) => id);
  const isClean = async (id: string): Promise<void> => {
    const { findings, exhaustive } = await checkPluginRace(module, id, 'fixed');
    expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
  };
  // a design that the plugin does not know has none
  if (asked.length > 0) it.each(asked)('%s: no entry outlives its pte or allows more, in any interleaving', isClean);

  const convicted = wrong.filter((race) => isAsked(race, quickWrong)).map(({ id, finds }) => [id, finds] as const);
  if (convicted.length === 0) return;
  it.each(convicted)('%s is convicted, and acquitted without its line', async (id, finds) => {
    expect(finds).toContain((await checkPluginRace(module, id, 'buggy')).findings[0]?.code);
    await isClean(id);
  });
}
