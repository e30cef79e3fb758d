/**
 * Each ordering once: source sets with wakeup trees, sleep sets and vector clocks.
 *
 * Two executions are one ordering when they differ only in the order of independent
 * steps. After every execution the races in it are reversed: for steps e and e' that
 * race, the steps after e that do not depend on it, followed by e', are noted at the
 * state before e, unless a sleeping thread could begin an equivalent of them.
 */
import type { PointKind, Where } from '@mmun/include';
import { CRASHED, READY, STOP } from './execution.js';
import type { Driver, Execution, Observer, RawFinding } from './execution.js';
import { MAX_SUSPECTS, livelock } from './fairness.js';
import { Histories, happensBefore } from './happens-before.js';
import type { Access, Pending, Step } from './happens-before.js';
import { NO_WORDS, START, clash, isRelease } from './operation.js';
import { SchedulePlayer } from './replay.js';
import type { AtEnd, ChoicesAt, Found, Limits, Schedule, Search } from './search.js';
import { insert, isSameChoice, isWeakInitial } from './wakeup-tree.js';
import type { Branch, Move } from './wakeup-tree.js';

/** A state on the way, and what is being tried from it. */
interface Node {
  /** Threads that need not move first from here: all that could follow was seen. */
  readonly sleep: Move[];
  /** Still to be tried from here, after the present one. */
  branches: Branch[];
  /** The present one; kind and where are what its operation must be when the node is taken up again. */
  thread: number;
  kind: number;
  where: number;
  /** What is wanted after it. */
  wanted: Branch[];
  /** Sequences that it stands for, if it commutes with them: see Branch. */
  standsFor: Move[][];
  /** How its choices go, and out of how many. */
  choices: number[];
  options: number[];
  step: Step | null;
  /** Steps that raced with it. */
  races: Step[];
}

/** The machine behaved differently under the same schedule. */
export class Nondeterminism extends Error {}

export class Dpor implements Search, Driver, Observer {
  readonly strategy = 'dpor';
  executions = 0;
  blocked = 0;
  cut = 0;
  readonly states = 0;
  isDone = false;
  readonly found: Map<string, Found> = new Map();
  private readonly x: Execution;
  private readonly limits: Limits;
  private readonly atEnd: AtEnd | null;
  private nodes: Node[] = [];
  /** Nodes whose step is repeated from the last execution. */
  private repeated = 0;
  private depth = 0;
  private choiceAt = 0;
  private isBlocked = false;
  private isCut = false;
  /** The branch that was to be tried turned out to be impossible. */
  private isVoid = false;
  private readonly histories: Histories = new Histories();
  private readonly last: (Step | null)[];
  private open: Access[] = [];
  private readonly crashes: Step[] = [];
  /** What happened before the present step of the thread that takes it. */
  private past: readonly number[] | null = null;
  private seenFindings = 0;

  constructor(x: Execution, limits: Limits, atEnd: AtEnd | null = null) {
    this.x = x;
    this.limits = limits;
    this.atEnd = atEnd;
    this.last = Array.from({ length: x.nrThreads }, () => null);
  }

  advance(): void {
    if (this.isDone) return;
    this.begin();
    this.x.observer = this;
    try {
      this.x.run(this);
    } finally {
      this.x.observer = null;
    }
    if (this.x.grew) return this.restart();
    if (this.isVoid) {
      this.nodes.pop();
      return this.backtrack();
    }
    if (this.isBlocked) this.blocked++;
    else this.executions++;
    this.collect(true);
    this.reverseRaces();
    this.reversePending();
    if (this.isCut) this.suspect();
    if (!this.isBlocked && !this.isCut && this.x.findings.length === 0) this.atEnd?.(this.x);
    this.backtrack();
  }

  notes(): string[] {
    return this.cut > 0 ? [`${this.cut} executions were cut at ${this.limits.maxSteps} steps`] : [];
  }

