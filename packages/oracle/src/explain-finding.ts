/** A counterexample in the words of those who have to fix it: what each step did, and why the last one was wrong. */
import type { ExplorableMachine, ExploredFinding, ExploredStep, Program } from '@mmun/explorer';
import type { FindingStep, Where } from '@mmun/include';
import { observe } from './observe.js';
import type { Moment, Observed, SeenEntry } from './observe.js';
import { placeOf } from './reports.js';
import type { Place } from './reports.js';
import type { WatchedImage } from './watched.js';
import { whyOf } from './why.js';

/** A step as it is told: what it did first, then what it held. */
export interface ToldStep extends FindingStep {
  /** Locks that the actor holds after the step. */
  readonly held: readonly string[];
  /** Kernel function, under the kernel's name. */
  readonly fn: string;
  /** What the step changed that matters: entries, ptes, frames. */
  readonly effects: readonly string[];
  /** The turn was taken from an actor that could have gone on. */
  readonly isPreemption: boolean;
  /** The step in which the invariant broke. */
  readonly isBreach: boolean;
}

export interface Explanation {
  readonly steps: readonly ToldStep[];
  /** One sentence; empty where nothing is known. */
  readonly why: string;
  /** Before the first step, then after each. */
  readonly moments: readonly Moment[];
  /** The translation that the finding is about. */
  readonly place: Place | null;
}

export function explainFinding(program: Program<ExplorableMachine>, image: WatchedImage, finding: ExploredFinding): Explanation {
  const place = placeOf(finding.message);
  const observed = observe(program, image, finding.replay, place);
  const steps = finding.steps.map((step, i) => tell(observed, named(finding.steps, step, i), i, place, i === finding.steps.length - 1 ? finding.code : ''));
  return { steps, why: whyOf(finding, observed, place, steps), moments: observed.moments, place };
}

/** A call that begins has no name of its own yet: it is the one that its actor is in next. */
function named(steps: readonly ExploredStep[], step: ExploredStep, i: number): ExploredStep {
  if (!BEGINS.test(step.object)) return step;
  const next = steps.slice(i + 1).find(({ thread }) => thread === step.thread);
  return { ...step, fn: next?.callers.at(-1) ?? step.fn, callers: [] };
}

const BEGINS = /^oracle\.(page|space)\.busy/;

function tell(observed: Observed, step: ExploredStep, i: number, place: Place | null, breach: string): ToldStep {
  const before = observed.moments[i];
  const after = observed.moments[i + 1] ?? before;
  // a bundler tells functions of one name apart by a number
  const fn = kernelName(step.fn).replace(/\d+$/, '');
  const effects = before === undefined || after === undefined ? [] : effectsOf(before, after);
  return {
    actor: step.actor, text: [`${fn === '' ? '' : `${fn}: `}${actionOf(observed, step, before, after, place)}`, ...effects, ...(breach === '' ? [] : [`here: ${breach}`])].join('; '),
    ...(step.file === undefined ? {} : { file: step.file }), ...(step.line === undefined ? {} : { line: step.line }),
    held: (after?.held ?? []).map(objectName), fn, effects, isPreemption: step.isPreemption, isBreach: breach !== '',
  };
}

/** `zapPteRange` is `zap_pte_range`. */
export function kernelName(fn: string): string {
  return fn.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const VERBS: Readonly<Record<string, string>> = {
  read: 'looks at', write: 'changes', acquire: 'takes', release: 'leaves', 'acquire shared': 'takes (shared)', 'release shared': 'leaves (shared)',
  wait: 'waits for', yield: 'yields', call: 'calls',
};

function actionOf(observed: Observed, { kind, object, where }: ExploredStep, before: Moment | undefined, after: Moment | undefined, place: Place | null): string {
  if (BEGINS.test(object)) return 'the call begins';
  const isPte = place !== null && before !== undefined && where === before.pteWhere;
  const verb = `${VERBS[kind] ?? kind} ${isPte ? `the pte of 0x${place.address.toString(16)}` : objectName(object)}`.trim();
  if (kind !== 'write' || before === undefined || after === undefined) return verb;
  const from = before.words[where];
  const to = after.words[where];
  const [was, is] = [observed.describe(where as Where, from), observed.describe(where as Where, to)];
  if (was === '' || from === to) return from === to ? verb : `${verb} (${from >>> 0} to ${to >>> 0})`;
  return `${verb} (${was} to ${is})`;
}

/** `kvm.kvm.slotsLock[1]` is `kvm.slots_lock[1]`. */
export function objectName(object: string): string {
  return kernelName(object).replace(/^(\w+)\.\1\b/, '$1');
}

function effectsOf(before: Moment, after: Moment): string[] {
  const effects: string[] = [];
  const key = ({ who, mm, address, pfn, isWritable }: SeenEntry): string => `${who} ${mm} ${address} ${pfn} ${isWritable}`;
  const had = new Set(before.entries.map(key));
  const has = new Set(after.entries.map(key));
  for (const entry of after.entries) if (!had.has(key(entry))) effects.push(`+ ${entryText(entry)}`);
  for (const entry of before.entries) if (!has.has(key(entry))) effects.push(`- ${entryText(entry)}`);
  after.live.forEach((isLive, pfn) => {
    if (isLive !== before.live[pfn]) effects.push(isLive ? `frame ${pfn} is given out` : `frame ${pfn} is free`);
  });
  return effects;
}

function entryText({ who, address, pfn, isWritable }: SeenEntry): string {
  return `${who} entry 0x${address.toString(16)} to frame ${pfn}${isWritable ? ', writable' : ''}`;
}
