/** Segment by segment: the kernel answers a batch while the model does the one before. */
import type { BootedMachine } from '@mmun/include';
import { compare } from './compare.js';
import type { Disagreement } from './compare.js';
import { Generator } from './generator.js';
import type { KernelBatch, KernelSide } from './kernel-side.js';
import { isHarmful } from './harm.js';
import { ModelSide } from './model-side.js';
import type { FuzzedImage } from './model-side.js';
import { Observation, observedZones } from './observation.js';
import { operationText } from './operation.js';
import type { Operation } from './operation.js';
import { shrink } from './shrink.js';
import type { Zone } from './zones.js';

const MADV_PAGEOUT = 21;
const SEGMENT_LENGTH = 512;
/** Segments after which the model is looked through for what does not add up. */
const CHECK_EVERY = 8;

export interface FuzzOptions {
  readonly ops: number;
  readonly seed: number;
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** Where the two differed, as few operations as it takes. */
export interface Difference extends Disagreement {
  /** The operation after which they differed, as C. */
  readonly op: string;
  /** All operations, from an empty process on, the last of them `op`. */
  readonly program: readonly string[];
  readonly operations: readonly Operation[];
}

export interface FuzzResult {
  /** Compared. */
  readonly ops: number;
  readonly difference: Difference | null;
  readonly isInterrupted: boolean;
  readonly elapsedMs: number;
}

interface Failure extends Disagreement {
  /** Index of the operation. */
  readonly at: number;
}

export class Fuzzer<M extends BootedMachine> {
  readonly #kernel: KernelSide;
  readonly #model: ModelSide<M>;
  readonly #zones: readonly Zone[];
  readonly #ours: Observation;
  readonly #theirs: Observation;
  #segments = 0;

  constructor(kernel: KernelSide, image: FuzzedImage<M>) {
    this.#kernel = kernel;
    this.#model = new ModelSide(image, kernel.world);
    this.#zones = observedZones(kernel.world);
    const nrPages = this.#zones.reduce((sum, zone) => sum + zone.nrPages, 0);
    this.#ours = new Observation(nrPages);
    this.#theirs = new Observation(nrPages);
  }

  /** Ends at the first difference. */
  async fuzz({ ops, seed, onProgress, signal }: FuzzOptions): Promise<FuzzResult> {
    const startMs = performance.now();
    const generator = new Generator(seed, this.#kernel.world.top, this.#kernel.world.hasHugePages);
    let done = 0;
    let difference: Difference | null = null;
    while (done < ops && difference === null && signal?.aborted !== true) {
      const operations = generator.segment(Math.min(SEGMENT_LENGTH, ops - done));
      const failure = await this.#segment(operations, this.#kernel.batchLimit);
      done += failure === null ? operations.length : failure.at + 1;
      if (failure !== null) difference = await this.#explain(operations.slice(0, failure.at + 1), failure, signal);
      onProgress?.(done);
    }
    return { ops: done, difference, isInterrupted: signal?.aborted === true, elapsedMs: performance.now() - startMs };
  }

  /** The first difference of a program. */
  async differenceOf(operations: readonly Operation[]): Promise<Difference | null> {
    const failure = await this.#segment(operations, 1);
    return failure === null ? null : this.#difference(operations.slice(0, failure.at + 1), failure);
  }

  async #explain(operations: readonly Operation[], failure: Failure, signal: AbortSignal | undefined): Promise<Difference> {
    // Smaps are looked at only once in a batch: one operation at a time tells when they began to differ.
    const limit = failure.what === 'smaps' ? 1 : this.#kernel.batchLimit;
    const fails = async (program: readonly Operation[]): Promise<number> => {
      if (program.some((operation) => isHarmful(operation, this.#kernel.world.top))) return -1;
      return (await this.#segment(program, limit))?.at ?? -1;
    };
    const smallest = await shrink(operations, fails, signal);
    const again = (await this.#segment(smallest, 1)) ?? (await this.#segment(smallest, limit));
    return this.#difference(smallest, again ?? failure);
  }

  #difference(operations: readonly Operation[], { what, model, kernel, at }: Failure): Difference {
    const program = operations.map(operationText);
    return { what, model, kernel, op: program[Math.min(at, program.length - 1)] ?? '', program, operations };
  }

  async #segment(operations: readonly Operation[], batchLimit: number): Promise<Failure | null> {
    const kernel = this.#kernel;
    await kernel.beginSegment();
    this.#model.beginSegment();
    const batches = batchesOf(operations, batchLimit);
    let depth = 1;
    let failure: Failure | null = null;
    let at = 0;
    let isReclaimed = false;
    let asked = batches.length === 0 ? null : kernel.ask(batches[0] as Operation[], true);
    for (let i = 0; i < batches.length && failure === null; i++) {
      const batch = await (asked as Promise<KernelBatch>);
      asked = i + 1 < batches.length ? kernel.ask(batches[i + 1] as Operation[], true) : null;
      for (const operation of batch.operations) depth += operation.name === 'fork' ? 1 : operation.name === 'exit' ? -1 : 0;
      isReclaimed ||= batch.operations.some(isPageout);
      const disagreement = this.#batch(batch, isReclaimed);
      if (disagreement !== null) failure = { ...disagreement, at: at + disagreement.at };
      at += batch.operations.length;
    }
    if (asked !== null) for (const { name } of (await asked).operations) depth += name === 'fork' ? 1 : name === 'exit' ? -1 : 0;
    await kernel.endSegment(depth);
    if (failure === null && this.#segments++ % CHECK_EVERY === 0) {
      const [found] = this.#model.check();
      if (found !== undefined) failure = { what: 'consistency', model: found, kernel: '', at: operations.length - 1 };
    }
    return failure;
  }

  #batch(batch: KernelBatch, isReclaimed: boolean): Failure | null {
    const { operations } = batch;
    const tolerances = { isReclaimed, hasSwap: this.#kernel.world.hasSwap, knowsFrames: this.#kernel.world.knowsFrames };
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i] as Operation;
      const isLast = i === operations.length - 1;
      this.#kernel.read(batch, operation, isLast, this.#theirs);
      try {
        this.#model.apply(operation, this.#ours);
      } catch (error) {
        return { what: 'crash', model: error instanceof Error ? error.message : String(error), kernel: String(this.#theirs.result), at: i };
      }
      this.#model.observe(this.#ours, isLast);
      const disagreement = compare(this.#ours, this.#theirs, this.#zones, tolerances);
      if (disagreement !== null) return { ...disagreement, at: i };
    }
    return null;
  }
}

function isPageout({ name, args }: Operation): boolean {
  return name === 'madvise' && args[2] === MADV_PAGEOUT;
}

function batchesOf(operations: readonly Operation[], limit: number): Operation[][] {
  const batches: Operation[][] = [];
  for (let i = 0; i < operations.length; i += limit) batches.push(operations.slice(i, i + limit));
  return batches;
}
