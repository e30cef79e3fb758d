/** Every interleaving, one after the other, with no cleverness at all: what the searches are compared with. */
import { ACQUIRE_SHARED, CALL, READ, RELEASE, RELEASE_SHARED, WAIT, YIELD } from '@mmun/include';
import type { PointKind, Where } from '@mmun/include';
import { Execution, STOP } from '../src/index.js';
import type { Driver, Observer, Program } from '../src/index.js';

export interface BruteForce {
  /** Final states of executions without a finding. */
  readonly states: ReadonlySet<string>;
  readonly codes: ReadonlySet<string>;
  /** Distinct orderings of dependent steps, of executions that ended by themselves. */
  readonly orderings: number;
  readonly executions: number;
  /** False where there were more than `limit`. */
  readonly isWhole: boolean;
}

interface Decision { taken: number; readonly options: readonly number[] }

export interface BruteForceOptions {
  readonly limit: number;
  readonly maxPreemptions?: number;
}

class Driven implements Driver, Observer {
  readonly path: Decision[] = [];
  at = 0;
  preemptions = 0;
  private readonly maxPreemptions: number;
  /** Word, group and thread of each access; the test's own notion of an ordering is made of them. */
  readonly accesses: number[] = [];

  constructor(maxPreemptions: number) {
    this.maxPreemptions = maxPreemptions;
  }

  decide(options: readonly number[]): number {
    const known = this.path[this.at];
    if (known !== undefined) return known.options[(this.at++, known.taken)] as number;
    this.path.push({ taken: 0, options });
    return options[(this.at++, 0)] as number;
  }

  pick(x: Execution): number {
    if (x.findings.length > 0) return STOP;
    for (let t = 0; t < x.nrThreads; t++) if (x.statusOf(t) === 0) return t;
    const enabled: number[] = [];
    for (let t = 0; t < x.nrThreads; t++) if (x.isEnabled(t)) enabled.push(t);
    if (enabled.length === 0) return STOP;
    const isFree = x.steps === 0 || x.isFree(x.current);
    const options = isFree || this.preemptions < this.maxPreemptions ? enabled : [x.current];
    const next = this.decide(options);
    if (!isFree && next !== x.current) this.preemptions++;
    this.accesses.push(STEP, OWN, next);
    if (x.kindOf(next) !== YIELD) this.accesses.push(x.whereOf(next), groupOf(x.kindOf(next)), next);
    return next;
  }

  began(): void {
    // pick knows
  }

  /** What else the step touches; leaving a lock is a step of its own here. */
  touched(x: Execution, kind: PointKind, where: Where): void {
    if (kind !== RELEASE && kind !== RELEASE_SHARED) this.accesses.push(where, groupOf(kind), x.current);
  }

  ended(): void {
    // the next pick knows
  }

  choose(_x: Execution, nrOptions: number): number {
    const option = this.decide([...Array(nrOptions).keys()]);
    this.accesses.push(CHOICE, OWN, option);
    return option;
  }

  /** Leaving a lock is a step like any other here. */
  isPoint(): boolean {
    return true;
  }

  next(): boolean {
    this.at = 0;
    this.preemptions = 0;
    this.accesses.length = 0;
    for (let last = this.path.at(-1); last !== undefined; last = this.path.at(-1)) {
      last.taken++;
      if (last.taken < last.options.length) return true;
      this.path.pop();
    }
    return false;
  }
}

/** In the place of a word: what follows is another step; a choice. */
const STEP = -2;
const CHOICE = -1;
const OWN = 0;
const LOOK = 1;
const SHARE = 2;

function groupOf(kind: number): number {
  if (kind === READ || kind === WAIT || kind === CALL) return LOOK;
  return kind === ACQUIRE_SHARED || kind === RELEASE_SHARED ? SHARE : OWN;
}

/** The machine's bytes, without the note of who ran last. */
export function stateOf(x: Execution): string {
  x.m.cpu.current[0] = 0;
  return Buffer.from(x.m.buffer).toString('latin1');
}

/** One text for all executions that differ only in the order of independent steps. */
function orderingOf(accesses: readonly number[]): string {
  const ordinals: number[] = [];
  const words = new Map<number, { text: string; group: number; members: number[] }>();
  let choices = '';
  for (let i = 0; i < accesses.length; i += 3) {
    const [where, group, thread] = [accesses[i] as number, accesses[i + 1] as number, accesses[i + 2] as number];
    if (where === CHOICE) { choices += thread; continue; }
    if (where === STEP) { ordinals[thread] = (ordinals[thread] ?? 0) + 1; continue; }
    const word = words.get(where) ?? { text: '', group: OWN, members: [] };
    words.set(where, word);
    if (group === OWN || word.group !== group) close(word);
    word.group = group;
    word.members.push(thread * 100 + (ordinals[thread] as number));
  }
  const texts: string[] = [];
  for (const [where, word] of words) { close(word); texts.push(`${where}:${word.text}`); }
  return choices + texts.sort().join(';');
}

function close(word: { text: string; group: number; members: number[] }): void {
  if (word.members.length > 1) word.members.sort((a, b) => a - b);
  word.text += `|${word.group} ${word.members.join(' ')}`;
  word.members.length = 0;
}

export function bruteForce(program: Program<never>, { limit, maxPreemptions = Infinity }: BruteForceOptions): BruteForce {
  const x = new Execution(program);
  const driver = new Driven(maxPreemptions);
  x.observer = driver;
  const states = new Set<string>();
  const codes = new Set<string>();
  const orderings = new Set<string>();
  let executions = 0;
  let isWhole = false;
  while (!isWhole && executions < limit) {
    x.run(driver);
    executions++;
    for (const { code } of x.findings) codes.add(code);
    if (x.findings.length === 0) states.add(stateOf(x));
    orderings.add(orderingOf(driver.accesses));
    isWhole = !driver.next();
  }
  return { states, codes, orderings: orderings.size, executions, isWhole };
}
