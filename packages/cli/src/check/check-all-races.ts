/** The table: every race in both variants. */
import type { RacePool } from '@mmun/build/race-pool';
import { catalogue } from '@mmun/races';
import type { Checkable, CheckReport } from '@mmun/races';
import { didYouMean } from '../nearest.js';
import { UsageError } from '../usage-error.js';
import type { RaceRow, RacesReport } from './check-report.js';
import { checkKnown } from './open-race.js';

export interface Watcher {
  readonly signal: AbortSignal;
  readonly onProgress: (fraction: number, label: string) => void;
}

/** Of one variant: half for the exhaustive searches, half for the bounded one. */
const RACE_MILLIS = 60_000;

/** @throws UsageError where nothing fits the filter */
export async function checkAllRaces(filter: string, pool: RacePool, { signal, onProgress }: Watcher): Promise<RacesReport> {
  const chosen = catalogue.filter(({ id, title, source }) => [id, title, source].some((text) => text.toLowerCase().includes(filter.toLowerCase())));
  if (chosen.length === 0) throw new UsageError(`--filter ${filter}: no race has this in its name, title or source${didYouMean(filter, catalogue.map(({ id }) => id))}: \`mmun races\` lists all ${catalogue.length}`);
  let done = 0;
  const ask = async (race: Checkable, variant: string): Promise<CheckReport | null> => {
    const tell = (): void => { onProgress(done / (chosen.length * 2), `${race.id}, ${variant}`); };
    const report = await checkKnown(race, { variant, signal, maxMillis: RACE_MILLIS, onProgress: tell }, pool);
    done++;
    tell();
    return report === null || report.interrupted ? null : report;
  };
  const pairs = await Promise.all(chosen.map(async (race) => ({ race, reports: await Promise.all([ask(race, 'buggy'), ask(race, 'fixed')]) })));
  const rows = pairs.flatMap(({ race: { id, title, finds }, reports: [buggy, fixed] }) => (buggy === null || fixed === null ? [] : rowOf(id, title, finds, buggy, fixed)));
  return { schema: 'mmun.races/1', races: rows, asked: chosen.length, interrupted: signal.aborted, ok: rows.length === chosen.length && rows.every(({ buggy, fixed }) => buggy.found && fixed.clean) };
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
