import { cpus } from 'node:os';
import type { KernelImage } from '@mmun/include';
import { OracleUnavailable, bench as benchAgainstKernel } from '@mmun/kernel-oracle';
import type { BenchResult } from '@mmun/kernel-oracle';
import { SCALE_SIZES, measureScale } from '../bench/scale.js';
import type { ScaleReport } from '../bench/scale.js';
import type { Command, ExitCode } from '../command.js';
import type { Machine } from '../run/images.js';
import { recordingsOf } from '../run/shipped.js';
import { startProgress } from '../progress.js';
import { renderBench } from '../render/render-bench.js';
import { benchPage } from '../report/bench-page.js';
import { mustBeWritable, writeOut } from '../report/write-page.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

interface BenchCommandOptions {
  readonly samples: number;
  readonly scale?: boolean;
  readonly recording: string;
  readonly write?: string;
  readonly json?: boolean;
}

const DEFAULT_SAMPLES = 101;

/** design.md 8; what is not in the contract may change. */
export interface BenchReport extends Omit<BenchResult, 'isInterrupted'> {
  readonly schema: 'mmun.bench/1';
  readonly machine: string;
  readonly node: string;
  /** As in 2026-11-22. */
  readonly date: string;
  readonly interrupted: boolean;
  /** With --scale. */
  readonly scale?: ScaleReport;
}

export const bench: Command = {
  name: 'bench',
  summary: 'time the fast build against the running kernel, side by side',
  args: '',
  options: [
    { flags: '--samples <number>', description: 'of each row', defaultValue: DEFAULT_SAMPLES, parse: parseSamples },
    { flags: '--scale', description: 'also what it costs where there is much: a million VMAs, 64 GiB of pages, ten thousand processes, a long recording' },
    { flags: '--recording <dir>', description: 'the recording that --scale makes a long one of', defaultValue: 'samples/demo' },
    { flags: '--write <file>', description: 'write the table as Markdown, with machine, date and spread' },
    { flags: '--json', description: 'print one JSON document, schema mmun.bench/1' },
  ],
  examples: [
    { line: 'mmun bench', shows: 'each row beside the kernel\'s and beside a bare loop over arrays' },
    { line: 'mmun bench --scale', shows: 'cost against size, and recorded events a second' },
    { line: 'mmun bench --scale --write BENCH.md', shows: 'the table of this machine, for a page' },
  ],

  async run(_args: readonly string[], { samples, scale = false, recording, write, json = false }: BenchCommandOptions, terminal: Terminal): Promise<ExitCode> {
    mustBeWritable('--write', write);
    const progress = startProgress(terminal);
    const report = await measure({ samples, recording: scale ? recording : null }, (fraction, what) => { progress.update(fraction, what); }, terminal).finally(() => { progress.stop(); });
    if (write !== undefined) {
      writeOut('--write', write, benchPage(report));
      terminal.note(`wrote ${write}`);
    }
    if (json) terminal.out(JSON.stringify(report));
    else for (const line of renderBench(report, terminal)) terminal.out(line);
    if (report.interrupted) terminal.note(`${terminal.notePaint.yellow('interrupted')}: the result holds the rows that were timed so far`);
    return report.interrupted ? 1 : 0;
  },
};

/** @param wanted recording: null without --scale */
async function measure(wanted: { samples: number; recording: string | null }, onProgress: (fraction: number, what: string) => void, terminal: Terminal): Promise<BenchReport> {
  const image = (await import('@mmun/image/x86-fast')) as KernelImage<Machine>;
  const signal = terminal.interrupt;
  const part = wanted.recording === null ? 1 : 0.5;
  try {
    const { isInterrupted, ...result } = await benchAgainstKernel(image, { samples: wanted.samples, signal, onProgress: (fraction) => { onProgress(fraction * part, 'in turn: kernel, model, floor'); } });
    const scale = wanted.recording === null ? undefined : await measureScale(image, {
      sizes: SCALE_SIZES, recording: recordingsOf([wanted.recording])[0] as string, signal, onProgress: (fraction) => { onProgress(part + fraction * part, 'cost against size'); },
    });
    return {
      schema: 'mmun.bench/1', ...result, ...(scale !== undefined && { scale }), machine: `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores`, node: process.version,
      date: new Date().toISOString().slice(0, 10), interrupted: isInterrupted || signal.aborted,
    };
  } catch (error) {
    if (error instanceof OracleUnavailable) throw new UsageError(error.message);
    throw error;
  }
}

function parseSamples(text: string): number {
  const samples = Number(text);
  if (!/^\d+$/.test(text) || samples < 5 || samples > 100_000) throw new UsageError(`--samples ${text}: expected a whole number from 5 to 100000`);
  return samples;
}
