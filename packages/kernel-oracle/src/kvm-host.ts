/** The host of the guest: makes trials on the running kernel, a batch at a time, and reads what KVM did in each. */
import { AnswerReader, CommandBuffer, SYS } from './commands.js';
import { OracleUnavailable } from './kernel-process.js';
import type { KernelProcess } from './kernel-process.js';
import { KvmGuest } from './kvm-guest.js';
import { KVM_ARENA, KVM_PAGES, fresh } from './kvm-kinds.js';
import type { KvmKind } from './kvm-kinds.js';
import type { Seen, Trial } from './kvm-trial.js';
import { FIRST_FD, MEMFD, addOperation } from './operation.js';
import { SCRATCH } from './server-program.js';

const PR_SET_THP_DISABLE = 41;

/** A trial with the pages that this kernel is expected to drop. */
export interface ExpectedTrial {
  readonly trial: Trial;
  readonly predicted: Uint8Array;
}

export class KvmHost {
  readonly #process: KernelProcess;
  readonly #guest: KvmGuest;
  readonly #commands = new CommandBuffer();
  /** A kernel that cuts a VMA drops, around each cut, the two megabytes that could have been one huge page. */
  widensAtCuts = false;

  /** @param device for tests @throws OracleUnavailable */
  static async start(process: KernelProcess, device?: string): Promise<KvmHost> {
    const commands = new CommandBuffer();
    commands.add(SYS.prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
    commands.add(SYS.memfdCreate, SCRATCH + 0x1400, 0);
    const opened = new AnswerReader(await process.ask(commands));
    opened.number();
    commands.add(SYS.dup2, opened.number(), FIRST_FD + MEMFD);
    for (const operation of fresh('anonymous')) addOperation(commands, operation);
    const answers = new AnswerReader(await process.ask(commands));
    answers.number();
    const results = fresh('anonymous').map(() => answers.number());
    if (results.some((result) => result < 0)) throw new OracleUnavailable('KVM cannot be asked: the memory of the guest cannot be mapped');
    const host = new KvmHost(process, await KvmGuest.start(process, { address: KVM_ARENA, nrPages: KVM_PAGES }, device));
    const kind: KvmKind = { name: 'probe', backing: 'anonymous', cuts: true, operations: () => [] };
    const operations = [{ name: 'munmap', args: [KVM_ARENA + 700 * 4096, 4096] }] as const;
    const trial: Trial = { kind, range: { first: 700, end: 701 }, sample: [400, 600, 700, 701, 1100], written: [], operations };
    const [seen] = await host.run([{ trial, predicted: new Uint8Array(KVM_PAGES).fill(1) }]);
    const { nrDropped } = seen as Seen;
    if (nrDropped !== 1 && nrDropped !== 3) throw new OracleUnavailable(`KVM cannot be asked: munmap of one page dropped ${nrDropped} of five shadow ptes, where it or those of its huge page were expected`);
    host.widensAtCuts = nrDropped === 3;
    return host;
  }

  private constructor(process: KernelProcess, guest: KvmGuest) {
    this.#process = process;
    this.#guest = guest;
  }

  /** One after the other, in one go: each begins with fresh memory. */
  async run(trials: readonly ExpectedTrial[]): Promise<Seen[]> {
    for (const { trial, predicted } of trials) this.#add(trial, leftOf(trial, predicted));
    const answers = new AnswerReader(await this.#process.ask(this.#commands));
    return trials.map(({ trial, predicted }) => this.#read(answers, trial, leftOf(trial, predicted)));
  }

  #add({ kind, operations, sample, written }: Trial, left: readonly number[]): void {
    const commands = this.#commands;
    const guest = this.#guest;
    for (const operation of fresh(kind.backing)) addOperation(commands, operation);
    guest.addTouch(commands, sample, true);
    guest.addDirtyLog(commands);
    guest.addTouch(commands, written, true);
    guest.addPages4k(commands);
    for (const operation of operations) addOperation(commands, operation);
    guest.addPages4k(commands);
    guest.addTouch(commands, left, false);
    guest.addPages4k(commands);
    guest.addDirtyLog(commands);
  }

  #read(answers: AnswerReader, { kind, operations, sample, written }: Trial, left: readonly number[]): Seen {
    const guest = this.#guest;
    for (let i = 0; i < fresh(kind.backing).length; i++) answers.number();
    this.#mustTouch(answers, sample);
    guest.readDirtyLog(answers);
    this.#mustTouch(answers, written);
    const full = guest.readPages4k(answers);
    const results = operations.map(() => answers.number());
    const after = guest.readPages4k(answers);
    guest.readTouch(answers, left);
    const read = guest.readPages4k(answers);
    return { results, nrDropped: full - after, nrMissing: read - after, dirty: guest.readDirtyLog(answers) };
  }

  #mustTouch(answers: AnswerReader, pages: readonly number[]): void {
    if (this.#guest.readTouch(answers, pages) !== 'done') throw new OracleUnavailable('KVM cannot be asked: the guest cannot reach its memory');
  }
}

function leftOf({ sample }: Trial, predicted: Uint8Array): readonly number[] {
  return sample.filter((page) => predicted[page] === 0);
}
