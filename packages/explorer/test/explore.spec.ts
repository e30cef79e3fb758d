import { ACQUIRE, READ, WRITE, YIELD } from '@mmun/include';
import type { Step, Task, Where } from '@mmun/include';
import { KernelBug, allocate, nameOfWhere, newLayout, reserve, viewTable, whereOf } from '@mmun/lib';
import type { Table } from '@mmun/lib';
import { point, pointUntil, reserveLocking, runToCompletion, spinLock, spinTrylock, spinUnlock, spinlockAt, touch, viewLocking } from '@mmun/locking';
import type { LockingMachine } from '@mmun/locking';
import { explore, exploreAsync } from '../src/index.js';
import type { ExploreOptions, Program, StrategyName, Thread } from '../src/index.js';

const spec = { a: 'i32', b: 'i32', lock: 'u32', other: 'u32' } as const;

interface Machine extends LockingMachine {
  readonly cell: Table<typeof spec>;
}

type Body = (m: Machine) => Task<Step>;

function program(threads: Readonly<Record<string, Body>>, more: Partial<Program<Machine>> = {}, daemons: readonly string[] = []): Program<Machine> {
  const list: Thread<Machine>[] = Object.entries(threads).map(([name, run]) => ({ name, run, isDaemon: daemons.includes(name) }));
  return { name: 'test', boot: () => boot(list.length), threads: list, nameOf: (m, where) => nameOfWhere(m.layout, where), ...more };
}

function boot(nrTasks: number): Machine {
  const layout = newLayout();
  const locking = reserveLocking(layout, { nrTasks });
  const cells = reserve(layout, 'cell', 2, spec);
  const buffer = allocate(layout);
  const m: Machine = { ...viewLocking(buffer, layout, locking, runToCompletion(() => m)), cell: viewTable(buffer, cells) };
  return m;
}

function* add(m: Machine): Task<Step> {
  yield* point(m, READ, whereOf(m.cell.a, 0));
  const seen = m.cell.a[0];
  yield* point(m, WRITE, whereOf(m.cell.a, 0));
  m.cell.a[0] = seen + 1;
}

/** Two unlocked increments lose one when they overlap: one preemption. */
const lostUpdate: Partial<Program<Machine>> = {
  atEnd: (m, report) => { if (m.cell.a[0] !== 2) report({ code: 'lost-write', message: `\`a\` is ${m.cell.a[0]}` }); },
};

function* withLock(m: Machine, first: 'lock' | 'other'): Task<Step> {
  const second = first === 'lock' ? 'other' : 'lock';
  yield* spinLock(m, spinlockAt(m.cell[first], 0));
  yield* spinLock(m, spinlockAt(m.cell[second], 0));
  yield* spinUnlock(m, spinlockAt(m.cell[second], 0));
  yield* spinUnlock(m, spinlockAt(m.cell[first], 0));
}

const EXHAUSTIVE: readonly StrategyName[] = ['auto', 'dpor', 'stateful', 'bounded'];
const ALL: readonly StrategyName[] = [...EXHAUSTIVE, 'pct', 'random'];

function codes(p: Program<Machine>, options: ExploreOptions = {}): string[] {
  return explore(p, options).findings.map(({ code }) => code);
}

