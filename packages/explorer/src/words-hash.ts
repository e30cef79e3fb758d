/**
 * A machine's words: kept, put back, and hashed at the cost of what has changed. The hash is the sum of a hash of each
 * word and its place, so that it follows from that of an earlier image and from the words that differ from it, and to find
 * those is many times cheaper than to hash all.
 */
import { Rng } from './rng.js';
import { BLOCK_WORDS, SideBySide } from './side-by-side.js';
import type { Kept } from './side-by-side.js';

const { imul, min } = Math;
let sideBySide: SideBySide | undefined;
const rng = new Rng(0x6a09e667);
/** Two for each word that any machine has had so far, always the same. */
let keys = new Int32Array(0);
/** Images for which room is made at once. */
const MANY_IMAGES = 16;

/** The words as they were at some time. Not changed while anyone needs it. */
export interface Image extends Kept {
  lo: number;
  hi: number;
}

export class WordsHash {
  lo = 0;
  hi = 0;
  private readonly words: Int32Array;
  private readonly side: SideBySide = (sideBySide ??= new SideBySide());
  /** The image that the words are compared with: one that was saved or put back lately. */
  private base: Image;
  /** To make an array takes longer than to fill it. */
  private readonly spare: Image[] = [];
  private isBaseSpare = true;
  /** Images to come. */
  private room: Int32Array = new Int32Array(0);
  private roomAt = 0;
  /** The words are as they were when last compared with `base`. */
  private isCompared = false;

  constructor(buffer: ArrayBuffer) {
    this.words = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
    if (keys.length < this.words.length * 2) {
      const known = keys;
      keys = Int32Array.from({ length: this.words.length * 2 }, (_, i) => known[i] ?? rng.bits());
    }
    this.base = this.blank();
  }

  /** What is the hash now? */
  update(): void {
    const { words, base, side } = this;
    const { words: then } = base;
    this.lo = base.lo;
    this.hi = base.hi;
    const nrBlocks = side.compare(words, base);
    for (let block = 0; block < nrBlocks; block++) {
      const at = side.blockAt(block);
      const end = min(at + BLOCK_WORDS, words.length);
      for (let i = at; i < end; i++) this.change(i, words[i], then[i]);
    }
    this.isCompared = true;
  }

  /** The words as they are, and as they were when `update` was last called. */
  save(): Image {
    const image = this.spare.pop() ?? this.blank();
    image.words.set(this.words);
    image.lo = this.lo;
    image.hi = this.hi;
    this.side.wrote(image, this.isCompared ? this.words : null);
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
    this.isCompared = false;
  }

  private blank(): Image {
    const { length } = this.words;
    if (this.roomAt === this.room.length) {
      this.room = new Int32Array(min(Math.max(this.room.length * 2, length), length * MANY_IMAGES));
      this.roomAt = 0;
    }
    const words = this.room.subarray(this.roomAt, (this.roomAt += length));
    return { words, lo: 0, hi: 0 };
  }

  private change(at: number, now: number, then: number): void {
    if (now === then) return;
    const keyLo = keys[2 * at];
    const keyHi = keys[2 * at + 1];
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
