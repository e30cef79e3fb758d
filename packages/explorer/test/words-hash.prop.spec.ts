import fc from 'fast-check';
import { WordsHash } from '../src/words-hash.js';
import type { Image } from '../src/words-hash.js';

/** What may be done to one of several machines whose words are hashed side by side. */
type Deed = { readonly machine: number; readonly deed: 'write' | 'hash' | 'save' | 'restore' | 'release'; readonly at: number; readonly value: number };

const deeds: fc.Arbitrary<Deed[]> = fc.array(fc.record({
  machine: fc.nat(1), deed: fc.constantFrom('write', 'write', 'write', 'hash', 'save', 'restore', 'release'), at: fc.nat(99), value: fc.constantFrom(0, 1, -1, 0x7fffffff, -0x80000000),
}), { maxLength: 120 });

const d = (machine: number, deed: Deed['deed'], at = 0, value = 1): Deed => ({ machine, deed, at, value });

/** Hardly ever drawn. The image compared with is given up and written over; what is written then is what the old one had. */
const writtenOver: Deed[] = [d(0, 'write'), d(0, 'save'), d(0, 'write', 2), d(0, 'save'), d(0, 'restore', 0), d(0, 'release', 1), d(0, 'save'), d(0, 'write', 2), d(0, 'hash')];
/** Another machine is hashed between hash and save; what is written then is what it had. */
const interrupted: Deed[] = [d(0, 'write', 8), d(0, 'hash'), d(1, 'write', 3), d(1, 'hash'), d(0, 'save'), d(0, 'write', 3), d(0, 'hash')];

/** What a hash says that has seen nothing but these words. */
function fresh(words: Int32Array): string {
  const hash = new WordsHash(words.slice().buffer as ArrayBuffer);
  hash.update();
  return `${hash.lo} ${hash.hi}`;
}

describe('the hash of words', () => {
  it('is that of the words as they are, whatever was saved, put back and given up, here and in another machine', () => {
    fc.assert(fc.property(deeds, fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 70 }), (all, small, large) => {
      const machines = [small, large].map((length) => {
        const words = new Int32Array(length);
        return { words, hash: new WordsHash(words.buffer), kept: [] as { image: Image; words: Int32Array }[], isHashed: false };
      });
      for (const { machine, deed, at, value } of all) {
        const one = machines[machine] as (typeof machines)[number];
        const { words, hash, kept } = one;
        const i = at % Math.max(kept.length, 1);
        if (deed === 'write') {
          words[at % words.length] = value;
          one.isHashed = false;
        }
        if (deed === 'save') {
          if (!one.isHashed) hash.update();
          one.isHashed = true;
          kept.push({ image: hash.save(), words: words.slice() });
        }
        if (deed === 'restore' && kept[i] !== undefined) {
          hash.restore(kept[i].image);
          one.isHashed = true;
          expect(words).toEqual(kept[i].words);
        }
        if (deed === 'release' && kept[i] !== undefined) hash.release(kept.splice(i, 1)[0]?.image as Image);
        if (deed === 'hash') {
          if (!one.isHashed) hash.update();
          one.isHashed = true;
          expect(`${hash.lo} ${hash.hi}`).toBe(fresh(words));
        }
      }
    }), { numRuns: 200, examples: [[writtenOver, 9, 9], [interrupted, 9, 9]] });
  });

  it('differs wherever a word does', () => {
    const words = new Int32Array(37);
    const hashes = new Set([fresh(words)]);
    for (let i = 0; i < words.length; i++) for (const value of [1, -1, -0x80000000]) {
      words.fill(0)[i] = value;
      hashes.add(fresh(words));
    }
    expect(hashes.size).toBe(37 * 3 + 1);
  });
});
