import { effort, later } from '@mmun/test-support';
import { inFrames } from '@mmun/test-support/in-frames';
import fc from 'fast-check';
import { join } from 'node:path';
import { Dpor, Execution, LevelSearch, Stateful, explore } from '../src/index.js';
import type { Program } from '../src/index.js';
import { smallProgram } from './arbitrary.js';
import { bruteForce, stateOf } from './brute-force.js';
import type { BruteForce } from './brute-force.js';
import { toProgram } from './random-program.js';
import type { Op } from './random-program.js';

/** Programs per property. */
const RUNS = effort(later(15, 40), 400, 5000);
const LIMIT = 1500;
const LIMITS = { maxSteps: 1000 };

type Framed = typeof import('./framed.js');
let framed: Framed;

beforeAll(async () => { framed = await inFrames<Framed>(join(import.meta.dirname, 'framed.ts')); });

interface Outcome { readonly codes: string[]; readonly states: string[] }

function sorted(values: Iterable<string>): string[] {
  return [...values].sort();
}

function outcome({ codes, states }: BruteForce): Outcome {
  return { codes: sorted(codes), states: sorted(states) };
}

/** What the search found, and the ends it reached. */
function outcomeOf(make: (atEnd: (x: Execution) => void) => { advance(): void; readonly isDone: boolean; readonly found: ReadonlyMap<string, unknown> }): Outcome {
  const states = new Set<string>();
  const search = make((x) => states.add(stateOf(x)));
  while (!search.isDone) search.advance();
  return { codes: sorted(search.found.keys()), states: sorted(states) };
}

/** What so many random schedules come to, in the frames form. */
function drawn(threads: Threads, options: { readonly depth: number; readonly wholeRuns: boolean }, schedules: number): Outcome {
  const states = new Set<string>();
  const x = new framed.Execution(framed.toProgram(threads) as unknown as Program<never>);
  const search = new framed.Sampling(x, LIMITS, { seed: 1, ...options }, ((end: Execution) => states.add(stateOf(end))) as never);
  for (let i = 0; i < schedules; i++) search.one();
  return { codes: sorted(search.found.keys()), states: sorted(states) };
}

type Threads = readonly (readonly Op[])[];

/** Found by these properties, each a mistake of a search once. */
const ONCE_WRONG: [Threads][] = [
  // a race has to be looked at again when other steps stand behind it
  [[[{ do: 'add', word: 0, value: 0 }], [{ do: 'add', word: 0, value: 0 }], [{ do: 'call' }]]],
  // a crash in the step that leaves a lock: others could have run in between
  [[[{ do: 'downReadTry', lock: 0, body: [{ do: 'expect', word: 0, value: 2 }] }], [{ do: 'spin', lock: 0, body: [{ do: 'spin', lock: 1, body: [{ do: 'add', word: 0, value: 1 }] }, { do: 'spin', lock: 0, body: [] }] }], [{ do: 'add', word: 0, value: 1 }]]],
  // a release became a point while places from before were still in use
  [[[{ do: 'add', word: 0, value: 0 }, { do: 'downTry', lock: 0, body: [] }], [{ do: 'downRead', lock: 0, body: [] }]]],
  [[[{ do: 'mutex', lock: 0, body: [{ do: 'mutexTry', lock: 0, body: [] }] }], [{ do: 'yield' }], [{ do: 'mutex', lock: 0, body: [] }]]],
  // the other option of a choice has wakeup sequences of its own
  [[[{ do: 'spin', lock: 0, body: [{ do: 'expect', word: 0, value: 1 }] }], [{ do: 'choose', word: 0 }], [{ do: 'call' }]]],
  // whether a release is a step must not show in the digest of a replay string
  [[[{ do: 'spin', lock: 1, body: [] }, { do: 'spin', lock: 0, body: [{ do: 'spin', lock: 0, body: [] }] }], [{ do: 'add', word: 0, value: 0 }, { do: 'spinTry', lock: 1, body: [] }]]],
  // what a step touches is known when it has been taken: before another step it may touch more
  [[[{ do: 'set', word: 0, value: 1 }, { do: 'spin', lock: 0, body: [] }], [{ do: 'spin', lock: 0, body: [{ do: 'set', word: 1, value: 1 }] }], [{ do: 'reach', word: 0 }]]],
  [[[{ do: 'spin', lock: 0, body: [{ do: 'set', word: 1, value: 1 }] }], [{ do: 'set', word: 0, value: 1 }, { do: 'spin', lock: 0, body: [] }], [{ do: 'reach', word: 0 }]]],
  // a moved step stands for what follows it whichever way its choices go
  [[[{ do: 'downTry', lock: 0, body: [] }], [{ do: 'mutex', lock: 0, body: [{ do: 'down', lock: 0, body: [{ do: 'add', word: 0, value: 0 }, { do: 'choose', word: 0 }] }] }], [{ do: 'read', word: 0 }]]],
];

/** Runs the property on programs that are small enough for brute force. */
function against(property: (program: Program<never>, threads: Threads, all: BruteForce) => void, maxPreemptions = Infinity): void {
  fc.assert(fc.property(smallProgram, (threads) => {
    const program = toProgram(threads) as unknown as Program<never>;
    const all = bruteForce(program, { limit: LIMIT, maxPreemptions });
    if (all.isWhole) property(program, threads, all);
  }), { numRuns: RUNS, examples: ONCE_WRONG });
}

