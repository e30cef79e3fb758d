/** Programs of one thread: nothing is interleaved, so one run of each says everything, and an error names its own line. */
import type { Finding, MachineConfig, SecondaryMmu } from '@mmun/include';
import { codeOf } from '@mmun/oracle';
import { raceProgram } from '@mmun/races';
import type { Race, RaceContext, Setup, Variant } from '@mmun/races';
import { guardPlugin } from './guard.js';
import { toyImage } from './images.js';
import { placeIn, withPlace } from './place.js';
import type { DesignName } from './scenarios.js';

export interface Sequence {
  readonly config?: Partial<MachineConfig>;
  /** The program opens its own devices. */
  readonly opensDevices?: boolean;
  run(t: Setup): void;
}

/** @returns what went wrong in it or afterwards, at rest; null: nothing */
export async function runSequence(plugin: SecondaryMmu, design: DesignName, sequence: Sequence): Promise<Finding | null> {
  const finding = await runOnce(plugin, design, sequence, false);
  // once more, with the lines of everything that may turn out to be forgotten
  return finding === null ? null : (await runOnce(plugin, design, sequence, true)) ?? finding;
}

async function runOnce(plugin: SecondaryMmu, design: DesignName, { config = {}, opensDevices = false, run }: Sequence, isLocating: boolean): Promise<Finding | null> {
  const image = await toyImage(design);
  const variant: Variant = { plugin: guardPlugin(plugin, { isLocating, isSequential: true }), image: design === 'v5' ? 'toy' : 'toy-range' };
  const race: Race = {
    id: 'sequence', title: 'sequence', source: 'the kit', finds: ['bad-plugin'], variants: { buggy: variant, fixed: variant }, config, opensDevices,
    setup: (t) => {
      run(t);
      return null;
    },
    actors: { dev0: (t: RaceContext) => t.rcu() },
  };
  try {
    let found: Finding | null = null;
    const program = raceProgram(race, variant, image, {});
    // the program was run to see whether it can be; its machine is made once more to be looked at
    const m = program.boot();
    program.atEnd?.(m, ({ code, message }) => { found ??= { code: codeOf(code, message), message, replay: '', steps: [] }; });
    return found;
  } catch (error) {
    return findingOf(error);
  }
}

/** An error that a program of one thread ended with. @throws what is no finding about the plugin */
export function findingOf(error: unknown): Finding {
  if (!(error instanceof Error)) throw error;
  const place = placeIn(error.stack);
  const raw = (error as { code?: unknown }).code;
  if (error.name === 'KernelBug' && typeof raw === 'string') {
    const code = raw.startsWith('secondary-mmu-') ? 'bad-plugin' : codeOf(raw, error.message);
    return { code, message: withPlace(code === raw || code === 'bad-plugin' ? error.message : `${error.message} (${code})`, place), replay: '', steps: [] };
  }
  return { code: 'bad-plugin', message: withPlace(`${error.name}: ${error.message}`, place), replay: '', steps: [] };
}
