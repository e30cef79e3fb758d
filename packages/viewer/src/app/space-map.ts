/**
 * The address space of one process over time: a box for each mapping, as high as the logarithm of its size. What is never
 * mapped takes no room, so neighbours on the page are neighbours in memory, and a gap is a thin line.
 */
import type { RunData, RunVma } from '../data.js';
import type { Axis } from './axis.js';
import { colour, label, wipe } from './canvas.js';
import type { Pane } from './canvas.js';
import { hex } from './dom.js';
import { LEFT } from './timeline.js';

export interface SpaceMap {
  readonly vmas: readonly RunVma[];
  /** Addresses where a mapping ever begins or ends, ascending, and where they are drawn, the lowest at the bottom. */
  readonly bounds: readonly number[];
  readonly tops: readonly number[];
  readonly height: number;
}

const GAP_HEIGHT = 5;
const LOWEST = 7;

export function spaceMap({ vmas }: RunData, process: number): SpaceMap {
  const own = vmas.filter((vma) => vma.process === process);
  const bounds = [...new Set(own.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const index = new Map(bounds.map((bound, i) => [bound, i]));
  const isMapped = new Uint8Array(bounds.length);
  for (const { start, end } of own) isMapped.fill(1, index.get(start), index.get(end));
  let height = 4;
  const tops = bounds.map((bound, i) => {
    const at = height;
    const next = bounds[i + 1];
    if (next !== undefined) height += isMapped[i] === 1 ? LOWEST + Math.max(0, Math.log2((next - bound) / 4096)) * 1.6 : GAP_HEIGHT;
    return at;
  });
  return { vmas: own, bounds, tops, height: height + 6 };
}

/** Where an address is drawn. */
function yOf({ bounds, tops, height }: SpaceMap, address: number): number {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bounds[middle] as number) <= address) low = middle + 1;
    else high = middle;
  }
  const i = Math.max(0, low - 1);
  const [from, to] = [bounds[i] as number, bounds[i + 1] ?? (bounds[i] as number) + 1];
  const [top, next] = [tops[i] as number, tops[i + 1] ?? height];
  return height - (top + ((address - from) / (to - from)) * (next - top));
}

export function drawSpace(pane: Pane, map: SpaceMap, axis: Axis, event: { readonly index: number; readonly start: number; readonly bytes: number; readonly isOwn: boolean }): void {
  pane.height = Math.max(80, map.height + 4);
  wipe(pane);
  const { context, width } = pane;
  const perEvent = (width - LEFT) / (axis.to - axis.from);
  const xOf = (at: number): number => Math.max(LEFT, Math.min(width, LEFT + (at - axis.from) * perEvent));
  const paint = { code: colour('now'), data: colour('wash'), none: colour('paper'), ink: colour('ink'), line: colour('faint'), bad: colour('bad') };
  for (const vma of map.vmas) {
    if (vma.to < axis.from || vma.from > axis.to) continue;
    const [x, toX] = [xOf(vma.from), xOf(vma.to)];
    const [y, toY] = [yOf(map, vma.end), yOf(map, vma.start)];
    context.fillStyle = vma.perms.includes('x') ? paint.code : vma.perms.startsWith('---') ? paint.none : paint.data;
    context.fillRect(x, y, Math.max(1, toX - x), toY - y);
    context.strokeStyle = paint.line;
    context.lineWidth = vma.perms.includes('w') ? 1.4 : 0.5;
    context.strokeRect(x + 0.5, y + 0.5, Math.max(1, toX - x) - 1, toY - y - 1);
    context.fillStyle = paint.ink;
    context.font = '10.5px system-ui, "DejaVu Sans", sans-serif';
    if (toY - y >= 12.5) label(context, `${vma.perms} ${vma.name.split('/').at(-1)}`, x + 4, (y + toY) / 2, toX - x - 8);
  }
  drawScale(pane, map);
  if (event.index < axis.from || event.index > axis.to) return;
  context.strokeStyle = paint.bad;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(xOf(event.index), 0);
  context.lineTo(xOf(event.index), pane.height);
  context.stroke();
  if (!event.isOwn || event.start === 0) return;
  const [y, toY] = [yOf(map, event.start + event.bytes), yOf(map, event.start)];
  context.lineWidth = 3;
  context.strokeRect(xOf(event.index) - 4, Math.min(y, toY - 3), 8, Math.max(4, toY - y));
}

function drawScale({ context }: Pane, map: SpaceMap): void {
  context.fillStyle = colour('faint');
  context.font = '10px ui-monospace, "DejaVu Sans Mono", monospace';
  let free = Infinity;
  for (const bound of map.bounds) {
    const y = yOf(map, bound);
    if (free - y < 13) continue;
    label(context, hex(bound), 2, y, LEFT - 6);
    free = y;
  }
}
