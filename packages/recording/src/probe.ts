/** A look at the beginning of a file, to know what it is before it is read in earnest. */
import { Clock } from './clock.js';
import { SkippedList } from './diagnostics.js';
import { LineReader } from './line-reader.js';
import type { ByteSource } from './line-reader.js';
import { PerfScanner } from './perf.js';
import type { PerfEvent } from './perf-event.js';
import { StraceScanner } from './strace.js';
import type { StampKind } from './strace.js';

/** More than a chunk of unreadable bytes in front of the first good line is no trace. */
const PROBE_LINES = 2000;

export interface StraceProbe {
  readonly stampKind: StampKind;
  readonly nrUnderstood: number;
  /** First line with anything on it. */
  readonly firstLine: number;
  /** Since 1970, where the times are that. */
  readonly firstSeconds: number;
}

export function probeStrace(source: ByteSource): StraceProbe {
  const clock = new Clock();
  const lines = new LineReader(source);
  const scanner = new StraceScanner(lines, { clock, skipped: new SkippedList(), file: '' });
  while (lines.line < PROBE_LINES && scanner.next() !== null && scanner.nrUnderstood < 20);
  lines.close();
  return {
    stampKind: scanner.stampKind, nrUnderstood: scanner.nrUnderstood, firstLine: 1, firstSeconds: clock.baseSeconds,
  };
}

export interface PerfProbe {
  readonly nrUnderstood: number;
  readonly firstTid: number | null;
  readonly firstSeconds: number | null;
}

export function probePerf(source: ByteSource, clock: Clock): PerfProbe {
  const own = new Clock();
  const lines = new LineReader(source);
  const scanner = new PerfScanner(lines, { clock: own, skipped: new SkippedList(), file: '' });
  let first: PerfEvent | null = null;
  for (let event = scanner.next(); event !== null; event = scanner.next()) {
    first ??= event;
    if (event.kind === 'comm' && event.isExec) first = event;
    if ((event.kind === 'comm' && event.isExec) || lines.line >= PROBE_LINES) break;
  }
  lines.close();
  if (own.baseSeconds === own.baseSeconds) clock.stamp(own.baseSeconds, 0);
  return {
    nrUnderstood: scanner.nrUnderstood, firstTid: first?.tid ?? null,
    firstSeconds: own.baseSeconds === own.baseSeconds ? own.baseSeconds : null,
  };
}
