/**
 * One machine and its threads, driven step by step. A step is an operation, announced
 * by a point, and everything up to the thread's next point.
 *
 * Leaving a lock is no step of its own while nobody looks at the lock's word without
 * waiting for it: then it commutes with whatever the others do. As soon as someone does
 * (a trylock, a writer that announces itself), the places where that word is released
 * become points, and `grew` says that what was explored before must be explored again.
 */
import type { PointKind, Scheduler, Task, Where } from '@mmun/include';
import { YIELD } from '@mmun/include';
import { KernelBug } from '@mmun/lib';
import { START, isLockWait, isRelease } from './operation.js';
import type { ExplorableMachine, Program, Report, Thread } from './program.js';

/** What a driver returns to end the execution. */
export const STOP = -1;

/** Decides. All methods are called with the execution as it stands. */
export interface Driver {
  /** The thread that takes the next step: one for which `isEnabled` holds, or STOP. */
  pick(x: Execution): number;
  choose(x: Execution, nrOptions: number, label: string): number;
  /** A release that is no point: should it be one here? Replays ask for it by label. */
  isPoint?(x: Execution, kind: PointKind, where: Where): boolean;
}

/** Sees what happens; searches that need more than the schedule attach one. */
export interface Observer {
  began(x: Execution, thread: number): void;
  /** The step touches a further word, or leaves a lock. */
  touched(x: Execution, kind: PointKind, where: Where): void;
  ended(x: Execution, thread: number): void;
}

/** The state in which all threads have been started, which is nobody's step. */
export interface Started {
  readonly bytes: Uint8Array;
  readonly operations: Int32Array;
  /** Puts a thread's task as it was. @returns null where it is done */
  task(thread: number): Task<string, unknown> | null;
}

export const UNSTARTED = 0;
export const READY = 1;
export const FINISHED = 2;
export const CRASHED = 3;

/** A finding as it was made, before it is explained. */
export interface RawFinding extends Report {
  /** Thread whose step it was; -1 where no single one. */
  readonly thread: number;
  /** Steps taken when it was made. */
  readonly step: number;
}

/** What a task yields that has its lock, or what else it waits for, once it goes on, and does not ask for it again. */
const TURN = 'turn';

/** An operation takes so many words: */
export const OPERATION_WORDS = 8;
const KIND = 0;
const WHERE = 1;
const MASK = 2;
const VALUE = 3;
export const IS_WAIT = 4;
export const STATUS = 5;
/** 1: the thread asks again when it goes on. */
const ASKS = 6;

const LOOKED_AT = 1;
const RELEASED_IN_STEP = 2;

export class Execution implements Scheduler {
  readonly program: Program<ExplorableMachine>;
  readonly m: ExplorableMachine;
  readonly nrThreads: number;
  /** By thread, OPERATION_WORDS each: its next operation and its status. A thread can run where `(words[WHERE] & MASK) === VALUE`. */
  readonly operations: Int32Array;
  /** Thread of the present or last step; -1 before the first. */
  current = -1;
  /** Steps taken in this execution, starts of threads left out. */
  steps = 0;
  findings: RawFinding[] = [];
  /** Words that the present step touches besides that of its operation, as kind and word in turn. */
  readonly also: number[] = [];
  observer: Observer | null = null;
  /** A release became a point since this was last set to false. */
  grew = false;
  private readonly afterStep: ((this: Program, m: ExplorableMachine, report: (found: Report) => void) => void) | null;
  private driver: Driver = { pick: () => STOP, choose: () => 0 };
  /** By thread; replaced by those who copy threads. */
  readonly tasks: (Task<string, unknown> | null)[];
  /** The machine's buffer. */
  readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly currentHandle: Uint32Array;
  private readonly handles: Uint32Array;
  private readonly initial: Uint8Array;
  private readonly unstarted: Int32Array;
  private readonly lockUse: Uint8Array;
  /** Lock that the present step has left, last; -1: none. */
  private lastRelease = -1;
  private next: number = STOP;
  private isGranted = false;
  private readonly report = (found: Report): void => {
    this.findings.push({ code: found.code, message: found.message, thread: this.current, step: this.steps });
  };

  constructor(program: Program<never>) {
    this.program = program as unknown as Program<ExplorableMachine>;
    this.m = this.program.boot();
    this.words = this.m.words;
    this.currentHandle = this.m.cpu.current;
    const { threads } = this.program;
    const n = threads.length;
    this.nrThreads = n;
    this.operations = new Int32Array(n * OPERATION_WORDS);
    for (let at = 0; at < this.operations.length; at += OPERATION_WORDS) this.operations[at] = START;
    this.unstarted = this.operations.slice();
    this.tasks = threads.map(() => null);
    this.handles = Uint32Array.from(threads, ({ handle }, i) => handle ?? i + 1);
    this.bytes = new Uint8Array(this.m.buffer);
    this.initial = this.bytes.slice();
    this.lockUse = new Uint8Array(this.m.words.length);
    this.afterStep = this.program.afterStep ?? null;
  }

