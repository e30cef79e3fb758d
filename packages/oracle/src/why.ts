/** One sentence on a counterexample: who made the entry, who changed or freed what it stands for, and which call was missing or late. */
import type { ExploredFinding } from '@mmun/explorer';
import type { ToldStep } from './explain-finding.js';
import type { Moment, Observed } from './observe.js';
import type { Place } from './reports.js';

export function whyOf({ code, steps }: Pick<ExploredFinding, 'code' | 'steps'>, { moments }: Observed, place: Place | null, told: readonly ToldStep[]): string {
  if (place === null) return heldAtEnd(code, told);
  const story = { moments, place, told };
  const made = lastStep(story, (before, after) => !hasEntry(before, place) && hasEntry(after, place));
  const freed = lastStep(story, (before, after) => before.live[place.pfn] === true && after.live[place.pfn] !== true);
  const changed = lastStep(story, (before, after) => before.pteWhere === after.pteWhere && before.pte !== after.pte && before.pte !== 'none');
  const called = steps.findLastIndex(({ kind }, i) => kind === 'call' && i > Math.max(changed, -1));
  const at = (i: number): string => `${told[i]?.actor} (${told[i]?.fn}, step ${i + 1})`;
  if (changed < 0 && freed < 0) return made < 0 ? '' : `${at(made)} made the entry, and it was wrong from the start`;
  const change = changed >= 0 ? `${at(changed)} changed the pte` : `${at(freed)} freed the frame`;
  const end = freed >= 0 && changed >= 0 ? ` and ${at(freed)} freed the frame` : '';
  if (made > changed) {
    const told_ = called >= 0 && called < made ? `the notifier had been called in step ${called + 1}, when there was nothing to drop yet` : 'the notifier was not called again';
    return `${change}${end}; ${at(made)} made the entry only then, from what it had looked up before: ${told_}`;
  }
  if (called < 0) return `${change}${end}, and the notifier was never called for it`;
  return freed >= 0 && called > freed ? `${change}${end}; the notifier was called too late, in step ${called + 1}` : `${change}${end}; the notifier was called in step ${called + 1} and the entry stayed`;
}

interface Story {
  readonly moments: readonly Moment[];
  readonly place: Place;
  readonly told: readonly ToldStep[];
}

/** The last step in which something became so; -1: none. */
function lastStep({ moments, told }: Story, isSo: (before: Moment, after: Moment) => boolean): number {
  for (let i = Math.min(moments.length - 1, told.length) - 1; i >= 0; i--) if (isSo(moments[i] as Moment, moments[i + 1] as Moment)) return i;
  return -1;
}

function hasEntry({ entries }: Moment, { mm, address, pfn, who }: Place): boolean {
  const page = address - (address % 4096);
  return entries.some((entry) => entry.mm === mm && entry.address === page && entry.pfn === pfn && (who === '' || entry.who === who));
}

function heldAtEnd(code: string, told: readonly ToldStep[]): string {
  if (code !== 'deadlock') return '';
  const last = new Map<string, readonly string[]>();
  for (const { actor, held } of told) last.set(actor, held);
  const holders = [...last].filter(([, held]) => held.length > 0).map(([actor, held]) => `${actor} holds ${held.join(', ')}`);
  return holders.length === 0 ? 'nobody holds a lock: what is waited for never comes' : holders.join('; ');
}