  pick(x: Execution): number {
    this.collect(false);
    if (this.depth < this.nodes.length) return this.depth < this.repeated ? this.repeat(x) : this.retry(this.nodes[this.depth] as Node);
    const node = this.newNode();
    if (this.pickWanted(node) || this.pickFree(node)) {
      this.nodes.push(node);
      return node.thread;
    }
    this.isBlocked = !this.isCut && x.isRunning();
    return STOP;
  }

  choose(_x: Execution, nrOptions: number): number {
    if (nrOptions <= 1) return 0;
    const { choices, options } = this.nodes[this.depth - 1] as Node;
    const at = this.choiceAt++;
    if (at === choices.length) choices.push(0);
    options[at] = nrOptions;
    return choices[at];
  }

  began(x: Execution, thread: number): void {
    const depth = this.depth++;
    this.choiceAt = 0;
    if (this.open.length > 0) this.open.length = 0;
    const node = this.nodes[depth] as Node;
    if (depth < this.repeated) {
      this.last[thread] = node.step;
      return;
    }
    const before = this.last[thread] ?? null;
    const clock = before === null ? new Array<number>(x.nrThreads).fill(0) : before.clock.slice();
    const ordinal = (before?.ordinal ?? 0) + 1;
    clock[thread] = ordinal;
    const step: Step = { thread, kind: x.kindOf(thread), where: x.whereOf(thread), depth, ordinal, clock, also: [], choices: NO_WORDS, words: [] };
    node.step = step;
    if (step.kind !== START) {
      this.past = before?.clock ?? null;
      this.noteRaces(this.pendingOf(thread), step);
      this.access(step, step.where, step.kind);
    }
    this.last[thread] = step;
  }

  touched(_x: Execution, kind: PointKind, where: Where): void {
    if (this.depth <= this.repeated) return;
    const step = (this.nodes[this.depth - 1] as Node).step as Step;
    if (!isRelease(kind)) {
      this.noteRaces({ thread: step.thread, kind, where, mask: 0, value: 0, isWait: false }, step);
      step.also.push(kind, where);
    }
    this.access(step, where, kind);
  }

  ended(x: Execution, thread: number): void {
    if (x.statusOf(thread) === CRASHED) this.crashes.push((this.nodes[this.depth - 1] as Node).step as Step);
    if (this.depth <= this.repeated) return;
    const node = this.nodes[this.depth - 1] as Node;
    const step = node.step as Step;
    if (node.choices.length > 0) step.choices = node.choices.slice();
    this.takeBranch(node, step);
    const { words } = x.m;
    for (const access of this.open) access.after = words[access.where];
    // a later access of the step to the same word tells what an earlier one left
    for (let i = 1; i < this.open.length; i++) {
      const { where, before } = this.open[i] as Access;
      let k = i - 1;
      while (k >= 0 && this.open[k]?.where !== where) k--;
      if (k >= 0) (this.open[k] as Access).after = before;
    }
  }

  private access(step: Step, where: number, kind: number): void {
    const access = this.histories.add(step, where, kind, this.x.m.words[where]);
    if (access !== null) this.open.push(access);
  }

  private begin(): void {
    this.depth = 0;
    this.isBlocked = false;
    this.isCut = false;
    this.isVoid = false;
    this.seenFindings = 0;
    this.crashes.length = 0;
    this.last.fill(null);
  }

  /** Too long: unless a fair schedule ends from here, nothing does. */
  private suspect(): void {
    if (++this.cut > MAX_SUSPECTS || this.found.has('retry-livelock')) return;
    const schedule = this.scheduleOf(null);
    const { finding } = new SchedulePlayer(schedule, this.limits).play(this.x);
    if (finding?.code === 'retry-livelock') this.found.set(finding.code, livelock(schedule.threads.length, schedule));
  }

  private repeat(x: Execution): number {
    const { thread, step } = this.nodes[this.depth] as Node;
    if (step !== null && (x.kindOf(thread) !== step.kind || x.whereOf(thread) !== step.where || !x.isEnabled(thread))) {
      throw new Nondeterminism(`step ${x.steps + 1} of \`${x.nameOfThread(thread)}\` is not what it was under the same schedule`);
    }
    return thread;
  }

