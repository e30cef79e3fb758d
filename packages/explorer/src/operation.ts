/** Kinds of operations, and which of them depend on each other. */
import { ACQUIRE, ACQUIRE_SHARED, CALL, POINT_NAMES, READ, RELEASE, RELEASE_SHARED, WAIT, YIELD } from '@mmun/include';
import type { PointKind } from '@mmun/include';

/** The stretch of a thread before its first point: possible at once, touches nothing shared. */
export const START = 9;

/** Depends on everything else on its word. */
export const EXCLUSIVE = 0;
/** Only looks: two of them commute. */
export const LOOKS = 1;
/** Comes and goes as one of several holders: the word is counted up and down, in any order. */
export const SHARES = 2;
/** Touches no word. */
export const NOTHING = 3;

export type AccessClass = typeof EXCLUSIVE | typeof LOOKS | typeof SHARES | typeof NOTHING;

const CLASS_OF: readonly AccessClass[] = classes();

function classes(): AccessClass[] {
  const out: AccessClass[] = Array.from({ length: START + 1 }, () => EXCLUSIVE);
  out[READ] = LOOKS;
  out[WAIT] = LOOKS;
  out[CALL] = LOOKS;
  out[ACQUIRE_SHARED] = SHARES;
  out[RELEASE_SHARED] = SHARES;
  out[YIELD] = NOTHING;
  out[START] = NOTHING;
  return out;
}

export function classOf(kind: number): AccessClass {
  return CLASS_OF[kind] as AccessClass;
}

/** Two operations on one word. */
export function classesDepend(a: AccessClass, b: AccessClass): boolean {
  return a !== NOTHING && b !== NOTHING && (a !== b || a === EXCLUSIVE);
}

/** Whether two operations of different threads may not change places. */
export function depend(kindA: number, whereA: number, kindB: number, whereB: number): boolean {
  return whereA === whereB && classesDepend(classOf(kindA), classOf(kindB));
}

/** What a step touches: its operation, and what it named by `touch`, as kind and word in turn. */
export interface Footprint {
  readonly kind: number;
  readonly where: number;
  readonly also: readonly number[];
}

/** Whether two steps of different threads may not change places. */
export function clash(a: Footprint, b: Footprint): boolean {
  if (depend(a.kind, a.where, b.kind, b.where)) return true;
  return (a.also.length > 0 && touches(b, a)) || (b.also.length > 0 && touches(a, b));
}

/** `a` depends on something that `b` touches besides its operation. */
function touches(a: Footprint, { also }: Footprint): boolean {
  for (let i = 0; i < also.length; i += 2) {
    const [kind, where] = [also[i] as number, also[i + 1] as number];
    if (depend(a.kind, a.where, kind, where)) return true;
    for (let k = 0; k < a.also.length; k += 2) if (depend(a.also[k] as number, a.also[k + 1] as number, kind, where)) return true;
  }
  return false;
}

export const NO_WORDS: readonly number[] = [];

export function isRelease(kind: PointKind): boolean {
  return kind === RELEASE || kind === RELEASE_SHARED;
}

/** A wait for a lock; every other operation on a lock's word looks at it without waiting. */
export function isLockWait(kind: PointKind): boolean {
  return kind === ACQUIRE || kind === ACQUIRE_SHARED;
}

export function nameOfKind(kind: number): string {
  return kind === START ? 'start' : POINT_NAMES[kind] ?? `kind ${kind}`;
}
