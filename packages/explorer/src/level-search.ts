/**
 * All schedules with no preemption, then all with one, and so on (iterative context
 * bounding), on states: a state that was reached with as few preemptions and the same
 * thread at turn is not entered again. A preemption is taking the turn from a thread that
 * could go on; where a thread waits, yields or has ended, any other may come for free.
 *
 * Within one level the shorter way goes first, so the first finding of a level, when the
 * level is through, has the fewest preemptions and then the fewest steps that exist.
 */
import { nextChoices, nextStarts } from './choices.js';
import { newCursor, scheduleOf } from './cursor.js';
import type { Cursor, Place } from './cursor.js';
import type { Execution, RawFinding } from './execution.js';
import { MAX_SUSPECTS, fairlyEnds, livelock } from './fairness.js';
import { Hash } from './hash.js';
import type { AtEnd, Found, Limits, Search } from './search.js';

/** A step that is still to be taken. */
interface Item {
  readonly place: Place;
  readonly thread: number;
  readonly choices: readonly number[];
  readonly depth: number;
}

export interface LevelOptions {
  /** Levels up to this one; Infinity: all there are. */
  readonly maxPreemptions: number;
  /** Stop as soon as this code is known to be found in the shortest way. */
  readonly until?: string;
  readonly maxStates?: number;
}

const STEPS_PER_ADVANCE = 500;

export class LevelSearch implements Search {
  readonly strategy = 'bounded';
  executions = 0;
  readonly blocked = 0;
  cut = 0;
  /** The level that is being searched; all below are through. */
  level = 0;
  isDone = false;
  /** Nothing is left above the last level that was through: every schedule was covered. */
  isExhaustive = false;
  readonly found: Map<string, Found> = new Map();
  /** Preemptions of what was found, by code. */
  readonly preemptions: Map<string, number> = new Map();
  private readonly x: Execution;
  private readonly limits: Limits;
  private readonly options: LevelOptions;
  private readonly atEnd: AtEnd | null;
  private readonly cursor: Cursor;
  /** By state and thread at turn: level and depth at which it was entered. */
  private readonly seen: Map<number, number> = new Map();
  private readonly hash: Hash = new Hash();
  /** By depth. */
  private present: Item[][] = [];
  private next: Item[][] = [];
  private shortest = Infinity;

  constructor(x: Execution, limits: Limits, kind: 'frames' | 'replay', options: LevelOptions, atEnd: AtEnd | null = null) {
    this.x = x;
    this.limits = limits;
    this.options = options;
    this.atEnd = atEnd;
    this.cursor = newCursor(x, kind);
    this.plant();
  }

  get states(): number {
    return this.seen.size;
  }

  /** Levels that are through: all schedules with at most that many preemptions; -1: none. */
  get proved(): number {
    return this.isDone && !this.isGivenUp ? Math.min(this.level, this.options.maxPreemptions) : this.level - 1;
  }

  isGivenUp = false;

  advance(): void {
    const previous = this.x.m.sched;
    this.x.m.sched = this.x;
    try {
      for (let n = 0; n < STEPS_PER_ADVANCE && !this.isDone && !this.x.grew; ) n += this.line();
    } finally {
      this.x.m.sched = previous;
      this.x.observer = null;
    }
    if (this.x.grew) this.restart();
    if (this.seen.size > (this.options.maxStates ?? Infinity)) this.isDone = this.isGivenUp = true;
  }

  notes(): string[] {
    return [this.isExhaustive ? 'no schedule needs more preemptions' : this.proved < 0 ? 'not even the schedules without a preemption are through' : `proved up to ${this.proved} preemption${this.proved === 1 ? '' : 's'}`, ...(this.cut > 0 ? [`${this.cut} schedules were cut at ${this.limits.maxSteps} steps`] : [])];
  }

  /** Runs one item as far as its thread goes. @returns steps taken */
  private line(): number {
    const item = this.pop();
    if (item === null) return 1;
    const { cursor, x } = this;
    if (item.depth + 1 >= this.shortest) return 1;
    cursor.restore(item.place);
    const { thread } = item;
    let { choices, depth } = item;
    let before: Place | null = item.place;
    let steps = 0;
    for (;;) {
      const place: Place = before ?? cursor.save();
      cursor.take(thread, choices);
      steps++;
      depth++;
      const other = nextChoices(cursor.choices, cursor.options);
      if (other !== null) this.push(this.present, { place, thread, choices: other, depth: depth - 1 });
      before = null;
      if (!this.arrive(thread, depth)) return steps;
      const isFree = x.isFree(thread);
      before = this.fork(thread, depth, isFree);
      if (isFree || !x.isEnabled(thread)) return steps;
      choices = [];
    }
  }

