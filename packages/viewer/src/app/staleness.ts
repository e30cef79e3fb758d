/** Which of the translations that are held say something else than the page table does. */
import type { PageMoment, PageView } from '../data.js';

/** Everyone's view of one page of one address space. */
export interface PageGroup {
  readonly mm: number;
  readonly address: number;
  /** Who ever holds a view of it, page table first: their places do not change from step to step. */
  readonly holders: readonly { readonly kind: PageView['kind']; readonly who: string }[];
}

const RANK: Readonly<Record<PageView['kind'], number>> = { pte: 0, tlb: 1, secondary: 2 };

export function groupsOf(moments: readonly PageMoment[]): PageGroup[] {
  const groups = new Map<string, Map<string, PageView>>();
  for (const view of moments.flatMap(({ views }) => views)) {
    const key = `${view.mm} ${view.address}`;
    const holders = groups.get(key) ?? new Map<string, PageView>();
    groups.set(key, holders);
    holders.set(view.who, view);
  }
  return [...groups.values()].map((holders) => {
    const [{ mm, address }] = holders.values() as unknown as [PageView];
    const all = [...holders.values()].map(({ kind, who }) => ({ kind, who }));
    if (!all.some(({ kind }) => kind === 'pte')) all.push({ kind: 'pte', who: 'page table' });
    all.sort((a, b) => RANK[a.kind] - RANK[b.kind] || a.who.localeCompare(b.who));
    return { mm, address, holders: all };
  }).sort((a, b) => a.mm - b.mm || a.address - b.address);
}

export function viewOf({ views }: PageMoment, { mm, address }: Pick<PageGroup, 'mm' | 'address'>, who: string): PageView | undefined {
  return views.find((view) => view.mm === mm && view.address === address && view.who === who);
}

/** In words; empty where the view agrees with the page table. */
export function staleness(moment: PageMoment, view: PageView): string {
  if (view.kind === 'pte') return '';
  if (!moment.live.includes(view.pfn)) return `frame ${view.pfn} is free`;
  const pte = moment.views.find(({ kind, mm, address }) => kind === 'pte' && mm === view.mm && address === view.address);
  if (pte === undefined) return 'the page table has no entry';
  if (pte.pfn !== view.pfn) return `the page is in frame ${pte.pfn} now`;
  return view.isWritable && !pte.isWritable ? 'the page table allows no write' : '';
}
