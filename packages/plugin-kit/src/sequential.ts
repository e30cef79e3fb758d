/** Programs of one thread: nothing is interleaved, so one run of each says everything, and an error names its own line. */
import type { Finding, MachineConfig, SecondaryMmu } from '@mmun/include';
import { codeOf } from '@mmun/oracle';
import { raceProgram } from '@mmun/races';
import type { Race, RaceContext, Setup, Variant } from '@mmun/races';
import { Failures } from './failures.js';
import { guardPlugin } from './guard.js';
import { toyImage } from './images.js';
import { placeIn, withPlace } from './place.js';
import type { DesignName } from './scenarios.js';

export interface Sequence {
  readonly config?: Partial<MachineConfig>;
  /** The program opens its own devices. */
  readonly opensDevices?: boolean;
  /** What the driver is told of the machine instead. */
  readonly lessRoom?: Partial<MachineConfig>;
  /** Every lock that the driver only tries to get is somebody else's. */
  readonly isRefusing?: boolean;
  /** It is run once for each service that can fail in it, and that one does. */
  readonly fails?: boolean;
  run(t: Setup): void;
}

/** More than fail in any of them. */
const MANY_FAILURES = 100;

/** @returns what went wrong in it or afterwards, at rest; null: nothing */
export async function runSequence(plugin: SecondaryMmu, design: DesignName, sequence: Sequence): Promise<Finding | null> {
  if (sequence.fails !== true) return runLocating(plugin, design, sequence);
  for (let at = 1; at <= MANY_FAILURES; at++) {
    const failures = new Failures(at);
    const finding = await runLocating(plugin, design, sequence, failures);
    if (finding !== null) return { ...finding, message: failures.what === '' ? finding.message : `${finding.message}; \`${failures.what}\` had failed before` };
    if (failures.what === '') break;
  }
  return null;
}

async function runLocating(plugin: SecondaryMmu, design: DesignName, sequence: Sequence, failures?: Failures): Promise<Finding | null> {
  const finding = await runOnce(plugin, design, sequence, false, failures);
  // once more, with the lines of everything that may turn out to be forgotten
  return finding === null ? null : (await runOnce(plugin, design, sequence, true, failures)) ?? finding;
}

async function runOnce(plugin: SecondaryMmu, design: DesignName, sequence: Sequence, isLocating: boolean, failures?: Failures): Promise<Finding | null> {
  const { config = {}, opensDevices = false, isRefusing = false, lessRoom, run } = sequence;
  const image = await toyImage(design);
  const variant: Variant = { plugin: guardPlugin(plugin, { isLocating, isRefusing, isSequential: true, ...(failures === undefined ? {} : { failures }), ...(lessRoom === undefined ? {} : { lessRoom }) }), image: design === 'v5' ? 'toy' : 'toy-range' };
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
