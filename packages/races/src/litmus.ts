/** The litmus program as a race: it needs no kernel, only the primitives. */
import type { ExplorableMachine, Program } from '@mmun/explorer';
import type { Checkable, Subject } from './checkable.js';
import type { Parameters } from './race-context.js';
import { unmapFault } from './unmap-fault.js';
import type { Protocol } from './unmap-fault.js';

const PROTOCOLS: readonly string[] = ['A', 'B', 'C', 'D'];
const MAX = 8;

export const litmus: Checkable = {
  id: 'unmap-fault',
  title: 'an unmap beside a secondary fault: invalidate under the lock (A), count and retry (B), too late (C), no retry (D)',
  source: '20080409144401.GT10133@duo.random',
  finds: ['stale-translation'],
  parameters: { protocol: 'A', pages: 1, faulters: 1, unmappers: 1 },
  variants: new Map([
    ['buggy', { image: null, edits: [], parameters: { protocol: 'D' } }],
    ['fixed', { image: null, edits: [], parameters: { protocol: 'B' } }],
  ]),
  subject: (_variant, parameters): Subject => {
    const { protocol } = parameters;
    if (!PROTOCOLS.includes(String(protocol))) throw new RangeError(`--set protocol=${protocol}: expected ${PROTOCOLS.join(', ')}`);
    const program = unmapFault({
      protocol: protocol as Protocol, pages: count(parameters, 'pages'), faulters: count(parameters, 'faulters'), unmappers: count(parameters, 'unmappers'),
    });
    return { program: program as unknown as Program<ExplorableMachine>, orders: () => [], image: null, needsWholeRuns: false };
  },
};

function count(parameters: Parameters, name: string): number {
  const value = Number(parameters[name]);
  if (!Number.isInteger(value) || value < 1 || value > MAX) throw new RangeError(`--set ${name}=${parameters[name]}: expected a whole number from 1 to ${MAX}`);
  return value;
}
