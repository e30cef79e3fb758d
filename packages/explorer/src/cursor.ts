/**
 * A place in the space of states: step on, remember a place, come back to it, and know
 * when two places are the same state.
 *
 * There are two kinds. Where all tasks are in the frames form, a place is a copy of the
 * buffer and of the threads. Otherwise it is the schedule that leads there, which is run
 * again; then a state is known by the bytes and by what each thread may know: its
 * declared local state, or else its whole past.
 */
import { IS_WAIT, OPERATION_WORDS, READY, STATUS, STOP } from './execution.js';
import type { Driver, Execution } from './execution.js';
import { Constants, Opaque, isFrameTask, loadTask, saveTask } from './frames.js';
import type { ThreadState } from './frames.js';
import { Hash } from './hash.js';
import type { ChoicesAt, Schedule } from './search.js';
import { TraceHash } from './trace-hash.js';
import { WordsHash } from './words-hash.js';
import type { Image } from './words-hash.js';

/** The way to a place, from there to the start. */
export interface Way {
  readonly before: Way | null;
  readonly thread: number;
  readonly choices: readonly number[];
  /** Steps, starts left out. */
  readonly depth: number;
}

export interface Place {
  readonly way: Way | null;
}

export interface Cursor {
  readonly kind: 'frames' | 'replay';
  readonly x: Execution;
  /** How the choices of the last step went, and out of how many. */
  readonly choices: readonly number[];
  readonly options: readonly number[];
  way: Way | null;
  /** By thread: how the choices of its start went, and out of how many. */
  readonly startChoices: (readonly number[])[];
  readonly startOptions: (readonly number[])[];
  /** To the initial state with all threads started; `starts`: how their choices go. */
  begin(starts: readonly (readonly number[])[]): void;
  /** One step; choices beyond `choices` fall on option 0. */
  take(thread: number, choices: readonly number[]): void;
  /** @param isLight it is unlikely to be needed: then coming back may take long */
  save(isLight?: boolean): Place;
  restore(place: Place): void;
  /** The place is not needed any more. */
  release(place: Place): void;
  /** The state's fingerprint, in `lo` and `hi`. */
  fingerprint(): void;
  lo: number;
  hi: number;
}

/** Answers choices from a list, and stops after every step. */
abstract class Stepper implements Driver {
  readonly x: Execution;
  way: Way | null = null;
  lo = 0;
  hi = 0;
  choices: readonly number[] = [];
  readonly options: number[] = [];
  startChoices: (readonly number[])[] = [];
  readonly startOptions: (readonly number[])[] = [];
  protected readonly hash: Hash = new Hash();
  private given: readonly number[] = [];

  constructor(x: Execution) {
    this.x = x;
  }

  pick(): number {
    return STOP;
  }

  choose(x: Execution, nrOptions: number): number {
    if (nrOptions <= 1) return 0;
    const at = this.options.length;
    this.options.push(nrOptions);
    const option = this.given[at] ?? 0;
    if (at === this.given.length) this.given = [...this.given, option];
    this.chose(x.current, option);
    return option;
  }

  protected chose(_thread: number, _option: number): void {
    // only a cursor that knows states by their past needs to know
  }

  protected start(thread: number, choices: readonly number[]): void {
    this.step(thread, choices);
    this.startChoices[thread] = this.choices;
    this.startOptions[thread] = this.options.slice();
  }

  protected step(thread: number, choices: readonly number[]): void {
    if (this.options.length > 0) this.options.length = 0;
    this.given = choices;
    this.x.take(thread);
    this.choices = this.given.length === this.options.length ? this.given : this.given.slice(0, this.options.length);
  }

  take(thread: number, choices: readonly number[]): void {
    this.step(thread, choices);
    this.way = { before: this.way, thread, choices: this.choices, depth: (this.way?.depth ?? 0) + 1 };
  }

  /** What is known of a thread apart from its local variables. */
  protected addOperation(thread: number): void {
    const { x, hash } = this;
    const { operations } = x;
    const at = thread * OPERATION_WORDS;
    const status = operations[at + STATUS];
    if (status !== READY) return hash.add(status);
    hash.add((operations[at] << 3) | (operations[at + IS_WAIT] << 2) | status);
    for (let i = 1; i < IS_WAIT; i++) hash.add(operations[at + i]);
  }
}

