/** A seeded source of random numbers: xoshiro128**, small, fast, the same everywhere. */
const { imul } = Math;
export class Rng {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** @param stream of one seed there are 2^32 sources, each different; source 0 is the seed itself */
  constructor(seed: number, stream = 0) {
    let state = (seed ^ scatter(stream)) >>> 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = imul(z ^ (z >>> 16), 0x21f0aaad);
      z = imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) | 0;
    };
    this.a = next();
    this.b = next();
    this.c = next();
    this.d = next() | 1;
  }

  /** 32 random bits, as a signed number. */
  bits(): number {
    const scrambled = imul(this.b, 5);
    const result = imul((scrambled << 7) | (scrambled >>> 25), 9);
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result;
  }

  /** 0 up to n - 1; n at most 2^20. */
  below(n: number): number {
    return ((this.bits() >>> 12) * n) >>> 20;
  }

  /** In [0, 1). */
  unit(): number {
    return (this.bits() >>> 0) / 4294967296;
  }
}

/** One to one, and 0 stays 0. */
function scatter(n: number): number {
  let z = n | 0;
  z = imul(z ^ (z >>> 16), 0x85ebca6b);
  z = imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}
