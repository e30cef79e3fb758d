/**
 * What the running kernel's KVM drops against what the model's drops, for one operation of the host after another.
 *
 * A trial: the guest writes to every page of its slot, so that all are in the shadow page table; the log of what it wrote
 * begins anew, and it writes to some once more; the host does one thing. Then the kernel's count says how many entries
 * are left, and the guest, which reads what should be left, makes the count go up for each that is not: so the pages that
 * were dropped are known one by one. The log must be what the guest wrote, whatever the host did.
 *
 * The model says which pages must go. A kernel that cuts a VMA drops, around each cut, the two megabytes that could have
 * been one huge page (`widensAtCuts`, found out at start): more than it must, and that is predicted too.
 */
import { release } from 'node:os';
import type { BootedMachine, SecondaryMmu } from '@mmun/include';
import { AnswerReader, CommandBuffer, SYS } from './commands.js';
import { KernelProcess, OracleUnavailable } from './kernel-process.js';
import { KvmGuest } from './kvm-guest.js';
import { KVM_ARENA, KVM_KINDS, KVM_PAGES, drawRange, fresh } from './kvm-kinds.js';
import type { Backing, KvmKind, Range } from './kvm-kinds.js';
import { KvmModel } from './kvm-model.js';
import type { KvmImage } from './kvm-model.js';
import { FIRST_FD, MEMFD, addOperation, operationText } from './operation.js';
import type { Operation } from './operation.js';
import { Random } from './random.js';
import { SCRATCH } from './server-program.js';

export interface KvmDifference {
  readonly kind: string;
  readonly backing: Backing;
  readonly program: readonly string[];
  readonly model: string;
  readonly kernel: string;
}

export interface KvmKindResult {
  readonly kind: string;
  readonly backing: Backing;
  readonly trials: number;
  /** Pages that the model dropped, and that the kernel did. */
  readonly modelDropped: number;
  readonly kernelDropped: number;
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
}

/** Pages of a huge page. */
const BLOCK = 512;

/** @throws OracleUnavailable where the kernel or its KVM cannot be asked */
export async function fuzzKvm<M extends BootedMachine>(image: KvmImage<M>, kvm: SecondaryMmu, { trials, seed, signal, onProgress }: KvmFuzzOptions): Promise<KvmFuzzResult> {
  const startMs = performance.now();
  const process = await KernelProcess.start();
  try {
    const host = await Host.start(process);
    const model = new KvmModel(image, kvm);
    const random = new Random(seed);
    const sums = KVM_KINDS.map(({ name: kind, backing }) => ({ kind, backing, trials: 0, modelDropped: 0, kernelDropped: 0 }));
    let difference: KvmDifference | null = null;
    let done = 0;
    for (; done < trials && difference === null && signal?.aborted !== true; done++) {
      const index = done % KVM_KINDS.length;
      const trial = drawTrial(KVM_KINDS[index] as KvmKind, random);
      const must = model.dropped(trial.kind.backing, trial.operations);
      const predicted = host.widensAtCuts && trial.kind.cuts ? widened(must, trial.range) : must;
      const seen = await host.run(trial, predicted);
      difference = differenceOf(trial, must, predicted, seen);
      const sum = sums[index] as { trials: number; modelDropped: number; kernelDropped: number };
      sum.trials++;
      sum.modelDropped += count(must);
      sum.kernelDropped += seen.nrDropped;
      if (done % 64 === 0) onProgress?.(done);
    }
    return { trials: done, kernel: release(), widensAtCuts: host.widensAtCuts, kinds: sums, difference, isInterrupted: signal?.aborted === true, elapsedMs: performance.now() - startMs };
  } finally {
    process.close();
  }
}

interface Trial {
  readonly kind: KvmKind;
  readonly range: Range;
  readonly operations: readonly Operation[];
  /** What the guest writes to after its log began anew. */
  readonly written: Range;
}

function drawTrial(kind: KvmKind, random: Random): Trial {
  const range = drawRange(random);
  return { kind, range, operations: kind.operations(range, random), written: drawRange(random) };
}

/** What the kernel did in one trial. */
interface Seen {
  readonly results: readonly number[];
  readonly nrDropped: number;
  /** Pages that were to be left and had to be made again. */
  readonly nrMissing: number;
  readonly dirty: Uint8Array;
}

class Host {
  readonly #process: KernelProcess;
  readonly #guest: KvmGuest;
  readonly #commands = new CommandBuffer();
  widensAtCuts = false;

