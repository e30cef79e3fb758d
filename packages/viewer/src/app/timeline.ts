/**
 * Events from left to right: a lane for each process, below them one for each secondary MMU, and from an event that told a
 * secondary MMU something a line down to what it dropped. Where more events than pixels are in sight, a column stands for
 * several: its height says how many.
 */
import type { RunData } from '../data.js';
import type { Axis } from './axis.js';
import { colour, label, wipe } from './canvas.js';
import type { Pane } from './canvas.js';

export const LEFT = 118;
const LANE = 34;
const DEVICE_LANE = 46;
const TOP = 6;

/** Kinds of events by what they do to translations; each has a row of its own in a lane, so that colour is not needed. */
const KINDS = ['faults', 'makes', 'changes', 'takes away'] as const;
const KIND_OF: Readonly<Record<string, number>> = { fault: 0, mmap: 1, brk: 1, exec: 1, fork: 1, mprotect: 2, mremap: 2, madvise: 3, munmap: 3, exit: 3 };
const KIND_COLOURS = ['faint', 'good', 'warn', 'accent'] as const;

export function timelineHeight({ processes, plugins }: RunData): number {
  return TOP + processes.length * LANE + plugins.length * DEVICE_LANE + 18;
}

export function kindOf(name: string): number {
  return KIND_OF[name] ?? 2;
}

export function drawTimeline(pane: Pane, data: RunData, axis: Axis, selected: number): void {
  wipe(pane);
  const { context, width } = pane;
  const { events, processes, plugins, names } = data;
  const perEvent = (width - LEFT) / (axis.to - axis.from);
  const xOf = (event: number): number => LEFT + (event - axis.from) * perEvent;
  const first = Math.max(0, Math.floor(axis.from));
  const last = Math.min(events.name.length, Math.ceil(axis.to));
  const devicesTop = TOP + processes.length * LANE;
  drawLanes(pane, data, devicesTop);
  const tick = Math.max(1, Math.min(perEvent - 1, 12));
  const row = (LANE - 8) / KINDS.length;
  const colours = KIND_COLOURS.map(colour);
  const kinds = names.map(kindOf);
  const drawnAt = new Float64Array(processes.length * KINDS.length).fill(-1);
  for (let event = first; event < last; event++) {
    const kind = kinds[events.name[event] as number] as number;
    const slot = (events.process[event] as number) * KINDS.length + kind;
    const x = Math.floor(xOf(event));
    if (drawnAt[slot] === x) continue;
    drawnAt[slot] = x;
    context.fillStyle = colours[kind] as string;
    context.fillRect(x, TOP + (events.process[event] as number) * LANE + 3 + kind * row, tick, row - 1);
  }
  plugins.forEach((_, plugin) => { drawDevice(pane, data, { plugin, first, last, xOf, top: devicesTop + plugin * DEVICE_LANE, tick }); });
  if (perEvent >= 3) drawArrows(pane, data, { first, last, xOf, devicesTop, tick });
  if (selected >= first && selected < last) {
    context.strokeStyle = colour('bad');
    context.lineWidth = 2;
    context.strokeRect(xOf(selected) - 1.5, TOP - 2, tick + 3, devicesTop - TOP + plugins.length * DEVICE_LANE);
  }
}

function drawLanes({ context, width }: Pane, { processes, plugins }: RunData, devicesTop: number): void {
  context.strokeStyle = colour('line');
  context.fillStyle = colour('ink');
  context.lineWidth = 1;
  processes.forEach(({ pid, command }, i) => {
    const y = TOP + i * LANE;
    label(context, `${command} ${pid}`, 2, y + LANE / 2, LEFT - 10);
    line(context, 0, y + LANE, width, y + LANE);
  });
  plugins.forEach((name, i) => {
    const y = devicesTop + i * DEVICE_LANE;
    context.font = 'bold 12px system-ui, "DejaVu Sans", sans-serif';
    label(context, name, 2, y + 12, LEFT - 10);
    context.font = '11px system-ui, "DejaVu Sans", sans-serif';
    context.fillStyle = colour('faint');
    label(context, 'dropped / accesses', 2, y + 28, LEFT - 6);
    context.fillStyle = colour('ink');
    context.font = '12px system-ui, "DejaVu Sans", sans-serif';
    line(context, 0, y + DEVICE_LANE, width, y + DEVICE_LANE);
  });
}

interface DeviceRoom {
  readonly plugin: number;
  readonly first: number;
  readonly last: number;
  readonly xOf: (event: number) => number;
  readonly top: number;
  readonly tick: number;
}

function drawDevice({ context }: Pane, data: RunData, { plugin, first, last, xOf, top, tick }: DeviceRoom): void {
  const dropped = data.dropped[plugin] as readonly number[];
  const accesses = data.accesses[plugin] as readonly number[];
  const drops = colour('bad');
  const uses = colour('faint');
  for (let event = first; event < last;) {
    const x = Math.floor(xOf(event));
    let nrDropped = 0;
    let nrAccesses = 0;
    for (; event < last && Math.floor(xOf(event)) === x; event++) {
      nrDropped += dropped[event] as number;
      nrAccesses += accesses[event] as number;
    }
    if (nrAccesses > 0) {
      const height = Math.min(18, 3 + Math.log2(1 + nrAccesses) * 3);
      context.fillStyle = uses;
      context.fillRect(x, top + DEVICE_LANE - 3 - height, tick, height);
    }
    if (nrDropped > 0) {
      context.fillStyle = drops;
      context.fillRect(x, top + 3, tick, Math.min(18, 5 + Math.log2(1 + nrDropped) * 3));
    }
  }
}

function drawArrows({ context }: Pane, { calls, events, dropped }: RunData, { first, last, xOf, devicesTop, tick }: Omit<DeviceRoom, 'plugin' | 'top'> & { readonly devicesTop: number }): void {
  context.strokeStyle = colour('bad');
  context.lineWidth = 1;
  for (let call = lowerBound(calls.event, first); call < calls.event.length; call++) {
    const event = calls.event[call] as number;
    if (event >= last) break;
    const plugin = calls.plugin[call] as number;
    if ((dropped[plugin]?.[event] ?? 0) === 0) continue;
    const x = xOf(event) + tick / 2;
    const to = devicesTop + plugin * DEVICE_LANE + 3;
    line(context, x, TOP + ((events.process[event] as number) + 1) * LANE - 4, x, to);
    line(context, x, to, x - 3, to - 5);
    line(context, x, to, x + 3, to - 5);
  }
}

/** First index whose value is not below `value`. */
export function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function line(context: CanvasRenderingContext2D, x: number, y: number, toX: number, toY: number): void {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.stroke();
}
