/** Hashes of 64 bits, kept as two numbers of 32. */
const { imul } = Math;

export class Hash {
  lo = 0;
  hi = 0;

  reset(seed: number): void {
    this.lo = seed ^ 0x243f6a88;
    this.hi = seed ^ 0x13198a2e;
  }

  add(word: number): void {
    const lo = imul(this.lo ^ word, 0x9e3779b1);
    const hi = imul(this.hi ^ word, 0x85ebca77);
    this.lo = (lo ^ (lo >>> 15)) + (hi >>> 17) | 0;
    this.hi = (hi ^ (hi >>> 13)) + (lo << 5) | 0;
  }

  /** Four chains side by side, because one word's turn need not wait for another's. */
  addWords(words: Int32Array): void {
    let a = this.lo;
    let b = this.hi;
    let c = 0x3c6ef372;
    let d = 0x5be0cd19;
    const whole = words.length & ~1;
    for (let i = 0; i < whole; i += 2) {
      const first = words[i];
      const second = words[i + 1];
      a = imul((a ^ first) + (a >>> 15), 0x9e3779b1);
      b = imul((b ^ first) + (b >>> 13), 0x85ebca77);
      c = imul((c ^ second) + (c >>> 15), 0xc2b2ae3d);
      d = imul((d ^ second) + (d >>> 13), 0x27d4eb2f);
    }
    this.lo = a;
    this.hi = b;
    if (whole < words.length) this.add(words[whole]);
    this.add(c);
    this.add(d);
  }

  addString(text: string): void {
    this.add(text.length);
    for (let i = 0; i < text.length; i++) this.add(text.charCodeAt(i));
  }

  addNumber(value: number): void {
    const int = value | 0;
    if (int === value) return this.add(int);
    DOUBLE[0] = value;
    this.add(WORDS[0] ^ 0x5bd1e995);
    this.add(WORDS[1]);
  }

  /** The last turn, without which the end of what was added shows in few bits. */
  finish(): void {
    let { lo, hi } = this;
    lo = imul(lo ^ (lo >>> 16) ^ hi, 0x21f0aaad);
    hi = imul(hi ^ (hi >>> 15) ^ lo, 0x735a2d97);
    this.lo = lo ^ (lo >>> 15) ^ (hi >>> 7);
    this.hi = hi ^ (hi >>> 16);
  }
}

const DOUBLE = new Float64Array(1);
const WORDS = new Int32Array(DOUBLE.buffer);
