/**
 * The set of states seen: a fingerprint of 64 bits and a note of 16 each, in open
 * addressing. 10 bytes a slot, at most three quarters full, so 13 to 27 bytes a state.
 */
const FIRST_CAPACITY = 1 << 12;

export class StateTable {
  size = 0;
  /** Lower and upper half of each fingerprint, side by side: mostly one place in memory is looked at. */
  private halves: Int32Array = new Int32Array(FIRST_CAPACITY * 2);
  private notes: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  private mask = FIRST_CAPACITY - 1;

  /** @returns its slot; negative where it was not seen: then ~slot is where it would stand */
  find(lo: number, hi: number): number {
    if ((lo | hi) === 0) lo = 1;
    const { halves, mask } = this;
    for (let slot = lo & mask; ; slot = (slot + 1) & mask) {
      const thisLo = halves[slot * 2];
      const thisHi = halves[slot * 2 + 1];
      if (thisLo === lo && thisHi === hi) return slot;
      if ((thisLo | thisHi) === 0) return ~slot;
    }
  }

  /** @param missing what `find` returned */
  add(missing: number, lo: number, hi: number, note: number): void {
    if ((lo | hi) === 0) lo = 1;
    const slot = ~missing;
    this.halves[slot * 2] = lo;
    this.halves[slot * 2 + 1] = hi;
    this.notes[slot] = note;
    if (++this.size * 4 > this.notes.length * 3) this.grow();
  }

  note(slot: number): number {
    return this.notes[slot];
  }

  setNote(slot: number, note: number): void {
    this.notes[slot] = note;
  }

  /** Bytes in use, per state. */
  bytesPerState(): number {
    return this.size === 0 ? 0 : (this.notes.length * 10) / this.size;
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
    const { halves, notes } = this;
    this.resize(notes.length * 2);
    for (let old = 0; old < notes.length; old++) {
      const lo = halves[old * 2];
      const hi = halves[old * 2 + 1];
      if ((lo | hi) === 0) continue;
      const slot = ~this.find(lo, hi);
      this.halves[slot * 2] = lo;
      this.halves[slot * 2 + 1] = hi;
      this.notes[slot] = notes[old];
    }
  }

  private resize(capacity: number): void {
    this.halves = new Int32Array(capacity * 2);
    this.notes = new Uint16Array(capacity);
    this.mask = capacity - 1;
  }
}
