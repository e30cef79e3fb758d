/**
 * `mmun run --trace`: the Trace Event Format, as Perfetto and chrome://tracing read it. A track for each CPU and for each
 * secondary MMU; a flow leads from an event in which the notifier called to what the secondary MMU dropped.
 */
import type { RunLog } from './run-log.js';

export interface TraceEvent {
  readonly name: string;
  /** X a slice, M metadata, s and f the ends of a flow. */
  readonly ph: 'X' | 'M' | 's' | 'f';
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: number;
  readonly bp?: 'e';
  readonly args?: Readonly<Record<string, string | number>>;
}

/** The recordings' tracks lie side by side: two process numbers each, the CPUs' and the secondary MMUs'. */
const TRACKS = 2;

/** A recording tells when something was asked and not how long it took: a slice is as long as nothing comes after it, at most this. */
const LONGEST_US = 1;

/** @param recording which one of the run, from 0 */
export function traceEvents({ events, plugins }: RunLog, name: string, recording: number): TraceEvent[] {
  const cpus = TRACKS * recording + 1;
  const devices = TRACKS * recording + 2;
  const out: TraceEvent[] = [meta('process_name', cpus, 0, `${name}: CPUs`)];
  for (const cpu of new Set(events.map((event) => event.cpu))) out.push(meta('thread_name', cpus, cpu, `CPU ${cpu}`));
  if (plugins.length > 0) out.push(meta('process_name', devices, 0, `${name}: secondary MMUs`));
  plugins.forEach((plugin, i) => out.push(meta('thread_name', devices, i, plugin)));
  const nextOn = nextTimes(events);
  events.forEach((event, index) => {
    const ts = event.timeNs / 1000;
    const dur = Math.max(0, Math.min(LONGEST_US, (nextOn[index] as number) / 1000 - ts));
    out.push({
      name: event.name, cat: 'mm', ph: 'X', pid: cpus, tid: event.cpu, ts, dur,
      args: { pid: event.pid, tid: event.tid, line: event.line, ...(event.start === 0 ? {} : { start: `0x${event.start.toString(16)}`, bytes: event.bytes }) },
    });
    plugins.forEach((_, i) => {
      const told = event.calls.filter(({ plugin }) => plugin === i);
      if (told.length === 0) return;
      const id = recording * 2 ** 32 + index * plugins.length + i;
      out.push(
        { name: 'notifier', cat: 'notifier', ph: 's', pid: cpus, tid: event.cpu, ts, id },
        { name: told.map(({ op }) => op).filter((op, at, all) => all.indexOf(op) === at).join(', '), cat: 'notifier', ph: 'X', pid: devices, tid: i, ts, dur, args: { calls: told.length, dropped: event.dropped[i] ?? 0 } },
        { name: 'notifier', cat: 'notifier', ph: 'f', bp: 'e', pid: devices, tid: i, ts, id },
      );
    });
  });
  return out;
}

function meta(name: string, pid: number, tid: number, value: string): TraceEvent {
  return { name, ph: 'M', pid, tid, args: { name: value } };
}

/** For each event, when the next one on its CPU came. */
function nextTimes(events: RunLog['events']): number[] {
  const next = new Array<number>(events.length).fill(Infinity);
  const seen = new Map<number, number>();
  for (let i = events.length - 1; i >= 0; i--) {
    const { cpu, timeNs } = events[i] as RunLog['events'][number];
    next[i] = seen.get(cpu) ?? Infinity;
    seen.set(cpu, timeNs);
  }
  return next;
}
