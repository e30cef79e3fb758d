/** The model against the running kernel and against the floor, sample by sample in turn, so that what slows one slows all. */
import { release } from 'node:os';
import type { BootedMachine, KernelImage } from '@mmun/include';
import { KernelProcess } from '../kernel-process.js';
import { FloorRows } from './floor-rows.js';
import { KernelRows } from './kernel-rows.js';
import { ModelRows } from './model-rows.js';
import { ROWS, quantile } from './rows.js';
import type { Row, Samples } from './rows.js';

export interface BenchRow {
  readonly name: string;
  readonly unit: string;
  /** Medians, wall time. */
  readonly modelNs: number;
  readonly kernelNs: number;
  readonly floorNs: number;
  /** kernelNs / modelNs. */
  readonly ratio: number;
  /** modelNs / floorNs. */
  readonly overFloor: number;
  /** Medians, CPU time of the thread. */
  readonly modelCpuNs: number;
  readonly kernelCpuNs: number;
  /** From the first to the third quartile, as parts of the median. */
  readonly modelSpread: number;
  readonly kernelSpread: number;
  readonly ratioWanted: number;
  readonly nsWanted: number;
}

export interface BenchResult {
  readonly rows: readonly BenchRow[];
  /** Geometric mean of the ratios. */
  readonly meanRatio: number;
  readonly kernel: string;
  readonly samples: number;
  readonly isInterrupted: boolean;
}

export interface BenchOptions {
  /** Of each row, after it has warmed up. */
  readonly samples: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Until compilers and caches have settled. Rows share code, and what a row shows the compiler for the first time makes it
 * start anew: so all rows are run in turn first, and each for a while again before it counts.
 */
const WARM_UP_ROUNDS = 100;
const WARM_UP_MS = 150;

/** @throws OracleUnavailable where the kernel cannot be asked */
export async function bench<M extends BootedMachine>(image: KernelImage<M>, { samples, signal, onProgress }: BenchOptions): Promise<BenchResult> {
  const process = await KernelProcess.start();
  try {
    const sides = { kernel: await KernelRows.start(process), model: new ModelRows(image), floor: new FloorRows() };
    for (let i = 0; i < WARM_UP_ROUNDS && signal?.aborted !== true; i++) for (const row of ROWS) sides.model.sample(row);
    const rows: BenchRow[] = [];
    for (const row of ROWS) {
      if (signal?.aborted === true) break;
      rows.push(await benchRow(sides, row, samples));
      onProgress?.(rows.length / ROWS.length);
    }
    const meanRatio = Math.exp(rows.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / Math.max(1, rows.length));
    return { rows, meanRatio, kernel: release(), samples, isInterrupted: rows.length < ROWS.length };
  } finally {
    process.close();
  }
}

interface Sides<M extends BootedMachine> {
  readonly kernel: KernelRows;
  readonly model: ModelRows<M>;
  readonly floor: FloorRows;
}

async function benchRow<M extends BootedMachine>({ kernel, model, floor }: Sides<M>, row: Row, nrSamples: number): Promise<BenchRow> {
  const ofKernel: Samples = { wall: [], cpu: [] };
  const ofModel: Samples = { wall: [], cpu: [] };
  const ofFloor: number[] = [];
  for (const start = performance.now(); performance.now() - start < WARM_UP_MS;) {
    model.sample(row);
    floor.sample(row);
  }
  for (let i = 0; i < nrSamples; i++) {
    for (const [into, { wall, cpu }] of [[ofKernel, await kernel.sample(row)], [ofModel, model.sample(row)]] as const) {
      into.wall.push(wall);
      into.cpu.push(cpu);
    }
    ofFloor.push(floor.sample(row));
  }
  const [kernelNs, modelNs, floorNs] = [ofKernel.wall, ofModel.wall, ofFloor].map((samples) => quantile(samples, 0.5)) as [number, number, number];
  const mean = (all: readonly number[]): number => all.reduce((sum, one) => sum + one, 0) / all.length;
  const spread = (samples: readonly number[], median: number): number => (quantile(samples, 0.75) - quantile(samples, 0.25)) / median;
  return {
    name: row.name, unit: row.unit, modelNs, kernelNs, floorNs, ratio: kernelNs / modelNs, overFloor: modelNs / floorNs,
    // the clock of this side ticks in microseconds: only the mean of many samples says anything
    modelCpuNs: mean(ofModel.cpu), kernelCpuNs: quantile(ofKernel.cpu, 0.5),
    modelSpread: spread(ofModel.wall, modelNs), kernelSpread: spread(ofKernel.wall, kernelNs), ratioWanted: row.ratioWanted, nsWanted: row.nsWanted,
  };
}
