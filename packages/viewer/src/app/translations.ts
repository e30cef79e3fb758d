/**
 * Where everyone's entry for a page leads: the page table, TLBs and secondary MMUs on the left, frames on the right, an arrow
 * for each entry. Whoever stood somewhere in some step keeps the place in all steps, so that what changes is what moves.
 */
import type { CounterexampleData, PageMoment, PageView } from '../data.js';
import { hex, svg } from './dom.js';
import { groupsOf, staleness, viewOf } from './staleness.js';
import type { PageGroup } from './staleness.js';

const WIDTH = 470;
/** What is said of a stale entry fits: `the page table allows no write`. */
const BOX_WIDTH = 228;
const BOX_HEIGHT = 40;
const GAP = 10;
const TITLE = 26;
const FRAME_WIDTH = 104;
const FRAME_X = WIDTH - FRAME_WIDTH - 2;

export interface Translations {
  readonly element: SVGSVGElement;
  /** @returns what a reader who does not see it should hear */
  show(moment: number): string;
}

export function translations({ moments, breach }: CounterexampleData): Translations {
  const groups = groupsOf(moments);
  const frames = [...new Set(moments.flatMap(({ views }) => views.map(({ pfn }) => pfn)))].sort((a, b) => a - b);
  const tops: number[] = [];
  let height = 2;
  for (const { holders } of groups) {
    tops.push(height);
    height += TITLE + holders.length * (BOX_HEIGHT + GAP) + GAP;
  }
  height = Math.max(height, frames.length * (BOX_HEIGHT + GAP) + TITLE + GAP);
  const element = svg('svg', { viewBox: `0 0 ${WIDTH} ${height}`, class: 'translations', role: 'img' });
  const frameY = (pfn: number): number => TITLE + frames.indexOf(pfn) * ((height - TITLE) / frames.length) + ((height - TITLE) / frames.length - BOX_HEIGHT) / 2;
  return {
    element,
    show(index: number): string {
      const moment = moments[index] as PageMoment;
      const isLast = index === moments.length - 1;
      const said: string[] = [];
      const arrows: SVGElement[] = [];
      const boxes: SVGElement[] = [];
      groups.forEach((group, g) => {
        const top = tops[g] as number;
        boxes.push(svg('text', { x: 2, y: top + 15, class: 'page-title' }, `page ${hex(group.address)} of process ${group.mm}`));
        group.holders.forEach((holder, i) => {
          const y = top + TITLE + i * (BOX_HEIGHT + GAP);
          const view = viewOf(moment, group, holder.who);
          const why = view === undefined ? '' : staleness(moment, view);
          const isBreach = isLast && breach !== null && view !== undefined && isThe(breach, view, why);
          if (why !== '') said.push(`${holder.who}, page ${hex(group.address)}: ${why}`);
          boxes.push(holderBox(holder, view, why, isBreach, y));
          if (view !== undefined) arrows.push(arrow(view, y + BOX_HEIGHT / 2, frameY(view.pfn) + BOX_HEIGHT / 2, why !== '', isBreach));
        });
      });
      const frameBoxes = frames.map((pfn) => frameBox(pfn, moment.live.includes(pfn), frameY(pfn)));
      element.replaceChildren(markers(), svg('text', { x: FRAME_X, y: 15, class: 'page-title' }, 'frames'), ...arrows, ...boxes, ...frameBoxes);
      const text = said.length === 0 ? 'all entries agree with the page table' : said.join('; ');
      element.setAttribute('aria-label', text);
      return text;
    },
  };
}

function isThe(breach: NonNullable<CounterexampleData['breach']>, view: PageView, why: string): boolean {
  const page = breach.address - (breach.address % 4096);
  const isSame = view.mm === breach.mm && view.address === page && view.pfn === breach.pfn;
  return isSame && view.kind !== 'pte' && (view.who === breach.who || (why !== '' && (breach.who === '' || breach.who.includes(view.who))));
}

function holderBox({ kind, who }: PageGroup['holders'][number], view: PageView | undefined, why: string, isBreach: boolean, y: number): SVGElement {
  const state = view === undefined ? 'none' : isBreach ? 'breach' : why === '' ? 'good' : 'stale';
  const entry = view === undefined ? 'no entry' : `frame ${view.pfn}, ${view.isWritable ? 'writable' : 'read only'}`;
  const name = kind === 'tlb' ? `TLB of ${who}` : who;
  const said = why === '' ? entry : `${isBreach ? '✗ ' : '! '}${why}`;
  return svg('g', { class: `holder ${kind} ${state}` },
    svg('rect', { x: 2, y, width: BOX_WIDTH, height: BOX_HEIGHT, rx: 5 }),
    svg('text', { x: 11, y: y + 16, class: 'who' }, name),
    svg('text', { x: 11, y: y + 32, class: 'entry' }, said),
    svg('title', {}, `${name}: ${entry}${why === '' ? '' : `; ${why}`}`));
}

function frameBox(pfn: number, isLive: boolean, y: number): SVGElement {
  return svg('g', { class: `frame ${isLive ? 'live' : 'free'}` },
    svg('rect', { x: FRAME_X, y, width: FRAME_WIDTH, height: BOX_HEIGHT }),
    svg('text', { x: FRAME_X + 10, y: y + 16, class: 'who' }, `frame ${pfn}`),
    svg('text', { x: FRAME_X + 10, y: y + 32, class: 'entry' }, isLive ? 'in use' : 'free'));
}

function arrow({ isWritable }: PageView, fromY: number, toY: number, isStale: boolean, isBreach: boolean): SVGElement {
  const [from, to] = [2 + BOX_WIDTH, FRAME_X - 7];
  const bend = (to - from) / 2;
  const state = isBreach ? 'breach' : isStale ? 'stale' : 'good';
  return svg('path', {
    class: `arrow ${state}${isWritable ? ' writable' : ''}`, 'marker-end': `url(#head-${state})`,
    d: `M ${from} ${fromY} C ${from + bend} ${fromY}, ${to - bend} ${toY}, ${to} ${toY}`,
  });
}

function markers(): SVGElement {
  return svg('defs', {}, ...['good', 'stale', 'breach'].map((state) => svg('marker', {
    id: `head-${state}`, class: `head ${state}`, viewBox: '0 0 8 8', refX: 6, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: 'userSpaceOnUse', orient: 'auto',
  }, svg('path', { d: 'M 0 0 L 8 4 L 0 8 z' }))));
}
