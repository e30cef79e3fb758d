const DIGIT_0 = 48;
const DIGIT_9 = 57;
const BLANK = 32;
const TAB = 9;

/** What the last of so many digits behind the point stands for, in ns. */
const NS_OF_DIGITS: readonly number[] = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1];

/** From here on not every integer is a number. */
const TOO_LARGE = 2 ** 53;

/** Value of a hexadecimal digit by its byte, 255 for every other byte. */
const HEX_VALUE: Uint8Array = hexValues();

/**
 * Reads numbers out of bytes without making strings. A reader moves `pos` behind
 * what it read; where nothing fits it leaves `pos` and answers NaN.
 */
export class ByteCursor {
  buf: Buffer = Buffer.alloc(0);
  pos = 0;
  end = 0;

  /** The same bytes, for comparing four at a time. */
  view: DataView = new DataView(new ArrayBuffer(0));

  reset(buf: Buffer, start: number, end: number): void {
    if (this.buf !== buf) this.view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
    this.buf = buf;
    this.pos = start;
    this.end = end;
  }

  skipBlanks(): void {
    const { buf, end } = this;
    let pos = this.pos;
    while (pos < end && (buf[pos] === BLANK || buf[pos] === TAB)) pos++;
    this.pos = pos;
  }

  /** Decimal digits; exact below 2^53, rounded above. */
  decimal(): number {
    const { buf, end } = this;
    let pos = this.pos;
    let value = 0;
    while (pos < end) {
      const digit = buf[pos] - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      pos++;
    }
    if (pos === this.pos) return NaN;
    this.pos = pos;
    return value;
  }

  /** Hexadecimal digits without `0x`; exact below 2^53, above rounded within the page. */
  hexDigits(): number {
    const { buf, end } = this;
    let pos = this.pos;
    let high = 0;
    let low = 0;
    // Seven digits at a time stay small integers; most addresses have twelve.
    const split = pos + 7;
    while (pos < end && pos < split) {
      const digit = HEX_VALUE[buf[pos]];
      if (digit > 15) break;
      high = (high << 4) | digit;
      pos++;
    }
    let value = high;
    if (pos === split) {
      let scale = 1;
      while (pos < end) {
        const digit = HEX_VALUE[buf[pos]];
        if (digit > 15) break;
        if (scale === 0x10000000) {
          value = value * scale + low;
          low = 0;
          scale = 1;
        }
        low = (low << 4) | digit;
        scale *= 16;
        pos++;
      }
      value = value * scale + low;
      if (value >= TOO_LARGE) value = this.#keepingAlignment(pos);
    }
    if (pos === this.pos) return NaN;
    this.pos = pos;
    return value;
  }

  /** The digits up to `end`: the page is exact, and what is no page boundary does not become one. */
  #keepingAlignment(end: number): number {
    let page = 0;
    for (let pos = this.pos; pos < end - 3; pos++) page = page * 16 + HEX_VALUE[this.buf[pos]];
    let isAligned = true;
    for (let pos = end - 3; pos < end; pos++) isAligned &&= HEX_VALUE[this.buf[pos]] === 0;
    return page * 4096 + (isAligned ? 0 : 2048);
  }

  /** `0x` and hexadecimal digits, or decimal digits. */
  number(): number {
    const { buf, pos } = this;
    if (buf[pos] === DIGIT_0 && pos + 2 < this.end && buf[pos + 1] === 120) {
      this.pos = pos + 2;
      const value = this.hexDigits();
      if (value !== value) this.pos = pos;
      return value;
    }
    return this.decimal();
  }

  /** Digits of a decimal fraction as nanoseconds: `5` is 500000000; digits behind the ninth are dropped. */
  fractionNs(): number {
    const { buf, end } = this;
    const start = this.pos;
    const stop = Math.min(end, start + 9);
    let pos = start;
    let ns = 0;
    while (pos < stop) {
      const digit = buf[pos] - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      ns = ns * 10 + digit;
      pos++;
    }
    if (pos === start) return NaN;
    ns *= NS_OF_DIGITS[pos - start];
    while (pos < end && buf[pos] >= DIGIT_0 && buf[pos] <= DIGIT_9) pos++;
    this.pos = pos;
    return ns;
  }

  /** Are the next bytes those of `token`? Then `pos` moves behind them. */
  take(token: Token): boolean {
    const { pos } = this;
    if (pos + token.length > this.end || !token.standsAt(this.buf, this.view, pos)) return false;
    this.pos = pos + token.length;
    return true;
  }

  byte(): number {
    return this.pos < this.end ? this.buf[this.pos] : -1;
  }

  /** The bytes of `[start, end)` as text; bytes that are no UTF-8 become U+FFFD. */
  text(start: number, end: number): string {
    return this.buf.toString('utf8', start, end);
  }
}

/** Bytes to look for, four at a time: most tokens of perf are longer than thirty. */
export class Token {
  readonly length: number;
  readonly #words: Int32Array;
  readonly #rest: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.length = bytes.length;
    const nrWords = bytes.length >> 2;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#words = Int32Array.from({ length: nrWords }, (_, i) => view.getInt32(i * 4, true));
    this.#rest = Uint8Array.from(bytes.subarray(nrWords * 4));
  }

  /** `view` shows the bytes of `buf`; the caller has made sure that there are enough of them. */
  standsAt(buf: Uint8Array, view: DataView, pos: number): boolean {
    const words = this.#words;
    const rest = this.#rest;
    let at = pos + words.length * 4;
    for (let i = 0; i < rest.length; i++) if (buf[at + i] !== rest[i]) return false;
    // Backwards: what tells neighbouring lines and like names apart stands at the end.
    for (let i = words.length - 1; i >= 0; i--) {
      at -= 4;
      if (view.getInt32(at, true) !== words[i]) return false;
    }
    return true;
  }
}

export function asciiToken(text: string): Token {
  return new Token(Uint8Array.from(Buffer.from(text, 'latin1')));
}

function hexValues(): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (let i = 0; i < 16; i++) {
    table[i.toString(16).charCodeAt(0)] = i;
    table[i.toString(16).toUpperCase().charCodeAt(0)] = i;
  }
  return table;
}
