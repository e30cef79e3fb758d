/** Runs one schedule, given step by step or as a replay string, and notes what happened. */
import type { PointKind, Where } from '@mmun/include';
import { YIELD } from '@mmun/include';
import { READY, STOP } from './execution.js';
import type { Driver, Execution, Observer, RawFinding } from './execution.js';
import { Hash } from './hash.js';
import { Labels } from './label.js';
import { START, isRelease } from './operation.js';
import { digits, isPlace } from './replay-string.js';
import type { ReplayScript, Turn } from './replay-string.js';
import { Rng } from './rng.js';
import { anyEnabled } from './fairness.js';
import type { ChoicesAt, Schedule } from './search.js';
import { siteOf } from './site.js';
import type { Site } from './site.js';

/** One step as it was taken. */
export interface TakenStep {
  readonly thread: number;
  readonly kind: number;
  readonly where: number;
  /** The turn was taken from a thread that could have gone on. */
  readonly isPreemption: boolean;
  /** Where in the source the operation stands; null where that was not asked for. */
  readonly site: Site | null;
}

export interface Played {
  readonly steps: readonly TakenStep[];
  readonly schedule: Schedule;
  readonly preemptions: number;
  /** Where the schedule left the ordinary way. */
  readonly turns: readonly Turn[];
  /** Of every word that was looked at on the way, and of the finding. */
  readonly digest: string;
  readonly finding: RawFinding | null;
  /** Where the program no longer does what the script says; empty: it did. */
  readonly divergence: string;
}

/** Who runs next on the ordinary way. */
export function ordinary(x: Execution): number {
  const { current, nrThreads } = x;
  if (current >= 0 && x.kindOf(current) !== YIELD && x.isEnabled(current)) return current;
  for (let i = 1; i <= nrThreads; i++) {
    const t = (Math.max(current, -1) + i + nrThreads) % nrThreads;
    if (x.isEnabled(t)) return t;
  }
  return STOP;
}

/** What all players share: starts first, labels, notes, a bound on steps. */
abstract class Player implements Driver, Observer {
  protected readonly labels: Labels = new Labels();
  protected readonly turns: Turn[] = [];
  protected divergence = '';
  /** The label of a release that is a point only here. */
  protected release = '';
  private readonly steps: TakenStep[] = [];
  private readonly choices: ChoicesAt[] = [];
  private preemptions = 0;
  private isPreempting = false;
  private options: number[] = [];
  private readonly hash: Hash = new Hash();
  private readonly sites: (Site | null)[] = [];
  private readonly wantsSites: boolean;
  private readonly maxSteps: number;
  private isFresh = true;
  private fair: Rng | null = null;

  constructor(wantsSites: boolean, maxSteps: number) {
    this.wantsSites = wantsSites;
    this.maxSteps = maxSteps;
    this.hash.reset(0x1f83d9ab);
  }

  /** Who comes next, where the ordinary way leads to `usual`. */
  protected abstract decide(x: Execution, label: string, usual: number): number;
  protected abstract option(x: Execution, label: string, nrOptions: number): number;
  abstract isPoint(x: Execution, kind: PointKind, where: Where): boolean;

  play(x: Execution): Played {
    x.observer = this;
    try {
      x.run(this);
    } finally {
      x.observer = null;
    }
    if (x.findings.length === 0 && this.fair !== null && x.isRunning()) {
      x.findings.push({ code: 'retry-livelock', message: `no end after ${x.steps} steps, the last of them under a fair schedule`, thread: -1, step: x.steps });
    }
    const finding = x.findings[0] ?? null;
    if (finding !== null) this.hash.addString(finding.code);
    this.hash.finish();
    return {
      steps: this.steps, schedule: { threads: this.steps.map(({ thread }) => thread), choices: this.choices }, preemptions: this.preemptions,
      turns: this.turns, digest: digits(this.hash.lo >>> 0, 4), finding, divergence: this.divergence,
    };
  }

  pick(x: Execution): number {
    if (this.wantsSites && x.current >= 0 && x.statusOf(x.current) === READY) this.sites[x.current] = siteOf(x, x.current);
    const begins = x.nextToStart();
    if (begins !== STOP) return begins;
    if (x.findings.length > 0) return STOP;
    if (this.isFresh) {
      this.isFresh = false;
      x.current = STOP;
    }
    if (x.steps >= this.maxSteps) return this.pickFairly(x);
    const usual = ordinary(x);
    if (usual === STOP) return STOP;
    const label = this.release || this.labels.arrived(x, x.current);
    this.release = '';
    const next = this.decide(x, label, usual);
    if (next !== usual && next !== STOP) this.turns.push({ at: label, to: x.nameOfThread(next) });
    this.isPreempting = next !== x.current && !x.isFree(x.current);
    return next;
  }

