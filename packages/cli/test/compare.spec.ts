import { beforeAll, describe, expect, it } from '@jest/globals';
import { DEMO, TRUE, mmun, refusal } from './mmun.js';
import type { Outcome } from './mmun.js';

interface Told { lock: string; calls: number; pages: number; dropped: number }
interface DesignReport {
  design: string; equal: boolean; notifier: Record<string, number> | null; told: Told[];
  secondary: { faults: number; refaults: number; accesses: number; invalidations: number } | null;
}

describe('mmun compare', () => {
  let json: Outcome;
  let text: Outcome;
  beforeAll(async () => {
    [json, text] = await Promise.all([mmun(['compare', DEMO, '--json']), mmun(['compare', TRUE])]);
  });
  const designs = (): Record<string, DesignReport> => Object.fromEntries(JSON.parse(json.out).designs.map((design: DesignReport) => [design.design, design]));

  it('has one document with each design, and a program that cannot tell them apart', () => {
    expect({ code: json.code, err: json.err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(json.out)).toMatchObject({ schema: 'mmun.compare/1', arch: 'x86', plugin: 'kvm', seed: 1, recordings: ['demo'], ok: true, interrupted: false });
    expect(Object.keys(designs())).toEqual(['v5', 'range', 'off']);
    expect(Object.values(designs()).every(({ equal }) => equal)).toBe(true);
  });

  it('v5 tells page by page, range between a start and an end, off nobody', () => {
    const { v5, range, off } = designs();
    expect(v5.notifier).toMatchObject({ invalidateRangeStart: 0, invalidateRangeEnd: 0 });
    expect(range.notifier).toMatchObject({ invalidatePage: 0, invalidatePages: 0, release: v5.notifier?.release });
    expect(range.notifier?.invalidateRangeStart).toBe(range.notifier?.invalidateRangeEnd);
    expect(v5.notifier?.invalidatePage).toBeGreaterThan(10 * (range.notifier?.invalidateRangeStart ?? Infinity));
    expect([off.notifier, off.secondary, off.told]).toEqual([null, null, []]);
  });

  it('v5 tells under the PT lock and range never does; release is called under none', () => {
    const { v5, range } = designs();
    expect(v5.told.map(({ lock }) => lock)).toEqual(['PT lock', 'none']);
    expect(range.told.map(({ lock }) => lock)).not.toContain('PT lock');
    for (const { notifier, told, secondary } of [v5, range]) {
      const calls = Object.values(notifier ?? {}).reduce((sum, count) => sum + count, 0);
      expect(told.reduce((sum, row) => sum + row.calls, 0)).toBe(calls);
      expect(told.find(({ lock }) => lock === 'none')?.calls).toBe(notifier?.release);
      expect(told.reduce((sum, { dropped }) => sum + dropped, 0)).toBe(secondary?.invalidations);
    }
  });

  it('range, which shuts a whole range for as long as it changes, makes the device ask again more often', () => {
    const { v5, range } = designs();
    expect(range.secondary?.refaults).toBeGreaterThan(v5.secondary?.refaults ?? Infinity);
  });

  it('is a table of eighty columns that ends in a verdict', () => {
    const lines = text.out.trimEnd().split('\n');
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(text.out).toMatch(/calls of the notifier +v5 +range +off\n/);
    expect(text.out).toMatch(/v5 +PT lock +[\d,]+ +[\d,]+ +[\d,]+\n/);
    expect(lines.at(-1)).toBe('equal under 3 designs: the program cannot tell them apart');
  });

  it('takes one plugin and numbers that are numbers', async () => {
    expect(refusal(await mmun(['compare', TRUE, '--plugin', 'vax']))).toMatch(/^mmun compare: --plugin vax: no secondary MMU is called "vax"/);
    expect(refusal(await mmun(['compare', TRUE, '--seed', 'x']))).toMatch(/^mmun compare: --seed x: expected a whole number/);
  });
});