  /** The last node takes a branch that was noted for it; one that is not possible here is passed over. */
  private retry(node: Node): number {
    const { x } = this;
    const { thread } = node;
    const isMeant = x.isEnabled(thread) && (node.kind === START || (x.kindOf(thread) === node.kind && x.whereOf(thread) === node.where));
    if (isMeant) return thread;
    pass(node);
    if (this.pickWanted(node)) return node.thread;
    this.isVoid = true;
    return STOP;
  }

  private newNode(): Node {
    const parent = this.nodes[this.depth - 1];
    const sleep = parent === undefined || parent.sleep.length === 0 ? [] : parent.sleep.filter((q) => !this.wakes(parent, q));
    return { sleep, branches: parent?.wanted ?? [], thread: STOP, kind: START, where: 0, wanted: [], standsFor: [], choices: [], options: [], step: null, races: [] };
  }

  private wakes({ step }: Node, q: Move): boolean {
    return step === null || q.thread === step.thread || clash(q, step);
  }

  /** Goes on along a wakeup sequence, where its next step is possible and still the one that was meant. */
  private pickWanted(node: Node): boolean {
    const { x } = this;
    while (node.branches.length > 0) {
      const { thread, kind, where } = node.branches[0] as Branch;
      const isMeant = x.isEnabled(thread) && x.kindOf(thread) === kind && x.whereOf(thread) === where;
      if (isMeant && !isAsleep(node, thread)) {
        node.thread = thread;
        return true;
      }
      pass(node);
    }
    return false;
  }

  /** The thread that has the turn keeps it, else the first that can run and does not sleep. */
  private pickFree(node: Node): boolean {
    const { x } = this;
    node.thread = x.nextToStart();
    if (node.thread !== STOP) return true;
    if (x.steps >= this.limits.maxSteps) {
      this.isCut = true;
      return false;
    }
    const isFit = (t: number): boolean => x.isEnabled(t) && !isAsleep(node, t);
    const turn = x.steps === 0 ? 0 : x.current;
    for (let i = 0; i < x.nrThreads; i++) {
      const thread = (turn + i) % x.nrThreads;
      if (!isFit(thread)) continue;
      node.thread = thread;
      return true;
    }
    return false;
  }

  private pendingOf(thread: number): Pending {
    const { x } = this;
    const { mask, value } = x.conditionOf(thread);
    return { thread, kind: x.kindOf(thread), where: x.whereOf(thread), mask, value, isWait: x.waits(thread) };
  }

  private noteRaces(pending: Pending, step: Step): void {
    const { races } = this.nodes[step.depth] as Node;
    for (const first of this.histories.races(pending, this.past)) if (first !== step && !races.includes(first)) races.push(first);
  }

  /**
   * Done at the end of every execution and for all of its races: only now are all steps known that do not depend
   * on the first one, and with other steps behind it the same race can lead elsewhere.
   */
  private reverseRaces(): void {
    for (let d = 0; d < this.depth; d++) {
      const { races, step } = this.nodes[d] as Node;
      for (const first of races) this.reverse(first, step as Step);
    }
  }

  /** Threads that stand before an operation at the end race with what kept them there. */
  private reversePending(): void {
    const { x } = this;
    for (let t = 0; t < x.nrThreads; t++) {
      if (x.statusOf(t) !== READY || (!this.isCut && x.isEnabled(t))) continue;
      const pending = this.pendingOf(t);
      for (const first of this.histories.races(pending, this.last[t]?.clock ?? null)) this.reverse(first, { ...pending, also: NO_WORDS, choices: null });
    }
  }

  private reverse(first: Step, second: Move): void {
    const sequence: Move[] = [];
    for (let d = first.depth + 1; d < this.depth; d++) {
      const step = (this.nodes[d] as Node).step as Step;
      if (!happensBefore(first, step)) sequence.push(step);
    }
    sequence.push(second);
    want(this.nodes[first.depth] as Node, sequence);
  }