describe('what every strategy finds', () => {
  it.each(ALL)('%s finds a lost write, with one preemption and four steps', (strategy) => {
    const { findings } = explore(program({ p: add, q: add }, lostUpdate), { strategy });
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ code: 'lost-write', message: '`a` is 1', preemptions: 1, isMinimal: true, replay: expect.stringMatching(/^p\.w1\.cell\.a:q~\w{4}$/) });
    expect(findings[0]?.steps.map(({ actor, kind, object }) => `${actor} ${kind} ${object}`)).toEqual(['p read cell.a[0]', 'q read cell.a[0]', 'q write cell.a[0]', 'p write cell.a[0]']);
  });

  it.each(EXHAUSTIVE)('%s finds two locks taken in two orders, and says who waits for what', (strategy) => {
    const p = program({ p: (m) => withLock(m, 'lock'), q: (m) => withLock(m, 'other') });
    const { findings } = explore(p, { strategy });
    expect(findings[0]).toMatchObject({ code: 'deadlock', message: 'nobody can run: `p` waits for cell.other[0], `q` waits for cell.lock[0]', preemptions: 1 });
  });

  it.each(EXHAUSTIVE)('%s proves one order of two locks free of deadlock', (strategy) => {
    const p = program({ p: (m) => withLock(m, 'lock'), q: (m) => withLock(m, 'lock') });
    expect(explore(p, { strategy })).toMatchObject({ findings: [], exhaustive: true });
  });

  it('a daemon may wait for ever, a thread may not', () => {
    function* wait(m: Machine): Task<Step> { yield* pointUntil(m, ACQUIRE, whereOf(m.cell.b, 0), -1, 1); }
    expect(codes(program({ p: add, worker: wait }, {}, ['worker']))).toEqual([]);
    expect(codes(program({ p: add, worker: wait }))).toEqual(['deadlock']);
  });

  it('a trylock fails against a lock section that has no point of its own', () => {
    function* hold(m: Machine): Task<Step> {
      yield* spinLock(m, spinlockAt(m.cell.lock, 0));
      yield* spinUnlock(m, spinlockAt(m.cell.lock, 0));
    }
    function* attempt(m: Machine): Task<Step> {
      if (!(yield* spinTrylock(m, spinlockAt(m.cell.lock, 0)))) throw new KernelBug('trylock-failed');
      yield* spinUnlock(m, spinlockAt(m.cell.lock, 0));
    }
    for (const strategy of EXHAUSTIVE) {
      const { findings } = explore(program({ p: hold, q: attempt }), { strategy });
      expect(findings[0]).toMatchObject({ code: 'trylock-failed', preemptions: 1, isMinimal: true });
      expect(codes(program({ p: hold, q: attempt }), { replay: findings[0]?.replay ?? '' })).toEqual(['trylock-failed']);
    }
  });

  it('two words touched in one step make one step', () => {
    function* free(m: Machine): Task<Step> {
      yield* point(m, WRITE, whereOf(m.cell.a, 0));
      m.cell.a[0] = 1;
      touch(m, WRITE, whereOf(m.cell.b, 0));
      m.cell.b[0] = 1;
    }
    function* look(m: Machine): Task<Step> {
      yield* point(m, READ, whereOf(m.cell.b, 0));
      const isFreed = m.cell.b[0] === 1;
      yield* point(m, READ, whereOf(m.cell.a, 0));
      if (isFreed && m.cell.a[0] === 0) throw new KernelBug('torn');
      if (isFreed) throw new KernelBug('seen-through-touch');
    }
    for (const strategy of EXHAUSTIVE) expect(codes(program({ p: look, q: free }), { strategy, findsAll: true })).toEqual(['seen-through-touch']);
    expect(explore(program({ p: look, q: free }), { strategy: 'dpor', findsAll: true }).executions).toBe(3);
  });
});

describe('choices', () => {
  function* allocateTwice(m: Machine): Task<Step> {
    const first = m.sched.choose(2, 'kmalloc');
    yield* point(m, WRITE, whereOf(m.cell.b, 0));
    const second = m.sched.choose(3, 'kmalloc');
    m.cell.b[0] = first * 10 + second;
    if (first === 1 && second === 2) throw new KernelBug('both-failed');
  }

  it.each(EXHAUSTIVE)('%s tries every option, in starts and in steps', (strategy) => {
    const seen = new Set<number>();
    const p = program({ p: allocateTwice }, { atEnd: (m) => { seen.add(m.cell.b[0]); } });
    const { findings } = explore(p, { strategy, findsAll: true });
    expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 2, 10, 11]);
    expect(findings[0]).toMatchObject({ code: 'both-failed', replay: expect.stringMatching(/^p\?1\.kmalloc:1,p\?2\.kmalloc:2~/) });
    expect(codes(p, { replay: findings[0]?.replay ?? '' })).toEqual(['both-failed']);
  });
});

