const MAX_PREFIX_BYTES = 128;

/**
 * Remembers the beginning of a line, byte by byte. Neighbouring lines share
 * process, thread and second; what was read from these bytes need not be read again.
 */
export class PrefixCache {
  readonly #bytes: Uint8Array = new Uint8Array(MAX_PREFIX_BYTES);
  #length = 0;

  /** Bytes remembered; 0 before the first `store`. */
  get length(): number {
    return this.#length;
  }

  /** Do the bytes at `start` begin as the remembered ones do? */
  matches(buf: Uint8Array, start: number, end: number): boolean {
    const length = this.#length;
    if (length === 0 || start + length > end) return false;
    const bytes = this.#bytes;
    // Backwards: seconds and thread change more often than the name in front.
    for (let i = length - 1; i >= 0; i--) if (buf[start + i] !== bytes[i]) return false;
    return true;
  }

  /** Remembers `buf[start, end)`; a longer prefix is not worth remembering. */
  store(buf: Uint8Array, start: number, end: number): void {
    this.#length = 0;
    if (end - start > MAX_PREFIX_BYTES) return;
    for (let i = start; i < end; i++) this.#bytes[i - start] = buf[i];
    this.#length = end - start;
  }
}
