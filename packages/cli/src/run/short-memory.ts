/** A replay in less memory than its programs want: what they wrote leaves memory and comes again, the same. */
import { Rng } from '@mmun/explorer';
import type { Finding, KernelServices, Mm, SecondaryMmu, Vaddr } from '@mmun/include';
import { PAGE_SIZE, PF_WRITE } from '@mmun/include';
import { foldAddress } from '@mmun/recording';
import type { RecordingResult, ReplayOptions } from '@mmun/recording';
import { UsageError } from '../usage-error.js';
import type { Machine, ReplayImage } from './images.js';

/** What `mmun run --frames` adds for one recording. */
export interface MemoryReport {
  /** Page frames that there were, and those that the recording uses at once where it may. */
  readonly frames: number;
  readonly wanted: number;
  /** Pages that were out at once, in swap or in blocks of files. */
  readonly swapped: number;
  /** Words of the programs' memory that were read again, and those that were as where nothing leaves memory. */
  readonly words: { readonly checked: number; readonly equal: number };
}

/** Words that a frame keeps here: the first is the program's, the other the devices'. */
const CONTENT_WORDS = 2;
/** Addresses of one program that are read again now and then. */
const REMEMBERED = 256;

export type ReplayedEffect = Parameters<NonNullable<ReplayOptions<Machine>['afterEvent']>>[0];
type MachineOptions = Pick<ReplayOptions<Machine>, 'config'>;

/** The machine in which all has room. */
export const ROOMY: MachineOptions = { config: { pageContentWords: CONTENT_WORDS } };

/** @param wanted frames that the recording uses where it may: so many can have to go */
export function shortOf(frames: number, wanted: number): MachineOptions {
  return { config: { nrFrames: frames, nrSwapSlots: 2 * wanted + 1024, pageContentWords: CONTENT_WORDS } };
}

/**
 * Writes a number of its own where the program has just written, and reads what it wrote earlier. Its choices are the same in each
 * replay of a recording, so the words are to be, whoever is asked to leave memory in between.
 */
export class Witness {
  readonly words: number[] = [];
  maxFrames = 0;
  maxSlots = 0;

  readonly #written: Map<Mm, Vaddr[]> = new Map();
  readonly #choices = new Rng(1);

  afterEvent(image: ReplayImage, { machine, task, effect }: ReplayedEffect): void {
    this.maxFrames = Math.max(this.maxFrames, machine.framePool.head.used[0] ?? 0);
    this.maxSlots = Math.max(this.maxSlots, machine.swapPool.head.used[0] ?? 0);
    if (effect.kind !== 'fault' || task === 0) return;
    const mm = image.mmOf(machine, task);
    if (mm === 0) return;
    for (const known of this.#written.keys()) if (!image.isMmAlive(machine, known)) this.#written.delete(known);
    const before = image.getCurrent(machine);
    image.setCurrent(machine, task);
    this.#readAndWrite(image, machine, mm, (effect.errorCode & PF_WRITE) !== 0 ? foldAddress(image, effect.address) : -1);
    image.setCurrent(machine, before);
  }

  /** @param at what the program wrote to, or -1 */
  #readAndWrite(image: ReplayImage, machine: Machine, mm: Mm, at: number): void {
    const own = this.#written.get(mm) ?? [];
    this.#written.set(mm, own);
    const page = (at - (at % PAGE_SIZE)) as Vaddr;
    if (at >= 0 && image.run(machine, image.userWrite(machine, page, this.words.length + 1)) === 0) own[own.length < REMEMBERED ? own.length : this.#choices.below(REMEMBERED)] = page;
    const again = own[this.#choices.below(own.length)];
    if (again !== undefined) this.words.push(image.run(machine, image.userRead(machine, again)));
  }
}

/** A device over the same memory that leaves the witness its word of each page. */
export function sparing(plugin: SecondaryMmu): SecondaryMmu {
  const attach = (s: KernelServices): ReturnType<SecondaryMmu['attach']> => plugin.attach({
    ...s,
    deviceWrite: (pfn, address, value) => { if ((address >>> 2) % CONTENT_WORDS !== 0) s.deviceWrite(pfn, address, value); },
  });
  return { ...plugin, attach };
}

/** @throws UsageError where the frames did not do: what came after a fault without a page is no replay */
export function judgeMemory(frames: number, roomy: Witness, tight: Witness, { name, skipped }: Pick<RecordingResult, 'name' | 'skipped'>): { readonly memory: MemoryReport; readonly findings: readonly Finding[] } {
  const starved = skipped.find(({ reason }) => reason.startsWith('the machine is out of page frames'));
  if (starved !== undefined) {
    throw new UsageError(`--frames ${frames}: too few for ${name}: the fault at ${starved.file}:${starved.line} finds no frame, and nothing more that could be swapped out; without a limit it uses ${roomy.maxFrames}`);
  }
  const first = roomy.words.findIndex((word, i) => word !== tight.words[i]);
  const equal = roomy.words.filter((word, i) => word === tight.words[i]).length;
  const memory = { frames, wanted: roomy.maxFrames, swapped: tight.maxSlots, words: { checked: roomy.words.length, equal } };
  if (first < 0) return { memory, findings: [] };
  return { memory, findings: [{ code: 'lost-write', message: `${name}: word ${first} that a program reads again is ${tight.words[first]}, and ${roomy.words[first]} where nothing leaves memory`, replay: '', steps: [] }] };
}
