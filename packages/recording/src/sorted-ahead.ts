/** Anything with a stamp; NaN stands for "right behind the one before". */
interface Stamped {
  readonly time: number;
}

/** How many records a source is read ahead; a record that comes later than this stays late. */
const WINDOW = 64;

/**
 * Puts a nearly sorted source in order: reads a few records ahead and hands out the
 * earliest, equal stamps in the source's order. Sorted input costs one comparison
 * per record.
 */
export class SortedAhead<T extends Stamped> {
  readonly #next: () => T | null;
  readonly #ring: (T | null)[] = new Array<T | null>(WINDOW).fill(null);
  #head = 0;
  #size = 0;
  #isAtEnd = false;

  constructor(next: () => T | null) {
    this.#next = next;
  }

  /** The earliest record, or null at the end; it stays. */
  peek(): T | null {
    while (this.#size < WINDOW && !this.#isAtEnd) this.#readOne();
    return this.#size === 0 ? null : this.#ring[this.#head];
  }

  /** Takes the record that `peek` showed. */
  shift(): void {
    this.#ring[this.#head] = null;
    this.#head = (this.#head + 1) % WINDOW;
    this.#size--;
  }

  #readOne(): void {
    const record = this.#next();
    if (record === null) {
      this.#isAtEnd = true;
      return;
    }
    const ring = this.#ring;
    let at = this.#size;
    while (at > 0) {
      const before = ring[(this.#head + at - 1) % WINDOW] as T;
      if (!(before.time > record.time)) break;
      ring[(this.#head + at) % WINDOW] = before;
      at--;
    }
    ring[(this.#head + at) % WINDOW] = record;
    this.#size++;
  }
}
