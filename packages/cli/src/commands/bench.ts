import { cpus } from 'node:os';
import type { KernelImage } from '@mmun/include';
import { OracleUnavailable, bench as benchAgainstKernel } from '@mmun/kernel-oracle';
import type { BenchResult } from '@mmun/kernel-oracle';
import type { Command, ExitCode } from '../command.js';
import type { Machine } from '../run/images.js';
import { startProgress } from '../progress.js';
import { renderBench } from '../render/render-bench.js';
import { benchPage } from '../report/bench-page.js';
import { writeOut } from '../report/write-page.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

interface BenchCommandOptions {
  readonly samples: number;
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
}

export const bench: Command = {
  name: 'bench',
  summary: 'time the fast build against the running kernel, side by side',
  args: '',
  options: [
    { flags: '--samples <number>', description: 'of each row', defaultValue: DEFAULT_SAMPLES, parse: parseSamples },
    { flags: '--write <file>', description: 'write the table as Markdown, with machine, date and spread' },
    { flags: '--json', description: 'print one JSON document, schema mmun.bench/1' },
  ],
  examples: [
    { line: 'mmun bench', shows: 'each row beside the kernel\'s and beside a bare loop over arrays' },
    { line: 'mmun bench --write BENCH.md', shows: 'the table of this machine, for a page' },
  ],

  async run(_args: readonly string[], { samples, write, json = false }: BenchCommandOptions, terminal: Terminal): Promise<ExitCode> {
    const progress = startProgress(terminal);
    const report = await measure(samples, (fraction) => { progress.update(fraction, 'in turn: kernel, model, floor'); }, terminal).finally(() => { progress.stop(); });
    if (write !== undefined) {
      writeOut('--write', write, benchPage(report));
      terminal.note(`wrote ${write}`);
    }
    if (json) terminal.out(JSON.stringify(report));
    else for (const line of renderBench(report, terminal)) terminal.out(line);
    if (report.interrupted) terminal.note(`${terminal.notePaint.yellow('interrupted')}: the table has the rows that were timed so far`);
    return report.interrupted ? 1 : 0;
  },
};

async function measure(samples: number, onProgress: (fraction: number) => void, terminal: Terminal): Promise<BenchReport> {
  const image = await import('@mmun/image/x86-fast');
  try {
    const { isInterrupted, ...result } = await benchAgainstKernel(image as KernelImage<Machine>, { samples, onProgress, signal: terminal.interrupt });
    return {
      schema: 'mmun.bench/1', ...result, machine: `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores`, node: process.version,
      date: new Date().toISOString().slice(0, 10), interrupted: isInterrupted,
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