export interface FramesPlace extends Place {
  /** The machine's words; null: to be reached by its way. */
  readonly image: Image | null;
  readonly operations: Int32Array | null;
  readonly threads: readonly (ThreadState | null)[];
  readonly steps: number;
  readonly current: number;
  readonly starts: readonly (readonly number[])[];
}

const NO_THREADS: readonly (ThreadState | null)[] = [];

export class FramesCursor extends Stepper implements Cursor {
  readonly kind = 'frames';
  private readonly constants: Constants;
  private readonly threads: (ThreadState | null)[];
  /** By thread: hash of what it is. */
  private readonly threadLo: Int32Array;
  private readonly threadHi: Int32Array;
  private readonly words: WordsHash;
  /** `words` has the hash of the words as they are. */
  private isHashed = false;
  private readonly spareOperations: Int32Array[] = [];

  constructor(x: Execution) {
    super(x);
    this.constants = new Constants(x.m);
    this.threads = Array.from({ length: x.nrThreads }, () => null);
    this.threadLo = new Int32Array(x.nrThreads);
    this.threadHi = new Int32Array(x.nrThreads);
    this.words = new WordsHash(x.m.buffer);
  }

  begin(starts: readonly (readonly number[])[]): void {
    this.way = null;
    this.startChoices = [];
    this.isHashed = false;
    this.x.begin(this);
    for (let t = 0; t < this.x.nrThreads; t++) {
      this.start(t, starts[t] ?? []);
      this.note(t);
    }
    this.x.current = STOP;
  }

  override take(thread: number, choices: readonly number[]): void {
    this.isHashed = false;
    const state = this.threads[thread];
    if (this.x.tasks[thread] === null && state) this.x.tasks[thread] = loadTask(state, this.constants) as never;
    super.take(thread, choices);
    this.note(thread);
  }

  save(isLight = false): Place {
    const { x, way } = this;
    if (isLight) return { way, image: null, operations: null, threads: NO_THREADS, steps: x.steps, current: x.current, starts: this.startChoices } as FramesPlace;
    this.hashWords();
    const image = this.words.save();
    const operations = this.spareOperations.pop() ?? new Int32Array(x.operations.length);
    operations.set(x.operations);
    const place: FramesPlace = { way, image, operations, threads: this.threads.slice(), steps: x.steps, current: x.current, starts: this.startChoices };
    return place;
  }

  release(place: Place): void {
    const { image, operations } = place as FramesPlace;
    if (image === null || operations === null) return;
    this.words.release(image);
    this.spareOperations.push(operations);
  }

  restore(saved: Place): void {
    const { image, operations, way, threads, steps, current, starts } = saved as FramesPlace;
    if (image === null || operations === null) return this.rerun(way, starts);
    const { x } = this;
    this.way = way;
    this.words.restore(image);
    this.isHashed = true;
    x.operations.set(operations);
    for (let t = 0; t < x.nrThreads; t++) {
      const state = threads[t] as ThreadState | null;
      if (this.threads[t] === state && state !== null) continue;
      this.threads[t] = state;
      x.tasks[t] = null;
      this.addThread(t, state);
    }
    x.steps = steps;
    x.current = current;
    if (x.findings.length > 0) x.findings.length = 0;
  }

  fingerprint(): void {
    const { hash, words, threadLo, threadHi } = this;
    this.hashWords();
    let { lo, hi } = words;
    for (let t = 0; t < threadLo.length; t++) {
      lo = (lo + threadLo[t]) | 0;
      hi = (hi + threadHi[t]) | 0;
    }
    hash.lo = lo;
    hash.hi = hi;
    hash.finish();
    this.lo = hash.lo;
    this.hi = hash.hi;
  }

  private hashWords(): void {
    if (this.isHashed) return;
    this.x.m.cpu.current[0] = 0;
    this.words.update();
    this.isHashed = true;
  }

