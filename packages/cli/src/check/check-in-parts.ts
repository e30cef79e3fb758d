/**
 * Schedules of `pct` and `random`, drawn by as many threads as there are. What schedule n is follows from the seed and n, and
 * the finding of the lowest schedule is the one that counts: so it makes no difference who draws which, nor how many are drawn at a time.
 */
import { DEFAULT_SCHEDULES, SCHEDULES_PER_CHUNK } from '@mmun/explorer';
import { joinReports } from '@mmun/races';
import type { CheckOptions, CheckReport } from '@mmun/races';
import type { OpenRace } from './open-race.js';

interface Part {
  readonly first: number;
  readonly count: number;
  readonly control: AbortController;
  /** So far. */
  executions: number;
  report: CheckReport | null;
  error: unknown;
}

/** A part is made so large that it takes about so long. */
const PART_MILLIS = { least: 400, most: 1600 } as const;

/** @param jobs parts that are drawn at once @returns null where it was interrupted before anything was drawn */
export async function checkInParts(check: OpenRace['check'], options: CheckOptions, jobs: number): Promise<CheckReport | null> {
  const { maxExecutions: total = DEFAULT_SCHEDULES, signal, onProgress } = options;
  const startMs = performance.now();
  const parts: Part[] = [];
  let next = 0;
  let nrChunks = 1;
  const take = (): Part => {
    const wanted = jobs === 1 ? total : Math.min(nrChunks, Math.ceil((total - next) / jobs / SCHEDULES_PER_CHUNK)) * SCHEDULES_PER_CHUNK;
    const part: Part = { first: next, count: Math.min(wanted, total - next), control: new AbortController(), executions: 0, report: null, error: null };
    next += part.count;
    parts.push(part);
    return part;
  };
  const draw = async (part: Part): Promise<void> => {
    const stops = [part.control.signal, ...(signal === undefined ? [] : [signal])];
    part.report = await check({
      ...options, isPart: true, firstSchedule: part.first, maxExecutions: part.count, signal: AbortSignal.any(stops),
      onProgress: (progress) => {
        part.executions = progress.executions;
        onProgress?.({ ...progress, executions: parts.reduce((sum, { executions }) => sum + executions, 0), elapsedMs: performance.now() - startMs });
      },
    }).catch((error: unknown) => {
      part.error = error;
      return null;
    });
    part.executions = part.report?.executions ?? 0;
    // what comes after it does not count any more
    if (isDecided(part)) for (const later of parts) if (later.first > part.first) later.control.abort();
  };
  const lane = async (): Promise<void> => {
    while ((next < total || parts.length === 0) && signal?.aborted !== true && !parts.some(isDecided)) {
      const before = performance.now();
      await draw(take());
      const took = performance.now() - before;
      if (took < PART_MILLIS.least) nrChunks *= 2;
      else if (took > PART_MILLIS.most) nrChunks = Math.max(1, nrChunks / 2);
    }
  };
  await Promise.all(Array.from({ length: jobs }, lane));
  return judge(parts, performance.now() - startMs);
}

function isDecided({ report, error }: Part): boolean {
  return error !== null || (report?.findings.length ?? 0) > 0;
}

function judge(parts: readonly Part[], elapsedMs: number): CheckReport | null {
  const decided = parts.find(isDecided);
  if (decided !== undefined && decided.error !== null) throw decided.error;
  const [first, ...rest] = parts.flatMap(({ report }) => report ?? []);
  return first === undefined ? null : joinReports([first, ...rest], elapsedMs);
}
