/** From a finding as a search made it to one that can be read, repeated and trusted. */
import { Execution } from './execution.js';
import { minimise, settle } from './minimise.js';
import { NOTHING, classOf, nameOfKind } from './operation.js';
import type { ExploreOptions, ExploredFinding, ExploredStep } from './options.js';
import type { Program } from './program.js';
import { SchedulePlayer, ScriptPlayer } from './replay.js';
import type { Played, TakenStep } from './replay.js';
import { parseReplay, printReplay } from './replay-string.js';
import type { Found } from './search.js';

export const DEFAULT_MAX_STEPS = 10_000;
const MAX_PROOF_STATES = 200_000;
const MAX_PROOF_MILLIS = 5_000;

/** @param x the execution of the search that found it @param notes gets what must be said of it */
export function explain(program: Program<never>, x: Execution, found: Found, options: ExploreOptions, notes: string[]): ExploredFinding {
  const maxSteps = options.maxSteps ?? DEFAULT_MAX_STEPS;
  const limits = { maxSteps, maxStates: options.maxProofStates ?? MAX_PROOF_STATES, maxMillis: MAX_PROOF_MILLIS };
  const { schedule, isProved } = options.keepsLong === true ? { schedule: found.schedule, isProved: false } : minimise(x, found, limits);
  const play = (wantsSites: boolean): Played => settle(() => new SchedulePlayer(schedule, { wantsSites, maxSteps }).play(x), x);
  // one execution may show several things: this is about one of them
  const shown = (of: Execution, { finding }: Played): Played['finding'] => of.findings.find(({ code }) => code === found.code) ?? finding;
  const first = play(false);
  const isShown = shown(x, first)?.code === found.code;
  const second = play(true);
  const finding = shown(x, second);
  if (!isShown || finding?.code !== found.code || first.digest !== second.digest) return unsteady(x, found, first, second);
  const names = program.threads.map(({ name }) => name);
  const replay = printReplay(second, names);
  const again = settleScript(program, replay, maxSteps);
  if (shown(again.x, again)?.code !== found.code) notes.push(`the replay string of \`${found.code}\` does not repeat it: ${again.divergence || 'nothing was found'}`);
  return {
    code: found.code, message: finding.message, replay, steps: second.steps.map((step) => stepOf(x, step)),
    preemptions: second.preemptions, isMinimal: isProved, schedule,
  };
}

/** Plays a replay string on a fresh machine. */
export function settleScript(program: Program<never>, replay: string, maxSteps: number, wantsSites = false): Played & { readonly x: Execution } {
  const x = new Execution(program);
  const script = parseReplay(replay, program.threads.map(({ name }) => name));
  return { ...settle(() => new ScriptPlayer(script, { wantsSites, maxSteps }).play(x), x), x };
}

export function stepOf(x: Execution, { thread, kind, where, isPreemption, site }: TakenStep): ExploredStep {
  const name = nameOfKind(kind);
  const object = classOf(kind) === NOTHING ? '' : x.nameOfWhere(where);
  const text = [name, object].filter(Boolean).join(' ');
  return {
    actor: x.nameOfThread(thread), text: site === null ? text : `${site.fn}: ${text}`,
    ...(site !== null && site.file !== '' ? { file: site.file, line: site.line } : {}),
    thread, kind: name, object, where, fn: site?.fn ?? '', callers: site?.callers ?? [], isPreemption,
  };
}

/** The same schedule did not do the same twice: nothing else that was found can be trusted. */
function unsteady(x: Execution, found: Found, first: Played, second: Played): ExploredFinding {
  const what = ({ finding, digest }: Played): string => `${finding?.code ?? 'nothing'} (observations ${digest})`;
  return {
    code: 'nondeterminism',
    message: `the schedule that showed \`${found.code}\` gave ${what(first)} and then ${what(second)}: state outside of the machine's buffer, time or chance has a part in it`,
    replay: '', steps: second.steps.map((step) => stepOf(x, step)), preemptions: second.preemptions, isMinimal: false, schedule: found.schedule,
  };
}
