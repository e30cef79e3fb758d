/** One scenario, looked at as far as the effort goes: every interleaving, else all with few preemptions, else many at random. */
import type { SecondaryMmu } from '@mmun/include';
import { checkRace, checkableOf } from '@mmun/races';
import type { CheckFinding, CheckOptions, CheckReport } from '@mmun/races';
import { noneMapsWhatIsFree } from './conduct-steps.js';
import { endOfAll, ownFrames } from './end-of-all.js';
import { Announcer, guardPlugin } from './guard.js';
import { toyImage } from './images.js';
import type { Scenario } from './scenarios.js';

/** How far a scenario is followed. Executions decide, so that the same effort gives the same answer; time only caps it. */
export interface Effort {
  readonly orderings: number;
  /** Executions with few preemptions; 0: none are looked at for their own sake. */
  readonly bounded: number;
  readonly preemptions: number;
  readonly random: number;
  /** After each execution everything is closed and ended, and what is left then is looked for. */
  readonly endsAll: boolean;
  /** Of each of the three. */
  readonly maxMillis: number;
}

export const QUICK: Effort = { orderings: 90, bounded: 0, preemptions: 1, random: 0, endsAll: false, maxMillis: 20_000 };
/** Of scenarios that are looked at in a way of their own. */
const LOOKS: Readonly<Record<'light' | 'orderings', Effort>> = { light: { ...QUICK, orderings: 40, random: 0 }, orderings: { ...QUICK, orderings: 125, random: 0 } };
export const FULL: Effort = { orderings: 5000, bounded: 2000, preemptions: 2, random: 500, endsAll: true, maxMillis: 10_000 };

export async function search(scenario: Scenario, plugin: SecondaryMmu, effort: Effort, seed: number, signal?: AbortSignal): Promise<CheckReport> {
  const { orderings, preemptions, bounded, random, endsAll, maxMillis } = effort === QUICK && scenario.look !== undefined ? LOOKS[scenario.look] : effort;
  const explore = (options: Omit<CheckOptions, 'variant'>): Promise<CheckReport> => explored(scenario, plugin, { maxMillis, seed, ...options }, { signal, endsAll: endsAll && options.strategy !== 'bounded' });
  const isOver = (): boolean => signal?.aborted === true;
  let report = await explore({ strategy: 'dpor', maxExecutions: orderings });
  if (!report.exhaustive && report.findings.length === 0 && !isOver() && bounded > 0) report = joined(report, await explore({ strategy: 'bounded', preemptions, maxExecutions: bounded }));
  if (!report.exhaustive && report.findings.length === 0 && !isOver() && random > 0) report = joined(report, await explore({ strategy: 'pct', maxExecutions: random }));
  return located(scenario, plugin, report);
}

/** One execution: what a finding of the scenario named. */
export async function replay(scenario: Scenario, plugin: SecondaryMmu, text: string): Promise<CheckReport> {
  const report = await explored(scenario, plugin, { replay: text }, { isLocating: true, endsAll: true });
  return { ...report, findings: report.findings.map(withoutPauses) };
}

/** What is forgotten has no line until somebody keeps the lines of everything: once more, then, and only this execution. */
async function located(scenario: Scenario, plugin: SecondaryMmu, report: CheckReport): Promise<CheckReport> {
  const findings: CheckFinding[] = [];
  for (const finding of report.findings) {
    const isLate = finding.replay !== '' && (finding.code === 'bad-plugin' || finding.code === 'lock-misuse');
    const again = isLate ? (await replay(scenario, plugin, finding.replay)).findings.find(({ code }) => code === finding.code) : undefined;
    findings.push(withoutPauses(again === undefined ? finding : { ...finding, message: again.message }));
  }
  return { ...report, findings };
}

/** The points that stand for no operation (see guard.ts) are no steps to a reader. */
function withoutPauses(finding: CheckFinding): CheckFinding {
  const kept = finding.steps.map(({ text }, at) => ({ at, isStep: !text.includes('looks at word[0]') }));
  const places = kept.filter(({ isStep }) => isStep).map(({ at }) => at);
  const numberOf = (step: number): number => kept.slice(0, step).filter(({ isStep }) => isStep).length;
  return {
    ...finding, steps: places.map((at) => finding.steps[at] as (typeof finding.steps)[number]),
    why: finding.why.replaceAll(/\bstep (\d+)/g, (_all, step: string) => `step ${numberOf(Number(step))}`),
  };
}

interface Exploration {
  readonly signal?: AbortSignal | undefined;
  readonly isLocating?: boolean;
  readonly endsAll: boolean;
}

async function explored(scenario: Scenario, plugin: SecondaryMmu, options: Omit<CheckOptions, 'variant'>, { signal, isLocating = false, endsAll }: Exploration): Promise<CheckReport> {
  const announces = new Announcer();
  const attacked = scenario.race(guardPlugin(plugin, { isLocating, announces, isRefusing: scenario.isRefusing === true }));
  // who does the work of a queue is a thread of the race
  const isEnded = endsAll && attacked.actors['kworker'] === undefined;
  let before = 0;
  const race = checkableOf({
    ...attacked,
    setup: (t) => {
      announces.booted({ sched: t.m.sched, isAlive: (mm) => t.image.isMmAlive(t.m, mm) });
      before = ownFrames(t);
      return attacked.setup(t);
    },
    atEnd: (t, s) => {
      attacked.atEnd?.(t, s);
      noneMapsWhatIsFree(t, 'at the end');
      if (isEnded) endOfAll(t, before);
    },
  });
  return checkRace(race, await toyImage(scenario.design), { variant: 'fixed', ...options, ...(signal === undefined ? {} : { signal }) });
}

/** The later search says what is proved and found; the work is that of both. */
function joined(first: CheckReport, then: CheckReport): CheckReport {
  return {
    ...then, executions: first.executions + then.executions, blocked: first.blocked + then.blocked, elapsedMs: first.elapsedMs + then.elapsedMs,
    strategy: `${first.strategy}, ${then.strategy}`, preemptions: then.preemptions ?? first.preemptions,
    findings: [...first.findings, ...then.findings], notes: [...then.notes], ok: first.findings.length === 0 && then.ok,
  };
}
