/**
 * Who happened before whom in one execution: vector clocks over steps, and for every
 * word the accesses to it, so that races between steps can be read off.
 */
import { NOTHING, EXCLUSIVE, classOf, classesDepend } from './operation.js';
import type { AccessClass } from './operation.js';

/** One access of a step to a word: its operation, or the leaving of a lock within it. */
export interface Access {
  readonly step: Step;
  readonly where: number;
  readonly cls: AccessClass;
  /** The word when the access came, and when the next access of the step came, or its end. */
  readonly before: number;
  after: number;
}

export interface Step {
  readonly thread: number;
  readonly kind: number;
  readonly where: number;
  /** Its place in the execution, 0 first. */
  readonly depth: number;
  /** Its place among the steps of its thread, 1 first. */
  readonly ordinal: number;
  /** By thread: how many of its steps happened before this one ended, itself included. */
  readonly clock: number[];
  /** Words that it touched by `touch`, as kind and word in turn. */
  readonly also: number[];
  /** How its choices went. */
  choices: readonly number[];
  /** All words in whose histories it is. */
  readonly words: number[];
}

/** An operation that a thread is about to do. */
export interface Pending {
  readonly thread: number;
  readonly kind: number;
  readonly where: number;
  readonly mask: number;
  readonly value: number;
  readonly isWait: boolean;
}

export function happensBefore(first: Step, second: Step): boolean {
  return (second.clock[first.thread] as number) >= first.ordinal;
}

export class Histories {
  private readonly byWord: Map<number, Access[]> = new Map();

  of(where: number): readonly Access[] {
    return this.byWord.get(where) ?? [];
  }

  /** Adds an access and lets the step's clock know what came before it. */
  add(step: Step, where: number, kind: number, before: number): Access | null {
    const cls = classOf(kind);
    if (cls === NOTHING) return null;
    let list = this.byWord.get(where);
    if (list === undefined) this.byWord.set(where, (list = []));
    joinEarlier(list, cls, step.clock);
    const access: Access = { step, where, cls, before, after: before };
    list.push(access);
    step.words.push(where);
    return access;
  }

  /** Takes the last step back. */
  remove(step: Step): void {
    for (const where of step.words) this.byWord.get(where)?.pop();
  }

  clear(): void {
    this.byWord.clear();
  }

  /**
   * Steps that raced with `pending`: it could have come right before them. For a wait, only those before which,
   * as far as the other accesses tell, what it waits for held.
   * @param past clock of the pending thread's last step
   */
  races(pending: Pending, past: readonly number[] | null): Step[] {
    const cls = classOf(pending.kind);
    const kept: Step[] = [];
    if (cls === NOTHING) return kept;
    const list = this.of(pending.where);
    for (let i = list.length - 1; i >= 0; i--) {
      const { step, cls: other } = list[i] as Access;
      if (!classesDepend(cls, other)) continue;
      const isPast = past !== null && (past[step.thread] as number) >= step.ordinal;
      if (!isPast && !kept.some((k) => happensBefore(step, k)) && (!pending.isWait || couldHold(list, i, pending))) kept.push(step);
      const isSettled = isPast || !pending.isWait || kept.some((k) => happensBefore(step, k));
      if (other === EXCLUSIVE && isSettled) break;
    }
    return kept;
  }
}

/** The accesses of the word's present run of one class, or the exclusive one before, happen before an access of class `cls`. */
function joinEarlier(list: readonly Access[], cls: AccessClass, clock: number[]): void {
  let i = list.length - 1;
  while (i >= 0 && !classesDepend(cls, (list[i] as Access).cls)) i--;
  if (i < 0) return;
  const run = (list[i] as Access).cls;
  for (; i >= 0 && (list[i] as Access).cls === run; i--) {
    join(clock, (list[i] as Access).step.clock);
    if (run === EXCLUSIVE) return;
  }
}

function join(into: number[], from: readonly number[]): void {
  for (let t = 0; t < into.length; t++) into[t] = Math.max(into[t] as number, from[t] as number);
}

/** The value of the word had the steps that depend on access `i` not been taken. */
function couldHold(list: readonly Access[], i: number, { mask, value }: Pending): boolean {
  const { step, before } = list[i] as Access;
  let word = before;
  for (let k = i + 1; k < list.length; k++) {
    const later = list[k] as Access;
    if (!happensBefore(step, later.step)) word += later.after - later.before;
  }
  return (word & mask) === value;
}
