/** Real programs in too little memory, with a guest over theirs: what they touched leaves memory and comes again. */
import * as image from '@mmun/image';
import type { Finding, KernelServices, Mm, SecondaryMmu, Vaddr } from '@mmun/include';
import { PAGE_SIZE, PF_WRITE } from '@mmun/include';
import { auditSecondary } from '@mmun/plugin-kit';
import { kvm } from '@mmun/plugin-kvm';
import { foldAddress, replayRecording } from '@mmun/recording';
import type { RecordingResult } from '@mmun/recording';
import { numbers } from '@mmun/test-support';
import { join } from 'node:path';
import { Witness } from '../src/run/short-memory.js';
import type { ReplayedEffect } from '../src/run/short-memory.js';

type Machine = ReturnType<typeof image.boot>;
type Driver = ReturnType<typeof image.attachSecondaryMmu>;
const SAMPLES = join(import.meta.dirname, '../../../samples');
/** Pages that a program writes before the next one becomes the guest's own. */
const HOT_AFTER = 8;

export interface Outcome {
  readonly result: RecordingResult;
  readonly findings: readonly Finding[];
  /** What the programs read, and what the guest added to and the kernel says of it. */
  readonly witness: Witness;
  readonly agePage: number;
  /** How often the guest missed the page that it uses all the time. */
  readonly hotMisses: number;
}

export interface Memory {
  /** Left out: as many as the program wants, and no swap. */
  readonly nrFrames?: number;
  readonly nrSwapSlots?: number;
  /** false: the guest's accesses leave no mark in the frame itself, where the arch keeps one there. */
  readonly isSeen?: boolean;
}

/** What the guest knows of one program. */
interface Followed {
  readonly instance: number;
  /** Pages that the program wrote. */
  readonly pages: Vaddr[];
  /** The page that nobody but the guest uses. */
  hot: Vaddr | 0;
}

/** A guest that follows each program and adds one to words that the program wrote. */
class Guest {
  hotMisses = 0;

  readonly #followed = new Map<Mm, Followed>();
  readonly #below = numbers(1);
  readonly #m: Machine;
  readonly #driver: Driver;

  constructor(m: Machine, driver: Driver) {
    this.#m = m;
    this.#driver = driver;
  }

  /** @returns whether the program wrote to a page that the guest has from now on for itself */
  afterEvent({ task, effect }: ReplayedEffect): boolean {
    this.#forgetTheDead();
    if (effect.kind !== 'fault') return false;
    const mm = image.mmOf(this.#m, task);
    if (!this.#followed.has(mm)) this.#followed.set(mm, { instance: image.run(this.#m, this.#driver.create(mm)), pages: [], hot: 0 });
    const followed = this.#followed.get(mm) as Followed;
    const { pages, hot } = followed;
    if (hot !== 0 && (image.vmaAfter(this.#m, mm, hot)?.start ?? Infinity) <= hot) this.hotMisses += this.#add(followed, hot);
    if ((effect.errorCode & PF_WRITE) !== 0) {
      const address = foldAddress(image, effect.address);
      const page = (address - (address % PAGE_SIZE)) as Vaddr;
      if (hot === 0 && pages.length >= HOT_AFTER - 1 && !pages.includes(page)) {
        followed.hot = page;
        return true;
      }
      if (page !== hot) pages.push(page);
    }
    if (pages.length > 0 && this.#below(2) === 0) this.#add(followed, pages[this.#below(pages.length)] as Vaddr);
    return false;
  }

  /** @returns misses */
  #add({ instance }: Followed, address: Vaddr): number {
    for (let tries = 0; tries < 4; tries++) {
      if (image.run(this.#m, this.#driver.access(instance, address, true)) !== 0) return tries;
      if (image.run(this.#m, this.#driver.fault(instance, address, true)) !== 0) return tries;
    }
    throw new Error(`the guest does not reach 0x${address.toString(16)}`);
  }

  /** An address space that ended may have its number given to another. */
  #forgetTheDead(): void {
    for (const [mm, { instance }] of this.#followed) {
      if (image.isMmAlive(this.#m, mm)) continue;
      image.run(this.#m, this.#driver.destroy(instance));
      this.#followed.delete(mm);
    }
  }
}

/** Replays a sample; the program writes, the guest adds, and both read it all again. */
export async function replay(sample: string, { nrFrames = 0, nrSwapSlots = 16384, isSeen = true }: Memory = {}): Promise<Outcome> {
  const plugin = isSeen ? kvm : unseen(kvm, () => m);
  const witness = new Witness();
  let m = undefined as unknown as Machine;
  let guest = undefined as unknown as Guest;
  const result = await replayRecording<Machine>(image, join(SAMPLES, sample), {
    boot: (config) => image.boot(config, [plugin]),
    ...(nrFrames > 0 ? { config: { nrFrames, nrSwapSlots } } : {}),
    onBoot: (_, booted) => {
      m = booted;
      guest = new Guest(m, image.attachSecondaryMmu(m, plugin as never));
    },
    afterEvent: (replayed) => {
      const before = image.getCurrent(m);
      image.setCurrent(m, replayed.task);
      const isGuests = guest.afterEvent(replayed);
      image.setCurrent(m, before);
      if (!isGuests) witness.afterEvent(image, replayed);
    },
  });
  const findings = [...auditSecondary(image, m), ...image.checkMachine(m)];
  return { result, findings, witness, agePage: image.notifierCounts(m)?.agePage ?? 0, hotMisses: guest.hotMisses };
}

/** A device whose accesses leave no mark in the frame: where the arch keeps marks there, nobody sees them. */
function unseen(plugin: SecondaryMmu, machine: () => Machine): SecondaryMmu {
  const attach = (s: KernelServices): ReturnType<SecondaryMmu['attach']> => plugin.attach({
    ...s,
    deviceRead: (pfn, address) => machine().words[image.contentWhere(machine(), pfn, address)],
    deviceWrite: (pfn, address, value) => { machine().words[image.contentWhere(machine(), pfn, address)] = value; },
  });
  return { ...plugin, attach };
}