  choose(x: Execution, nrOptions: number, label: string): number {
    if (nrOptions <= 1) return 0;
    const at = this.labels.choice(x, x.current, label);
    const option = this.option(x, at, nrOptions);
    if (option !== 0) this.turns.push({ at, to: `${option}` });
    this.options.push(option);
    this.hash.add(option);
    return option;
  }

  began(x: Execution, thread: number): void {
    this.options = [];
    const kind = x.kindOf(thread);
    if (kind === START) return;
    const where = x.whereOf(thread);
    if (this.isPreempting) this.preemptions++;
    this.steps.push({ thread, kind, where, isPreemption: this.isPreempting, site: this.sites[thread] ?? null });
    this.isPreempting = false;
    // whether leaving a lock is a step depends on what else was ever run
    if (isRelease(kind as PointKind)) return;
    this.hash.add(thread * 16 + kind);
    this.hash.add(x.m.words[where]);
  }

  touched(x: Execution, kind: PointKind, where: Where): void {
    if (!isRelease(kind)) this.hash.add(x.m.words[where]);
  }

  /** All starts come before the first step. */
  ended(_x: Execution, thread: number): void {
    if (!this.options.some((option) => option !== 0)) return;
    this.choices.push({ at: this.steps.length === 0 ? -1 - thread : this.steps.length - 1, options: this.options });
    this.options = [];
  }

  /** Beyond the bound: if this does not end either, nothing will. */
  private pickFairly(x: Execution): number {
    this.fair ??= new Rng(1);
    return x.steps >= this.maxSteps * 2 ? STOP : anyEnabled(x, this.fair);
  }
}

/** Plays a schedule as it was recorded. */
export class SchedulePlayer extends Player {
  private readonly given: Schedule;
  private at = 0;
  private step = 0;
  private choiceAt = 0;

  constructor(given: Schedule, { wantsSites = false, maxSteps = 10_000 }: { wantsSites?: boolean; maxSteps?: number } = {}) {
    super(wantsSites, maxSteps);
    this.given = given;
  }

  protected decide(x: Execution, _label: string, usual: number): number {
    const wanted = this.given.threads[this.at++];
    if (wanted === undefined) return usual;
    if (x.isEnabled(wanted)) return wanted;
    this.divergence ||= `step ${this.at}: \`${x.nameOfThread(wanted)}\` cannot run`;
    return usual;
  }

  override began(x: Execution, thread: number): void {
    this.step = x.kindOf(thread) === START ? -1 - thread : this.at - 1;
    this.choiceAt = 0;
    super.began(x, thread);
  }

  protected option(_x: Execution, _label: string, nrOptions: number): number {
    const option = this.given.choices.find(({ at }) => at === this.step)?.options[this.choiceAt++] ?? 0;
    return Math.min(option, nrOptions - 1);
  }

  isPoint(x: Execution, kind: PointKind, where: Where): boolean {
    this.labels.operation(x, x.current, kind, where);
    return false;
  }
}

/** Plays a replay string: leaves the ordinary way where it says so, as often as its places come. */
export class ScriptPlayer extends Player {
  private readonly script: ReplayScript;
  private readonly isUsed: boolean[];

  constructor(script: ReplayScript, { wantsSites = false, maxSteps = 10_000 }: { wantsSites?: boolean; maxSteps?: number } = {}) {
    super(wantsSites, maxSteps);
    this.script = script;
    this.isUsed = script.turns.map(() => false);
  }

  override play(x: Execution): Played {
    const played = super.play(x);
    const missed = this.isUsed.indexOf(false);
    const divergence = this.divergence || (missed < 0 ? '' : `after step ${played.steps.length}: the place \`${this.script.turns[missed]?.at ?? ''}\` (${missed + 1} of ${this.isUsed.length}) never came`);
    return { ...played, divergence };
  }

  protected decide(x: Execution, label: string, usual: number): number {
    const to = this.turn(label);
    if (to === null) return usual;
    const names = x.program.threads.map(({ name }) => name);
    const thread = names.includes(to) ? names.indexOf(to) : Number(to);
    if (x.isEnabled(thread)) return thread;
    this.divergence ||= `step ${x.steps + 1}: at \`${label}\` it was the turn of \`${to}\`, which cannot run now`;
    return usual;
  }

  protected option(_x: Execution, label: string, nrOptions: number): number {
    const to = this.turn(label);
    return to === null ? 0 : Math.min(Number(to), nrOptions - 1);
  }

  /** Leaving a lock is a place only where the script wants to switch there. */
  isPoint(x: Execution, kind: PointKind, where: Where): boolean {
    const label = this.labels.operation(x, x.current, kind, where);
    if (!this.script.turns.some(({ at }, i) => !this.isUsed[i] && isPlace(at, label))) return false;
    this.release = label;
    return true;
  }

  private turn(label: string): string | null {
    const i = this.script.turns.findIndex(({ at }, k) => !this.isUsed[k] && isPlace(at, label));
    if (i < 0) return null;
    this.isUsed[i] = true;
    return this.script.turns[i]?.to ?? null;
  }
}
