/** How many threads a command may use: what comes out is the same with any number. */
import { availableParallelism } from 'node:os';
import type { RacePool } from '@mmun/build/race-pool';
import type { OptionSpec } from './command.js';
import { UsageError } from './usage-error.js';

const MAX_JOBS = 256;

export const JOBS_OPTION: OptionSpec = {
  flags: '--jobs <number>', description: 'threads that search at once (default: one for each core); the answer does not depend on it', parse: parseJobs,
};

/** @param act gets threads, which end with it @throws UsageError in one line where one of them is lost */
export async function withPool<T>(jobs: number | undefined, act: (pool: RacePool) => Promise<T>): Promise<T> {
  const { RacePool: Pool, WorkerLost } = await import('@mmun/build/race-pool');
  const pool = new Pool(jobs ?? availableParallelism());
  try {
    return await act(pool);
  } catch (error) {
    throw error instanceof WorkerLost ? new UsageError(error.message) : error;
  } finally {
    await pool.close();
  }
}

function parseJobs(text: string): number {
  const jobs = Number(text);
  if (!/^\d+$/.test(text) || jobs < 1 || jobs > MAX_JOBS) throw new UsageError(`--jobs ${text}: expected a whole number from 1 to ${MAX_JOBS}`);
  return jobs;
}
