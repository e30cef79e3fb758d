import type { Call } from './call.js';
import type { Effect, ExecEffect } from './effect.js';
import type { MmapEvent } from './perf-event.js';

/** Position not decided yet. */
export const UNDECIDED = -1;
/** The call had no effect: it never returned, or is restarted. */
export const DEAD = -2;

/**
 * A call on its way through the queue. It is put in at its entry, and once more
 * where its thread takes the mmap lock; `place` says which of the two counts.
 */
export interface PendingCall {
  readonly kind: 'pending-call';
  readonly call: Call;
  /** Sequence number of the slot at the call's entry. */
  entrySeq: number;
  /** The slot that counts, UNDECIDED or DEAD. */
  place: number;
  isReturned: boolean;
  /** Its MMAP2 has not come yet. */
  isWaitingForMmap: boolean;
}

/** An exec whose MMAP2 rows are still coming. */
export interface PendingExec {
  readonly kind: 'pending-exec';
  readonly effect: Omit<ExecEffect, 'rows' | 'firstBrk'> & { readonly rows: MmapEvent[]; firstBrk: number | null };
  /** The program ran in user mode: later MMAP2s are not exec's. */
  isRunning: boolean;
  /** The program's first call has not come yet, or its first brk(NULL) has not returned. */
  isOpen: boolean;
}

type Item = Effect | PendingCall | PendingExec;

const COMPACT_AT = 4096;

/**
 * Effects in order, held back while the first of them still lacks something: its
 * position, its result, its file, its rows. What is behind it waits with it.
 */
export class EffectQueue {
  #items: (Item | null)[] = [];
  #head = 0;
  /** Sequence number of `#items[0]`. */
  #firstSeq = 0;

  /** Adds at the end; returns the slot's sequence number. */
  push(item: Item): number {
    this.#items.push(item);
    return this.#firstSeq + this.#items.length - 1;
  }

  /** The next effect, or null where the queue is empty or its first slot is not ready. */
  take(): Effect | null {
    // #advance may replace the array.
    while (this.#head < this.#items.length) {
      const item = this.#items[this.#head] as Item;
      if (item.kind === 'pending-call') {
        const isHere = item.place === this.#firstSeq + this.#head;
        if (item.place === UNDECIDED || (isHere && !(item.isReturned && !item.isWaitingForMmap))) return null;
        this.#advance();
        if (isHere) return item.call;
      } else if (item.kind === 'pending-exec') {
        if (item.isOpen) return null;
        this.#advance();
        return item.effect;
      } else {
        this.#advance();
        return item;
      }
    }
    return null;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  #advance(): void {
    this.#items[this.#head] = null;
    this.#head++;
    if (this.#head === this.#items.length) {
      this.#firstSeq += this.#head;
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#firstSeq += this.#head;
      this.#head = 0;
    }
  }
}
