/** Designs side by side: a small chart for each kind of number, one scale in each. */
import type { ComparisonData, ComparisonGroup } from '../data.js';
import { h } from './dom.js';

export function showComparison(page: HTMLElement, { title, config, designs, groups }: ComparisonData): void {
  page.append(
    h('header', { class: 'plain' }, h('p', { class: 'race' }, config), h('h1', {}, title)),
    h('div', { class: 'groups' }, ...groups.map((group) => groupCard(group, designs))),
    h('footer', {}, h('p', {}, 'Bars of one chart share one scale; a bar that is too short to see still has its number. A dash: the design has no such call.')),
  );
}

function groupCard({ title, unit, rows }: ComparisonGroup, designs: readonly string[]): HTMLElement {
  const most = Math.max(1, ...rows.flatMap(({ values }) => values.map((value) => value ?? 0)));
  return h('section', { class: 'group' },
    h('h2', {}, title), h('p', { class: 'unit' }, unit),
    h('table', {},
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, ''), ...designs.map((design) => h('th', { scope: 'col' }, design)))),
      h('tbody', {}, ...rows.map(({ label, values }) => h('tr', {}, h('th', { scope: 'row' }, ...breakable(label)), ...values.map((value, i) => valueCell(value, most, i)))))));
}

/** `invalidate_range_start` may end a line behind each of its parts. */
function breakable(label: string): (Node | string)[] {
  return label.split(/(?<=_)/).flatMap((part, i) => (i === 0 ? [part] : [document.createElement('wbr'), part]));
}

function valueCell(value: number | null, most: number, design: number): HTMLElement {
  if (value === null) return h('td', { class: 'none' }, '–');
  return h('td', {},
    h('span', { class: 'bar-room' }, h('span', { class: value === 0 ? 'bar empty' : `bar design-${design % 3}`, style: `width: ${((100 * value) / most).toFixed(2)}%` })),
    h('span', { class: 'value' }, value.toLocaleString('en')));
}
