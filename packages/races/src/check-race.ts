/** One race, explored and explained: what `mmun check` prints, and what the table of `mmun races` is made of. */
import { explore, exploreAsync, riskOf } from '@mmun/explorer';
import type { ExploreOptions, ExploreResult, ExploredFinding, Sampled } from '@mmun/explorer';
import type { Finding, FindingStep } from '@mmun/include';
import { codeOf, explainFinding, standing } from '@mmun/oracle';
import type { Moment, OrderSeen } from '@mmun/oracle';
import { settleParameters } from './checkable.js';
import type { Checkable, Subject } from './checkable.js';
import type { Parameters } from './race-context.js';
import type { RaceImage } from './race-image.js';

export interface CheckOptions extends Omit<ExploreOptions, 'replay'> {
  readonly variant: string;
  /** `--set`. */
  readonly set?: Parameters;
  readonly replay?: string;
  /** Findings bring what the machine looked like between their steps. */
  readonly wantsScenes?: boolean;
  /** The report brings what `joinReports` needs to make one of several. */
  readonly isPart?: boolean;
}

/** The machine between two steps, as a page draws it. */
export interface Scene {
  readonly views: readonly SceneView[];
  /** Frames in use. */
  readonly live: readonly number[];
}

export interface SceneView {
  readonly kind: 'pte' | 'tlb' | 'secondary';
  readonly who: string;
  readonly mm: number;
  readonly address: number;
  readonly pfn: number;
  readonly isWritable: boolean;
}

/** A step that says more than the contract asks for. */
export interface CheckStep extends FindingStep {
  readonly held?: readonly string[];
  readonly fn?: string;
  readonly isPreemption?: boolean;
  readonly isBreach?: boolean;
}

/** A finding with what makes it worth reading. */
export interface CheckFinding extends Finding {
  readonly steps: readonly CheckStep[];
  /** One sentence: who made, changed or freed it, and which call was missing or late; empty where nothing is known. */
  readonly why: string;
  readonly preemptions: number;
  /** Proved: no schedule shows it with fewer preemptions, nor with as many and fewer steps. */
  readonly minimal: boolean;
  /** Where asked for: before the first step, then after each. */
  readonly scenes?: readonly Scene[];
  /** With scenes: the translation that the finding is about. */
  readonly place?: { readonly who: string; readonly mm: number; readonly address: number; readonly pfn: number } | null;
}

/** The document of `mmun check --json`. Fields may be added, none renamed. */
export interface CheckReport {
  readonly schema: 'mmun.check/1';
  readonly race: string;
  readonly title: string;
  readonly variant: string;
  /** The image, and the race's parameters; a race over the primitives alone has no image. */
  readonly config: { readonly arch: string; readonly design: string; readonly build: string; readonly parameters: Parameters };
  /** What ran: where `auto` was asked for, what it chose. */
  readonly strategy: string;
  /** Schedules with at most so many preemptions were all covered; null where none was proved, or all were covered. */
  readonly preemptions: number | null;
  /** Complete executions; for dpor: orderings. */
  readonly executions: number;
  /** Executions that sleep sets cut short. */
  readonly blocked: number;
  /** Distinct states; 0 where the strategy counts none. */
  readonly states: number;
  /** Every interleaving within the bound was covered. */
  readonly exhaustive: boolean;
  readonly elapsedMs: number;
  readonly findings: readonly CheckFinding[];
  /** How large the space of schedules is, where it was not covered. */
  readonly estimate: { readonly schedules: number; readonly steps: number } | null;
  /** What the numbers are worth, in plain sentences. */
  readonly notes: readonly string[];
  readonly interrupted: boolean;
  /** Of a part of a search: what findings and notes of the whole follow from. */
  readonly part?: { readonly orders: readonly OrderSeen[]; readonly sampled: Sampled | null };
  readonly ok: boolean;
}