describe('against every interleaving', () => {
  it('dpor reaches the same ends and findings, each ordering exactly once, none in vain', () => {
    against((program, threads, all) => {
      let dpor: Dpor | null = null;
      expect(outcomeOf((atEnd) => (dpor = new Dpor(new Execution(program), LIMITS, atEnd)))).toEqual(outcome(all));
      const { executions, blocked } = dpor as unknown as Dpor;
      const isWholeOrder = [...all.codes].every((code) => code === 'deadlock');
      if (isWholeOrder) expect(executions).toBe(all.orderings);
      // what a moved step touches is a guess where it depends on what it finds, and a wrong guess may cost a run in vain
      const isKnown = !threads.flat().some((op) => /"(reach|mark)"/.test(JSON.stringify(op)));
      if (isWholeOrder && isKnown) expect(blocked).toBe(0);
    });
  });

  it('stateful reaches the same ends and findings where threads are known by their past', () => {
    against((program, _threads, all) => {
      expect(outcomeOf((atEnd) => new Stateful(new Execution(program), LIMITS, 'replay', atEnd))).toEqual(outcome(all));
    });
  });

  it('stateful reaches the same ends and findings where threads are known by their local variables', () => {
    against((_program, threads, all) => {
      const program = framed.toProgram(threads) as unknown as Program<never>;
      const x = new framed.Execution(program);
      expect(framed.hasFrames(x)).toBe(true);
      expect(outcomeOf((atEnd) => new framed.Stateful(x, LIMITS, 'frames', atEnd as never))).toEqual(outcome(all));
    });
  });

  it.each([0, 1, 2])('bounded reaches what brute force reaches with at most %i preemptions', (maxPreemptions) => {
    against((program, threads, all) => {
      const options = { maxPreemptions };
      expect(outcomeOf((atEnd) => new LevelSearch(new Execution(program), LIMITS, 'replay', options, atEnd))).toEqual(outcome(all));
      const x = new framed.Execution(framed.toProgram(threads) as unknown as Program<never>);
      expect(outcomeOf((atEnd) => new framed.LevelSearch(x, LIMITS, 'frames', options, atEnd as never))).toEqual(outcome(all));
    }, maxPreemptions);
  });

  it.each([0, 3])('what is drawn at depth %i ends where some interleaving ends, run from its first step or from behind the starts', (depth) => {
    against((_program, threads, all) => {
      for (const wholeRuns of [true, false]) {
        const { codes, states } = drawn(threads, { depth, wholeRuns }, 40);
        expect(outcome(all).codes).toEqual(expect.arrayContaining(codes));
        expect(outcome(all).states).toEqual(expect.arrayContaining(states));
      }
    });
  });

  it.each([true, false])('random schedules reach every end of a program that has few (whole runs: %s)', (wholeRuns) => {
    const threads: Threads = [[{ do: 'choose', word: 0 }, { do: 'add', word: 0, value: 1 }], [{ do: 'set', word: 0, value: 2 }], [{ do: 'spin', lock: 0, body: [{ do: 'expect', word: 0, value: 2 }] }]];
    const all = bruteForce(toProgram(threads) as unknown as Program<never>, { limit: 100_000 });
    expect(all.isWhole).toBe(true);
    expect(drawn(threads, { depth: 0, wholeRuns }, 2000)).toEqual(outcome(all));
  });

  it('every finding has the fewest preemptions that any schedule has, and repeats', () => {
    against((program, _threads, all) => {
      if (all.codes.size === 0) return;
      const { findings } = explore(program, { strategy: 'dpor', findsAll: true });
      expect(sorted(findings.map(({ code }) => code))).toEqual(sorted(all.codes));
      for (const { code, preemptions, isMinimal, replay } of findings) {
        expect(isMinimal).toBe(true);
        expect(bruteForce(program, { limit: LIMIT, maxPreemptions: preemptions }).codes).toContain(code);
        if (preemptions > 0) expect(bruteForce(program, { limit: LIMIT, maxPreemptions: preemptions - 1 }).codes).not.toContain(code);
        expect(replay.length).toBeLessThanOrEqual(80);
        const again = explore(program, { replay });
        expect(again.findings.map((f) => f.code)).toEqual([code]);
        expect(again.notes).toEqual([]);
      }
    });
  });
});

describe('an audit of what steps name', () => {
  const audited = (op: Op): readonly string[] => framed.auditSteps(framed.toProgram([[op], [{ do: 'set', word: 1, value: 1 }]]) as unknown as Program<never>, 1000).faults;

  it('tells of a word that a step reads and does not name, and where it shows', () => {
    expect(audited({ do: 'reach', word: 0 })).toEqual([]);
    expect(audited({ do: 'peek', word: 0 })).toEqual([expect.stringMatching(/^t0: read word\[\d+\], and t1: \w+ word\[\d+\]: their order matters, and they name nothing in common: afterwards word\[\d+\] differ$/)]);
  });
});