  /**
   * Runs one execution. What the machine looked like before is lost.
   * @param from left out: the initial state
   */
  run(driver: Driver, from: Started | null = null): void {
    this.reset(driver, from);
    const previous = this.m.sched;
    this.m.sched = this;
    try {
      for (this.next = driver.pick(this); this.next !== STOP; ) this.resume(this.next);
      this.finish();
    } finally {
      this.m.sched = previous;
    }
  }

  /** Back to the initial state, for a caller that takes the steps itself. */
  begin(driver: Driver): void {
    this.reset(driver, null);
  }

  /** One step of `thread`, which must be enabled. The driver is asked for choices, and for the next thread in vain. */
  take(thread: number): void {
    this.resume(thread);
  }

  /** As if nothing had been run yet: which releases are points is found out again. */
  forget(): void {
    this.lockUse.fill(0);
    this.grew = false;
  }

  /** To be called once when nobody can run any more: deadlock, or the program's own check. */
  conclude(): void {
    this.finish();
  }

  /**
   * A thread that has not begun, STOP if there is none. Every driver lets all begin before the first step: what a thread does before its
   * first point is nobody's step, and sees the machine as it was booted.
   */
  nextToStart(): number {
    const { operations } = this;
    for (let t = 0, at = STATUS; t < this.nrThreads; t++, at += OPERATION_WORDS) if (operations[at] === UNSTARTED) return t;
    return STOP;
  }

  /** What the thread is about to do. */
  kindOf(thread: number): number {
    return this.operations[thread * OPERATION_WORDS + KIND];
  }

  /** The word that it is about. */
  whereOf(thread: number): number {
    return this.operations[thread * OPERATION_WORDS + WHERE];
  }

  /** What it waits for: `(word & mask) === value`. */
  conditionOf(thread: number): { readonly mask: number; readonly value: number } {
    const at = thread * OPERATION_WORDS;
    return { mask: this.operations[at + MASK], value: this.operations[at + VALUE] };
  }

  statusOf(thread: number): number {
    return this.operations[thread * OPERATION_WORDS + STATUS];
  }

  /** The thread exists, is not finished, and its operation is possible now. */
  isEnabled(thread: number): boolean {
    const { operations } = this;
    const at = thread * OPERATION_WORDS;
    return (this.words[operations[at + WHERE]] & operations[at + MASK]) === operations[at + VALUE];
  }

  /** All threads for which `isEnabled` holds, as bits. */
  enabledMask(): number {
    const { operations, words, nrThreads } = this;
    let bits = 0;
    for (let at = (nrThreads - 1) * OPERATION_WORDS; at >= 0; at -= OPERATION_WORDS) {
      // without a branch, which nobody could predict
      const difference = (words[operations[at + WHERE]] & operations[at + MASK]) ^ operations[at + VALUE];
      bits = (bits << 1) | (~(difference | -difference) >>> 31);
    }
    return bits;
  }

  /** The operation that thread waits to do can be impossible. */
  waits(thread: number): boolean {
    return this.operations[thread * OPERATION_WORDS + IS_WAIT] === 1;
  }

  /** Taking the turn from this thread is no preemption. */
  isFree(thread: number): boolean {
    return thread < 0 || this.kindOf(thread) === YIELD || !this.isEnabled(thread);
  }

  isRunning(): boolean {
    return this.enabledMask() !== 0;
  }

  nameOfThread(thread: number): string {
    return this.program.threads[thread]?.name ?? '?';
  }

  nameOfWhere(where: number): string {
    return this.program.nameOf?.(this.m, where as Where) ?? `word[${where}]`;
  }

  point(kind: PointKind, where: Where): boolean {
    if (isRelease(kind) && (this.lockUse[where] & LOOKED_AT) === 0) {
      this.lockUse[where] |= RELEASED_IN_STEP;
      this.lastRelease = where;
      if (this.driver.isPoint?.(this, kind, where) !== true) {
        this.observer?.touched(this, kind, where);
        return false;
      }
    } else if (!isRelease(kind) && kind !== YIELD) this.lookAt(where);
    return this.arrive(kind, where, 0, 0, 0);
  }

  until(kind: PointKind, where: Where, mask: number, value: number): boolean {
    if (this.isGranted) {
      this.isGranted = false;
      // who passes tasks on may have kept from us that there would be no such question
      if (this.whereOf(this.current) === where && this.kindOf(this.current) === kind) return false;
    }
    if (!isLockWait(kind)) this.lookAt(where);
    return this.arrive(kind, where, mask, value, 1);
  }

