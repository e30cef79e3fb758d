import { closeSync, openSync, readSync } from 'node:fs';

/** Where bytes come from: a file, or a text in a test. */
export interface ByteSource {
  /** Fills `into` from `offset`; returns the number of bytes, 0 at the end. */
  read(into: Uint8Array, offset: number, lenBytes: number): number;
  close(): void;
}

export function fileSource(path: string): ByteSource {
  const fd = openSync(path, 'r');
  return {
    read: (into, offset, lenBytes) => readSync(fd, into, offset, lenBytes, null),
    close: () => closeSync(fd),
  };
}

export function textSource(text: string | Uint8Array): ByteSource {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  let at = 0;
  return {
    read(into, offset, lenBytes) {
      const part = bytes.subarray(at, at + lenBytes);
      into.set(part, offset);
      at += part.length;
      return part.length;
    },
    close: () => undefined,
  };
}

const CHUNK_BYTES = 1 << 18;
/** A line longer than this is cut: no line of a recording is, a binary file may be one line. */
export const MAX_LINE_BYTES: number = 1 << 20;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/**
 * Steps through a source line by line without making strings. After `next()` the
 * line is `buf[start, end)`, without its newline; the bytes are valid until the
 * following `next()`. Memory does not grow with the file.
 */
export class LineReader {
  buf: Buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  start = 0;
  end = 0;
  /** 1-based number of the current line. */
  line = 0;
  /** Bytes taken from the source so far, for progress. */
  nrBytesRead = 0;
  /** The current line had no newline: the file may have been cut there. */
  isCut = false;
  readonly #source: ByteSource;
  #next = 0;
  #filled = 0;
  #isAtEnd = false;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  next(): boolean {
    let newline = this.#find(this.#next);
    while (newline < 0 && !this.#isAtEnd) {
      const searched = this.#filled - this.#next;
      if (searched >= MAX_LINE_BYTES) break;
      this.#fill();
      newline = this.#find(this.#next + searched);
    }
    this.start = this.#next;
    this.isCut = newline < 0;
    if (newline < 0) {
      if (this.#next === this.#filled) return false;
      newline = this.#filled;
      this.#next = newline;
    } else {
      this.#next = newline + 1;
    }
    this.end = newline > this.start && this.buf[newline - 1] === CARRIAGE_RETURN ? newline - 1 : newline;
    this.line++;
    return true;
  }

  close(): void {
    this.#source.close();
  }

  #find(from: number): number {
    if (from >= this.#filled) return -1;
    const at = this.buf.indexOf(NEWLINE, from);
    return at >= 0 && at < this.#filled ? at : -1;
  }

  #fill(): void {
    const rest = this.#filled - this.#next;
    if (rest > this.buf.length / 2) {
      const larger = Buffer.allocUnsafe(this.buf.length * 2);
      this.buf.copy(larger, 0, this.#next, this.#filled);
      this.buf = larger;
    } else {
      this.buf.copy(this.buf, 0, this.#next, this.#filled);
    }
    this.#next = 0;
    this.#filled = rest;
    const nrBytes = this.#source.read(this.buf, rest, this.buf.length - rest);
    this.#filled += nrBytes;
    this.nrBytesRead += nrBytes;
    this.#isAtEnd = nrBytes === 0;
  }
}
