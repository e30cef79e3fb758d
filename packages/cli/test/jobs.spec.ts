// Several threads: what comes out is what one would say, whoever is through first; and it ends as it should.
import { later } from '@mmun/test-support';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SCHEDULES_PER_CHUNK } from '@mmun/explorer';
import type { CheckOptions, CheckReport } from '@mmun/races';
import { checkInParts } from '../src/check/check-in-parts.js';
import type { RacesReport } from '../src/check/check-report.js';
import { mmun, mmunInterrupted, newFolder, refusal, removeFolders } from './mmun.js';

afterAll(removeFolders);

/** A search that finds something in these schedules, or throws there; parts are through in any order. */
function search({ found = [], throwing = -1 }: { readonly found?: readonly number[]; readonly throwing?: number }): { readonly check: (options: CheckOptions) => Promise<CheckReport>; readonly begun: number[] } {
  const begun: number[] = [];
  return {
    begun,
    async check({ firstSchedule = 0, maxExecutions = 0, signal }): Promise<CheckReport> {
      begun.push(firstSchedule);
      const isHere = (n: number): boolean => n >= firstSchedule && n < firstSchedule + maxExecutions;
      // the later, the sooner
      await new Promise((done) => setTimeout(done, Math.max(0, 20 - firstSchedule / 500)));
      const at = found.find(isHere);
      if (isHere(throwing) && throwing < (at ?? Infinity)) throw new Error(`schedule ${throwing}`);
      const executions = at === undefined ? maxExecutions : at - firstSchedule + 1;
      return {
        schema: 'mmun.check/1', race: 'r', title: '', variant: 'fixed', config: { arch: 'none', design: 'none', build: 'checked', parameters: {} }, strategy: 'pct', preemptions: null,
        executions, blocked: 0, states: 0, exhaustive: false, elapsedMs: 1, notes: [], estimate: firstSchedule === 0 ? { schedules: 7, steps: 3 } : null, interrupted: signal?.aborted === true,
        findings: at === undefined ? [] : [{ code: 'lost-write', message: String(at), replay: '', steps: [], why: '', preemptions: 0, minimal: true }],
        part: {
          orders: [{ held: firstSchedule === 0 ? 'a' : 'b', taken: firstSchedule === 0 ? 'b' : 'a', thread: 't', gates: [] }],
          sampled: { strategy: 'pct', executions, depth: 3, nrThreads: 2, longest: firstSchedule === 0 ? 5 : 9, measuring: Math.ceil(executions / SCHEDULES_PER_CHUNK) },
        },
        ok: at === undefined,
      };
    },
  };
}

const OPTIONS = { variant: 'fixed', maxExecutions: SCHEDULES_PER_CHUNK * 20 + 5 } as const;
const JOBS = [2, 3, 8];

async function drawn(of: Parameters<typeof search>[0], jobs: number): Promise<CheckReport | null> {
  const report = await checkInParts(search(of).check, OPTIONS, jobs);
  return report === null ? null : { ...report, elapsedMs: 0 };
}

describe('schedules in parts', () => {
  it('the lowest schedule that finds something counts, and what was drawn before it', async () => {
    const found = [5000, 5001, 9000, 15_000];
    const alone = await drawn({ found }, 1);
    expect([alone?.executions, alone?.findings.map(({ message }) => message)]).toEqual([5001, ['5000']]);
    for (const jobs of JOBS) {
      const { executions, findings, notes } = (await drawn({ found }, jobs)) as CheckReport;
      expect([executions, findings[0], notes.length]).toEqual([5001, alone?.findings[0], 1]);
    }
  });

  it('an error counts as a finding does', async () => {
    for (const jobs of [1, ...JOBS]) {
      await expect(drawn({ found: [9000], throwing: 3000 }, jobs)).rejects.toThrow('schedule 3000');
      expect((await drawn({ found: [3000], throwing: 9000 }, jobs))?.findings[0]?.message).toBe('3000');
    }
  });

  it('all are drawn once, and the risk is that of all of them', async () => {
    for (const jobs of JOBS) {
      const { check, begun } = search({});
      const report = await checkInParts(check, OPTIONS, jobs);
      expect(new Set(begun).size).toBe(begun.length);
      expect([report?.executions, report?.estimate]).toEqual([OPTIONS.maxExecutions, { schedules: 7, steps: 3 }]);
      // (1 - 1 / (2 * 9^2)) ^ (20485 - 21)
      expect(report?.notes).toEqual([`a bug of depth 3 (2 threads, 9 steps) was missed with at most ${(100 * (1 - 1 / 162) ** 20_464).toPrecision(3)} % probability`, expect.stringMatching(/^not exhaustive/)]);
    }
  });

  it('two orders of locks that different parts have seen are a circle', async () => {
    expect((await drawn({}, 2))?.findings.map(({ code }) => code)).toEqual(['lock-order']);
  });

  it('an interrupt ends them all', async () => {
    const control = new AbortController();
    const { check } = search({});
    const asked = checkInParts(check, { ...OPTIONS, signal: control.signal }, 2);
    control.abort();
    expect(await asked).toMatchObject({ interrupted: true, ok: false });
  });
});

