// What a search says does not depend on the clock, nor on who else works, nor on the pieces that it is made in.
import { Worker } from 'node:worker_threads';
import { READ, WRITE } from '@mmun/include';
import type { Step, Task } from '@mmun/include';
import { allocate, newLayout, reserve, viewTable, whereOf } from '@mmun/lib';
import type { Table } from '@mmun/lib';
import { point, reserveLocking, runToCompletion, viewLocking } from '@mmun/locking';
import type { LockingMachine } from '@mmun/locking';
import { cpuMillis } from '../src/cpu-time.js';
import { SCHEDULES_PER_CHUNK, explore } from '../src/index.js';
import type { ExploreOptions, ExploreResult, Program } from '../src/index.js';

const spec = { a: 'i32' } as const;

interface Machine extends LockingMachine {
  readonly cell: Table<typeof spec>;
}

function boot(): Machine {
  const layout = newLayout();
  const locking = reserveLocking(layout, { nrTasks: 3 });
  const cells = reserve(layout, 'cell', 1, spec);
  const buffer = allocate(layout);
  const m: Machine = { ...viewLocking(buffer, layout, locking, runToCompletion(() => m)), cell: viewTable(buffer, cells) };
  return m;
}

function* add(m: Machine): Task<Step> {
  for (let i = 0; i < 2; i++) {
    yield* point(m, READ, whereOf(m.cell.a, 0));
    const seen = m.cell.a[0];
    yield* point(m, WRITE, whereOf(m.cell.a, 0));
    m.cell.a[0] = seen * 2 + 1;
  }
}

function program(atEnd: NonNullable<Program<Machine>['atEnd']> = () => undefined): Program<Machine> {
  return { name: 'parts', boot, threads: ['p', 'q', 'r'].map((name) => ({ name, run: add })), atEnd };
}

/** What the schedules came to, one after the other. */
function drawn(options: ExploreOptions): { readonly ends: number[]; readonly result: ExploreResult } {
  const ends: number[] = [];
  const result = explore(program((m) => { ends.push(m.cell.a[0]); }), options);
  return { ends: ends.slice(-result.executions), result };
}

describe.each(['random', 'pct'] as const)('%s', (strategy) => {
  it('draws schedule n from the seed and n alone', () => {
    const size = SCHEDULES_PER_CHUNK;
    const whole = drawn({ strategy, seed: 7, maxExecutions: size * 2 + 100 });
    const parts = [0, size, size * 2].map((firstSchedule, i) => drawn({ strategy, seed: 7, firstSchedule, maxExecutions: i < 2 ? size : 100 }));
    expect(whole.result.executions).toBe(size * 2 + 100);
    expect(parts.flatMap(({ ends }) => ends)).toEqual(whole.ends);
    expect(Math.max(...parts.map(({ result }) => result.sampled?.longest ?? 0))).toBe(whole.result.sampled?.longest);
    expect(parts[0]?.ends).not.toEqual(parts[1]?.ends);
    // the space is estimated once
    expect(parts.map(({ result }) => result.estimate === null)).toEqual([false, true, true]);
  });

  it('stops at the schedule that finds something', () => {
    let ended = 0;
    const find = program((m, report) => {
      ended++;
      if (m.cell.a[0] === 63) report({ code: 'lost-write', message: 'no write was lost' });
    });
    const { executions, findings } = explore(find, { strategy, seed: 3, keepsLong: true, maxExecutions: 100_000 });
    expect(findings.map(({ code }) => code)).toEqual(['lost-write']);
    const before = ended;
    ended = 0;
    expect(explore(find, { strategy, seed: 3, keepsLong: true, maxExecutions: executions - 1 }).findings).toEqual([]);
    expect(ended).toBeLessThan(before);
  });

  it('refuses to begin in the middle of a chunk', () => {
    expect(() => explore(program(), { strategy, firstSchedule: 5 })).toThrow('schedule 5 is not the first of its chunk: expected a multiple of 1024');
  });
});

/** Threads that know of themselves only how far they are: `stateful` merges them in whatever form they come. */
function scribblers(): Program<Machine> {
  const names = ['p', 'q', 'r'];
  const done = names.map(() => 0);
  const threads = names.map((name, t) => ({
    name,
    * run(m: Machine): Task<Step> {
      for (done[t] = 0; done[t] < 2; done[t]++) {
        yield* point(m, WRITE, whereOf(m.cell.a, 0));
        m.cell.a[0] = m.cell.a[0] * 2 + t;
      }
    },
  }));
  return { name: 'scribblers', boot, threads, localState: (t) => done[t] };
}

it('auto answers the same on a machine that is slow', () => {
  const ask = (): unknown => {
    const { strategy, executions, states } = explore(scribblers());
    return { strategy, executions, states };
  };
  const quick = ask();
  let now = 0;
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => (now += 10));
  expect(ask()).toEqual(quick);
  clock.mockRestore();
});

it('what another thread works does not count', async () => {
  const before = { own: cpuMillis(), all: process.cpuUsage() };
  const busy = new Worker('const until = Date.now() + 300; while (Date.now() < until);', { eval: true });
  await new Promise((done) => busy.once('exit', done));
  const { user, system } = process.cpuUsage(before.all);
  expect((user + system) / 1000).toBeGreaterThan(100);
  expect(cpuMillis() - before.own).toBeLessThan((user + system) / 2000);
});
