/** The schedule: a lane for each actor, time downwards, a bar for each lock while it is held. */
import type { PageStep } from '../data.js';
import { h } from './dom.js';

export interface Lanes {
  readonly element: HTMLElement;
  /** @param step 0 is before the first step @param isWalk the reader goes there: keep it in sight */
  select(step: number, isWalk: boolean): void;
}

interface LockSpan {
  readonly actor: string;
  readonly lock: string;
  /** Step after which it is held; the first is 1. */
  readonly from: number;
  /** Step that leaves it, or the last one. */
  readonly to: number;
}

export function lanes(steps: readonly PageStep[], onSelect: (step: number) => void): Lanes {
  const actors = [...new Set(steps.map(({ actor }) => actor))];
  const spans = lockSpans(steps);
  const locks = [...new Set(spans.map(({ lock }) => lock))];
  const depth = new Map(actors.map((actor) => [actor, depthOf(spans.filter((span) => span.actor === actor))]));
  const columns = new Map<string, number>();
  let column = 2;
  for (const actor of actors) {
    columns.set(actor, column);
    column += (depth.get(actor) as Placed).nrBars + 1;
  }
  const template = ['2.4em', ...actors.flatMap((actor) => [...Array.from({ length: (depth.get(actor) as Placed).nrBars }, () => '9px'), 'minmax(7.5em, 1fr)'])].join(' ');
  const grid = h('div', { class: 'lanes', style: `grid-template-columns: ${template}`, role: 'listbox', 'aria-label': 'schedule', tabindex: 0 });
  for (const actor of actors) {
    const first = columns.get(actor) as number;
    const { nrBars } = depth.get(actor) as Placed;
    grid.append(h('div', { class: 'lane-name', style: `grid-column: ${first} / span ${nrBars + 1}; grid-row: 1` }, actor));
    grid.append(h('div', { class: 'lane-line', style: `grid-column: ${first + nrBars}; grid-row: 2 / span ${steps.length}` }));
  }
  for (const span of spans) {
    const { bar } = depth.get(span.actor) as Placed;
    grid.append(h('div', {
      class: `lock lock-${locks.indexOf(span.lock) % NR_PATTERNS}`, title: `${span.actor} holds ${span.lock}, steps ${span.from} to ${span.to}`,
      style: `grid-column: ${(columns.get(span.actor) as number) + (bar.get(span) as number)}; grid-row: ${span.from + 1} / ${span.to + 2}`,
    }));
  }
  const cells = steps.map((step, i) => {
    const { nrBars } = depth.get(step.actor) as Placed;
    const cell = stepCell(step, i + 1);
    cell.style.gridColumn = String((columns.get(step.actor) as number) + nrBars);
    cell.style.gridRow = String(i + 2);
    cell.addEventListener('click', () => { onSelect(i + 1); });
    grid.append(h('div', { class: `number${step.isPreemption ? ' preempts' : ''}`, style: `grid-column: 1; grid-row: ${i + 2}`, title: step.isPreemption ? 'a preemption' : '' }, String(i + 1)), cell);
    return cell;
  });
  const element = h('section', { class: 'schedule' }, grid, ...(locks.length === 0 ? [] : [legend(locks)]));
  return {
    element,
    select(step: number, isWalk: boolean): void {
      cells.forEach((cell, i) => {
        cell.classList.toggle('now', i === step - 1);
        cell.classList.toggle('later', i >= step);
        cell.setAttribute('aria-selected', String(i === step - 1));
      });
      if (isWalk) cells[Math.max(0, step - 1)]?.scrollIntoView({ block: 'center' });
    },
  };
}

/** Bars that look different without colour. */
const NR_PATTERNS = 8;

function stepCell({ fn, text, file, line, isBreach }: PageStep, number: number): HTMLElement {
  const what = fn !== '' && text.startsWith(`${fn}: `) ? text.slice(fn.length + 2) : text;
  const place = file === undefined ? '' : `${file.replace(/^packages\//, '').replace('/src/', '/')}${line === undefined ? '' : `:${line}`}`;
  const [action, ...effects] = what.split('; ');
  return h('div', { class: `step${isBreach ? ' breach' : ''}`, role: 'option', 'data-step': number },
    ...(fn === '' ? [] : [h('code', { class: 'fn' }, fn)]),
    h('span', { class: 'action' }, action ?? ''),
    ...effects.map((effect) => h('span', { class: effect.startsWith('here: ') ? 'effect verdict' : 'effect' }, effect)),
    ...(place === '' ? [] : [h('span', { class: 'place' }, place)]));
}

function legend(locks: readonly string[]): HTMLElement {
  return h('p', { class: 'legend' }, 'bars: locks held  ', ...locks.flatMap((lock, i) => [h('span', {}, h('span', { class: `swatch lock-${i % NR_PATTERNS}` }), h('code', {}, lock)), ' ']));
}

function lockSpans(steps: readonly PageStep[]): LockSpan[] {
  const spans: LockSpan[] = [];
  const open = new Map<string, Map<string, number>>();
  steps.forEach(({ actor, held }, i) => {
    const own = open.get(actor) ?? new Map<string, number>();
    open.set(actor, own);
    for (const lock of held) if (!own.has(lock)) own.set(lock, i + 1);
    for (const [lock, from] of own) {
      if (held.includes(lock)) continue;
      spans.push({ actor, lock, from, to: i + 1 });
      own.delete(lock);
    }
  });
  for (const [actor, own] of open) for (const [lock, from] of own) spans.push({ actor, lock, from, to: steps.length });
  return spans.sort((a, b) => a.from - b.from);
}

interface Placed {
  readonly nrBars: number;
  readonly bar: ReadonlyMap<LockSpan, number>;
}

/** The leftmost bar that is free, as locks nest. */
function depthOf(spans: readonly LockSpan[]): Placed {
  const bar = new Map<LockSpan, number>();
  const busyUntil: number[] = [];
  for (const span of spans) {
    let at = busyUntil.findIndex((until) => until <= span.from);
    if (at < 0) at = busyUntil.length;
    busyUntil[at] = span.to;
    bar.set(span, at);
  }
  return { nrBars: busyUntil.length, bar };
}
