import type { Finding, ImageConfig, NotifierCounts } from '@mmun/include';
import type { ProcessResult, Skipped } from '@mmun/recording';
import type { MemoryReport } from './short-memory.js';

/** What one secondary MMU did, over all recordings. */
export interface SecondaryReport {
  readonly plugin: string;
  readonly faults: number;
  readonly accesses: number;
  /** Accesses that found an entry. */
  readonly hits: number;
  readonly invalidations: number;
  /** References taken on pages. */
  readonly pins: number;
}

/** One recording of a run. `name` and `processes` are the contract; the rest is added. */
export interface RecordingReport {
  readonly name: string;
  readonly command: string;
  readonly processes: readonly ProcessResult[];
  /** What the recording lacks and what that means, one sentence each. */
  readonly missing: readonly string[];
  /** Effects replayed: calls, faults, forks, execs, exits. */
  readonly events: number;
  readonly elapsedMs: number;
  /** The arch has fewer bits of address than the recorded one: addresses were compared without the upper ones. */
  readonly folded: boolean;
  /** Where the frames were limited. */
  readonly memory?: MemoryReport;
}

/** The document of `mmun run --json`. Fields may be added, none renamed. */
export interface RunReport {
  readonly schema: 'mmun.run/1';
  readonly config: ImageConfig;
  readonly recordings: readonly RecordingReport[];
  /** Calls by kind; absent where the image has no notifier. */
  readonly notifier?: NotifierCounts;
  readonly secondary: readonly SecondaryReport[];
  readonly findings: readonly Finding[];
  readonly skipped: readonly Skipped[];
  readonly elapsedMs: number;
  /** Stopped by Ctrl-C: what stands here is what was done until then. */
  readonly interrupted: boolean;
  /** What random choices were made from. */
  readonly seed: number;
  /** True exactly where the exit code is 0. */
  readonly ok: boolean;
}