  /** @returns whether the state is new enough to go on from */
  private arrive(thread: number, depth: number): boolean {
    const { x } = this;
    if (x.findings.length > 0 || !x.isRunning()) {
      if (x.findings.length === 0) x.conclude();
      this.executions++;
      if (x.findings.length > 0) this.collect(depth);
      else this.atEnd?.(x);
      return false;
    }
    if (depth >= this.limits.maxSteps) {
      this.cut++;
      this.suspect();
      return false;
    }
    this.cursor.fingerprint();
    const { hash } = this;
    hash.reset(x.isFree(thread) ? -1 : thread);
    hash.add(this.cursor.lo);
    hash.add(this.cursor.hi);
    hash.finish();
    const key = (hash.hi >>> 0) * 2 ** 21 + (hash.lo >>> 11);
    const rank = this.level * 2 ** 20 + depth;
    const known = this.seen.get(key);
    if (known !== undefined && known <= rank) return false;
    this.seen.set(key, rank);
    return true;
  }

  /** Too long: unless a fair schedule ends from here, nothing does. */
  private suspect(): void {
    if (this.cut > MAX_SUSPECTS || this.found.has('retry-livelock')) return;
    const way = this.cursor.way;
    if (!fairlyEnds(this.cursor, this.limits.maxSteps)) {
      this.found.set('retry-livelock', livelock(way?.depth ?? 0, scheduleOf(way, this.cursor.startChoices)));
      this.preemptions.set('retry-livelock', this.level);
    }
  }

  /** Everyone else who could run from here; at this level where that is free, else at the next. */
  private fork(thread: number, depth: number, isFree: boolean): Place | null {
    const { x } = this;
    let place: Place | null = null;
    // taken from the end: lower threads first
    for (let t = x.nrThreads - 1; t >= 0; t--) {
      if (!x.isEnabled(t) || (t === thread && !isFree)) continue;
      if (!isFree && this.level >= this.options.maxPreemptions) {
        this.isBeyond = true;
        continue;
      }
      place ??= this.cursor.save();
      this.push(isFree ? this.present : this.next, { place, thread: t, choices: [], depth });
    }
    return place;
  }

  /** A schedule was left out because it has too many preemptions. */
  private isBeyond = false;

  private push(into: Item[][], item: Item): void {
    (into[item.depth] ??= []).push(item);
  }

  private pop(): Item | null {
    for (let depth = 0; depth < this.present.length; depth++) {
      const item = this.present[depth]?.pop();
      if (item !== undefined) return item;
    }
    const isFound = this.options.until !== undefined && this.found.has(this.options.until);
    if (isFound || this.next.length === 0 || this.level >= this.options.maxPreemptions) {
      this.isDone = true;
      this.isExhaustive = !isFound && !this.isBeyond && this.next.length === 0 && this.cut === 0;
      return null;
    }
    this.present = this.next;
    this.next = [];
    this.level++;
    return null;
  }

  private collect(depth: number): void {
    const finding = this.x.findings[0] as RawFinding;
    const known = this.found.get(finding.code);
    const isShorter = known !== undefined && this.preemptions.get(finding.code) === this.level && known.schedule.threads.length > depth;
    if (known !== undefined && !isShorter) return;
    this.found.set(finding.code, { ...finding, schedule: scheduleOf(this.cursor.way, this.cursor.startChoices) });
    this.preemptions.set(finding.code, this.level);
    if (finding.code === this.options.until) this.shortest = depth;
  }

  /** The first items: whoever begins, for every way in which the choices of the starts go. */
  private plant(): void {
    const previous = this.x.m.sched;
    this.x.m.sched = this.x;
    for (let starts: (readonly number[])[] | null = []; starts !== null; starts = nextStarts(this.cursor.startChoices, this.cursor.startOptions)) {
      this.cursor.begin(starts);
      if (this.arrive(-1, 0)) this.fork(-1, 0, true);
    }
    this.x.m.sched = previous;
    this.x.observer = null;
  }

  private restart(): void {
    this.x.grew = false;
    this.seen.clear();
    this.present = [];
    this.next = [];
    this.executions = this.cut = this.level = 0;
    this.shortest = Infinity;
    this.isDone = this.isExhaustive = this.isGivenUp = this.isBeyond = false;
    this.found.clear();
    this.preemptions.clear();
    this.plant();
  }
}