describe('loops', () => {
  function* spinOn(m: Machine): Task<Step> {
    for (;;) {
      yield* point(m, READ, whereOf(m.cell.b, 0));
      if (m.cell.b[0] !== 0) return;
      yield* point(m, YIELD, 0 as Where);
    }
  }
  function* set(m: Machine): Task<Step> {
    yield* point(m, WRITE, whereOf(m.cell.b, 0));
    m.cell.b[0] = 1;
  }

  it('a spin loop that a fair schedule leaves is no livelock', () => {
    for (const strategy of ['bounded', 'random', 'pct'] as const) expect(codes(program({ p: spinOn, q: set }), { strategy, maxSteps: 50, maxExecutions: 500 })).toEqual([]);
    const { findings, exhaustive } = explore(program({ p: spinOn, q: set }), { strategy: 'dpor', maxSteps: 50 });
    expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: false });
  });

  it('a spin loop that nothing ends is one', () => {
    for (const strategy of ['random', 'pct', 'dpor', 'stateful', 'bounded'] as const) expect(codes(program({ p: spinOn, q: add }), { strategy, maxSteps: 50, maxExecutions: 50 })).toEqual(['retry-livelock']);
  });
});

describe('the replay string', () => {
  const base = { p: add, q: add };

  it('still works after an unrelated step was added to another thread', () => {
    const [finding] = explore(program(base, lostUpdate)).findings;
    function* longer(m: Machine): Task<Step> {
      yield* point(m, READ, whereOf(m.cell.b, 1));
      yield* add(m);
      yield* point(m, WRITE, whereOf(m.cell.b, 1));
    }
    const { findings, notes } = explore(program({ p: add, q: longer }, lostUpdate), { replay: finding?.replay ?? '' });
    expect(findings.map(({ code }) => code)).toEqual(['lost-write']);
    expect(notes).toEqual(['what was observed on the way is not what it was when the string was made: the program has changed']);
  });

  it('says at which step it no longer fits', () => {
    const [finding] = explore(program(base, lostUpdate)).findings;
    function* quick(m: Machine): Task<Step> {
      yield* point(m, READ, whereOf(m.cell.a, 0));
    }
    const { findings, notes } = explore(program({ p: quick, q: quick }), { replay: finding?.replay ?? '' });
    expect(findings).toEqual([]);
    expect(notes).toEqual(['the program no longer follows the replay string: after step 2: the place `p.w1.cell.a` (1 of 1) never came']);
  });

  it('is refused with its fault named where it is none', () => {
    expect(() => explore(program(base), { replay: 'p.w1.cell.a~' })).toThrow('`p.w1.cell.a` is not place:thread');
    expect(() => explore(program(base), { replay: 'p.w1.cell.a:nobody~x' })).toThrow('no thread is called `nobody`: there are p, q');
  });

  it('stays within 80 characters when names are long and turns are many', () => {
    const where = (i: number): string => `a_rather_long_object_name.of_a_table[${i}]`;
    function* ping(m: Machine): Task<Step> {
      for (let i = 0; i < 3; i++) {
        yield* point(m, READ, whereOf(m.cell.a, 0));
        if (m.cell.a[0] !== i * 2) return;
        yield* point(m, WRITE, whereOf(m.cell.a, 0));
        m.cell.a[0] = i * 2 + 1;
      }
    }
    function* pong(m: Machine): Task<Step> {
      for (let i = 0; i < 3; i++) {
        yield* point(m, READ, whereOf(m.cell.a, 0));
        if (m.cell.a[0] !== i * 2 + 1) return;
        yield* point(m, WRITE, whereOf(m.cell.a, 0));
        m.cell.a[0] = i * 2 + 2;
      }
      throw new KernelBug('rally');
    }
    const p = program({ 'thread-ping': ping, 'thread-pong': pong }, { nameOf: (_m, w) => where(w) });
    const [finding] = explore(p).findings;
    expect(finding).toMatchObject({ code: 'rally', preemptions: 4, isMinimal: true });
    expect(finding?.replay.length).toBeLessThanOrEqual(80);
    expect(codes(p, { replay: finding?.replay ?? '' })).toEqual(['rally']);
  });
});

