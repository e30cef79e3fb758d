/**
 * A machine's words: kept, put back, and hashed at the cost of what has changed. The hash is the sum of a hash of each
 * word and its place, so that it follows from that of an earlier image and from the words that differ from it, and to find
 * those is several times cheaper than to hash all. Two words are compared at once.
 */
import { Rng } from './rng.js';

const { imul } = Math;

/** The words as they were at some time. Not changed while anyone needs it. */
export interface Image {
  readonly words: Int32Array;
  readonly pairs: BigInt64Array;
  lo: number;
  hi: number;
}

export class WordsHash {
  lo = 0;
  hi = 0;
  private readonly words: Int32Array;
  private readonly pairs: BigInt64Array;
  private readonly keys: Int32Array;
  /** The image that the words are compared with: one that was saved or put back lately. */
  private base: Image;
  /** To make an array takes longer than to fill it. */
  private readonly spare: Image[] = [];
  private isBaseSpare = true;

  constructor(buffer: ArrayBuffer) {
    this.words = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
    this.pairs = new BigInt64Array(buffer, 0, buffer.byteLength >>> 3);
    const rng = new Rng(0x6a09e667);
    this.keys = Int32Array.from({ length: this.words.length * 2 }, () => rng.bits());
    this.base = this.blank();
  }

  /** What is the hash now? */
  update(): void {
    const { words, pairs, base } = this;
    const { words: then, pairs: thenPairs } = base;
    this.lo = base.lo;
    this.hi = base.hi;
    for (let i = 0; i < pairs.length; i++) {
      if (pairs[i] === thenPairs[i]) continue;
      this.change(2 * i, words[2 * i], then[2 * i]);
      this.change(2 * i + 1, words[2 * i + 1], then[2 * i + 1]);
    }
    const last = words.length - 1;
    if ((last & 1) === 0) this.change(last, words[last], then[last]);
  }

  /** The words as they are, and as they were when `update` was last called. */
  save(): Image {
    const image = this.spare.pop() ?? this.blank();
    image.words.set(this.words);
    image.lo = this.lo;
    image.hi = this.hi;
    this.compareWith(image);
    return image;
  }

  restore(image: Image): void {
    this.words.set(image.words);
    this.lo = image.lo;
    this.hi = image.hi;
    this.compareWith(image);
  }

  /** Nobody needs the image any more: another will be written over it. */
  release(image: Image): void {
    if (image === this.base) this.isBaseSpare = true;
    else this.spare.push(image);
  }

  private compareWith(image: Image): void {
    if (this.isBaseSpare && image !== this.base) this.spare.push(this.base);
    this.isBaseSpare = false;
    this.base = image;
  }

  private blank(): Image {
    const words = new Int32Array((this.words.length + 1) & ~1);
    return { words: words.subarray(0, this.words.length), pairs: new BigInt64Array(words.buffer), lo: 0, hi: 0 };
  }

  private change(at: number, now: number, then: number): void {
    if (now === then) return;
    const keyLo = this.keys[2 * at];
    const keyHi = this.keys[2 * at + 1];
    this.lo = (this.lo + scrambled(now ^ keyLo) - scrambled(then ^ keyLo)) | 0;
    this.hi = (this.hi + scrambled(imul(now, 0x9e3779b1) ^ keyHi) - scrambled(imul(then, 0x9e3779b1) ^ keyHi)) | 0;
  }
}

/** Each bit of the result depends on all bits; no two words have the same result. */
function scrambled(word: number): number {
  word = imul(word ^ (word >>> 16), 0x85ebca6b);
  word = imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}
