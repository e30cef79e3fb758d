/**
 * Sequences of steps that must still be tried from a state, as an ordered tree: the
 * wakeup trees of optimal partial-order reduction (Abdulla, Aronis, Jonsson, Sagonas).
 */
import { clash } from './operation.js';
import type { Footprint } from './operation.js';

/** A step of a thread, known by what it does. */
export interface Move extends Footprint {
  readonly thread: number;
  /** How its choices went; null: however they go. */
  readonly choices: readonly number[] | null;
}

export interface Branch extends Move {
  readonly children: Branch[];
  /**
   * Of a step that was moved before another: what it touches there is not known until it is taken, and it has no children until then.
   * Sequences that it stands for if it commutes with them as it did where it was seen; null where it was seen with the same past.
   */
  readonly standsFor: Move[][] | null;
}

/** `move` can come first in a sequence that is equivalent to `sequence`, or to one that extends it. */
export function isWeakInitial(move: Move, sequence: readonly Move[]): boolean {
  for (const next of sequence) {
    if (next.thread === move.thread) return isSameChoice(move.choices, next.choices);
    if (clash(move, next)) return false;
  }
  return true;
}

/** Adds a sequence, the last step of which was moved, unless the tree has an equivalent of it or of its beginning. @param rest the sequence, which is used up */
export function insert(tree: Branch[], rest: Move[]): void {
  const moved = rest.at(-1);
  let children = tree;
  for (;;) {
    const branch = children.find((b) => isWeakInitial(b, rest));
    if (branch === undefined) break;
    if (branch.standsFor !== null) {
      if (branch.thread !== rest[0]?.thread) branch.standsFor.push(rest);
      return;
    }
    removeFirst(rest, branch.thread);
    if (branch.children.length === 0 || rest.length === 0) return;
    children = branch.children;
  }
  for (const move of rest) {
    const { thread, kind, where, also, choices } = move;
    const branch: Branch = { thread, kind, where, also, choices, children: [], standsFor: move === moved ? [] : null };
    children.push(branch);
    children = branch.children;
  }
}

export function isSameChoice(a: readonly number[] | null, b: readonly number[] | null): boolean {
  return a === null || b === null || (a.length === b.length && a.every((option, i) => option === b[i]));
}

/** Takes the first move of the thread out, if there is one. */
function removeFirst(sequence: Move[], thread: number): void {
  const at = sequence.findIndex((move) => move.thread === thread);
  if (at < 0) return;
  for (let i = at + 1; i < sequence.length; i++) sequence[i - 1] = sequence[i] as Move;
  sequence.pop();
}
