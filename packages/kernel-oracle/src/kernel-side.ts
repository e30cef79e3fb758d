/** The running kernel as one side of the comparison: segments of operations, each in a process of its own. */
import { readFileSync } from 'node:fs';
import { PAGE_SIZE } from '@mmun/include';
import { AnswerReader, CommandBuffer, SYS } from './commands.js';
import { KernelProcess, OracleUnavailable } from './kernel-process.js';
import { READ_BUFFER, addOpenObservers, frameOf, setUp } from './kernel-setup.js';
import type { SetupOptions } from './kernel-setup.js';
import { ANONYMOUS_FILE, EXCLUSIVE, IS_ZERO, OF_FILE, PRESENT, VEC_BYTES, observedZones } from './observation.js';
import type { Observation } from './observation.js';
import { FILE_PAGES, FILE_RW, FIRST_FD, MEMFD, addOperation, nrAnswersBefore } from './operation.js';
import type { Operation } from './operation.js';
import { parseMaps, parseSmaps } from './proc-text.js';
import { EMIT, EXIT, FORK, PAGES, SCRATCH, SHARED, SIGNALLED, WALK, WALK_ROW_BYTES } from './server-program.js';
import type { World, WorldRow } from './world.js';
import { HEAP, zoneEnd } from './zones.js';
import type { Zone } from './zones.js';

const MADV_REMOVE = 9;
const MADV_PAGEOUT = 21;
/** A word that was not read: the lower half of SIGNALLED, with the signal. */
const UNREADABLE = SIGNALLED % 2 ** 32;
/** Bits of the upper half of a pagemap entry. */
const PM_PRESENT = 0x80000000;
const PM_FILE = 0x20000000;
const PM_EXCLUSIVE = 0x01000000;

/** Operations and the answers to them. */
export interface KernelBatch {
  readonly operations: readonly Operation[];
  readonly answers: AnswerReader;
  /** After the last operation; null where they were not asked for. */
  readonly smaps: string | null;
  /** VMAs after the only operation, where the ioctl is missing. */
  readonly maps: string | null;
}

export class KernelSide {
  readonly world: World;
  readonly #process: KernelProcess;
  readonly #commands = new CommandBuffer();
  readonly #zones: readonly Zone[];
  readonly #lowest: number;
  readonly #highest: number;

  /** @throws OracleUnavailable */
  static async start(options: SetupOptions = {}): Promise<KernelSide> {
    const process = await KernelProcess.start();
    try {
      return new KernelSide(process, await setUp(process, options));
    } catch (error) {
      process.close();
      throw error;
    }
  }

