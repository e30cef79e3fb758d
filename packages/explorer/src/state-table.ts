/**
 * The set of states seen: a fingerprint of 64 bits and a note of 16 each, in open
 * addressing. 10 bytes a slot, at most three quarters full, so 13 to 27 bytes a state.
 */
const FIRST_CAPACITY = 1 << 12;

export class StateTable {
  size = 0;
  private lo: Int32Array = new Int32Array(FIRST_CAPACITY);
  private hi: Int32Array = new Int32Array(FIRST_CAPACITY);
  private notes: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  private mask = FIRST_CAPACITY - 1;

  /** @returns its slot; negative where it was not seen: then ~slot is where it would stand */
  find(lo: number, hi: number): number {
    if ((lo | hi) === 0) lo = 1;
    let slot = lo & this.mask;
    for (;;) {
      if (this.lo[slot] === lo && this.hi[slot] === hi) return slot;
      if (this.lo[slot] === 0 && this.hi[slot] === 0) return ~slot;
      slot = (slot + 1) & this.mask;
    }
  }

  /** @param missing what `find` returned */
  add(missing: number, lo: number, hi: number, note: number): void {
    if ((lo | hi) === 0) lo = 1;
    const slot = ~missing;
    this.lo[slot] = lo;
    this.hi[slot] = hi;
    this.notes[slot] = note;
    if (++this.size * 4 > this.lo.length * 3) this.grow();
  }

  note(slot: number): number {
    return this.notes[slot];
  }

  setNote(slot: number, note: number): void {
    this.notes[slot] = note;
  }

  /** Bytes in use, per state. */
  bytesPerState(): number {
    return this.size === 0 ? 0 : (this.lo.length * 10) / this.size;
  }

  /** How likely it is that two different states had one fingerprint, so that one was left out. */
  collisionProbability(): number {
    return -Math.expm1(-(this.size * this.size) / 2 / 2 ** 64);
  }

  clear(): void {
    this.size = 0;
    this.resize(FIRST_CAPACITY);
  }

  private grow(): void {
    const { lo, hi, notes } = this;
    this.resize(lo.length * 2);
    for (let old = 0; old < lo.length; old++) {
      if (lo[old] === 0 && hi[old] === 0) continue;
      const slot = ~this.find(lo[old], hi[old]);
      this.lo[slot] = lo[old];
      this.hi[slot] = hi[old];
      this.notes[slot] = notes[old];
    }
  }

  private resize(capacity: number): void {
    this.lo = new Int32Array(capacity);
    this.hi = new Int32Array(capacity);
    this.notes = new Uint16Array(capacity);
    this.mask = capacity - 1;
  }
}
