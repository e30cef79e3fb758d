/** Runs the scanners over a text. */
import { Clock, LineReader, PerfScanner, SkippedList, StraceScanner, textSource } from '@mmun/recording';
import type { PerfEvent, Skipped, StraceRecord } from '@mmun/recording';

export function scanStrace(text: string | Uint8Array): { records: StraceRecord[]; skipped: Skipped[]; scanner: StraceScanner } {
  const skipped = new SkippedList();
  const lines = new LineReader(textSource(text));
  const scanner = new StraceScanner(lines, { clock: new Clock(), skipped, file: 'trace.strace' });
  const records: StraceRecord[] = [];
  for (let record = scanner.next(); record !== null; record = scanner.next()) records.push(record);
  return { records, skipped: skipped.entries(), scanner };
}

export function scanPerf(text: string | Uint8Array): { events: PerfEvent[]; skipped: Skipped[]; scanner: PerfScanner } {
  const skipped = new SkippedList();
  const lines = new LineReader(textSource(text));
  const scanner = new PerfScanner(lines, { clock: new Clock(), skipped, file: 'events.perf' });
  const events: PerfEvent[] = [];
  for (let event = scanner.next(); event !== null; event = scanner.next()) events.push(event);
  return { events, skipped: skipped.entries(), scanner };
}