/** @param image null where the variant's plan says so @throws RangeError, ReplaySyntax for options that cannot be */
export async function checkRace(race: Checkable, image: RaceImage | null, options: CheckOptions): Promise<CheckReport> {
  const { variant, set = {}, signal } = options;
  const parameters = settleParameters(race, variant, set);
  const subject = race.subject(variant, parameters, image);
  const result = await exploreAsync(subject.program, subject.needsWholeRuns ? wholeRuns(options) : options);
  const broken = result.findings.find(({ code }) => code === 'exception');
  if (broken !== undefined) throw errorOf(subject, broken);
  const findings = [...result.findings.map((finding) => describe(subject, finding, options.wantsScenes === true)), ...(options.isPart === true ? [] : standingFindings(subject.orders()))];
  return {
    schema: 'mmun.check/1', race: race.id, title: race.title, variant,
    config: { ...(image === null ? { arch: 'none', design: 'none', build: 'checked' } : image.config), parameters },
    strategy: result.strategy, preemptions: result.preemptions, executions: result.executions, blocked: result.blocked, states: result.states,
    exhaustive: result.exhaustive, elapsedMs: Math.round(result.elapsedMs * 10) / 10, findings,
    estimate: result.estimate === null ? null : { schedules: result.estimate.schedules, steps: result.estimate.steps },
    notes: options.isPart === true ? withoutRisk(result) : notesOf(result), interrupted: signal?.aborted === true,
    ...(options.isPart === true ? { part: { orders: subject.orders(), sampled: result.sampled } } : {}),
    ok: findings.length === 0 && signal?.aborted !== true && !result.notes.some((note) => note.includes('no longer follows')),
  };
}

/** The searches that neither copy threads nor go back into an execution. */
function wholeRuns(options: CheckOptions): CheckOptions {
  const { strategy = 'auto' } = options;
  if (strategy === 'stateful' || strategy === 'bounded') throw new RangeError(`--strategy ${strategy}: this race watches plain fields, which needs whole executions: expected dpor, pct or random`);
  return { ...options, strategy: strategy === 'auto' ? 'dpor' : strategy, keepsLong: true, wholeRuns: true };
}

/** The error itself, with its stack: a search keeps only the message. */
function errorOf({ program }: Subject, { replay, message }: ExploredFinding): Error {
  let thrown = new Error(message);
  const catching: Subject['program'] = {
    ...program,
    threads: program.threads.map((thread) => ({
      ...thread,
      run: (m) => {
        const task = thread.run(m);
        const next = (): IteratorResult<string, unknown> => {
          try {
            return task.next();
          } catch (error) {
            if (error instanceof Error && error.name !== 'KernelBug') thrown = error;
            throw error;
          }
        };
        return { next } as unknown as typeof task;
      },
    })),
  };
  explore(catching, { replay });
  return thrown;
}

/** What the numbers are worth, where nothing says so yet. */
export function notesOf({ notes, exhaustive, findings }: Pick<ExploreResult, 'notes' | 'exhaustive'> & { readonly findings: readonly unknown[] }): string[] {
  const isSilent = !exhaustive && findings.length === 0 && !notes.some((note) => note.includes('not exhaustive'));
  return isSilent ? [...notes, 'not exhaustive: that nothing was found proves nothing beyond what is stated'] : [...notes];
}

/** The risk is that of the whole, once all parts are there. */
function withoutRisk({ notes, sampled }: ExploreResult): string[] {
  return notes.filter((note) => sampled === null || note !== riskOf(sampled));
}

function describe(subject: Subject, finding: ExploredFinding, wantsScenes: boolean): CheckFinding {
  const { code, message, replay, steps, preemptions, isMinimal } = finding;
  const known = code === 'nondeterminism' ? code : codeOf(code, message);
  const named = known === code ? message : `${message} (${code})`;
  if (subject.image === null || replay === '') return { code: known, message: named, replay, steps: steps.map(({ actor, text, file, line }) => stepOf(actor, text, file, line)), why: '', preemptions, minimal: isMinimal };
  const { steps: told, why, moments, place } = explainFinding(subject.program, subject.image, finding);
  const scenes = wantsScenes ? { scenes: moments.map(sceneOf), place: place === null ? null : { who: place.who, mm: place.mm, address: place.address, pfn: place.pfn } } : {};
  return { code: known, message: named, replay, steps: told, why, preemptions, minimal: isMinimal, ...scenes };
}

function sceneOf({ ptes, entries, live }: Moment): Scene {
  return {
    views: [...ptes.map((pte): SceneView => ({ kind: 'pte', who: 'page table', ...pte })), ...entries.map((entry): SceneView => ({ kind: entry.who.startsWith('cpu ') ? 'tlb' : 'secondary', ...entry }))],
    live: live.flatMap((isLive, pfn) => (isLive ? [pfn] : [])),
  };
}

function stepOf(actor: string, text: string, file: string | undefined, line: number | undefined): Finding['steps'][number] {
  return { actor, text, ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
}

export function standingFindings(orders: readonly OrderSeen[]): CheckFinding[] {
  return standing(orders).map((finding) => ({ ...finding, why: 'each order was seen in some execution; together they can wait for each other', preemptions: 0, minimal: false }));
}
