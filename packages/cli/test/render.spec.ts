import { describe, expect, it } from '@jest/globals';
import pc from 'picocolors';
import { addSetting, CHECK_OPTIONS } from '../src/check/check-options.js';
import type { CheckReport } from '@mmun/races';
import type { RacesReport } from '../src/check/check-report.js';
import { renderCheck, renderRaces } from '../src/render/render-check.js';
import type { FuzzReport } from '../src/commands/fuzz-kernel.js';
import { renderFinding } from '../src/render/render-finding.js';
import { renderFuzz } from '../src/render/render-fuzz.js';

const screen = { paint: pc.createColors(false), width: 80 };

const FOUND: CheckReport = {
  schema: 'mmun.check/1', race: 'unmap-fault', title: 'unmap against fault', variant: 'buggy', config: { arch: 'x86', design: 'v5', build: 'checked', parameters: {} }, strategy: 'dpor',
  preemptions: null, executions: 52, blocked: 3, states: 0, exhaustive: true, elapsedMs: 12, estimate: null, notes: [], interrupted: false, ok: false,
  findings: [{
    why: '', preemptions: 1, minimal: true, code: 'stale-translation', message: 'the device reaches frame 7 after the kernel freed it', replay: 'unmap@put|fault',
    steps: [
      { actor: 'unmap', text: 'clears the pte of `0x1000`' }, { actor: 'unmap', text: 'puts frame 7: free', file: 'memory.ts', line: 12 },
      { actor: 'device', text: 'reads `0x1000` through its entry' }, { actor: 'unmap', text: 'invalidates the entry' },
    ],
  }],
};

describe('a finding', () => {
  it('is drawn as one column per actor, time downwards, the source under its step', () => {
    expect(renderFinding(FOUND.findings[0], screen)).toEqual([
      'stale-translation',
      '  the device reaches frame 7 after the kernel freed it',
      '  replay: unmap@put|fault',
      '',
      '      unmap                                device',
      '   1  clears the pte of `0x1000`',
      '   2  puts frame 7: free',
      '      memory.ts:12',
      '   3                                       reads `0x1000` through its entry',
      '   4  invalidates the entry',
    ]);
  });

  it('keeps to its columns however long a step is', () => {
    const steps = ['a', 'b', 'c', 'd'].map((actor) => ({ actor, text: 'word '.repeat(30).trim(), file: `${'long/'.repeat(12)}file.ts`, line: 1 }));
    const lines = renderFinding({ code: 'x', message: 'y '.repeat(90).trim(), replay: '', steps }, screen);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });
});

describe('a check', () => {
  it('ends in what was covered and how to see it again', () => {
    const lines = renderCheck(FOUND, screen);
    expect(lines[0]).toBe('unmap-fault, buggy  x86, notifier v5, checked build');
    expect(lines.slice(-4)).toEqual(['', '  again: mmun check unmap-fault --variant buggy --replay \'unmap@put|fault\'', '',
      '1 finding: every interleaving; dpor, 52 executions, 3 blocked (12 ms)']);
  });

  it('claims no more than was searched', () => {
    const clean: CheckReport = { ...FOUND, variant: 'fixed', findings: [], ok: true, blocked: 0 };
    const verdict = (report: CheckReport): string | undefined => renderCheck(report, screen).at(-1);
    expect(verdict(clean)).toBe('clean: every interleaving; dpor, 52 executions (12 ms)');
    expect(verdict({ ...clean, preemptions: 2, strategy: 'bounded' })).toBe('clean: every interleaving up to 2 preemptions; bounded, 52 executions (12 ms)');
    expect(verdict({ ...clean, exhaustive: false, states: 7 })).toBe('nothing found: not exhaustive; dpor, 52 executions, 7 states (12 ms)');
  });

  it('takes parameters as NAME=VALUE, each once', () => {
    expect(addSetting('protocol=A', addSetting('pages=2'))).toEqual({ pages: 2, protocol: 'A' });
    expect(() => addSetting('pages')).toThrow('--set pages: expected NAME=VALUE, as in --set pages=2');
    expect(() => addSetting('pages=3', { pages: 2 })).toThrow('--set pages=3: pages was set to 2 before');
    const max = CHECK_OPTIONS.find(({ flags }) => flags.startsWith('--max-executions'));
    expect(max?.parse?.('1000', undefined)).toBe(1000);
    expect(() => max?.parse?.('many', undefined)).toThrow('--max-executions many: expected a whole number');
    expect(() => max?.parse?.('0', undefined)).toThrow('--max-executions 0: expected a whole number from 1 on');
  });
});

describe('a livelock', () => {
  it('is read from its beginning and its end', () => {
    const [finding] = FOUND.findings;
    const steps = Array.from({ length: 20_000 }, (_, i) => ({ actor: 'device', text: `tries for the ${i}th time` }));
    const lines = renderFinding({ ...finding, steps }, screen);
    expect(lines.length).toBeLessThan(200);
    expect(lines).toEqual(expect.arrayContaining(['      .. 19,820 steps are left out here: --json has them', '19941  tries for the 19940th time', '20000  tries for the 19999th time']));
  });
});

describe('the races', () => {
  const row = { buggy: { found: true, code: 'stale-translation', executions: 3, preemptions: 0, elapsedMs: 1.23, replay: '' }, fixed: { clean: true, exhaustive: true, executions: 154, elapsedMs: 1500 } };
  const report: RacesReport = { schema: 'mmun.races/1', ok: true, asked: 1, interrupted: false, races: [{ id: 'unmap-fault', title: '', ...row }] };

  it('are a table of one row a race with its twin beside it', () => {
    expect(renderRaces(report, screen)).toEqual([
      '  race         buggy              preempt  runs    time  fixed  runs    time',
      '  unmap-fault  stale-translation        0     3  1.2 ms  clean   154  1.50 s',
      '',
      'settled: 1 race, each found and each twin clean',
    ]);
  });

  it('say which checker is broken: nothing found where something is', () => {
    const races = [{ id: 'blind', title: '', ...row, buggy: { ...row.buggy, found: false } }];
    const lines = renderRaces({ ...report, races, ok: false }, screen);
    expect(lines[1]).toMatch(/blind +not found +-/);
    expect(lines.at(-1)).toBe('1 of 1 race not as expected');
  });

  it('say how far they came where they were interrupted', () => {
    expect(renderRaces({ ...report, asked: 85, interrupted: true, ok: false }, screen).at(-1)).toBe('interrupted: 1 of 85 races checked, all as expected');
  });
});

describe('mmun fuzz-kernel for eyes', () => {
  const report: FuzzReport = { schema: 'mmun.fuzz/1', ops: 1024, seed: 9, build: 'fast', kernel: '6.18.0', differences: [], interrupted: false, elapsedMs: 2000, ok: true };
  const difference = { op: 'munmap(0, 0)', model: '-EINVAL', kernel: '0', what: 'result', program: ['munmap(0, 0)'] };
  it.each([
    ['no difference', report], ['interrupted, no difference so far', { ...report, interrupted: true, ok: false }], ['they differ', { ...report, differences: [difference], ok: false }],
  ])('ends with the verdict: %s', (verdict, told) => {
    expect(renderFuzz(told, screen).at(-1)).toBe(`${verdict}: 1,024 operations compared (2.0 s, 512/s)`);
  });
});
