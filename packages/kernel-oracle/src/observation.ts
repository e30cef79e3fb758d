/** What can be seen after an operation, of the model or of the kernel, in one form. */
import type { World } from './world.js';
import { ARENA, HEAP, SEAM, hugeSamples } from './zones.js';
import type { Zone } from './zones.js';

const MAX_ROWS = 512;
/** start, end, access (r 1, w 2, x 4, s 8), offset, file */
export const ROW_WORDS = 5;
/** Any shared anonymous mapping: the kernel's inode numbers of them mean nothing. */
export const ANONYMOUS_FILE = 1;

/** Bits of a page. */
export const PRESENT = 1;
export const OF_FILE = 2;
export const EXCLUSIVE = 4;
/** The zero page, where frames can be told. */
export const IS_ZERO = 8;

export interface SmapsRow {
  readonly start: number;
  /** Pages. */
  readonly anonymous: number;
  readonly rss: number;
  /** Two letters each. */
  readonly flags: string;
}

/** Of mincore's answer, as much as is compared. */
export const VEC_BYTES = 24;

/** One is filled again and again. */
export class Observation {
  /** A result or a negative errno; for an access 0 or the signal. */
  result = 0;
  nrRows = 0;
  readonly rows: Float64Array = new Float64Array(MAX_ROWS * ROW_WORDS);
  readonly pages: Uint8Array;
  /** 0 where frames cannot be told. */
  readonly frames: Float64Array;
  /** First word of each page; -1 where it cannot be read. */
  readonly words: Float64Array;
  /** Of mincore, one for each page. */
  readonly vec: Uint8Array = new Uint8Array(VEC_BYTES);
  /** Looked at now and then only. */
  smaps: readonly SmapsRow[] | null = null;

  constructor(nrPages: number) {
    this.pages = new Uint8Array(nrPages);
    this.frames = new Float64Array(nrPages);
    this.words = new Float64Array(nrPages);
  }

  addRow(start: number, end: number, access: number, offset: number, file: number): void {
    const at = this.nrRows * ROW_WORDS;
    if (at >= this.rows.length) return;
    this.rows[at] = start;
    this.rows[at + 1] = end;
    this.rows[at + 2] = access;
    this.rows[at + 3] = offset;
    this.rows[at + 4] = file;
    this.nrRows++;
  }
}

/** The pages that are looked at, one after the other. */
export function observedZones({ top, hasHugePages }: Pick<World, 'top' | 'hasHugePages'>): readonly Zone[] {
  return [ARENA, top, HEAP, SEAM, ...(hasHugePages ? hugeSamples() : [])];
}
