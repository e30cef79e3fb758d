/** Replays recordings one after the other on machines of their own and adds up what was seen. */
import type { Finding, NotifierCounts, SecondaryMmu } from '@mmun/include';
import { Recording, replayRecording, ReplayError } from '@mmun/recording';
import type { RecordingResult, Skipped } from '@mmun/recording';
import type { ReplayImage } from './images.js';
import { attachTraffic } from './device-traffic.js';
import type { TrafficHooks } from './device-traffic.js';
import { incompleteFiles } from './incomplete-files.js';
import type { RunLog } from '../report/run-log.js';
import type { RecordingReport, RunReport, SecondaryReport } from './run-report.js';
import { ROOMY, Witness, judgeMemory, shortOf, sparing } from './short-memory.js';
import type { ReplayedEffect } from './short-memory.js';

export interface RunRequest {
  readonly sources: readonly string[];
  readonly image: ReplayImage;
  readonly plugins: readonly SecondaryMmu[];
  /** Secondary accesses per recorded event. */
  readonly deviceRate: number;
  readonly seed: number;
  /** Page frames; left out: as many as are wanted. With them each recording is replayed twice, first with all the memory it wants. */
  readonly frames?: number;
  /** What happens is written down for a page or a trace. */
  readonly log?: 'events' | 'events and vmas';
}

export interface RunWatcher {
  readonly signal: AbortSignal;
  onProgress(fraction: number, label: string): void;
  /** Where a log was asked for, after each recording. */
  onLog?(recording: { readonly name: string; readonly command: string }, log: RunLog): void;
}

/**
 * Every source is looked at before the first is replayed, so that a wrong path costs no time.
 * @throws RecordingError where a source is no recording
 */
export async function runRecordings(request: RunRequest, watcher: RunWatcher): Promise<RunReport> {
  const startMs = performance.now();
  const sizes = request.sources.map(sizeOf);
  const total = new RunTotal();
  const allBytes = Math.max(1, sizes.reduce((sum, size) => sum + size, 0));
  let doneBytes = 0;
  for (const [index, source] of request.sources.entries()) {
    const from = doneBytes;
    const outcome = await replayOne(request, source, watcher, (fraction, name) =>
      watcher.onProgress((from + fraction * sizes[index]) / allBytes, name));
    total.add(outcome);
    doneBytes += sizes[index];
    if (total.isInterrupted) break;
  }
  return total.report(request, performance.now() - startMs);
}

function sizeOf(source: string): number {
  const recording = new Recording(source);
  recording.close();
  return recording.nrBytes;
}

interface Outcome {
  readonly report: RecordingReport;
  readonly isEqual: boolean;
  readonly isInterrupted: boolean;
  readonly notifier: NotifierCounts | null;
  readonly secondary: readonly SecondaryReport[];
  readonly findings: readonly Finding[];
  readonly skipped: readonly Skipped[];
}

async function replayOne(
  request: RunRequest, source: string, { signal, onLog }: RunWatcher, onProgress: (fraction: number, name: string) => void,
): Promise<Outcome> {
  const recording = new Recording(source);
  const incomplete = incompleteFiles(source, recording);
  const { image, frames } = request;
  const traffic = attachTraffic(frames === undefined ? request : { ...request, plugins: request.plugins.map(sparing) });
  const half = frames === undefined ? 0 : 0.5;
  const progress = (from: number) => (fraction: number, events: number): void => onProgress(from + fraction * (1 - half), `${recording.name}, ${events} events`);
  const [roomy, tight] = [new Witness(), new Witness()];
  try {
    if (frames !== undefined) await replayRecording(image, source, { ...ROOMY, signal, onProgress: progress(0), afterEvent: (replayed) => { roomy.afterEvent(image, replayed); } });
    const result = await replayRecording(traffic.image, recording, {
      ...traffic.hooks, signal, onProgress: progress(half),
      ...(frames === undefined ? {} : {
        ...shortOf(frames, roomy.maxFrames),
        afterEvent: (replayed: ReplayedEffect) => {
          traffic.hooks.afterEvent?.(replayed);
          tight.afterEvent(traffic.image, replayed);
        },
      }),
    });
    if (traffic.log !== null) onLog?.(result, traffic.log);
    const outcome = outcomeOf({ ...result, skipped: [...incomplete, ...result.skipped] }, traffic);
    if (frames === undefined || outcome.isInterrupted) return outcome;
    const { memory, findings } = judgeMemory(frames, roomy, tight, result);
    return { ...outcome, report: { ...outcome.report, memory }, findings: [...outcome.findings, ...findings] };
  } catch (error) {
    if (error instanceof ReplayError || isKernelBug(error)) return stopped(recording, error, traffic);
    throw error;
  }
}

