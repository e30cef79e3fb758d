/**
 * The same replay with all the memory it wants is the measure: every word that program or guest reads is equal, and so are
 * the maps.
 */
import { replay } from './short-memory.js';
import type { Outcome } from './short-memory.js';

describe('a recording in too little memory', () => {
  for (const sample of ['true', 'demo']) {
    it(`${sample}: a third of the frames is enough, and nobody can tell but by the clock`, async () => {
      const roomy = await replay(sample);
      const tight = await replay(sample, { nrFrames: Math.ceil(roomy.maxFrames / 3) });
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
    const roomy = await replay('true');
    const refused = await replay('true', { nrFrames: Math.ceil(roomy.maxFrames / 15), nrSwapSlots: 4 });
    expect(refused.maxSlots).toBe(4);
    expect(refused.findings).toEqual([]);
  });
});
