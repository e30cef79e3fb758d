/** The table: every race in both variants. */
import { catalogue } from '@mmun/races';
import type { CheckReport } from '@mmun/races';
import { didYouMean } from '../nearest.js';
import { UsageError } from '../usage-error.js';
import type { RaceRow, RacesReport } from './check-report.js';
import { openRace } from './open-race.js';

export interface Watcher {
  readonly signal: AbortSignal;
  readonly onProgress: (fraction: number, label: string) => void;
}

/** Of one variant: half for the exhaustive searches, half for the bounded one. */
const RACE_MILLIS = 60_000;

/** @throws UsageError where nothing fits the filter */
export async function checkAllRaces(filter: string, { signal, onProgress }: Watcher): Promise<RacesReport> {
  const chosen = catalogue.filter(({ id, title, source }) => [id, title, source].some((text) => text.toLowerCase().includes(filter.toLowerCase())));
  if (chosen.length === 0) throw new UsageError(`--filter ${filter}: no race has this in its name, title or source${didYouMean(filter, catalogue.map(({ id }) => id))}: \`mmun races\` lists all ${catalogue.length}`);
  const rows: RaceRow[] = [];
  for (const [i, { id, title, finds }] of chosen.entries()) {
    const { check } = await openRace(id);
    onProgress(i / chosen.length, `${id}, buggy`);
    const buggy = await check({ variant: 'buggy', signal, maxMillis: RACE_MILLIS });
    onProgress((i + 0.5) / chosen.length, `${id}, fixed`);
    if (signal.aborted) break;
    const fixed = await check({ variant: 'fixed', signal, maxMillis: RACE_MILLIS });
    if (signal.aborted) break;
    rows.push(rowOf(id, title, finds, buggy, fixed));
  }
  return { schema: 'mmun.races/1', races: rows, ok: rows.length === chosen.length && rows.every(({ buggy, fixed }) => buggy.found && fixed.clean) };
}

function rowOf(id: string, title: string, finds: readonly string[], buggy: CheckReport, fixed: CheckReport): RaceRow {
  const finding = buggy.findings.find(({ code }) => finds.includes(code)) ?? buggy.findings[0];
  return {
    id, title,
    buggy: {
      found: finding !== undefined && finds.includes(finding.code), code: finding?.code ?? '', executions: buggy.executions,
      preemptions: finding?.preemptions ?? 0, elapsedMs: buggy.elapsedMs, replay: finding?.replay ?? '',
    },
    fixed: { clean: fixed.findings.length === 0, exhaustive: fixed.exhaustive, executions: fixed.executions, elapsedMs: fixed.elapsedMs },
  };
}
