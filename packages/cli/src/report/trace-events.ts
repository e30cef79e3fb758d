/**
 * `mmun run --trace`: the Trace Event Format, as Perfetto and chrome://tracing read it. A track for each CPU and for each
 * secondary MMU; a flow leads from an event in which the notifier called to what the secondary MMU dropped.
 */
import type { LoggedEvent, RunLog } from './run-log.js';

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
  // the log is in the order in which calls took effect: on a CPU of several threads that is not always the order of the clock
  const order = [...events.keys()].sort((a, b) => timeOf(events, a) - timeOf(events, b) || a - b);
  const first = order.length === 0 ? 0 : timeOf(events, order[0] as number);
  const onCpu = durations(events, order, (event) => event.cpu);
  const onDevice = plugins.map((_, i) => durations(events, order.filter((at) => tells(events[at] as LoggedEvent, i)), () => i));
  for (const index of order) {
    const event = events[index] as LoggedEvent;
    const ts = (event.timeNs - first) / 1000;
    const dur = onCpu.get(index) as number;
    out.push({
      name: event.name, cat: 'mm', ph: 'X', pid: cpus, tid: event.cpu, ts, dur,
      args: { pid: event.pid, tid: event.tid, line: event.line, ...(event.start === 0 ? {} : { start: `0x${event.start.toString(16)}`, bytes: event.bytes }) },
    });
    plugins.forEach((_, i) => {
      if (!tells(event, i)) return;
      const told = event.calls.filter(({ plugin }) => plugin === i);
      const id = recording * 2 ** 32 + index * plugins.length + i;
      out.push(
        { name: 'notifier', cat: 'notifier', ph: 's', pid: cpus, tid: event.cpu, ts, id },
        { name: told.map(({ op }) => op).filter((op, at, all) => all.indexOf(op) === at).join(', '), cat: 'notifier', ph: 'X', pid: devices, tid: i, ts, dur: onDevice[i]?.get(index) ?? 0, args: { calls: told.length, dropped: event.dropped[i] ?? 0 } },
        { name: 'notifier', cat: 'notifier', ph: 'f', bp: 'e', pid: devices, tid: i, ts, id },
      );
    });
  }
  return out;
}

function meta(name: string, pid: number, tid: number, value: string): TraceEvent {
  return { name, ph: 'M', pid, tid, args: { name: value } };
}

function timeOf(events: RunLog['events'], at: number): number {
  return (events[at] as LoggedEvent).timeNs;
}

function tells({ calls }: LoggedEvent, device: number): boolean {
  return calls.some(({ plugin }) => plugin === device);
}

/** Of each event of `order`, in microseconds, until the next one on its track: slices of a track must not overlap. */
function durations(events: RunLog['events'], order: readonly number[], trackOf: (event: LoggedEvent) => number): Map<number, number> {
  const lasts = new Map<number, number>();
  const next = new Map<number, number>();
  for (const at of [...order].reverse()) {
    const event = events[at] as LoggedEvent;
    const track = trackOf(event);
    lasts.set(at, Math.min(LONGEST_US, ((next.get(track) ?? Infinity) - event.timeNs) / 1000));
    next.set(track, event.timeNs);
  }
  return lasts;
}
