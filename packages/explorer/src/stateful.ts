/**
 * Every state once. Depth first, a state that was seen is not entered again; sleep sets
 * spare the steps that only lead to seen states, and are kept with the states, so that a
 * state that is reached again with fewer sleepers has the missing steps tried (Godefroid).
 * Every reachable state is visited: sleep sets leave out transitions, not states.
 *
 * A state from which no end can be reached is a livelock. That is decided per strongly
 * connected component, so a loop that a fair schedule leaves is none.
 */
import { nextChoices, nextStarts } from './choices.js';
import { newCursor, scheduleOf } from './cursor.js';
import type { Cursor, Place } from './cursor.js';
import type { Execution, RawFinding } from './execution.js';
import { MAX_SUSPECTS, fairlyEnds, livelock } from './fairness.js';
import { NO_WORDS, clash } from './operation.js';
import type { Footprint } from './operation.js';
import type { AtEnd, Found, Limits, Search } from './search.js';
import { StateTable } from './state-table.js';

const { clz32, min } = Math;

interface Entry {
  readonly place: Place;
  /** The state is on the path already, further up. */
  readonly isAgain: boolean;
  lo: number;
  hi: number;
  /** Threads, as bits: that sleep here, that are still to be tried, whose step is being tried. */
  sleep: number;
  todo: number;
  thread: number;
  /** By thread: what its step from here touches, of those that sleep. */
  readonly steps: (Footprint | null)[];
  nextTry: number[] | null;
  /** The lowest entry that can be reached from here, and whether an end can. */
  low: number;
  canEnd: boolean;
}

const ON_PATH = 0x8000;
const SLEEPERS = 0x7fff;
const MAX_THREADS = 15;
export const TRANSITIONS_PER_ADVANCE = 500;

export class Stateful implements Search {
  readonly strategy = 'stateful';
  executions = 0;
  readonly blocked = 0;
  cut = 0;
  transitions = 0;
  isDone = false;
  readonly found: Map<string, Found> = new Map();
  private readonly x: Execution;
  private readonly limits: Limits;
  private readonly atEnd: AtEnd | null;
  private readonly cursor: Cursor;
  private readonly table: StateTable = new StateTable();
  private readonly path: Entry[] = [];
  private starts: (readonly number[])[] | null = [];
  /** The entry whose state the machine is in. */
  private here: Entry | null = null;
  private suspects = 0;
  private readonly noSteps: readonly (Footprint | null)[];

  constructor(x: Execution, limits: Limits, kind: 'frames' | 'replay', atEnd: AtEnd | null = null) {
    if (x.nrThreads > MAX_THREADS) throw new RangeError(`stateful: ${x.nrThreads} threads, at most ${MAX_THREADS}`);
    this.x = x;
    this.limits = limits;
    this.atEnd = atEnd;
    this.cursor = newCursor(x, kind);
    this.noSteps = Array.from({ length: x.nrThreads }, () => null);
  }

  get states(): number {
    return this.table.size;
  }

  /** How states are told apart: by the values of local variables, or by what threads may know. */
  get kind(): 'frames' | 'replay' {
    return this.cursor.kind;
  }

  advance(): void {
    const previous = this.x.m.sched;
    this.x.m.sched = this.x;
    try {
      for (let n = 0; n < TRANSITIONS_PER_ADVANCE && !this.isDone && !this.x.grew; n++) this.transition();
    } finally {
      this.x.m.sched = previous;
      this.x.observer = null;
      this.here = this.cursor.kind === 'replay' ? null : this.here;
    }
    if (this.x.grew) this.restart();
  }

  notes(): string[] {
    const notes = [`states told apart by ${this.cursor.kind === 'frames' ? 'their bytes and the local variables of each thread' : this.x.program.localState ? 'their bytes and the declared local state' : 'the past of each thread'}`];
    notes.push(`${this.table.bytesPerState().toFixed(1)} bytes a state; probability that a fingerprint hid a state: ${this.table.collisionProbability().toExponential(1)}`);
    if (this.cut > 0) notes.push(`${this.cut} paths were cut at ${this.limits.maxSteps} steps`);
    return notes;
  }

  private transition(): void {
    const entry = this.path.at(-1);
    if (entry === undefined) return this.beginAgain();
    if (entry.nextTry === null && !this.nextThread(entry)) return this.leave(entry);
    if (this.here !== entry) this.cursor.restore(entry.place);
    const { thread } = entry;
    const { x, cursor } = this;
    const kind = x.kindOf(thread);
    const where = x.whereOf(thread);
    cursor.take(thread, entry.nextTry as number[]);
    this.transitions++;
    entry.nextTry = nextChoices(cursor.choices, cursor.options);
    this.here = null;
    const step: Footprint = { kind, where, also: x.also.length > 0 ? x.also.slice() : NO_WORDS };
    const sleep = sleepAfter(entry, thread, step);
    // with several ways for its choices, what it touches is what any of them touches
    const known = entry.steps[thread];
    entry.steps[thread] = known === null || known === undefined || known.also.length === 0 ? step : { kind, where, also: [...known.also, ...step.also] };
    if (entry.nextTry === null) entry.sleep |= 1 << thread;
    this.arrive(entry, sleep);
  }

  private nextThread(entry: Entry): boolean {
    if (entry.todo === 0) return false;
    entry.thread = 31 - clz32(entry.todo & -entry.todo);
    entry.todo &= entry.todo - 1;
    entry.nextTry = [];
    return true;
  }

