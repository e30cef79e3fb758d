/**
 * The same replay with all the memory it wants is the measure: every word that program or guest reads is equal, and so are
 * the maps. What differs between archs and designs is who asks whether the guest has used a page.
 */
import * as image from '@mmun/image';
import { effort, gate, later } from '@mmun/test-support';
import { replay } from './short-memory.js';
import type { Outcome } from './short-memory.js';

/** s390 overrides ptep_clear_flush_young, and v5 put its hook into what is overridden. */
const ASKS = !image.config.arch.startsWith('s390') || image.config.design !== 'v5';
const surface = ({ result }: Outcome): unknown => result.processes.map(({ maps, addresses, errnos, vmFlags }) => ({ maps, addresses, errnos, vmFlags }));

/** Replayed once, whoever asks first. */
const measured = new Map<string, Promise<Outcome>>();
const withAllItWants = (sample: string): Promise<Outcome> => measured.get(sample) ?? (measured.set(sample, replay(sample)).get(sample) as Promise<Outcome>);

const secondary = gate('MMU_NOTIFIER');
/** Every day x86 alone, under v5; the fast build of the other archs in full effort. */
const isLater = image.config.design !== 'v5' || image.config.arch !== 'x86';
const isLast = image.config.build === 'fast' && image.config.arch !== 'x86' && effort(0, 1) === 0;

(isLast ? describe.skip : isLater ? later(describe.skip, describe) : describe)(`a recording in too little memory, on ${image.config.arch} under ${image.config.design}`, () => {
  for (const sample of ['true', 'demo'].slice(0, effort(1, 2))) secondary.it(`${sample}: swaps, reads the same back, ends with equal maps`, async () => {
    const roomy = await withAllItWants(sample);
    const nrFrames = Math.ceil(roomy.witness.maxFrames / 3);
    const tight = await replay(sample, { nrFrames });
    expect([...roomy.findings, ...tight.findings]).toEqual([]);
    expect(tight.witness.maxFrames).toBeLessThanOrEqual(nrFrames);
    expect(tight.witness.maxSlots).toBeGreaterThan(0);
    expect(tight.witness.words.length).toBeGreaterThan(10);
    expect(tight.witness.words).toEqual(roomy.witness.words);
    expect(surface(tight)).toEqual(surface(roomy));
    expect(tight.result.processes.every(({ maps }) => maps.equal)).toBe(true);
    expect(tight.agePage > 0).toBe(ASKS);
  });

  secondary.it('with hardly any frames and slots the machine stays consistent, whatever is refused', async () => {
    const { maxFrames } = (await withAllItWants('true')).witness;
    const refused = await replay('true', { nrFrames: Math.ceil(maxFrames / 15), nrSwapSlots: 4 });
    expect([refused.witness.maxSlots, refused.findings]).toEqual([4, []]);
  });

  // On s390 it is the storage key that keeps a page which a guest uses: whoever leaves no mark there is forgotten under v5.
  secondary.it('a page that only the guest uses stays where the guest is asked; where nobody asks it stays as long as its storage key tells, and is evicted else', async () => {
    const { maxFrames } = (await withAllItWants('true')).witness;
    const nrFrames = Math.ceil(maxFrames / 3);
    const [seen, unseen] = [await replay('true', { nrFrames }), await replay('true', { nrFrames, isSeen: false })];
    expect([...seen.findings, ...unseen.findings]).toEqual([]);
    expect([seen.hotMisses, unseen.hotMisses]).toEqual([1, ASKS ? 1 : expect.any(Number)]);
    expect(unseen.hotMisses > 1).toBe(!ASKS);
  });
});
