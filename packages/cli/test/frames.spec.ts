/** `mmun run --frames`: fewer page frames than a recording wants, and nobody can tell but by the clock. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { effort } from '@mmun/test-support';
import { Witness, judgeMemory } from '../src/run/short-memory.js';
import { DEMO, mmun, refusal, removeFolders, TRUE } from './mmun.js';

afterAll(removeFolders);

const IMAGES: readonly (readonly [string, string])[] = [['x86', 'v5'], ['s390', 'v5'], ['x86', 'range'], ['s390', 'range'], ['generic', 'v5'], ['x86', 'off']];

describe.each(IMAGES.slice(0, effort(2, IMAGES.length)))('on %s with %s', (arch, design) => {
  it.each([TRUE, DEMO].slice(0, effort(1, 2)))('%s swaps, reads the same back, and ends with equal maps', async (recording) => {
    const plugin = design === 'off' ? [] : ['--plugin', 'kvm'];
    const { code, out, err } = await mmun(['run', recording, '--arch', arch, '--design', design, '--frames', '60', '--json', ...plugin]);
    const report = JSON.parse(out);
    expect({ code, err, ok: report.ok, findings: report.findings, skipped: report.skipped }).toEqual({ code: 0, err: '', ok: true, findings: [], skipped: [] });
    const { memory, processes } = report.recordings[0];
    expect(memory).toEqual({ frames: 60, wanted: expect.any(Number), swapped: expect.any(Number), words: { checked: expect.any(Number), equal: memory.words.checked } });
    expect([memory.wanted > 120, memory.swapped >= 10, memory.words.checked > 15]).toEqual([true, true, true]);
    for (const process of processes) expect(process).toMatchObject({ maps: { compared: true, equal: true }, anonymous: { equal: process.anonymous.rows } });
    if (design !== 'off') expect(report.notifier.agePage > 0).toBe(arch !== 's390' || design !== 'v5');
  });
});

it('says for eyes how much had to leave, and where nothing had to', async () => {
  const [tight, roomy] = await Promise.all(['60', '100000'].map(async (frames) => (await mmun(['run', TRUE, '--frames', frames])).out.replaceAll(/\s+/g, ' ')));
  expect(tight).toMatch(/memory: 60 frames of the [\d,]+ it wants, \d+ pages out at once; \d+ words read again, all the same/);
  expect(roomy).toMatch(/memory: 100,000 frames of the [\d,]+ it wants, nothing had to leave; \d+ words read again, all the same/);
});

it('refuses what no recording runs in, with the event where it became clear', async () => {
  expect(refusal(await mmun(['run', TRUE, '--frames', '2']))).toMatch(/^mmun run: --frames 2: too few for true: the fault at true\/events\.perf:\d+ finds no frame, and nothing more that could be swapped out; without a limit it uses \d+$/);
  for (const text of ['0', '1', 'many', '-3', '1.5', '1e9']) expect(refusal(await mmun(['run', TRUE, '--frames', text]))).toContain(`--frames ${text}: expected a whole number from 2 to 2^24`);
});

it('a word that comes back as another is a finding', () => {
  const [roomy, tight] = [new Witness(), new Witness()];
  roomy.words.push(3, 4);
  tight.words.push(3, 0);
  const { memory, findings } = judgeMemory(60, roomy, tight, { name: 'r', skipped: [] });
  expect([memory.words, findings]).toEqual([{ checked: 2, equal: 1 }, [expect.objectContaining({ code: 'lost-write', message: 'r: word 1 that a program reads again is 0, and 4 where nothing leaves memory' })]]);
});
