/** The schedule in a few lines: the steps that made the difference, each a way to go there. */
import type { PageStep } from '../data.js';
import { h } from './dom.js';

export interface Story {
  readonly element: HTMLElement;
  /** @param step 0 is before the first */
  select(step: number): void;
}

/** Below so many steps the schedule is its own story. */
const WORTH_IT = 8;

export function story(steps: readonly PageStep[], onSelect: (step: number) => void): Story | null {
  if (steps.length < WORTH_IT) return null;
  const told = steps.flatMap((step, i) => {
    const what = tellingOf(step, steps[i - 1]);
    return what === '' ? [] : [{ step: i + 1, actor: step.actor, what, isBreach: step.isBreach }];
  });
  if (told.length === 0) return null;
  const rows = told.map(({ step, actor, what, isBreach }) => {
    const row = h('li', { class: isBreach ? 'breach' : '', 'data-step': step }, h('button', { type: 'button' }, h('span', { class: 'number' }, String(step)), h('code', {}, actor), h('span', { class: 'what' }, what)));
    row.addEventListener('click', () => { onSelect(step); });
    return row;
  });
  return {
    element: h('section', { class: 'story' }, h('h2', {}, 'what made the difference'), h('ol', {}, ...rows)),
    select(step: number): void {
      rows.forEach((row, i) => {
        row.classList.toggle('later', (told[i]?.step ?? 0) > step);
        row.classList.toggle('now', told[i]?.step === step);
      });
    },
  };
}

/** Entries that came or went, ptes that changed, frames freed, the turn that was taken; empty where a step changed none of these. */
function tellingOf({ text, fn, actor, isPreemption, isBreach }: PageStep, before: PageStep | undefined): string {
  const [action = '', ...effects] = (fn !== '' && text.startsWith(`${fn}: `) ? text.slice(fn.length + 2) : text).split('; ');
  const said = effects.map((effect) => effect.replace(/^here: /, '')).filter((effect) => effect !== '');
  if (action.startsWith('changes the pte of ')) said.unshift(action);
  if (/^calls \w+\.ops/.test(action)) said.unshift('the notifier is called');
  if (said.length === 0 && isPreemption) return `takes over from ${before?.actor ?? 'nobody'}: ${fn === '' ? action : fn}`;
  if (said.length === 0 && isBreach) return action;
  if (said.length === 0 && before !== undefined && before.actor !== actor) return `goes on: ${fn === '' ? action : fn}`;
  return said.join('; ');
}
