/**
 * Does every step name what it touches? The reductions of `dpor` and `stateful` stand on that: two steps that name nothing
 * in common are taken for two that may change places, and then only one order is looked at. Here every state is visited
 * without a reduction, and for each two steps that claim to be independent both orders are compared: the state that they
 * lead to, and what each of them touches. A pair that differs has read or changed something that it did not name.
 */
import { newCursor } from './cursor.js';
import type { FramesPlace, Place } from './cursor.js';
import { Execution, OPERATION_WORDS } from './execution.js';
import { NO_WORDS, clash, nameOfKind } from './operation.js';
import type { Footprint } from './operation.js';
import type { Program } from './program.js';

export interface StepAudit {
  readonly states: number;
  /** Every reachable state was visited. */
  readonly isWhole: boolean;
  /** Pairs of steps that claim to commute and do not, each kind of pair once, in words. */
  readonly faults: readonly string[];
}

interface Taken {
  readonly to: string;
  readonly step: Footprint;
}

/** A state, and by thread what its step from there did; null: it has choices. */
interface Row {
  readonly place: Place;
  readonly taken: (Taken | null)[];
}

/** @param maxStates visited at most @throws RangeError for a program whose threads cannot be copied */
export function auditSteps(program: Program<never>, maxStates: number): StepAudit {
  const x = new Execution(program);
  for (;;) {
    x.grew = false;
    const audit = visit(x, maxStates);
    // a lock that someone looks at: its release has become a step, and all that was seen is to be seen again
    if (!x.grew) return audit;
  }
}

function visit(x: Execution, maxStates: number): StepAudit {
  const cursor = newCursor(x, 'frames');
  const rows = new Map<string, Row>();
  const open: Row[] = [];
  const faults = new Set<string>();
  const previous = x.m.sched;
  x.m.sched = x;
  try {
    const arrive = (): string => {
      cursor.fingerprint();
      const key = `${cursor.lo}:${cursor.hi}`;
      if (!rows.has(key) && rows.size < maxStates) {
        const row: Row = { place: cursor.save(), taken: [] };
        rows.set(key, row);
        if (x.findings.length === 0) open.push(row);
      }
      return key;
    };
    cursor.begin([]);
    arrive();
    for (let next = open.pop(); next !== undefined && !x.grew; next = open.pop()) {
      for (let t = 0; t < x.nrThreads; t++) {
        cursor.restore(next.place);
        if (!x.isEnabled(t)) continue;
        const [kind, where] = [x.kindOf(t), x.whereOf(t)];
        cursor.take(t, []);
        const to = arrive();
        // a step with choices goes several ways: only those without are compared
        next.taken[t] = cursor.options.length > 0 ? null : { to, step: { kind, where, also: x.also.length > 0 ? x.also.slice() : NO_WORDS } };
      }
    }
  } finally {
    x.m.sched = previous;
  }
  for (const { taken } of rows.values()) compare(x, rows, taken, faults);
  return { states: rows.size, isWhole: rows.size < maxStates, faults: [...faults] };
}

function compare(x: Execution, rows: ReadonlyMap<string, Row>, row: readonly (Taken | null)[], faults: Set<string>): void {
  for (let a = 0; a < row.length; a++) {
    for (let b = a + 1; b < row.length; b++) {
      const [first, second] = [row[a], row[b]];
      if (!first || !second || clash(first.step, second.step)) continue;
      const [afterFirst, afterSecond] = [rows.get(first.to)?.taken, rows.get(second.to)?.taken];
      // beyond the bound, or behind a finding
      if (afterFirst === undefined || afterSecond === undefined || afterFirst.length === 0 || afterSecond.length === 0) continue;
      const [then, other] = [afterFirst[b], afterSecond[a]];
      if (then === null || other === null) continue;
      if (then !== undefined && other !== undefined && then.to === other.to) continue;
      faults.add(`${x.nameOfThread(a)}: ${textOf(x, first.step)}, and ${x.nameOfThread(b)}: ${textOf(x, second.step)}: their order matters, and they name nothing in common${whereOf(x, rows, then, other)}`);
    }
  }
}

function textOf(x: Execution, { kind, where, also }: Footprint): string {
  const names = [`${nameOfKind(kind)} ${x.nameOfWhere(where)}`];
  for (let i = 0; i < also.length; i += 2) names.push(`${nameOfKind(also[i] as number)} ${x.nameOfWhere(also[i + 1] as number)}`);
  return names.join(' + ');
}

/** `: afterwards page.flags[2] differs`, where the two orders were followed to their states. */
function whereOf(x: Execution, rows: ReadonlyMap<string, Row>, then: Taken | undefined, other: Taken | undefined): string {
  if (then === undefined || other === undefined) return ': after one order the other step cannot be taken';
  const [a, b] = [then, other].map(({ to }) => rows.get(to)?.place as FramesPlace | undefined);
  if (!a?.image || !b?.image || !a.operations || !b.operations) return '';
  const differing: string[] = [];
  for (let i = 0; i < a.image.words.length && differing.length < MAX_NAMED; i++) if (a.image.words[i] !== b.image.words[i]) differing.push(x.nameOfWhere(i));
  if (differing.length > 0) return `: afterwards ${differing.join(', ')} differ`;
  const nextOf = ({ operations }: FramesPlace, t: number): string => `${nameOfKind(operations?.[t * OPERATION_WORDS] ?? 0)} ${x.nameOfWhere(operations?.[t * OPERATION_WORDS + 1] ?? 0)}`;
  for (let t = 0; t < x.nrThreads; t++) if (nextOf(a, t) !== nextOf(b, t)) return `: afterwards ${x.nameOfThread(t)} is about to ${nextOf(a, t)}, or to ${nextOf(b, t)}`;
  return ': afterwards the variables of a thread differ';
}

const MAX_NAMED = 4;