function outcomeOf(result: RecordingResult, traffic: TrafficHooks): Outcome {
  const { name, command, processes, missing, events, elapsedMs, isEqual, isFolded, isInterrupted, notifier, skipped } = result;
  return {
    report: { name, command, processes, missing, events, elapsedMs, folded: isFolded },
    isEqual, isInterrupted, notifier, secondary: traffic.secondary(), findings: traffic.findings(), skipped,
  };
}

/** The model itself gave up: that is a finding about the model, at a line of the recording. */
function stopped(recording: Recording, error: Error, traffic: TrafficHooks): Outcome {
  const bug = isKernelBug(error) ? error : isKernelBug(error.cause) ? error.cause : null;
  const steps = error instanceof ReplayError ? [{ actor: 'replay', text: 'this event', file: error.file, line: error.line }] : [];
  const finding: Finding = { code: bug?.code ?? 'model-stopped', message: error.message, replay: '', steps };
  return {
    report: { name: recording.name, command: recording.command, processes: [], missing: recording.missing, events: 0, elapsedMs: 0, folded: false },
    isEqual: false, isInterrupted: false, notifier: null, secondary: [], findings: [...traffic.findings(), finding], skipped: recording.skipped,
  };
}

/** Thrown by an image, whose class is not ours. */
function isKernelBug(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && error.name === 'KernelBug' && 'code' in error && typeof error.code === 'string';
}

const NO_CALLS: NotifierCounts = {
  invalidatePage: 0, invalidatePages: 0, agePage: 0, release: 0, invalidateRangeStart: 0, invalidateRangeEnd: 0, changePte: 0,
};

class RunTotal {
  readonly #outcomes: Outcome[] = [];

  add(outcome: Outcome): void {
    this.#outcomes.push(outcome);
  }

  get isInterrupted(): boolean {
    return this.#outcomes.some((outcome) => outcome.isInterrupted);
  }

  report({ image, plugins, seed }: RunRequest, elapsedMs: number): RunReport {
    const all = this.#outcomes;
    const findings = all.flatMap((outcome) => outcome.findings);
    return {
      schema: 'mmun.run/1',
      config: { ...image.config },
      recordings: all.map(({ report }) => report),
      ...(image.config.design === 'off' ? {} : { notifier: all.reduce((sum, { notifier }) => addCounts(sum, notifier ?? NO_CALLS), NO_CALLS) }),
      secondary: plugins.map(({ name }) => sumSecondary(name, all.flatMap(({ secondary }) => secondary))),
      findings,
      skipped: all.flatMap((outcome) => outcome.skipped),
      elapsedMs: Math.round(elapsedMs * 1000) / 1000,
      interrupted: this.isInterrupted,
      seed,
      ok: findings.length === 0 && !this.isInterrupted && all.every(({ isEqual }) => isEqual),
    };
  }
}

function addCounts(a: NotifierCounts, b: NotifierCounts): NotifierCounts {
  return {
    invalidatePage: a.invalidatePage + b.invalidatePage,
    invalidatePages: a.invalidatePages + b.invalidatePages,
    agePage: a.agePage + b.agePage,
    release: a.release + b.release,
    invalidateRangeStart: a.invalidateRangeStart + b.invalidateRangeStart,
    invalidateRangeEnd: a.invalidateRangeEnd + b.invalidateRangeEnd,
    changePte: a.changePte + b.changePte,
  };
}

function sumSecondary(plugin: string, reports: readonly SecondaryReport[]): SecondaryReport {
  const own = reports.filter((report) => report.plugin === plugin);
  const sum = (key: Exclude<keyof SecondaryReport, 'plugin'>): number => own.reduce((total, report) => total + report[key], 0);
  return { plugin, faults: sum('faults'), accesses: sum('accesses'), hits: sum('hits'), invalidations: sum('invalidations'), pins: sum('pins') };
}
