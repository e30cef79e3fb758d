/** Anything with a stamp; NaN stands for "right behind the one before". */
interface Stamped {
  readonly time: number;
}

/** How many records a source is read ahead; a record that comes later than this stays late. */
const WINDOW = 64;
const MASK: number = WINDOW - 1;

/**
 * Puts a nearly sorted source in order: reads a few records ahead and hands out the
 * earliest, equal stamps in the source's order. Sorted input costs one comparison
 * per record.
 */
export class SortedAhead<T extends Stamped> {
  readonly #next: () => T | null;
  readonly #ring: (T | null)[] = new Array<T | null>(WINDOW).fill(null);
  /** Each record's stamp, beside it: records are of many shapes, and a field of theirs is looked up. */
  readonly #times = new Float64Array(WINDOW);
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

  /** The stamp of what `peek` showed; Infinity at the end. */
  get time(): number {
    return this.#size === 0 ? Infinity : (this.#times[this.#head] as number);
  }

  /** Takes the record that `peek` showed. */
  shift(): void {
    this.#ring[this.#head] = null;
    this.#head = (this.#head + 1) & MASK;
    this.#size--;
  }

  #readOne(): void {
    const record = this.#next();
    if (record === null) {
      this.#isAtEnd = true;
      return;
    }
    const ring = this.#ring;
    const times = this.#times;
    const { time } = record;
    let at = this.#head + this.#size;
    while (at > this.#head) {
      const before = (at - 1) & MASK;
      if (!((times[before] as number) > time)) break;
      ring[at & MASK] = ring[before] as T;
      times[at & MASK] = times[before] as number;
      at--;
    }
    ring[at & MASK] = record;
    times[at & MASK] = time;
    this.#size++;
  }
}
