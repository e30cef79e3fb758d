import type { BootedMachine, KernelImage, MachineConfig, TaskStruct } from '@mmun/include';
import type { Effect } from '../effect.js';
import { Recording } from '../recording.js';
import { foldedImage, isFolded } from './folded-image.js';
import { machineConfig } from './machine-config.js';
import type { Driven } from './machine.js';
import { Replayer } from './replayer.js';
import { isProcessEqual } from './result.js';
import type { RecordingResult } from './result.js';

/** An effect that was just replayed, for those who act in between. */
export interface ReplayedEffect<M extends BootedMachine> {
  readonly image: KernelImage<M>;
  readonly machine: M;
  /** The task that acted: after a fork the child, after an exit 0. */
  readonly task: TaskStruct;
  readonly effect: Effect;
}

export interface ReplayOptions<M extends BootedMachine> {
  /** Replaces fields of the machine's configuration; the recording's own settings are in it already. */
  readonly config?: Partial<MachineConfig>;
  /** Boots the machine, for those who boot it with more than its configuration (plugins); `image.boot` otherwise. */
  readonly boot?: (config: MachineConfig) => M;
  /** Stops the replay; the result so far is returned with `isInterrupted`. */
  readonly signal?: AbortSignal;
  /** Called a few times a second: 0 to 1, and effects so far. */
  readonly onProgress?: (fraction: number, events: number) => void;
  /** The machine has been booted, nothing ran. */
  readonly onBoot?: (image: KernelImage<M>, machine: M) => void;
  /** After each effect: device traffic, traces. May run tasks; the current task is restored. */
  readonly afterEvent?: (replayed: ReplayedEffect<M>) => void;
  /** After the last effect, before the result: what the machine holds can still be checked. */
  readonly onFinish?: (image: KernelImage<M>, machine: M) => void;
}

/** Effects between two looks at the clock. */
const SLICE = 256;
/** The event loop gets a turn this often, so that a signal can arrive and a bar can move. */
const TURN_MS = 40;

/** A fault of the model itself: the kernel would have stopped, or worse. Says at which effect. */
export class ReplayError extends Error {
  readonly file: string;
  readonly line: number;

  constructor(file: string, line: number, cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super(`${file}:${line}: the model stopped: ${message}`, { cause });
    this.name = 'ReplayError';
    this.file = file;
    this.line = line;
  }
}

/**
 * Replays a recording on an image and compares.
 *
 * @param source a recording's folder, a strace log, or a recording that was opened; the latter is closed too
 * @throws RecordingError where there is nothing to replay, ReplayError where the model stopped
 */
export async function replayRecording<M extends BootedMachine>(
  image: KernelImage<M>, source: string | Recording, options: ReplayOptions<M> = {},
): Promise<RecordingResult> {
  const recording = typeof source === 'string' ? new Recording(source) : source;
  try {
    return await replay(image, recording, options);
  } finally {
    recording.close();
  }
}

async function replay<M extends BootedMachine>(image: KernelImage<M>, recording: Recording, options: ReplayOptions<M>): Promise<RecordingResult> {
  const startMs = performance.now();
  const config = machineConfig(image.defaultConfig, recording.environment, options.config);
  const machine = options.boot === undefined ? image.boot(config) : options.boot(config);
  options.onBoot?.(image, machine);
  const driven: Driven<M> = { image: foldedImage(image), machine };
  const replayer = new Replayer(driven, recording);
  let events = 0;
  let lastTurnMs = startMs;
  let isInterrupted = false;
  for (let effect = recording.next(); effect !== null; effect = recording.next()) {
    step(driven, replayer, { effect, recording, options });
    events++;
    if (events % SLICE !== 0 || performance.now() - lastTurnMs < TURN_MS) continue;
    options.onProgress?.(recording.progress, events);
    await new Promise<void>((resolve) => void setImmediate(resolve));
    lastTurnMs = performance.now();
    isInterrupted = options.signal?.aborted ?? false;
    if (isInterrupted) break;
  }
  if (!isInterrupted) replayer.finish();
  options.onFinish?.(image, machine);
  const processes = replayer.tallies.map((tally) => tally.result());
  return {
    name: recording.name, command: recording.command, processes, missing: recording.missing, skipped: recording.skipped,
    isInterrupted, events, notifier: image.notifierCounts(machine), elapsedMs: performance.now() - startMs,
    isEqual: processes.every(isProcessEqual), isFolded: isFolded(image),
  };
}

function step<M extends BootedMachine>(
  driven: Driven<M>, replayer: Replayer<M>, at: { effect: Effect; recording: Recording; options: ReplayOptions<M> },
): void {
  const { effect, recording, options } = at;
  try {
    const task = replayer.apply(effect);
    options.afterEvent?.({ ...driven, task, effect });
  } catch (error) {
    throw new ReplayError(effect.kind === 'call' ? recording.traceFile : recording.perfFile, effect.line, error);
  }
}