  private rerun(way: Way | null, starts: readonly (readonly number[])[]): void {
    this.begin(starts);
    for (const { thread, choices } of forwards(way)) this.take(thread, choices);
    this.x.findings.length = 0;
    this.way = way;
  }

  /** The thread has moved: what is it now? */
  private note(thread: number): void {
    const task: unknown = this.x.tasks[thread];
    if (this.x.statusOf(thread) !== READY) this.threads[thread] = null;
    else if (!isFrameTask(task)) throw new Opaque('a task is not in the frames form');
    else this.threads[thread] = saveTask(task, this.constants, this.hash);
    this.addThread(thread, this.threads[thread] as ThreadState | null);
  }

  private addThread(thread: number, state: ThreadState | null): void {
    const { hash } = this;
    hash.reset(thread);
    this.addOperation(thread);
    if (state !== null) {
      hash.add(state.lo);
      hash.add(state.hi);
    }
    hash.finish();
    this.threadLo[thread] = hash.lo;
    this.threadHi[thread] = hash.hi;
  }
}

interface ReplayPlace extends Place {
  readonly starts: readonly (readonly number[])[];
}

export class ReplayCursor extends Stepper implements Cursor {
  readonly kind = 'replay';
  private readonly past: TraceHash;
  private starts: readonly (readonly number[])[] = [];

  constructor(x: Execution) {
    super(x);
    this.past = new TraceHash(x.nrThreads);
  }

  begin(starts: readonly (readonly number[])[]): void {
    this.way = null;
    this.starts = starts;
    this.startChoices = [];
    this.past.reset();
    this.x.observer = this.past;
    this.x.begin(this);
    for (let t = 0; t < this.x.nrThreads; t++) this.start(t, starts[t] ?? []);
    this.x.current = STOP;
  }

  save(): Place {
    const place: ReplayPlace = { way: this.way, starts: this.starts };
    return place;
  }

  release(_place: Place): void {
    // a place is only its way
  }

  restore(place: Place): void {
    this.begin((place as ReplayPlace).starts);
    for (const { thread, choices } of forwards(place.way)) this.step(thread, choices);
    this.x.findings.length = 0;
    this.way = place.way;
  }

  fingerprint(): void {
    const { x, hash, past } = this;
    const { localState } = x.program;
    hash.reset(0x6a09e667);
    if (localState !== undefined) {
      x.m.cpu.current[0] = 0;
      hash.addWords(x.m.words);
    }
    for (let t = 0; t < x.nrThreads; t++) {
      this.addOperation(t);
      if (localState !== undefined) hash.addNumber(localState.call(x.program, t));
      else {
        hash.add(past.lo[t]);
        hash.add(past.hi[t]);
      }
    }
    hash.finish();
    this.lo = hash.lo;
    this.hi = hash.hi;
  }

  protected override chose(thread: number, option: number): void {
    this.past.chose(thread, option);
  }
}

function forwards(way: Way | null): Way[] {
  const ways: Way[] = [];
  for (let w = way; w !== null; w = w.before) ways.push(w);
  return ways.reverse();
}

/** What leads to a place, as a schedule that can be run again. */
export function scheduleOf(way: Way | null, starts: readonly (readonly number[])[]): Schedule {
  const ways = forwards(way);
  const choices: ChoicesAt[] = [];
  starts.forEach((options, t) => { if (options.some((option) => option !== 0)) choices.push({ at: -1 - t, options }); });
  ways.forEach(({ choices: options }, at) => { if (options.some((option) => option !== 0)) choices.push({ at, options: options.slice() }); });
  return { threads: ways.map(({ thread }) => thread), choices };
}

/** @param wants 'frames' fails with Opaque where a task cannot be copied */
export function newCursor(x: Execution, wants: 'frames' | 'replay'): Cursor {
  return wants === 'frames' ? new FramesCursor(x) : new ReplayCursor(x);
}

/** Whether the first thread's task can be looked into: then all can, or the search will be told. */
export function hasFrames(x: Execution): boolean {
  const [first] = x.program.threads;
  return first !== undefined && isFrameTask(first.run(x.m));
}