describe('what a result is worth', () => {
  it('a program that keeps state outside of its buffer is called nondeterministic', () => {
    let runs = 0;
    function* count(m: Machine): Task<Step> {
      yield* point(m, WRITE, whereOf(m.cell.a, 0));
      if (++runs % 2 === 1) throw new KernelBug('every-other-run');
    }
    expect(codes(program({ p: count }), { strategy: 'random', maxExecutions: 3 })).toEqual(['nondeterminism']);
  });

  it('a search that was stopped says so', () => {
    const result = explore(program({ p: add, q: add }), { strategy: 'dpor', maxExecutions: 1 });
    expect(result).toMatchObject({ exhaustive: false, executions: 1, notes: ['stopped after 1 executions: not exhaustive'] });
    expect(result.estimate?.schedules).toBeGreaterThan(3);
  });

  it('an interrupted search returns what it covered', async () => {
    const control = new AbortController();
    let calls = 0;
    const result = await exploreAsync(program({ p: add, q: add }, {}), {
      strategy: 'random', maxExecutions: 100_000_000, signal: control.signal, onProgress: () => { if (++calls === 3) setTimeout(() => control.abort(), 0); },
    });
    expect(result.executions).toBeGreaterThan(100);
    expect(result.exhaustive).toBe(false);
    expect(result.notes[0]).toBe('interrupted: what follows is what was covered until then');
  });

  it('a search that takes long is told how large the space is', () => {
    const seen: (number | null)[] = [];
    explore(program({ p: add, q: add }), { strategy: 'random', maxMillis: 700, onProgress: ({ estimate }) => { seen.push(estimate?.schedules ?? null); } });
    expect(seen[0]).toBeNull();
    // R W against R W: six orders, and the estimate is exact where all are equally likely
    expect(seen.at(-1)).toBeGreaterThan(4);
    expect(seen.at(-1)).toBeLessThan(8);
  });

  it('sampling states the risk that is left', () => {
    const notes = (strategy: StrategyName): string => explore(program({ p: add, q: add }), { strategy, maxExecutions: 3000 }).notes.join();
    expect(notes('random')).toMatch(/^a bug that one schedule in 1\d\d\d shows would have been found with 95 % probability$/);
    expect(notes('pct')).toMatch(/^a bug of depth 3 \(2 threads, \d+ steps\) was missed with at most [\d.e-]+ % probability$/);
  });

  it('the same seed draws the same schedules', () => {
    const drawn = (seed: number): string => {
      const ends: number[] = [];
      explore(program({ p: add, q: add }, { atEnd: (m) => { ends.push(m.cell.a[0]); } }), { strategy: 'random', seed, maxExecutions: 200 });
      return ends.join('');
    };
    expect(drawn(7)).toBe(drawn(7));
    expect(drawn(7)).not.toBe(drawn(8));
  });

  it('a step names the function and the line that it stands in', () => {
    const [finding] = explore(program({ p: add, q: add }, lostUpdate)).findings;
    expect(finding?.steps[0]).toMatchObject({ fn: 'add', file: expect.stringMatching(/explore\.spec\.ts$/), text: 'add: read cell.a[0]' });
    expect(finding?.steps[0]?.line).toBeGreaterThan(30);
  });

  it('a program with two threads of one name is refused', () => {
    const p = program({ p: add });
    expect(() => explore({ ...p, threads: [...p.threads, ...p.threads] })).toThrow('two threads have one name');
  });
});
