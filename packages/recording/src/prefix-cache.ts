import type { ByteCursor } from './byte-cursor.js';

/** Threads that write in turn; each has a beginning of its own. */
const NR_SLOTS = 8;
const SLOT_WORDS = 32;
/** A longer prefix is not worth remembering. */
const MAX_PREFIX_BYTES = SLOT_WORDS * 4;

/** What the beginning of a line says. */
export interface PrefixFields {
  pid: number;
  tid: number;
  seconds: number;
}

interface Slot extends PrefixFields {
  length: number;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}

/**
 * Remembers how the last few different lines began. Neighbouring lines share process,
 * thread and second; what was read from these bytes need not be read again.
 */
export class PrefixCache {
  readonly #slots: readonly Slot[] = Array.from({ length: NR_SLOTS }, newSlot);
  #last = 0;
  #next = 0;

  /**
   * What stands at the cursor, if a line began like that before; the cursor moves
   * behind it. undefined: it has to be read.
   */
  take(cursor: ByteCursor): PrefixFields | undefined {
    for (let i = 0; i < NR_SLOTS; i++) {
      const index = (this.#last + i) & (NR_SLOTS - 1);
      const slot = this.#slots[index];
      if (slot.length === 0 || !standsAt(slot, cursor)) continue;
      this.#last = index;
      cursor.pos += slot.length;
      return slot;
    }
    return undefined;
  }

  /** Remembers that `buf[start, end)` says `fields`, in place of the oldest. */
  store(buf: Uint8Array, start: number, end: number, fields: PrefixFields): void {
    if (end - start > MAX_PREFIX_BYTES) return;
    const slot = this.#slots[this.#next];
    this.#last = this.#next;
    this.#next = (this.#next + 1) & (NR_SLOTS - 1);
    slot.length = end - start;
    slot.bytes.fill(0);
    for (let i = start; i < end; i++) slot.bytes[i - start] = buf[i];
    const view = new DataView(slot.bytes.buffer);
    for (let i = 0; i < SLOT_WORDS; i++) slot.words[i] = view.getInt32(i * 4, true);
    slot.pid = fields.pid;
    slot.tid = fields.tid;
    slot.seconds = fields.seconds;
  }
}

function standsAt(slot: Slot, cursor: ByteCursor): boolean {
  const { pos, buf, view } = cursor;
  const { length, words, bytes } = slot;
  if (pos + length > cursor.end) return false;
  const nrWords = length >> 2;
  for (let i = nrWords * 4; i < length; i++) if (buf[pos + i] !== bytes[i]) return false;
  // Backwards: seconds and thread change more often than the name in front.
  for (let i = nrWords - 1; i >= 0; i--) if (view.getInt32(pos + i * 4, true) !== words[i]) return false;
  return true;
}

function newSlot(): Slot {
  return { length: 0, words: new Int32Array(SLOT_WORDS), bytes: new Uint8Array(MAX_PREFIX_BYTES), pid: 0, tid: 0, seconds: 0 };
}
