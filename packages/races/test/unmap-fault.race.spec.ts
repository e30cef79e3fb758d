import { explore } from '@mmun/explorer';
import { inFrames } from '@mmun/test-support/in-frames';
import { join } from 'node:path';
import { unmapFault } from '../src/index.js';
import type { Protocol } from '../src/index.js';

type Framed = typeof import('./framed.js');
let framed: Framed;

beforeAll(async () => { framed = await inFrames<Framed>(join(import.meta.dirname, 'framed.ts')); });

const program = (protocol: Protocol, pages: number, faulters: number, unmappers: number): ReturnType<typeof unmapFault> =>
  unmapFault({ protocol, pages, faulters, unmappers });

describe('unmap against fault', () => {
  // the numbers of two other tools, on the same program in C
  it.each([
    ['A', 1, 1, 1, 3], ['A', 1, 1, 2, 10], ['A', 1, 2, 1, 50], ['A', 2, 2, 1, 154], ['B', 1, 1, 1, 52],
  ] as const)('protocol %s with %i pages, %i faulters, %i unmappers has %i orderings, none explored in vain', (protocol, pages, faulters, unmappers, orderings) => {
    const result = explore(program(protocol, pages, faulters, unmappers), { strategy: 'dpor' });
    expect(result).toMatchObject({ executions: orderings, blocked: 0, exhaustive: true, findings: [] });
  });

  it('states told apart by the past of each thread end in as many ways as there are orderings', () => {
    expect(explore(program('A', 2, 2, 1), { strategy: 'stateful' })).toMatchObject({ executions: 154, exhaustive: true, findings: [] });
  });

  it('the retry protocol is right for two pages, two faulters and two unmappers, exhaustively', () => {
    const result = framed.explore(framed.unmapFault({ protocol: 'B', pages: 2, faulters: 2, unmappers: 2 }), { strategy: 'stateful' });
    expect(result).toMatchObject({ states: 79_477, exhaustive: true, findings: [] });
  });

  it.each([['A', 1, 1, 1], ['A', 2, 2, 1], ['B', 1, 1, 1], ['B', 1, 2, 1]] as const)('protocol %s %i,%i,%i is proved right by default', (protocol, pages, faulters, unmappers) => {
    expect(framed.explore(framed.unmapFault({ protocol, pages, faulters, unmappers }))).toMatchObject({ exhaustive: true, findings: [] });
  });

  it.each([
    ['C', 1, 1, 1, 0], ['C', 2, 2, 2, 0], ['D', 1, 1, 1, 1], ['D', 2, 2, 1, 1], ['D', 2, 2, 2, 1],
  ] as const)('protocol %s %i,%i,%i is convicted, and %i preemptions are proved to be the fewest', (protocol, pages, faulters, unmappers, preemptions) => {
    for (const strategy of ['auto', 'dpor', 'stateful', 'bounded', 'random', 'pct'] as const) {
      const p = framed.unmapFault({ protocol, pages, faulters, unmappers });
      const [finding] = framed.explore(p, { strategy }).findings;
      expect(finding).toMatchObject({ code: 'stale-translation', preemptions, isMinimal: true });
      expect(finding?.replay.length).toBeLessThanOrEqual(80);
      const again = framed.explore(p, { replay: finding?.replay ?? '' });
      expect(again.findings.map(({ code }) => code)).toEqual(['stale-translation']);
      expect(again.notes).toEqual([]);
    }
  });

  it('a counterexample reads as functions and lines of the source', () => {
    const [finding] = framed.explore(framed.unmapFault({ protocol: 'C', pages: 1, faulters: 1, unmappers: 1 })).findings;
    expect(finding?.steps.map(({ actor, text, file }) => `${actor} ${text} ${file?.replace(/.*\//, '') ?? ''}`)).toEqual([
      'fault0 tryInstall: acquire litmus.ptl[0] unmap-fault.ts',
      'fault0 populate: acquire litmus.pages[0] unmap-fault.ts',
      'fault0 tryInstall: acquire litmus.mmu[0] unmap-fault.ts',
      'fault0 access: acquire litmus.mmu[0] unmap-fault.ts',
      'fault0 access: acquire litmus.pages[0] unmap-fault.ts',
      'unmap0 unmap: acquire litmus.ptl[0] unmap-fault.ts',
      'unmap0 putPage: acquire litmus.pages[0] unmap-fault.ts',
    ]);
    expect(finding?.steps[1]?.callers).toEqual(['populate', 'tryInstall', 'fault']);
  });
});