  static async start(process: KernelProcess): Promise<Host> {
    const commands = new CommandBuffer();
    commands.add(SYS.prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
    commands.add(SYS.memfdCreate, SCRATCH + 0x1400, 0);
    const opened = new AnswerReader(await process.ask(commands));
    opened.number();
    commands.add(SYS.dup2, opened.number(), FIRST_FD + MEMFD);
    for (const operation of fresh('anonymous')) addOperation(commands, operation);
    const answers = new AnswerReader(await process.ask(commands));
    if (answers.number() < 0 || answers.number() !== KVM_ARENA) throw new OracleUnavailable('KVM cannot be asked: the memory of the guest cannot be mapped');
    const host = new Host(process, await KvmGuest.start(process, { address: KVM_ARENA, nrPages: KVM_PAGES }));
    const probe: Range = { first: 700, end: 701 };
    const kind: KvmKind = { name: 'probe', backing: 'anonymous', cuts: true, operations: () => [] };
    const { nrDropped } = await host.run({ kind, range: probe, written: probe, operations: [{ name: 'munmap', args: [KVM_ARENA + probe.first * 4096, 4096] }] }, new Uint8Array(KVM_PAGES).fill(1));
    if (nrDropped !== 1 && nrDropped !== BLOCK) throw new OracleUnavailable(`KVM cannot be asked: munmap of one page dropped ${nrDropped} shadow ptes, where 1 or ${BLOCK} were expected`);
    host.widensAtCuts = nrDropped === BLOCK;
    return host;
  }

  private constructor(process: KernelProcess, guest: KvmGuest) {
    this.#process = process;
    this.#guest = guest;
  }

  async run({ kind, operations, written }: Trial, predicted: Uint8Array): Promise<Seen> {
    const commands = this.#commands;
    const guest = this.#guest;
    const before = fresh(kind.backing);
    const left = runsOf(predicted, 0);
    for (const operation of before) addOperation(commands, operation);
    guest.addTouch(commands, 0, KVM_PAGES, true);
    guest.addDirtyLog(commands);
    guest.addTouch(commands, written.first, written.end - written.first, true);
    guest.addPages4k(commands);
    for (const operation of operations) addOperation(commands, operation);
    guest.addPages4k(commands);
    for (const { first, end } of left) guest.addTouch(commands, first, end - first, false);
    guest.addPages4k(commands);
    guest.addDirtyLog(commands);
    const answers = new AnswerReader(await this.#process.ask(commands));
    for (let i = 0; i < before.length; i++) answers.number();
    this.#mustTouch(answers);
    guest.readDirtyLog(answers);
    this.#mustTouch(answers);
    const full = guest.readPages4k(answers);
    const results = operations.map(() => answers.number());
    const after = guest.readPages4k(answers);
    for (let i = 0; i < left.length; i++) guest.readTouch(answers);
    const read = guest.readPages4k(answers);
    return { results, nrDropped: full - after, nrMissing: read - after, dirty: guest.readDirtyLog(answers) };
  }

  #mustTouch(answers: AnswerReader): void {
    if (this.#guest.readTouch(answers) !== 'done') throw new OracleUnavailable('KVM cannot be asked: the guest cannot reach its memory');
  }
}

const PR_SET_THP_DISABLE = 41;

/** With what goes too, because it lies in a huge page's room around a cut. */
function widened(must: Uint8Array, { first, end }: Range): Uint8Array {
  const all = must.slice();
  for (const cut of [first, end]) {
    if (cut % BLOCK === 0) continue;
    const block = cut - (cut % BLOCK);
    all.fill(1, block, block + BLOCK);
  }
  return all;
}

function differenceOf(trial: Trial, must: Uint8Array, predicted: Uint8Array, { results, nrDropped, nrMissing, dirty }: Seen): KvmDifference | null {
  const { kind, operations, written } = trial;
  const failed = results.find((result) => result < 0);
  const wrong = (model: string, kernel: string): KvmDifference => ({ kind: kind.name, backing: kind.backing, program: programOf(trial), model, kernel });
  if (failed !== undefined) return wrong(`${operations.length} operations succeed`, `one gave ${failed}`);
  if (nrDropped < count(must)) return wrong(`drops ${count(must)} entries: ${textOf(must)}`, `drops ${nrDropped}: fewer`);
  if (nrDropped !== count(predicted) || nrMissing !== 0) {
    return wrong(`drops ${count(must)}, and ${count(predicted)} with what lies around a cut: ${textOf(predicted)}`, `drops ${nrDropped}${nrMissing === 0 ? '' : `, of them ${nrMissing} that should stay`}`);
  }
  const stray = dirty.findIndex((bits, byte) => bits !== expectedBits(written, byte));
  if (stray >= 0) return wrong(`the guest wrote pages ${written.first} to ${written.end - 1}`, `its log has 0x${(dirty[stray] as number).toString(16)} for pages ${stray * 8} to ${stray * 8 + 7}`);
  return null;
}

function expectedBits({ first, end }: Range, byte: number): number {
  let bits = 0;
  for (let bit = 0; bit < 8; bit++) if (byte * 8 + bit >= first && byte * 8 + bit < end) bits |= 1 << bit;
  return bits;
}

function programOf({ kind, operations, written }: Trial): string[] {
  return [
    ...fresh(kind.backing).map(operationText), `guest: writes pages 0 to ${KVM_PAGES - 1}; KVM_GET_DIRTY_LOG`,
    `guest: writes pages ${written.first} to ${written.end - 1}`, ...operations.map(operationText),
  ];
}

/** Where `pages` is `value`, as ranges. */
function runsOf(pages: Uint8Array, value: number): Range[] {
  const runs: Range[] = [];
  for (let first = 0; first < pages.length; first++) {
    if (pages[first] !== value) continue;
    let end = first;
    while (end < pages.length && pages[end] === value) end++;
    runs.push({ first, end });
    first = end;
  }
  return runs;
}

function textOf(pages: Uint8Array): string {
  const runs = runsOf(pages, 1);
  return runs.length === 0 ? 'none' : runs.map(({ first, end }) => (end === first + 1 ? `page ${first}` : `pages ${first} to ${end - 1}`)).join(', ');
}

function count(pages: Uint8Array): number {
  let sum = 0;
  for (const page of pages) sum += page;
  return sum;
}
