/** A replayed recording: events over time, what notifiers were told, and the address space as it grew and shrank. */
import type { RunData } from '../data.js';
import { moved, showing, wholeAxis, zoomed } from './axis.js';
import type { Axis } from './axis.js';
import { newPane } from './canvas.js';
import type { Pane } from './canvas.js';
import { h, hex } from './dom.js';
import { drawSpace, spaceMap } from './space-map.js';
import { LEFT, drawTimeline, lowerBound, timelineHeight } from './timeline.js';

const STEP = 0.7;

export function showRun(page: HTMLElement, data: RunData): void {
  const nrEvents = data.events.name.length;
  const timeline = newPane(timelineHeight(data), 'events of each process, and what each secondary MMU dropped');
  const space = newPane(200, 'address space over time');
  const chooser = h('select', { 'aria-label': 'process' }, ...data.processes.map(({ pid, command }, i) => h('option', { value: i }, `${command} ${pid}`)));
  const told = h('div', { class: 'told', 'aria-live': 'polite' });
  let axis = wholeAxis(nrEvents);
  let selected = firstTelling(data);
  let process = data.events.process[selected] ?? 0;
  let map = spaceMap(data, process);
  let isDue = false;

  function draw(): void {
    isDue = false;
    drawTimeline(timeline, data, axis, selected);
    drawSpace(space, map, axis, { index: selected, start: data.events.start[selected] ?? 0, bytes: data.events.bytes[selected] ?? 0, isOwn: data.events.process[selected] === process });
  }
  function redraw(): void {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(draw);
  }
  function look(to: Axis): void {
    axis = to;
    redraw();
  }
  function select(event: number): void {
    selected = Math.max(0, Math.min(nrEvents - 1, event));
    axis = showing(axis, selected, nrEvents);
    told.replaceChildren(...tell(data, selected));
    redraw();
  }
  function choose(to: number): void {
    process = to;
    chooser.value = String(to);
    map = spaceMap(data, to);
    redraw();
  }

  for (const pane of [timeline, space]) listen(pane, { axis: () => axis, look, select, nrEvents });
  chooser.addEventListener('change', () => { choose(Number(chooser.value)); });
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === chooser) return;
    const act = KEYS[event.shiftKey && event.key.startsWith('Arrow') ? `Shift${event.key}` : event.key];
    if (act === undefined) return;
    event.preventDefault();
    act({ axis, selected, nrEvents, look, select, data });
  });
  window.addEventListener('resize', redraw);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  window.matchMedia('print').addEventListener('change', draw); // paper is white, and waits for no frame

  page.append(
    h('header', { class: 'plain' }, h('p', { class: 'race' }, h('b', {}, data.name), ` · ${data.config}`), h('h1', {}, h('code', {}, data.command)), h('p', { class: 'why' }, data.verdict)),
    h('div', { class: 'pane-room' }, timeline.element),
    h('p', { class: 'legend' }, 'Rows of a lane, from above: faults; mmap, brk, exec, fork; mprotect, mremap; munmap, madvise, exit. Of a secondary MMU: entries dropped, and its accesses.'),
    told,
    h('p', { class: 'space-title' }, 'address space of ', chooser),
    h('div', { class: 'pane-room' }, space.element),
    h('footer', {}, h('p', { class: 'keys' }, 'Wheel or + and - zoom, drag or Shift with arrows moves, arrows go from event to event, n to the next one that told a secondary MMU something, 0 shows all.')),
  );
  choose(process);
  select(selected);
}

interface View {
  readonly axis: Axis;
  readonly selected: number;
  readonly nrEvents: number;
  readonly data: RunData;
  look(axis: Axis): void;
  select(event: number): void;
}

const KEYS: Readonly<Record<string, (view: View) => void>> = {
  '+': ({ axis, selected, nrEvents, look }) => { look(zoomed(axis, STEP, selected, nrEvents)); },
  '=': ({ axis, selected, nrEvents, look }) => { look(zoomed(axis, STEP, selected, nrEvents)); },
  '-': ({ axis, selected, nrEvents, look }) => { look(zoomed(axis, 1 / STEP, selected, nrEvents)); },
  0: ({ nrEvents, look }) => { look(wholeAxis(nrEvents)); },
  ArrowRight: ({ selected, select }) => { select(selected + 1); },
  ArrowLeft: ({ selected, select }) => { select(selected - 1); },
  ShiftArrowRight: ({ axis, nrEvents, look }) => { look(moved(axis, (axis.to - axis.from) / 4, nrEvents)); },
  ShiftArrowLeft: ({ axis, nrEvents, look }) => { look(moved(axis, (axis.from - axis.to) / 4, nrEvents)); },
  Home: ({ select }) => { select(0); },
  End: ({ select, nrEvents }) => { select(nrEvents - 1); },
  n: ({ selected, select, data }) => {
    const call = lowerBound(data.calls.event, selected + 1);
    if (call < data.calls.event.length) select(data.calls.event[call] as number);
  },
};