  touch(kind: PointKind, where: Where): void {
    this.lookAt(where);
    this.also.push(kind, where);
    this.observer?.touched(this, kind, where);
  }

  choose(nrOptions: number, label: string): number {
    return this.driver.choose(this, nrOptions, label);
  }

  private lookAt(where: number): void {
    const use = this.lockUse[where];
    if ((use & LOOKED_AT) !== 0) return;
    this.lockUse[where] = use | LOOKED_AT;
    if ((use & RELEASED_IN_STEP) !== 0) this.grew = true;
  }

  private arrive(kind: PointKind, where: number, mask: number, value: number, isWait: number): boolean {
    const t = this.current;
    const { operations } = this;
    const at = t * OPERATION_WORDS;
    operations[at + KIND] = kind;
    operations[at + WHERE] = where;
    operations[at + MASK] = mask;
    operations[at + VALUE] = value;
    operations[at + IS_WAIT] = isWait;
    operations[at + STATUS] = READY;
    this.endStep(t);
    const next = this.driver.pick(this);
    if (next === t) {
      this.current = t;
      this.beginStep(t);
      return false;
    }
    this.next = next;
    return true;
  }

  private resume(thread: number): void {
    const { operations } = this;
    const at = thread * OPERATION_WORDS;
    const isNew = operations[at + STATUS] === UNSTARTED;
    this.isGranted = operations[at + ASKS] === 1;
    this.current = thread;
    this.beginStep(thread);
    try {
      if (isNew) this.tasks[thread] = (this.program.threads[thread] as Thread<ExplorableMachine>).run(this.m);
      const task = this.tasks[thread];
      // what had nothing to wait for may come finished, as in the fast form
      if (typeof task === 'object' && task !== null) {
        const { done, value } = task.next();
        if (done !== true) {
          operations[at + ASKS] = value === TURN ? 0 : operations[at + IS_WAIT];
          return;
        }
      }
      operations[at + STATUS] = FINISHED;
    } catch (error) {
      operations[at + STATUS] = CRASHED;
      this.isGranted = false;
      // others could have run before the crash: leaving that lock must be a point
      if (this.lastRelease >= 0) this.lookAt(this.lastRelease);
      this.report(crash(error));
    }
    // never again: no word & 0 is 1
    operations[at + MASK] = 0;
    operations[at + VALUE] = 1;
    this.endStep(thread);
    this.next = this.driver.pick(this);
  }

  private beginStep(thread: number): void {
    this.currentHandle[0] = this.handles[thread];
    if (this.operations[thread * OPERATION_WORDS + KIND] !== START) this.steps++;
    if (this.also.length > 0) this.also.length = 0;
    this.lastRelease = -1;
    if (this.observer !== null) this.observer.began(this, thread);
  }

  private endStep(thread: number): void {
    if (this.observer !== null) this.observer.ended(this, thread);
    if (this.afterStep !== null && this.steps > 0) this.afterStep.call(this.program, this.m, this.report);
  }

  private reset(driver: Driver, from: Started | null): void {
    this.driver = driver;
    this.bytes.set(from === null ? this.initial : from.bytes);
    const operations = from === null ? this.unstarted : from.operations;
    for (let i = 0; i < operations.length; i++) this.operations[i] = operations[i];
    if (from !== null) for (let t = 0; t < this.nrThreads; t++) this.tasks[t] = from.task(t);
    this.current = -1;
    this.steps = 0;
    this.isGranted = false;
    if (this.findings.length > 0) this.findings = [];
  }

  /** At the end: nobody can run. Is that what should be? */
  private finish(): void {
    if (this.findings.length > 0 || this.isRunning()) return;
    this.current = -1;
    let isDeadlock = false;
    for (let t = 0; t < this.nrThreads; t++) isDeadlock ||= this.isStuck(t);
    if (!isDeadlock) return this.program.atEnd?.(this.m, this.report);
    const waits = this.program.threads.flatMap((_thread, t) => (this.isStuck(t) ? [this.describeWait(t)] : []));
    this.report({ code: 'deadlock', message: `nobody can run: ${waits.join(', ')}` });
  }

  private isStuck(thread: number): boolean {
    return this.statusOf(thread) === READY && this.program.threads[thread]?.isDaemon !== true;
  }

  private describeWait(thread: number): string {
    return `\`${this.nameOfThread(thread)}\` waits for ${this.nameOfWhere(this.whereOf(thread))}`;
  }
}

function crash(error: unknown): Report {
  if (error instanceof KernelBug) return { code: error.code, message: error.message };
  if (error instanceof Error && typeof (error as { code?: unknown }).code === 'string' && error.name === 'KernelBug') return { code: (error as { code?: string }).code ?? '', message: error.message };
  return { code: 'exception', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}