  /** The node's step is one that was wanted, or none of them. It is known now what it touches here. */
  private takeBranch(node: Node, step: Step): void {
    const at = node.branches.findIndex(({ thread, choices }) => thread === step.thread && isSameChoice(choices, step.choices));
    const branch = at < 0 ? undefined : node.branches.splice(at, 1)[0];
    node.wanted = branch?.children ?? [];
    const { standsFor } = node;
    if (branch?.standsFor) standsFor.push(...branch.standsFor);
    if (standsFor.length === 0) return;
    const taken = withAnyChoice(step); // it is taken with each
    for (let i = standsFor.length - 1; i >= 0; i--) if (!isWeakInitial(taken, standsFor[i] as Move[])) want(node, standsFor.splice(i, 1)[0] as Move[]);
  }

  /** Keeps findings that no earlier crash can have caused. */
  private collect(isEnd: boolean): void {
    const { findings } = this.x;
    for (; this.seenFindings < findings.length; this.seenFindings++) {
      const finding = findings[this.seenFindings] as RawFinding;
      const step = (this.nodes[this.depth - 1] as Node | undefined)?.step ?? null;
      const isTainted = this.crashes.some((c) => c !== step && (step === null || happensBefore(c, step)));
      if (isTainted || this.found.has(finding.code)) continue;
      this.found.set(finding.code, { ...finding, schedule: this.scheduleOf(isEnd ? null : step) });
    }
  }

  /** The steps so far, or those of them that `last` depends on. */
  private scheduleOf(last: Step | null): Schedule {
    const threads: number[] = [];
    const choices: ChoicesAt[] = [];
    for (let d = 0; d < this.depth; d++) {
      const { step, choices: options } = this.nodes[d] as Node;
      if (step === null || (last !== null && step.kind !== START && !happensBefore(step, last))) continue;
      if (options.some((option) => option !== 0)) choices.push({ at: step.kind === START ? -1 - step.thread : threads.length, options: options.slice() });
      if (step.kind !== START) threads.push(step.thread);
    }
    return { threads, choices };
  }

  /** Leaves the deepest node that is through for its next branch. */
  private backtrack(): void {
    for (let node = this.nodes.at(-1); node !== undefined; node = this.nodes.at(-1)) {
      const step = node.step as Step;
      this.histories.remove(step);
      if (advanceChoices(node)) return this.renew(node, step);
      if (node.branches.length > 0) node.sleep.push(withAnyChoice(step));
      while (node.branches.length > 0 && isAsleep(node, (node.branches[0] as Branch).thread)) pass(node);
      const [next] = node.branches;
      if (next !== undefined) {
        node.choices = [];
        node.standsFor = [];
        return this.renew(node, next);
      }
      this.nodes.pop();
    }
    this.isDone = true;
  }

  private renew(node: Node, { thread, kind, where }: Move): void {
    node.thread = thread;
    node.kind = kind;
    node.where = where;
    node.step = null;
    node.races = [];
    node.options = [];
    this.repeated = this.nodes.length - 1;
  }

  private restart(): void {
    this.x.grew = false;
    this.nodes = [];
    this.repeated = 0;
    this.executions = this.blocked = this.cut = 0;
    this.found.clear();
    this.histories.clear();
  }
}

/** Notes a sequence to be tried from the node, unless all that could follow it was seen. */
function want(node: Node, sequence: Move[]): void {
  if (!node.sleep.some((q) => isWeakInitial(q, sequence))) insert(node.branches, sequence);
}

/** The first branch of the node leads nowhere new; what it stands for may. */
function pass(node: Node): void {
  const branch = node.branches.shift() as Branch;
  for (const sequence of branch.standsFor ?? []) want(node, sequence);
}

function withAnyChoice({ thread, kind, where, also }: Step): Move {
  return { thread, kind, where, also, choices: null };
}

function isAsleep({ sleep }: Node, thread: number): boolean {
  return sleep.some((q) => q.thread === thread);
}

/** The next way in which the choices of the node's step can go; false when all were tried. */
function advanceChoices(node: Node): boolean {
  const { choices, options } = node;
  while (choices.length > 0) {
    const at = choices.length - 1;
    choices[at] = (choices[at] as number) + 1;
    if (choices[at] < (options[at] as number)) return true;
    choices.pop();
  }
  return false;
}
