/**
 * Which words of a machine have changed since it was last looked at, found with SIMD instructions: two images lie side by
 * side in WebAssembly memory, and a loop written here by hand compares four words at once. To copy an image there is cheap
 * beside comparing words one by one, so there is one such memory for all searches.
 */
const CODE: readonly number[] = [
  0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  // types: (i32, i32, i32, i32) -> i32
  1, 9, 1, 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f,
  // imports: the memory m.m
  2, 8, 1, 1, 0x6d, 1, 0x6d, 2, 0, 1,
  // one function, exported as d
  3, 2, 1, 0,
  7, 5, 1, 1, 0x64, 0, 0,
  // d(a, b, end, out): writes to `out` where blocks of 16 bytes from `a` to `end` differ from those from `b` on, and returns the end of what it wrote
  10, 61, 1, 59, 0,
  0x03, 0x40, // loop
  0x20, 0, 0xfd, 0x00, 2, 0, 0x20, 1, 0xfd, 0x00, 2, 0, // v128.load a, v128.load b
  0xfd, 0x51, 0xfd, 0x53, // v128.xor, v128.any_true
  0x04, 0x40, // if
  0x20, 3, 0x20, 0, 0x36, 2, 0, // i32.store out, a
  0x20, 3, 0x41, 4, 0x6a, 0x21, 3, // out += 4
  0x0b,
  0x20, 1, 0x41, 16, 0x6a, 0x21, 1, // b += 16
  0x20, 0, 0x41, 16, 0x6a, 0x22, 0, // a += 16
  0x20, 2, 0x49, 0x0d, 0, // a < end: again
  0x0b,
  0x20, 3, 0x0b,
];

/** Words that are told to differ together. */
export const BLOCK_WORDS = 4;
const PAGE_WORDS = 16384;

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** What is used of it: only the browser's `lib` declares it, and node has it all the same. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { readonly initial: number }) => Memory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

type Differ = (a: number, b: number, end: number, out: number) => number;

/** Words as they were. Who writes others into it says so by `wrote`. */
export interface Kept {
  readonly words: Int32Array;
}

export class SideBySide {
  private readonly memory: Memory = new WebAssembly.Memory({ initial: 1 });
  private readonly differ: Differ;
  /** The memory: two images of at most `room` words, then the blocks found. */
  private view: Int32Array;
  private room = 0;
  /** Where the image lies with which was compared, and which it is. */
  private baseAt = 0;
  private base: Kept | null = null;
  /** What was compared with it lies in the other place. */
  private latestAt = 0;
  private latest: Int32Array | null = null;

  constructor() {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(CODE)), { m: { m: this.memory } });
    this.differ = instance.exports['d'] as Differ;
    this.view = new Int32Array(this.memory.buffer);
  }

  /** @returns how many blocks of BLOCK_WORDS differ; see `blockAt` */
  compare(words: Int32Array, base: Kept): number {
    if (words.length > this.room) this.makeRoom(words.length);
    if (this.base !== base) this.view.set(base.words, this.baseAt);
    this.base = base;
    this.latestAt = this.room - this.baseAt;
    this.latest = words;
    this.view.set(words, this.latestAt);
    const out = this.room * 8;
    return (this.differ(this.latestAt * 4, this.baseAt * 4, (this.latestAt + words.length) * 4, out) - out) >> 2;
  }

  /** The first word of the block; the last block may reach behind the end. */
  blockAt(i: number): number {
    return (this.view[this.room * 2 + i] >> 2) - this.latestAt;
  }

  /**
   * The image has been written.
   * @param from words that are as they were when compared last and that the image holds now; null: it holds something else
   */
  wrote(image: Kept, from: Int32Array | null): void {
    if (from !== null && from === this.latest) {
      this.base = image;
      this.baseAt = this.latestAt;
      this.latest = null;
    } else if (this.base === image) this.base = null;
  }

  private makeRoom(nrWords: number): void {
    this.room = Math.ceil(nrWords / BLOCK_WORDS) * BLOCK_WORDS;
    this.base = this.latest = null;
    this.baseAt = 0;
    const pages = Math.ceil((this.room * 3) / PAGE_WORDS);
    this.memory.grow(Math.max(pages - this.memory.buffer.byteLength / 65536, 0));
    this.view = new Int32Array(this.memory.buffer);
  }
}
