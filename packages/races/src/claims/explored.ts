/** Evidence out of explorations: what must be clean, and what must be convicted. */
import type { CheckReport } from '../check-race.js';
import { Unsettled } from './claim.js';
import type { Counterexample, Explored, Lab, Settled } from './claim.js';

/** Of one search; a claim whose races cannot be covered in this time is not settled by them. */
const MILLIS = 60_000;

export interface Subject {
  readonly race: string;
  readonly variant: string;
  readonly says: string;
  readonly set?: Readonly<Record<string, number | string>>;
  /** Left out: both exhaustive searches, and whichever is through. */
  readonly strategy?: 'dpor' | 'stateful';
  readonly maxMillis?: number;
}

export async function exploreOne(lab: Lab, { race, variant, says, set, strategy = 'dpor', maxMillis = MILLIS }: Subject): Promise<Explored> {
  const report = await lab.check(race, { variant, strategy, maxMillis, ...(set === undefined ? {} : { set }) });
  return { kind: 'explored', says, race, variant, exhaustive: report.exhaustive, executions: report.executions, counterexample: counterexampleOf(report) };
}

/** @throws Unsettled unless every interleaving is clean */
export async function clean(lab: Lab, subject: Subject): Promise<Explored> {
  const found = await exploreOne(lab, subject);
  if (found.counterexample !== null) throw new Unsettled(`${subject.race}, ${subject.variant}: ${found.counterexample.message}`);
  if (!found.exhaustive) throw new Unsettled(`${subject.race}, ${subject.variant}: not every interleaving was covered`);
  return found;
}

/** @throws Unsettled unless some schedule goes wrong */
export async function convicted(lab: Lab, subject: Subject): Promise<Explored & { readonly counterexample: Counterexample }> {
  const found = await exploreOne(lab, subject);
  if (found.counterexample === null) throw new Unsettled(`${subject.race}, ${subject.variant}: nothing was found, and something should be`);
  return { ...found, counterexample: found.counterexample };
}

/** The one that the verdict rests on: what `mmun check --replay` repeats. */
export function replayOf({ verdict, evidence }: Settled): Counterexample | null {
  if (verdict !== 'refuted') return null;
  for (const one of evidence) if (one.kind === 'explored' && one.counterexample !== null) return one.counterexample;
  return null;
}

function counterexampleOf({ race, variant, findings: [finding] }: CheckReport): Counterexample | null {
  if (finding === undefined) return null;
  const { code, message, why, replay, preemptions, steps } = finding;
  return { race, variant, code, message, why, replay, preemptions, steps };
}
