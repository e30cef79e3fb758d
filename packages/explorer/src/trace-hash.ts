/**
 * The past of each thread as a hash: of its steps, and for each word that a step touched of
 * the whole past of that word. Two executions whose threads have equal hashes differ only
 * in the order of independent steps, so they are in the same state.
 */
import type { PointKind, Where } from '@mmun/include';
import type { Execution, Observer } from './execution.js';
import { Hash } from './hash.js';
import { EXCLUSIVE, NOTHING, START, classOf } from './operation.js';
import type { AccessClass } from './operation.js';

const { imul } = Math;

/** What happened to a word: everything before the present run of accesses of one class, and the run, in no order. */
interface WordPast {
  lo: number;
  hi: number;
  runLo: number;
  runHi: number;
  cls: AccessClass;
}

export class TraceHash implements Observer {
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  private readonly words: Map<number, WordPast> = new Map();
  private readonly reached: WordPast[] = [];
  private readonly hash: Hash = new Hash();

  constructor(nrThreads: number) {
    this.lo = new Int32Array(nrThreads);
    this.hi = new Int32Array(nrThreads);
  }

  reset(): void {
    for (let t = 0; t < this.lo.length; t++) this.lo[t] = this.hi[t] = t + 1;
    this.words.clear();
  }

  chose(thread: number, option: number): void {
    this.mix(thread, 0x1000 + option, 0, 0);
  }

  began(x: Execution, thread: number): void {
    this.reached.length = 0;
    const kind = x.kindOf(thread);
    this.mix(thread, kind, 0, 0);
    if (kind !== START) this.access(thread, x.whereOf(thread), kind);
  }

  touched(x: Execution, kind: PointKind, where: Where): void {
    this.access(x.current, where, kind);
  }

  /** The words that the step touched now have it in their past. */
  ended(_x: Execution, thread: number): void {
    for (const past of this.reached) {
      past.runLo = (past.runLo + imul(this.lo[thread] ^ 0x2545f491, 0x9e3779b1)) | 0;
      past.runHi = (past.runHi + imul(this.hi[thread] ^ 0x4f6cdd1d, 0x85ebca77)) | 0;
    }
  }

  private access(thread: number, where: number, kind: number): void {
    const cls = classOf(kind);
    if (cls === NOTHING) return;
    let past = this.words.get(where);
    if (past === undefined) this.words.set(where, (past = { lo: where, hi: ~where, runLo: 0, runHi: 0, cls }));
    if (cls === EXCLUSIVE || past.cls !== cls) {
      this.hash.reset(past.lo);
      this.hash.add(past.hi);
      this.hash.add(past.runLo);
      this.hash.add(past.runHi);
      past.lo = this.hash.lo;
      past.hi = this.hash.hi;
      past.runLo = past.runHi = 0;
      past.cls = cls;
    }
    this.mix(thread, where, past.lo, past.hi);
    if (!this.reached.includes(past)) this.reached.push(past);
  }

  private mix(thread: number, what: number, lo: number, hi: number): void {
    const { hash } = this;
    hash.lo = this.lo[thread];
    hash.hi = this.hi[thread];
    hash.add(what);
    hash.add(lo);
    hash.add(hi);
    this.lo[thread] = hash.lo;
    this.hi[thread] = hash.hi;
  }
}
