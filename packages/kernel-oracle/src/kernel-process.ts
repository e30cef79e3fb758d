/** The process that makes the operations, seen from here: started, fed with commands, and its end explained. */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answerEnd } from './commands.js';
import type { CommandBuffer } from './commands.js';
import { serverProgram } from './server-program.js';
import type { ServerProgram } from './server-program.js';

/** The kernel cannot be asked here, or no longer: one line that says why. */
export class OracleUnavailable extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OracleUnavailable';
  }
}

/** A server that says nothing for so long hangs. */
const SILENCE_MS = 60_000;
/** The news of an end takes no longer. */
const PATIENCE_MS = 1000;

interface Waiting {
  readonly commands: DataView;
  readonly count: number;
  readonly resolve: (answers: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

export class KernelProcess {
  readonly pid: number;
  readonly program: ServerProgram;
  /** A folder of its own, gone with the process. */
  readonly folder: string;
  readonly #child: ChildProcessWithoutNullStreams;
  #received: Uint8Array = new Uint8Array(1 << 16);
  #length = 0;
  /** Answers of the batch that were seen to be whole: how many, and where they end. */
  #answered = 0;
  #end = 0;
  #waiting: Waiting | null = null;
  #ending: Error | null = null;
  #timer: NodeJS.Timeout | null = null;

  /** @throws OracleUnavailable */
  static async start(): Promise<KernelProcess> {
    if (process.platform !== 'linux') throw new OracleUnavailable(`the kernel can be asked on linux only, this is ${process.platform}`);
    if (process.arch !== 'x64') throw new OracleUnavailable(`the kernel can be asked on x64 only, this is ${process.arch}`);
    const folder = mkdtempSync(join(tmpdir(), 'mmun-kernel-oracle-'));
    try {
      const program = serverProgram();
      const file = join(folder, 'server');
      writeFileSync(file, program.elf, { mode: 0o700 });
      // A session of its own: an interrupt at the terminal is for those who ask.
      const child = spawn(file, [], { env: {}, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'], detached: true });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      return new KernelProcess(child, program, folder);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw new OracleUnavailable(`the kernel cannot be asked: ${folder} takes no program that can be run (${error instanceof Error ? error.message : String(error)})`);
    }
  }

  private constructor(child: ChildProcessWithoutNullStreams, program: ServerProgram, folder: string) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.program = program;
    this.folder = folder;
    child.stdout.on('data', (chunk: Uint8Array) => { this.#receive(chunk); });
    child.stdin.on('error', () => undefined); // its end is told by 'close'
    child.on('error', (error) => { this.#finish(new OracleUnavailable(`the process that asks the kernel failed: ${error.message}`)); });
    child.on('close', (code, signal) => {
      this.#finish(new OracleUnavailable(`the process that asks the kernel has ended: ${signal === null ? `exit code ${code}` : `killed by ${signal}`}`));
    });
  }

  /** Why it is gone, for who has noticed it first. */
  async whyEnded(): Promise<Error> {
    for (let waited = 0; this.#ending === null && waited < PATIENCE_MS; waited += 10) await new Promise((resolve) => setTimeout(resolve, 10));
    return this.#ending ?? new OracleUnavailable('the process that asks the kernel has ended');
  }

  /** Sends what was collected and waits for all answers. One batch at a time. */
  ask(buffer: CommandBuffer): Promise<Uint8Array> {
    const { count } = buffer;
    const bytes = buffer.take();
    return new Promise((resolve, reject) => {
      if (this.#ending !== null) {
        reject(this.#ending);
        return;
      }
      this.#waiting = { commands: new DataView(bytes.buffer), count, resolve, reject };
      this.#length = this.#answered = this.#end = 0;
      this.#timer = setTimeout(() => {
        this.#finish(new OracleUnavailable(`the process that asks the kernel has not answered for ${SILENCE_MS / 1000} seconds`));
        this.close();
      }, SILENCE_MS);
      this.#child.stdin.write(bytes);
    });
  }

  /** Ends it, with every process that it forked, and takes its folder away. */
  close(): void {
    this.#finish(new OracleUnavailable('the process that asks the kernel was told to end'));
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // gone already
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  #receive(chunk: Uint8Array): void {
    if (this.#length + chunk.length > this.#received.length) {
      const larger = new Uint8Array(Math.max(this.#received.length * 2, this.#length + chunk.length));
      larger.set(this.#received.subarray(0, this.#length));
      this.#received = larger;
    }
    this.#received.set(chunk, this.#length);
    this.#length += chunk.length;
    const waiting = this.#waiting;
    if (waiting === null) return;
    const view = new DataView(this.#received.buffer, 0, this.#length);
    while (this.#answered < waiting.count) {
      const end = answerEnd(waiting.commands, this.#answered, view, this.#end);
      if (end < 0) return;
      this.#end = end;
      this.#answered++;
    }
    this.#settle();
    waiting.resolve(this.#received.slice(0, this.#end));
  }

  #finish(error: Error): void {
    this.#ending ??= error;
    const waiting = this.#waiting;
    this.#settle();
    waiting?.reject(this.#ending);
  }

  #settle(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting = null;
  }
}
