/**
 * What the running kernel's KVM drops against what the model's drops, for one operation of the host after another.
 *
 * A trial: the guest writes to some pages of its slot, so that these are in the shadow page table; the log of what it wrote
 * begins anew, and it writes to a few once more; the host does one thing. Then the kernel's count says how many entries
 * are left, and the guest, which reads what should be left, makes the count go up for each that is not: so the pages that
 * were dropped are known one by one. The log must be what the guest wrote, whatever the host did.
 *
 * The model says which pages must go. A kernel that cuts a VMA drops, around each cut, the two megabytes that could have
 * been one huge page (`widensAtCuts`, found out at start): more than it must, and that is predicted too.
 */
import { release } from 'node:os';
import type { BootedMachine, SecondaryMmu } from '@mmun/include';
import { KernelProcess } from './kernel-process.js';
import { KvmHost } from './kvm-host.js';
import type { ExpectedTrial } from './kvm-host.js';
import { KVM_KINDS } from './kvm-kinds.js';
import type { Backing, KvmKind } from './kvm-kinds.js';
import { KvmModel } from './kvm-model.js';
import type { KvmImage } from './kvm-model.js';
import { count, differenceOf, drawTrial, widened } from './kvm-trial.js';
import type { KvmDifference, Seen } from './kvm-trial.js';
import { Random } from './random.js';

export interface KvmKindResult {
  readonly kind: string;
  readonly backing: Backing;
  /** Ranges. */
  readonly trials: number;
  /** Pages that the guest had in its shadow page table, that the model dropped, and that the kernel did. */
  readonly pages: number;
  readonly modelDropped: number;
  readonly kernelDropped: number;
  /** Ranges of which the two say different things. */
  readonly differences: number;
}

export interface KvmFuzzResult {
  readonly trials: number;
  readonly kernel: string;
  readonly widensAtCuts: boolean;
  readonly kinds: readonly KvmKindResult[];
  /** The first; null where there was none. */
  readonly difference: KvmDifference | null;
  readonly isInterrupted: boolean;
  readonly elapsedMs: number;
}

export interface KvmFuzzOptions {
  readonly trials: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number) => void;
  /** Another than /dev/kvm. For tests. */
  readonly device?: string;
}

/** Trials that the kernel makes while the model thinks about the next. */
const BATCH = 16;

interface Prepared extends ExpectedTrial {
  readonly must: Uint8Array;
}

/** @throws OracleUnavailable where the kernel or its KVM cannot be asked */
export async function fuzzKvm<M extends BootedMachine>(image: KvmImage<M>, kvm: SecondaryMmu, { trials, seed, signal, onProgress, device }: KvmFuzzOptions): Promise<KvmFuzzResult> {
  const startMs = performance.now();
  const process = await KernelProcess.start();
  try {
    const host = await KvmHost.start(process, device);
    const model = new KvmModel(image, kvm);
    const random = new Random(seed);
    const tally = new Tally();
    let drawn = 0;
    const prepare = (): Prepared[] => Array.from({ length: Math.min(BATCH, trials - drawn) }, () => {
      const trial = drawTrial(KVM_KINDS[drawn++ % KVM_KINDS.length] as KvmKind, random);
      const must = model.dropped(trial);
      return { trial, must, predicted: host.widensAtCuts && trial.kind.cuts ? widened(must, trial) : must };
    });
    for (let batch = prepare(); batch.length > 0 && signal?.aborted !== true;) {
      const asked = host.run(batch);
      // While the kernel works; what it says of the batch is waited for afterwards, and an error with it.
      asked.catch(() => undefined);
      const next = prepare();
      for (const [i, seen] of (await asked).entries()) tally.add(batch[i] as Prepared, seen);
      onProgress?.(tally.trials);
      batch = next;
    }
    return { trials: tally.trials, kernel: release(), widensAtCuts: host.widensAtCuts, kinds: tally.kinds, difference: tally.difference, isInterrupted: signal?.aborted === true, elapsedMs: performance.now() - startMs };
  } finally {
    process.close();
  }
}

/** Sums, kind by kind. */
class Tally {
  trials = 0;
  difference: KvmDifference | null = null;
  readonly kinds = KVM_KINDS.map(({ name: kind, backing }) => ({ kind, backing, trials: 0, pages: 0, modelDropped: 0, kernelDropped: 0, differences: 0 }));

  add({ trial, must, predicted }: Prepared, seen: Seen): void {
    const difference = differenceOf(trial, must, predicted, seen);
    this.difference ??= difference;
    this.trials++;
    const sum = this.kinds[KVM_KINDS.indexOf(trial.kind)] as (typeof this.kinds)[number];
    sum.trials++;
    sum.pages += trial.sample.length;
    sum.modelDropped += count(must);
    sum.kernelDropped += seen.nrDropped;
    if (difference !== null) sum.differences++;
  }
}
