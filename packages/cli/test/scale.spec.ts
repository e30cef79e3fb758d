/** `mmun bench --scale` on small sizes: what it measures is what it says. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KernelImage } from '@mmun/include';
import * as linked from '@mmun/image/x86-fast';
import { replayRecording } from '@mmun/recording';
import { later } from '@mmun/test-support';
import { repeatRecording } from '../src/bench/long-recording.js';
import { measureScale } from '../src/bench/scale.js';
import { renderBench } from '../src/render/render-bench.js';
import { benchPage } from '../src/report/bench-page.js';
import type { BenchReport } from '../src/commands/bench.js';
import type { Machine } from '../src/run/images.js';

const image = linked as KernelImage<Machine>;
const TRUE = join(import.meta.dirname, '../../../samples/true');

describe('a recording that happens three times', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mmun-repeat-'));
    repeatRecording(TRUE, folder, 3);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is three times as long, and every repetition is answered as the first', async () => {
    const [one, three] = [await replayRecording(image, TRUE), await replayRecording(image, folder)];
    const read = ({ processes }: typeof one): unknown[] => processes.map(({ calls, faults, addresses }) => ({ calls, faults, addresses }));
    expect(three.events).toBe(3 * (one.events - 1) + 1); // the end states are read once
    expect(three.skipped).toEqual(one.skipped);
    expect(read(three)).toEqual([...read(one), ...read(one), ...read(one)]);
    expect(three.isEqual).toBe(true);
  });

  it('no number of a process and no time comes twice', () => {
    const starts = [...readFileSync(join(folder, 'trace.strace'), 'utf8').matchAll(/^(\d+) (\d+\.\d+) execve/gm)];
    expect(starts).toHaveLength(3);
    expect(new Set(starts.map(([, pid]) => pid)).size).toBe(3);
    expect(starts.map(([, , time]) => time)).toEqual(starts.map(([, , time]) => time).sort());
    expect(statSync(join(folder, 'environment')).size).toBe(statSync(join(TRUE, 'environment')).size);
  });
});

later(describe.skip, describe)('cost against size', () => {
  it('has a row for each size, in which everything took place', async () => {
    const fractions: number[] = [];
    const sizes = { vmas: [50], operations: 20, pages: [600], processes: [20], repetitions: [2] };
    const scale = await measureScale(image, { sizes, recording: TRUE, onProgress: (fraction) => void fractions.push(fraction) });
    expect(fractions).toEqual([0.25, 0.5, 0.75, 1]);
    expect([scale.vmas[0]?.vmas, scale.pages[0]?.pages, scale.processes[0]?.processes, scale.replays[0]?.isEqual]).toEqual([50, 600, 20, true]);
    const times = [scale.vmas[0]?.findNs, scale.vmas[0]?.munmapMmapNs, scale.vmas[0]?.anywhereNs, scale.pages[0]?.writeFaultNs, scale.processes[0]?.forkNs, scale.replays[0]?.eventsASecond];
    for (const time of times) expect(time).toBeGreaterThan(1);
    const report: BenchReport = { schema: 'mmun.bench/1', rows: [], meanRatio: 1, kernel: '6.18', samples: 5, machine: 'a machine', node: 'v20', date: '2026-11-22', interrupted: false, scale };
    expect(benchPage(report)).toMatch(/## Cost against size\n[^]*\| 50 \|[^]*\| 600 \|[^]*\| 20 \|[^]*\| true x 2 \|/);
    const plain = (text: string): string => text;
    const screen = { paint: { bold: plain, dim: plain, green: plain, red: plain, yellow: plain }, width: 120 } as unknown as Parameters<typeof renderBench>[1];
    expect(renderBench(report, screen).join('\n')).toMatch(/VMAs[^]*50[^]*present pages[^]*600[^]*processes[^]*20[^]*recording[^]*true x 2/);
  });
});
