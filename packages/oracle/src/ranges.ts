/** The range design's brackets: each start has an end, by the same thread, of the same range, to the same notifier. */
import type { Vaddr } from '@mmun/include';
import type { Report } from '@mmun/explorer';
import { RANGE_DEPTH, RANGE_INSTANCES, ghostOf } from './ghost.js';
import { Violation, endsOther, endsWithoutStart, neverEnds } from './reports.js';
import type { WatchedMachine } from './watched.js';

/** invalidate_range_start has been called for an instance by the current thread. */
export function rangeStarts(m: WatchedMachine, instance: number, start: Vaddr, end: Vaddr): void {
  const { range } = ghostOf(m);
  const row = rowOf(m, instance);
  const depth = range.depth[row];
  if (depth < RANGE_DEPTH) {
    range.start[row * RANGE_DEPTH + depth] = start;
    range.end[row * RANGE_DEPTH + depth] = end;
  }
  range.depth[row] = depth + 1;
}

/** invalidate_range_end, likewise. */
export function rangeEnds(m: WatchedMachine, instance: number, start: Vaddr, end: Vaddr): void {
  const { range } = ghostOf(m);
  const row = rowOf(m, instance);
  if (range.depth[row] === 0) throw new Violation(endsWithoutStart(instance, start, end));
  const depth = range.depth[row] - 1;
  range.depth[row] = depth;
  if (depth >= RANGE_DEPTH) return;
  const at = row * RANGE_DEPTH + depth;
  const [from, to] = [range.start[at] as Vaddr, range.end[at] as Vaddr];
  range.start[at] = range.end[at] = 0;
  if (from !== start || to !== end) throw new Violation(endsOther(instance, from, to, start, end));
}

/** At rest nothing is open. */
export function auditRanges(m: WatchedMachine, report: (found: Report) => void): void {
  const { range } = ghostOf(m);
  for (let row = 0; row < range.depth.length; row++) {
    if (range.depth[row] > 0) report(neverEnds(row % RANGE_INSTANCES, range.start[row * RANGE_DEPTH] as Vaddr, range.end[row * RANGE_DEPTH] as Vaddr));
  }
}

function rowOf(m: WatchedMachine, instance: number): number {
  return m.cpu.current[0] * RANGE_INSTANCES + (instance % RANGE_INSTANCES);
}