  /** The machine is in a state reached from `from`: the start of the search if null. */
  private arrive(from: Entry | null, sleep: number): void {
    const { x, cursor, table } = this;
    const enabled = x.enabledMask();
    if (enabled === 0 && x.findings.length === 0) {
      x.conclude();
      this.executions++;
      if (x.findings.length === 0) this.atEnd?.(x);
    } else if (x.findings.length > 0) this.executions++;
    if (x.findings.length > 0) this.collect();
    if (x.findings.length > 0 || enabled === 0) {
      if (from !== null) from.canEnd = true;
      if (x.findings.length === 0) this.remember();
      return;
    }
    cursor.fingerprint();
    const { lo, hi } = cursor;
    const slot = table.find(lo, hi);
    if (slot < 0) {
      table.add(slot, lo, hi, sleep | ON_PATH);
      return this.enter(from, lo, hi, sleep, enabled & ~sleep, false);
    }
    const note = table.note(slot);
    const stored = note & SLEEPERS;
    if ((note & ON_PATH) !== 0) this.closeCycle(from, lo, hi);
    else if (from !== null) from.canEnd = true;
    const missing = stored & ~sleep;
    if (missing === 0) return;
    table.setNote(slot, (stored & sleep) | ON_PATH);
    this.enter(from, lo, hi, stored & sleep, missing & enabled, (note & ON_PATH) !== 0);
  }

  private enter(from: Entry | null, lo: number, hi: number, sleep: number, todo: number, isAgain: boolean): void {
    if (this.path.length >= this.limits.maxSteps) {
      if (from !== null) from.canEnd = true;
      if (this.cut++ < MAX_SUSPECTS) this.suspect(this.cursor.save());
      return;
    }
    // with one thread to try nobody comes back, except for a choice or a doubt
    const entry: Entry = { place: this.cursor.save((todo & (todo - 1)) === 0), isAgain, lo, hi, sleep, todo, thread: 0, nextTry: null, low: this.path.length, canEnd: todo === 0, steps: this.stepsOf(sleep, from) };
    this.path.push(entry);
    this.here = entry;
  }

  private stepsOf(sleep: number, from: Entry | null): (Footprint | null)[] {
    const steps = this.noSteps.slice();
    for (let t = 0; sleep >> t !== 0; t++) if ((sleep & (1 << t)) !== 0) steps[t] = from?.steps[t] ?? null;
    return steps;
  }

  private closeCycle(from: Entry | null, lo: number, hi: number): void {
    if (from === null) return;
    for (let depth = 0; depth < this.path.length; depth++) {
      const entry = this.path[depth] as Entry;
      if (entry.lo === lo && entry.hi === hi) from.low = min(from.low, depth);
    }
  }

  private leave(entry: Entry): void {
    this.path.pop();
    this.here = null;
    const { table, cursor } = this;
    const slot = table.find(entry.lo, entry.hi);
    if (!entry.isAgain) table.setNote(slot, table.note(slot) & SLEEPERS);
    const parent = this.path.at(-1);
    if (!entry.canEnd && entry.low === this.path.length && this.suspects++ < MAX_SUSPECTS) {
      cursor.restore(entry.place);
      entry.canEnd = this.suspect(entry.place);
    }
    cursor.release(entry.place);
    if (parent === undefined) return;
    parent.low = min(parent.low, entry.low);
    parent.canEnd ||= entry.canEnd;
  }

  /** No end was found behind this place, where the machine is. A fair schedule has the last word. @returns it ends */
  private suspect({ way }: Place): boolean {
    if (this.found.has('retry-livelock') || fairlyEnds(this.cursor, this.limits.maxSteps)) return true;
    this.found.set('retry-livelock', livelock(way?.depth ?? 0, scheduleOf(way, this.cursor.startChoices)));
    return false;
  }

  private remember(): void {
    const { cursor, table } = this;
    cursor.fingerprint();
    const slot = table.find(cursor.lo, cursor.hi);
    if (slot < 0) table.add(slot, cursor.lo, cursor.hi, 0);
    else this.executions--;
  }

  private collect(): void {
    const finding = this.x.findings[0] as RawFinding;
    if (!this.found.has(finding.code)) this.found.set(finding.code, { ...finding, schedule: scheduleOf(this.cursor.way, this.cursor.startChoices) });
  }

  /** The path is empty: from the start with other choices of the threads' starts, or done. */
  private beginAgain(): void {
    if (this.starts === null) {
      this.isDone = true;
      return;
    }
    this.cursor.begin(this.starts);
    this.starts = nextStarts(this.cursor.startChoices, this.cursor.startOptions);
    this.arrive(null, 0);
  }

  private restart(): void {
    this.x.grew = false;
    this.table.clear();
    this.path.length = 0;
    this.here = null;
    this.starts = [];
    this.isDone = false;
    this.executions = this.cut = this.transitions = this.suspects = 0;
    this.found.clear();
  }
}

/** Who still sleeps after a step: those whose own step from here does not depend on it. */
function sleepAfter({ sleep, steps }: Entry, thread: number, step: Footprint): number {
  let left = 0;
  for (let t = 0; sleep >> t !== 0; t++) {
    if ((sleep & (1 << t)) !== 0 && t !== thread && !clash(step, steps[t] as Footprint)) left |= 1 << t;
  }
  return left;
}