/** The first event in which an entry was dropped, so that the page opens where something happens. */
function firstTelling({ dropped, events }: RunData): number {
  const at = events.name.findIndex((_, event) => dropped.some((ofPlugin) => (ofPlugin[event] as number) > 0));
  return Math.max(0, at);
}

interface Hand {
  readonly nrEvents: number;
  axis(): Axis;
  look(axis: Axis): void;
  select(event: number): void;
}

function listen({ element }: Pane, { axis, look, select, nrEvents }: Hand): void {
  const eventAt = (x: number): number => {
    const { from, to } = axis();
    const { left, width } = element.getBoundingClientRect();
    return from + ((x - left - LEFT) / (width - LEFT)) * (to - from);
  };
  let grabbed: { readonly x: number; readonly axis: Axis } | null = null;
  let isDrag = false;
  element.addEventListener('wheel', (event) => {
    event.preventDefault();
    look(zoomed(axis(), event.deltaY < 0 ? STEP : 1 / STEP, eventAt(event.clientX), nrEvents));
  }, { passive: false });
  element.addEventListener('pointerdown', (event) => {
    grabbed = { x: event.clientX, axis: axis() };
    isDrag = false;
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener('pointermove', (event) => {
    if (grabbed === null) return;
    const { from, to } = grabbed.axis;
    const by = ((grabbed.x - event.clientX) / (element.clientWidth - LEFT)) * (to - from);
    if (Math.abs(grabbed.x - event.clientX) > 4) isDrag = true;
    if (isDrag) look(moved(grabbed.axis, by, nrEvents));
  });
  element.addEventListener('pointerup', (event) => {
    if (!isDrag) select(Math.floor(eventAt(event.clientX)));
    grabbed = null;
  });
}

/** `invalidate_page`, as everywhere else. */
function kernelName(op: string): string {
  return op.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** One event in words. */
function tell({ events, processes, names, calls, ops, plugins, dropped, faults, accesses }: RunData, event: number): Node[] {
  const { pid, command } = processes[events.process[event] as number] ?? { pid: 0, command: '' };
  const [start, bytes] = [events.start[event] as number, events.bytes[event] as number];
  const range = start === 0 ? '' : ` ${hex(start)}${bytes > 0 ? `, ${(bytes / 1024).toLocaleString('en')} KiB` : ''}`;
  const lines: Node[] = [h('p', {}, h('b', {}, `${names[events.name[event] as number]}${range}`), ` · ${command} ${pid} · event ${event + 1} of ${events.name.length}, line ${events.line[event]}, ${((events.time[event] as number) / 1000).toFixed(3)} ms`)];
  const first = lowerBound(calls.event, event);
  const end = lowerBound(calls.event, event + 1);
  plugins.forEach((plugin, i) => {
    const own = calls.event.slice(first, end).map((_, at) => first + at).filter((call) => calls.plugin[call] === i);
    const sums = new Map<string, number>();
    for (const call of own) sums.set(ops[calls.op[call] as number] as string, (sums.get(ops[calls.op[call] as number] as string) ?? 0) + 1);
    const said = [...sums].map(([op, count]) => `${kernelName(op)}${count === 1 ? '' : ` × ${count}`}`).join(', ');
    const [drops, misses, uses] = [dropped[i]?.[event] ?? 0, faults[i]?.[event] ?? 0, accesses[i]?.[event] ?? 0];
    if (own.length + drops + misses + uses === 0) return;
    lines.push(h('p', { class: 'told-plugin' }, h('b', {}, plugin), `: ${said === '' ? 'not told' : `told ${said}`}; dropped ${drops}; afterwards ${uses} accesses, ${misses} faults`));
  });
  return lines;
}
