/** Real programs in too little memory, with a guest over theirs: what they touched leaves memory and comes again. */
import * as image from '@mmun/image';
import type { Finding, KernelServices, Mm, SecondaryMmu, Vaddr } from '@mmun/include';
import { PF_WRITE } from '@mmun/include';
import { auditSecondary } from '@mmun/plugin-kit';
import { kvm } from '@mmun/plugin-kvm';
import { foldAddress, replayRecording } from '@mmun/recording';
import type { RecordingResult } from '@mmun/recording';
import { join } from 'node:path';

type Machine = ReturnType<typeof image.boot>;
type Driver = ReturnType<typeof image.attachSecondaryMmu>;
const SAMPLES = join(import.meta.dirname, '../../../samples');
/** Addresses of one program that are used again now and then. */
const REMEMBERED = 64;
/** That many words before the next one becomes the guest's own. */
const HOT_AFTER = 8;

export interface Outcome {
  readonly result: RecordingResult;
  readonly findings: readonly Finding[];
  /** Every word that was read, and every refusal, in order. */
  readonly words: readonly number[];
  readonly maxFrames: number;
  readonly maxSlots: number;
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

/** A guest that follows each program and adds one to words that the program wrote. */
class Guest {
  readonly #instances = new Map<Mm, number>();

  readonly #m: Machine;
  readonly #driver: Driver;

  constructor(m: Machine, driver: Driver) {
    this.#m = m;
    this.#driver = driver;
  }

  /** @returns misses */
  add(mm: Mm, address: Vaddr): number {
    if (!this.#instances.has(mm)) this.#instances.set(mm, image.run(this.#m, this.#driver.create(mm)));
    const instance = this.#instances.get(mm) as number;
    for (let tries = 0; tries < 4; tries++) {
      if (image.run(this.#m, this.#driver.access(instance, address, true)) !== 0) return tries;
      if (image.run(this.#m, this.#driver.fault(instance, address, true)) !== 0) return tries;
    }
    throw new Error(`the guest does not reach 0x${address.toString(16)}`);
  }

  /** An address space that ended may have its number given to another. */
  forgetTheDead(): void {
    for (const [mm, instance] of this.#instances) {
      if (image.isMmAlive(this.#m, mm)) continue;
      image.run(this.#m, this.#driver.destroy(instance));
      this.#instances.delete(mm);
    }
  }
}

/** Replays a sample; the program writes, the guest adds, and both read it all again. */
export async function replay(sample: string, { nrFrames = 0, nrSwapSlots = 16384, isSeen = true }: Memory = {}): Promise<Outcome> {
  const words: number[] = [];
  const plugin = isSeen ? kvm : unseen(kvm, () => m);
  const written = new Map<Mm, Vaddr[]>();
  let m = undefined as unknown as Machine;
  let guest = undefined as unknown as Guest;
  let maxFrames = 0;
  let maxSlots = 0;
  let hotMisses = 0;
  const hot = new Map<Mm, Vaddr>();
  let seed = 1;
  const next = (n: number): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % n;
  const result = await replayRecording<Machine>(image, join(SAMPLES, sample), {
    boot: (config) => image.boot(config, [plugin]),
    ...(nrFrames > 0 ? { config: { nrFrames, nrSwapSlots } } : {}),
    onBoot: (_, booted) => {
      m = booted;
      guest = new Guest(m, image.attachSecondaryMmu(m, plugin as never));
    },
    afterEvent: ({ task, effect }) => {
      maxFrames = Math.max(maxFrames, m.framePool.head.used[0]);
      maxSlots = Math.max(maxSlots, m.swapPool.head.used[0]);
      guest.forgetTheDead();
      for (const mm of written.keys()) {
        if (image.isMmAlive(m, mm)) continue;
        written.delete(mm);
        hot.delete(mm);
      }
      if (effect.kind !== 'fault') return;
      const before = image.getCurrent(m);
      image.setCurrent(m, task);
      const mm = image.mmOf(m, task);
      const mine = written.get(mm) ?? [];
      written.set(mm, mine);
      const address = foldAddress(image, effect.address);
      const word = (address - (address % 4)) as Vaddr;
      if ((effect.errorCode & PF_WRITE) !== 0 && image.run(m, image.userWrite(m, word, words.length + 1)) === 0) mine[mine.length < REMEMBERED ? mine.length : next(REMEMBERED)] = word;
      const own = hot.get(mm);
      if (own === undefined && mine.length === HOT_AFTER) hot.set(mm, mine.pop() as Vaddr);
      else if (own !== undefined && (image.vmaAfter(m, mm, own)?.start ?? Infinity) <= own) hotMisses += guest.add(mm, own);
      if (mine.length > 0) {
        if (next(2) === 0) guest.add(mm, mine[next(mine.length)]);
        words.push(image.run(m, image.userRead(m, mine[next(mine.length)])));
      }
      image.setCurrent(m, before);
    },
  });
  const findings = [...auditSecondary(image, m), ...image.checkMachine(m)];
  return { result, findings, words, maxFrames, maxSlots, agePage: image.notifierCounts(m)?.agePage ?? 0, hotMisses };
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
