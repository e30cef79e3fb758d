/** The range design's brackets: each start has an end, by the same thread, of the same range, to the same notifier. */
import type { Vaddr } from '@mmun/include';
import type { Report } from '@mmun/explorer';
import { DRIVERS, OPEN, RANGE_DEPTH, RANGE_INSTANCES, ghostOf, instanceRow } from './ghost.js';
import { Violation, endsOther, endsWithoutStart, neverEnds } from './reports.js';
import type { WatchedMachine } from './watched.js';

/** invalidate_range_start has been called for an instance by the current thread. */
export function rangeStarts(m: WatchedMachine, driver: number, instance: number, start: Vaddr, end: Vaddr): void {
  const { range } = ghostOf(m);
  const row = rowOf(m.cpu.current[0], driver, instance);
  const depth = range.depth[row];
  if (depth < RANGE_DEPTH) {
    range.start[row * RANGE_DEPTH + depth] = start;
    range.end[row * RANGE_DEPTH + depth] = end;
  }
  range.depth[row] = depth + 1;
}

/** The start has failed, and counts as none. */
export function rangeRefused(m: WatchedMachine, driver: number, instance: number): void {
  ghostOf(m).range.depth[rowOf(m.cpu.current[0], driver, instance)] -= 1;
}

/** invalidate_range_end, likewise. */
export function rangeEnds(m: WatchedMachine, driver: number, instance: number, start: Vaddr, end: Vaddr): void {
  const { range } = ghostOf(m);
  const row = rowOf(m.cpu.current[0], driver, instance);
  if (range.depth[row] === 0) throw new Violation(endsWithoutStart(instance, start, end));
  const depth = range.depth[row] - 1;
  range.depth[row] = depth;
  if (depth >= RANGE_DEPTH) return;
  const at = row * RANGE_DEPTH + depth;
  const [from, to] = [range.start[at] as Vaddr, range.end[at] as Vaddr];
  range.start[at] = range.end[at] = 0;
  if (from !== start || to !== end) throw new Violation(endsOther(instance, from, to, start, end));
}

/** A new instance: what an earlier one of its number was told is forgotten. */
export function forgetRanges(m: WatchedMachine, driver: number, instance: number): void {
  const { range } = ghostOf(m);
  for (let thread = 0; thread <= m.bootConfig.nrTasks; thread++) range.depth[rowOf(thread, driver, instance)] = 0;
}

/** At rest nothing is open, but for those who went in between: they are on no list when the end comes. */
export function auditRanges(m: WatchedMachine, report: (found: Report) => void): void {
  const { range, instance: { state, released } } = ghostOf(m);
  for (let row = 0; row < range.depth.length; row++) {
    if (range.depth[row] === 0) continue;
    const instance = row % RANGE_INSTANCES;
    const driver = Math.floor(row / RANGE_INSTANCES) % DRIVERS;
    const isListening = [instance, instance + RANGE_INSTANCES].some((of) => state[instanceRow(driver, of)] === OPEN && released[instanceRow(driver, of)] === 0);
    if (isListening) report(neverEnds(instance, range.start[row * RANGE_DEPTH] as Vaddr, range.end[row * RANGE_DEPTH] as Vaddr));
  }
}

function rowOf(thread: number, driver: number, instance: number): number {
  return (thread * DRIVERS + driver) * RANGE_INSTANCES + (instance % RANGE_INSTANCES);
}