  private constructor(process: KernelProcess, world: World) {
    this.#process = process;
    this.world = world;
    this.#zones = observedZones(world);
    this.#lowest = HEAP.start;
    this.#highest = zoneEnd(world.top);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** How many operations a batch may have. */
  get batchLimit(): number {
    return this.world.hasProcmapQuery ? 128 : 1;
  }

  close(): void {
    this.#process.close();
  }

  /** Files as new, a new process. */
  async beginSegment(): Promise<void> {
    const commands = this.#commands;
    for (const file of [FILE_RW, MEMFD]) {
      commands.add(SYS.ftruncate, FIRST_FD + file, 0);
      commands.add(SYS.ftruncate, FIRST_FD + file, FILE_PAGES * PAGE_SIZE);
    }
    this.#addReadFile();
    commands.add(FORK);
    addOpenObservers(commands);
    const answers = new AnswerReader(await this.#process.ask(commands));
    const results = Array.from({ length: 10 }, () => answers.number());
    if (results.some((result) => result < 0)) throw new OracleUnavailable(`the kernel cannot be asked: a new process was answered ${results.join(' ')}`);
  }

  /** @param depth processes of the segment that live: the first, and what was forked */
  async endSegment(depth: number): Promise<void> {
    for (let i = 0; i < depth; i++) this.#commands.add(EXIT);
    await this.#process.ask(this.#commands);
  }

  async ask(operations: readonly Operation[], wantsSmaps: boolean): Promise<KernelBatch> {
    for (const operation of operations) this.#add(operation);
    this.#commands.add(SYS.getpid);
    const answers = new AnswerReader(await this.#process.ask(this.#commands));
    const pid = answers.last();
    const { hasProcmapQuery } = this.world;
    return {
      operations, answers,
      smaps: wantsSmaps ? await this.#readProc(pid, 'smaps') : null,
      maps: hasProcmapQuery ? null : await this.#readProc(pid, 'maps'),
    };
  }

  async #readProc(pid: number, file: string): Promise<string> {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8');
    } catch {
      throw await this.#process.whyEnded();
    }
  }

  /** Takes the answers of the next operation of a batch. */
  read(batch: KernelBatch, operation: Operation, isLast: boolean, out: Observation): void {
    const { answers } = batch;
    for (let i = nrAnswersBefore(operation); i > 0; i--) answers.number();
    out.result = resultOf(operation, answers.number());
    if (operation.name === 'fork') for (let i = 0; i < 4; i++) answers.number();
    out.vec.fill(0);
    if (operation.name === 'mincore') readVec(answers, operation, out);
    if (rewarms(operation)) answers.number();
    this.#readRows(batch, out);
    let page = 0;
    for (const { nrPages } of this.#zones) {
      this.#readPages(answers, nrPages, page, out);
      page += nrPages;
    }
    out.smaps = isLast && batch.smaps !== null ? parseSmaps(batch.smaps).filter(({ start }) => this.#isObserved(start) && start !== SHARED) : null;
  }

  #add(operation: Operation): void {
    const commands = this.#commands;
    addOperation(commands, operation, this.world.hardLimits);
    if (operation.name === 'fork') addOpenObservers(commands);
    if (operation.name === 'mincore') commands.add(EMIT, SCRATCH, VEC_BYTES);
    if (rewarms(operation)) this.#addReadFile();
    if (this.world.hasProcmapQuery) commands.add(WALK, this.#lowest, this.#highest);
    for (const { start, nrPages } of this.#zones) commands.add(PAGES, start, nrPages);
  }

  /** The model's page cache is warm, so this one is made so. */
  #addReadFile(): void {
    this.#commands.add(SYS.pread64, FIRST_FD + FILE_RW, READ_BUFFER, (FILE_PAGES + 4) * PAGE_SIZE, 0);
  }

  #isObserved(address: number): boolean {
    return address >= this.#lowest && address < this.#highest;
  }

  #readRows({ answers, maps }: KernelBatch, out: Observation): void {
    out.nrRows = 0;
    if (maps !== null) {
      for (const row of parseMaps(maps)) if (this.#isObserved(row.start)) out.addRow(row.start, row.end, accessOf(row), row.ino === 0 ? 0 : row.offset, this.#fileOf(row.ino));
      return;
    }
    const { view } = answers;
    const bytes = answers.number();
    if (bytes < 0) throw new OracleUnavailable(`the kernel cannot be asked: PROCMAP_QUERY gave ${bytes}`);
    for (let at = answers.skip(bytes), end = at + bytes; at < end; at += WALK_ROW_BYTES) {
      out.addRow(u64(view, at), u64(view, at + 8), view.getUint32(at + 16, true) & 15, u64(view, at + 24), this.#fileOf(u64(view, at + 32)));
    }
  }

  #fileOf(ino: number): number {
    return ino === 0 || ino === this.world.file.ino || ino === this.world.memfd.ino ? ino : ANONYMOUS_FILE;
  }

  #readPages(answers: AnswerReader, nrPages: number, first: number, out: Observation): void {
    const { view } = answers;
    const entries = answers.skip(nrPages * 12);
    const words = entries + nrPages * 8;
    const { zeroFrame } = this.world;
    for (let i = 0; i < nrPages; i++) {
      const high = view.getUint32(entries + i * 8 + 4, true);
      if ((high & PM_PRESENT) === 0) {
        out.pages[first + i] = out.frames[first + i] = 0;
        out.words[first + i] = -1;
        continue;
      }
      const frame = frameOf(view, entries + i * 8);
      out.frames[first + i] = frame;
      out.pages[first + i] = PRESENT | ((high & PM_FILE) === 0 ? 0 : OF_FILE) | ((high & PM_EXCLUSIVE) === 0 ? 0 : EXCLUSIVE) | (frame === zeroFrame ? IS_ZERO : 0);
      const word = view.getUint32(words + i * 4, true);
      out.words[first + i] = word >= UNREADABLE && word < UNREADABLE + 32 ? -1 : word;
    }
  }
}

/** After these the page cache may have lost what the model's still has. */
function rewarms({ name, args }: Operation): boolean {
  return name === 'ftruncate' || (name === 'madvise' && (args[2] === MADV_REMOVE || args[2] === MADV_PAGEOUT));
}

/** What was read is part of what is seen anyway; a signal is the number of the signal. */
function resultOf({ name }: Operation, answer: number): number {
  if (name !== 'read' && name !== 'write') return name === 'fork' ? 0 : answer;
  return answer >= SIGNALLED ? answer - SIGNALLED : 0;
}

function readVec(answers: AnswerReader, { args }: Operation, out: Observation): void {
  const at = answers.skip(VEC_BYTES);
  const count = Math.min(VEC_BYTES, Math.ceil(args[1] / PAGE_SIZE));
  if (out.result === 0) for (let i = 0; i < count; i++) out.vec[i] = answers.view.getUint8(at + i) & 1;
}

function accessOf({ perms }: WorldRow): number {
  return (perms[0] === 'r' ? 1 : 0) | (perms[1] === 'w' ? 2 : 0) | (perms[2] === 'x' ? 4 : 0) | (perms[3] === 's' ? 8 : 0);
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}
