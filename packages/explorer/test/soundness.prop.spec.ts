import fc from 'fast-check';
import { Dpor, Execution } from '../src/index.js';
import { bruteForce, stateOf } from './brute-force.js';
import { smallProgram, toProgram } from './random-program.js';

const RUNS = Number(process.env['MMUN_RUNS'] ?? 300);
const LIMIT = 2_000;

function sorted(values: Iterable<string>): string[] {
  return [...values].sort();
}

describe('dpor against every interleaving', () => {
  it('reaches the same final states and findings, each ordering exactly once', () => {
    let compared = 0;
    let blocked = 0;
    let executions = 0;
    fc.assert(fc.property(smallProgram, (threads) => {
      const program = toProgram(threads);
      const all = bruteForce(program as never, { limit: LIMIT });
      if (!all.isWhole) return;
      compared++;
      const states = new Set<string>();
      const dpor = new Dpor(new Execution(program as never), { maxSteps: 1000 }, (x) => states.add(stateOf(x)));
      while (!dpor.isDone) dpor.advance();
      expect(sorted(dpor.found.keys())).toEqual(sorted(all.codes));
      expect(sorted(states)).toEqual(sorted(all.states));
      const isWholeOrder = sorted(all.codes).every((code) => code === 'deadlock');
      if (isWholeOrder) expect(dpor.executions).toBe(all.orderings);
      blocked += dpor.blocked;
      executions += dpor.executions;
    }), { numRuns: RUNS });
    console.log(`compared ${compared} of ${RUNS}; ${executions} executions, ${blocked} blocked`);
  });
});
