/**
 * Real programs in too little memory, with a guest over theirs: what they touched leaves memory and comes again. The same
 * replay with all the memory it wants is the measure: every word that program or guest reads is equal, and so are the maps.
 */
import * as image from '@mmun/image';
import type { Finding, Mm, Vaddr } from '@mmun/include';
import { PF_WRITE } from '@mmun/include';
import { auditSecondary } from '@mmun/plugin-kit';
import { kvm } from '@mmun/plugin-kvm';
import { replayRecording } from '@mmun/recording';
import type { RecordingResult } from '@mmun/recording';
import { join } from 'node:path';

type Machine = ReturnType<typeof image.boot>;
type Driver = ReturnType<typeof image.attachSecondaryMmu>;
const SAMPLES = join(import.meta.dirname, '../../../samples');
/** Addresses of one program that are used again now and then. */
const REMEMBERED = 64;

interface Outcome {
  readonly result: RecordingResult;
  readonly findings: readonly Finding[];
  /** Every word that was read, and every refusal, in order. */
  readonly words: readonly number[];
  readonly maxFrames: number;
  readonly maxSlots: number;
  readonly agePage: number;
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

  add(mm: Mm, address: Vaddr): void {
    if (!this.#instances.has(mm)) this.#instances.set(mm, image.run(this.#m, this.#driver.create(mm)));
    const instance = this.#instances.get(mm) as number;
    for (let tries = 0; tries < 4; tries++) {
      if (image.run(this.#m, this.#driver.access(instance, address, true)) !== 0) return;
      if (image.run(this.#m, this.#driver.fault(instance, address, true)) !== 0) return;
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

/** @param nrFrames 0: as many as it wants, and no swap */
async function replay(sample: string, nrFrames: number, nrSwapSlots = 16384): Promise<Outcome> {
  const words: number[] = [];
  const written = new Map<Mm, Vaddr[]>();
  let m = undefined as unknown as Machine;
  let guest = undefined as unknown as Guest;
  let maxFrames = 0;
  let maxSlots = 0;
  let seed = 1;
  const next = (n: number): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % n;
  const result = await replayRecording<Machine>(image, join(SAMPLES, sample), {
    boot: (config) => image.boot(config, [kvm]),
    ...(nrFrames > 0 ? { config: { nrFrames, nrSwapSlots } } : {}),
    onBoot: (_, booted) => {
      m = booted;
      guest = new Guest(m, image.attachSecondaryMmu(m, kvm as never));
    },
    afterEvent: ({ task, effect }) => {
      maxFrames = Math.max(maxFrames, m.framePool.head.used[0]);
      maxSlots = Math.max(maxSlots, m.swapPool.head.used[0]);
      guest.forgetTheDead();
      for (const mm of written.keys()) if (!image.isMmAlive(m, mm)) written.delete(mm);
      if (effect.kind !== 'fault') return;
      const before = image.getCurrent(m);
      image.setCurrent(m, task);
      const mm = image.mmOf(m, task);
      const mine = written.get(mm) ?? [];
      written.set(mm, mine);
      const word = (effect.address - (effect.address % 4)) as Vaddr;
      if ((effect.errorCode & PF_WRITE) !== 0 && image.run(m, image.userWrite(m, word, words.length + 1)) === 0) mine[mine.length < REMEMBERED ? mine.length : next(REMEMBERED)] = word;
      if (mine.length > 0) {
        if (next(2) === 0) guest.add(mm, mine[next(mine.length)]);
        words.push(image.run(m, image.userRead(m, mine[next(mine.length)])));
      }
      image.setCurrent(m, before);
    },
  });
  const findings = [...auditSecondary(image, m), ...image.checkMachine(m)];
  return { result, findings, words, maxFrames, maxSlots, agePage: image.notifierCounts(m)?.agePage ?? 0 };
}

describe('a recording in too little memory', () => {
  for (const sample of ['true', 'demo']) {
    it(`${sample}: a third of the frames is enough, and nobody can tell but by the clock`, async () => {
      const roomy = await replay(sample, 0);
      const tight = await replay(sample, Math.ceil(roomy.maxFrames / 3));
      expect([...roomy.findings, ...tight.findings]).toEqual([]);
      expect(tight.maxSlots).toBeGreaterThan(0);
      expect(tight.agePage).toBeGreaterThan(0);
      expect(tight.words.length).toBeGreaterThan(10);
      expect(tight.words).toEqual(roomy.words);
      const surface = ({ result }: Outcome): unknown => result.processes.map(({ maps, addresses, errnos, vmFlags }) => ({ maps, addresses, errnos, vmFlags }));
      expect(surface(tight)).toEqual(surface(roomy));
      expect(tight.result.processes.every(({ maps }) => maps.equal)).toBe(true);
    });
  }

  it('with hardly any frames and slots the machine stays consistent, whatever is refused', async () => {
    const roomy = await replay('true', 0);
    const refused = await replay('true', Math.ceil(roomy.maxFrames / 15), 4);
    expect(refused.maxSlots).toBe(4);
    expect(refused.findings).toEqual([]);
  });
});
