/** A schedule that goes wrong, step by step. */
import type { CounterexampleData } from '../data.js';
import { h } from './dom.js';
import { lanes } from './lanes.js';
import { story } from './story.js';
import { translations } from './translations.js';

export function showCounterexample(page: HTMLElement, data: CounterexampleData): void {
  const { steps } = data;
  const machine = data.moments.length === 0 ? null : translations(data);
  const schedule = lanes(steps, (step) => { go(step, false); });
  const short = story(steps, go);
  const slider = h('input', { type: 'range', min: 0, max: steps.length, value: steps.length, 'aria-label': 'step' });
  const where = h('output', { class: 'where' });
  const live = h('p', { class: 'said', 'aria-live': 'polite' });
  let now = steps.length;

  function go(step: number, isWalk = true): void {
    now = Math.min(steps.length, Math.max(0, step));
    slider.value = String(now);
    schedule.select(now, isWalk);
    short?.select(now);
    const { actor, text } = steps[now - 1] ?? { actor: '', text: 'before the first step' };
    where.textContent = now === 0 ? 'before the first step' : `step ${now} of ${steps.length}: ${actor}`;
    const state = machine?.show(now) ?? '';
    live.textContent = state === '' ? text : state;
  }

  const button = (label: string, title: string, by: () => number): HTMLElement => {
    const element = h('button', { type: 'button', title }, label);
    element.addEventListener('click', () => { go(by()); });
    return element;
  };
  const controls = h('div', { class: 'controls' },
    button('«', 'first (Home)', () => 0), button('‹', 'back (up, k)', () => now - 1), button('›', 'on (down, j)', () => now + 1), button('»', 'last (End)', () => steps.length),
    slider, where);
  slider.addEventListener('input', () => { go(Number(slider.value)); });
  document.addEventListener('keydown', (event) => {
    const to = keyTarget(event, now, steps.length);
    if (to === null) return;
    event.preventDefault();
    go(to);
  });

  page.append(
    header(data),
    controls,
    h('div', { class: 'columns' }, schedule.element, h('section', { class: 'machine' }, ...(machine === null ? [] : [machine.element]), live, ...(short === null ? [] : [short.element]))),
    h('footer', {}, h('p', { class: 'keys' }, 'Keys: ↑ ↓ or j k go step by step, Home and End to the ends.'), h('p', {}, 'A dashed arrow is an entry that disagrees with the page table; a thick one is the one that did the harm.')),
  );
  go(steps.length, false);
}

function header({ race, title, variant, config, code, message, why, again }: CounterexampleData): HTMLElement {
  return h('header', {},
    h('p', { class: 'race' }, h('b', {}, race), ` · ${title} · ${variant} · ${config}`),
    h('h1', {}, h('span', { class: 'code' }, code), ' ', message),
    ...(why === '' ? [] : [h('p', { class: 'why' }, why)]),
    ...(again === '' ? [] : [h('p', { class: 'again' }, 'again: ', h('code', {}, again))]));
}

/** Where a key leads; null: nowhere. */
function keyTarget({ key, ctrlKey, metaKey, altKey }: KeyboardEvent, now: number, last: number): number | null {
  if (ctrlKey || metaKey || altKey) return null;
  switch (key) {
    case 'ArrowDown': case 'ArrowRight': case 'j': return now + 1;
    case 'ArrowUp': case 'ArrowLeft': case 'k': return now - 1;
    case 'Home': return 0;
    case 'End': return last;
    default: return null;
  }
}
