/** `mmun run --report`: a log as the columns of a page. */
import type { RunData } from '@mmun/viewer';
import type { RunLog } from './run-log.js';

export interface PageTitle {
  readonly name: string;
  readonly command: string;
  readonly config: string;
  readonly verdict: string;
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
}

export function runPage({ events, vmas, plugins }: RunLog, title: PageTitle): RunData {
  const pids = [...new Set([...title.processes.map(({ pid }) => pid), ...events.map(({ pid }) => pid)])];
  const processOf = new Map(pids.map((pid, i) => [pid, i]));
  const names = [...new Set(events.map(({ name }) => name))];
  const nameOf = new Map(names.map((name, i) => [name, i]));
  const calls = events.flatMap((event, index) => event.calls.map((call) => ({ ...call, index })));
  const ops = [...new Set(calls.map(({ op }) => op))];
  const opOf = new Map(ops.map((op, i) => [op, i]));
  const { name, command, config, verdict } = title;
  return {
    kind: 'run', name, command, config, verdict, plugins, names, ops,
    processes: pids.map((pid) => ({ pid, command: title.processes.find((process) => process.pid === pid)?.command.split(' ', 1)[0]?.split('/').at(-1) ?? '' })),
    events: {
      time: events.map(({ timeNs }) => Math.round(timeNs / 1000)), process: events.map(({ pid }) => processOf.get(pid) as number),
      name: events.map((event) => nameOf.get(event.name) as number), line: events.map(({ line }) => line),
      start: events.map(({ start }) => start), bytes: events.map(({ bytes }) => bytes),
    },
    calls: {
      event: calls.map(({ index }) => index), op: calls.map(({ op }) => opOf.get(op) as number), plugin: calls.map(({ plugin }) => plugin),
      start: calls.map(({ start }) => start), end: calls.map(({ end }) => end),
    },
    dropped: plugins.map((_, i) => events.map(({ dropped }) => dropped[i] ?? 0)),
    faults: plugins.map((_, i) => events.map(({ faults }) => faults[i] ?? 0)),
    accesses: plugins.map((_, i) => events.map(({ accesses }) => accesses[i] ?? 0)),
    vmas: vmas.filter(({ pid }) => processOf.has(pid)).map(({ pid, start, end, perms, name: path, from, to }) => ({ process: processOf.get(pid) as number, start, end, perms, name: path, from, to })),
  };
}