it('refuses a number of threads that is none, and threads for a search that cannot be cut', async () => {
  expect(refusal(await mmun(['races', '--jobs', '0']))).toMatch(/--jobs 0: expected a whole number from 1 to 256$/);
  expect(refusal(await mmun(['check', 'munmap-read', '--jobs', '2']))).toMatch(/--jobs 2: expected --strategy pct or random with it: what another search does next depends on what it has seen$/);
});

async function document<T>(...args: readonly string[]): Promise<T> {
  const { out, err } = await mmun([...args, '--json']);
  expect(err).toBe('');
  return JSON.parse(out, (key, value: unknown) => (key === 'elapsedMs' ? 0 : value)) as T;
}

later(describe.skip, describe)('threads', () => {
  it.each([
    ['races', '--filter', 'munmap-'],
    ['claims', '--only', 'C7,C15'],
    ['check', 'munmap-read', '--variant', 'fixed', '--strategy', 'pct', '--max-executions', '4000'],
    // found by schedule 1645, in the second chunk
    ['check', 'exit-write', '--strategy', 'random', '--seed', '3'],
  ])('%s %s %s says the same with one and with many', async (...args) => {
    expect(await document(...args, '--jobs', '3')).toEqual(await document(...args, '--jobs', '1'));
  }, 60_000);

  it('a race that ends its thread is answered with one line', async () => {
    const race = join(newFolder(), 'ends.race.ts');
    writeFileSync(race, `import type { MaySleep, Task } from '@mmun/include';
import { defineRace, onePage } from '@mmun/races';
export default defineRace({
  id: 'ends', title: 'ends', source: 'test', finds: ['incoherent'], variants: { buggy: {}, fixed: {} }, setup: onePage,
  actors: { * cpu0(t, { a }): Task<MaySleep> { yield* t.write(a, 1); process.exit(7); } },
});
`);
    expect(refusal(await mmun(['check', race, '--strategy', 'random', '--jobs', '2']))).toMatch(/ends\.race\.ts, buggy: the thread that checked it ended: exit code 7$/);
  }, 60_000);

  it('prints what was covered when it is interrupted', async () => {
    const { code, out } = await mmunInterrupted(['check', 'munmap-read', '--variant', 'fixed', '--strategy', 'random', '--max-executions', '1000000000', '--jobs', '2', '--json'],
      (outcome) => outcome.code !== null && outcome.out !== '' && (JSON.parse(outcome.out) as CheckReport).executions > 0);
    const report = JSON.parse(out) as CheckReport;
    expect([code, report.interrupted, report.ok]).toEqual([1, true, false]);
    const races = await mmunInterrupted(['races', '--jobs', '2', '--json'], (outcome) => outcome.code !== null && outcome.out !== '' && (JSON.parse(outcome.out) as RacesReport).races.length > 0);
    expect([races.code, (JSON.parse(races.out) as RacesReport).ok]).toEqual([1, false]);
    expect(races.err).toContain('interrupted: the result holds what was checked so far');
  }, 120_000);
});
