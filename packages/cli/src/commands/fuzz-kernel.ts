import { Fuzzer, KernelSide, NR_KVM_KINDS, OracleUnavailable, WITHOUT_HUGE_PAGES, fuzzKvm } from '@mmun/kernel-oracle';
import type { FuzzedImage, FuzzResult, KvmImage, KvmKindResult } from '@mmun/kernel-oracle';
import type { Command, ExitCode } from '../command.js';
import { renderFuzz } from '../render/render-fuzz.js';
import { loadImage } from '../run/images.js';
import type { Machine } from '../run/images.js';
import { loadPlugins } from '../run/plugins.js';
import { startProgress } from '../progress.js';
import type { Progress } from '../progress.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

interface FuzzKernelOptions {
  readonly ops?: number;
  readonly seed: number;
  readonly build: (typeof BUILDS)[number];
  readonly kvm?: boolean;
  readonly json?: boolean;
}

const BUILDS = ['fast', 'checked'] as const;
const DEFAULT_OPS = 100_000;
/** Of --kvm, for each kind of operation of the host. */
const DEFAULT_RANGES = 1000;
const DEFAULT_TRIALS = NR_KVM_KINDS * DEFAULT_RANGES;

/** design.md 8; what is not in the contract may change. */
export interface FuzzReport {
  readonly schema: 'mmun.fuzz/1';
  /** Compared. */
  readonly ops: number;
  readonly seed: number;
  readonly build: string;
  /** Release of the kernel that was asked. */
  readonly kernel: string;
  readonly differences: readonly FuzzDifference[];
  /** With --kvm: what the kernel's KVM dropped beside the model's, kind by kind. */
  readonly kvm?: { readonly widensAtCuts: boolean; readonly kinds: readonly KvmKindResult[] };
  readonly interrupted: boolean;
  readonly elapsedMs: number;
  readonly ok: boolean;
}

export interface FuzzDifference {
  readonly op: string;
  readonly model: string;
  readonly kernel: string;
  /** In what they differ: result, maps, pages, contents, ... */
  readonly what: string;
  /** C-like lines that lead there from an empty process; the last is `op`. */
  readonly program: readonly string[];
}

export const fuzzKernel: Command = {
  name: 'fuzz-kernel',
  summary: 'make random mm operations on the model and on the running kernel, and compare',
  args: '',
  options: [
    { flags: '--ops <number>', description: `operations to compare (default: ${DEFAULT_OPS}, with --kvm ${DEFAULT_RANGES} ranges for each of ${NR_KVM_KINDS} kinds)`, parse: (text) => parseCount('--ops', text, 1) },
    { flags: '--seed <number>', description: 'what random choices are made from', defaultValue: 1, parse: (text) => parseCount('--seed', text) },
    { flags: '--build <build>', description: 'without assertions, or with', choices: BUILDS },
    { flags: '--kvm', description: 'compare what the running kernel\'s KVM drops of a guest with what the model\'s does' },
    { flags: '--json', description: 'print one JSON document, schema mmun.fuzz/1' },
  ],
  examples: [
    { line: 'mmun fuzz-kernel', shows: 'the operations of seed 1' },
    { line: 'mmun fuzz-kernel --ops 1000000 --seed 2', shows: 'more, and others' },
    { line: 'mmun fuzz-kernel --kvm', shows: 'a real secondary MMU beside plugin-kvm' },
    { line: 'mmun fuzz-kernel --json | jq .differences', shows: 'the smallest program in which the two differ, for a script' },
  ],

  async run(_args: readonly string[], { ops, seed, build, kvm = false, json }: FuzzKernelOptions, terminal: Terminal): Promise<ExitCode> {
    const progress = startProgress(terminal);
    const run = kvm ? fuzzGuest({ ops: ops ?? DEFAULT_TRIALS, seed, build }, progress, terminal) : fuzz({ ops: ops ?? DEFAULT_OPS, seed, build }, progress, terminal);
    const report = await run.finally(() => { progress.stop(); });
    if (json === true) terminal.out(JSON.stringify(report));
    else for (const line of renderFuzz(report, terminal)) terminal.out(line);
    if (report.interrupted) terminal.note(`${terminal.notePaint.yellow('interrupted')}: the result holds the ${report.ops} operations that were compared so far`);
    return report.ok ? 0 : 1;
  },
};

async function fuzz({ ops, seed, build }: { ops: number; seed: number; build: FuzzKernelOptions['build'] }, progress: Progress, terminal: Terminal): Promise<FuzzReport> {
  const kernelSide = await orUsageError(KernelSide.start());
  try {
    if (!kernelSide.world.hasHugePages) terminal.note(WITHOUT_HUGE_PAGES);
    const image: FuzzedImage<Machine> = build === 'fast' ? await import('@mmun/image/x86-fast') : await import('@mmun/image/x86');
    const fuzzer = new Fuzzer(kernelSide, image);
    const onProgress = (done: number): void => { progress.update(done / ops, `${done} operations, no difference`); };
    const result: FuzzResult = await orUsageError(fuzzer.fuzz({ ops, seed, onProgress, signal: terminal.interrupt }));
    const differences = result.difference === null ? [] : [result.difference].map(({ op, model, kernel, what, program }) => ({ op, model, kernel, what, program }));
    return {
      schema: 'mmun.fuzz/1', ops: result.ops, seed, build, kernel: kernelSide.world.kernel, differences,
      interrupted: result.isInterrupted, elapsedMs: Math.round(result.elapsedMs), ok: differences.length === 0 && !result.isInterrupted,
    };
  } finally {
    kernelSide.close();
  }
}

async function fuzzGuest({ ops, seed, build }: { ops: number; seed: number; build: FuzzKernelOptions['build'] }, progress: Progress, terminal: Terminal): Promise<FuzzReport> {
  const image = await loadImage({ arch: 'x86', design: 'range', build });
  const [plugin] = await loadPlugins(['kvm'], image);
  const onProgress = (done: number): void => { progress.update(done / ops, `${done} operations of the host, no difference`); };
  const { trials, kernel, widensAtCuts, kinds, difference, isInterrupted, elapsedMs } =
    await orUsageError(fuzzKvm(image as unknown as KvmImage<Machine>, plugin, { trials: ops, seed, onProgress, signal: terminal.interrupt }));
  const differences = difference === null ? [] : [difference].map(({ model, kernel: seen, program }) => ({ op: program.at(-1) ?? '', model, kernel: seen, what: 'what KVM drops', program }));
  return {
    schema: 'mmun.fuzz/1', ops: trials, seed, build, kernel, differences, kvm: { widensAtCuts, kinds },
    interrupted: isInterrupted, elapsedMs: Math.round(elapsedMs), ok: differences.length === 0 && !isInterrupted,
  };
}

/** A kernel that cannot be asked is no difference: exit code 2, one line. */
async function orUsageError<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof OracleUnavailable) throw new UsageError(error.message);
    throw error;
  }
}

function parseCount(flag: string, text: string, least = 0): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < least || !Number.isSafeInteger(count)) throw new UsageError(`${flag} ${text}: expected a whole number from ${least} to 2^53 - 1`);
  return count;
}
