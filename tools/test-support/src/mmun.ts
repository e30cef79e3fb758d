/** The built command as specs ask it. */
import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '@mmun/build/workspace';

const BIN = join(ROOT, 'packages/cli/bin/mmun.mjs');
const SERVER = join(ROOT, 'tools/test-support/src/mmun-server.mjs');

export interface Outcome {
  /** null where a signal ended it */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface MmunOptions {
  /** Left out: that of the tests. */
  readonly cwd?: string;
}

interface ProcessOptions extends MmunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Sent after so many milliseconds. */
  readonly interruptMs?: number;
}

type Answer = Outcome & { readonly id: number };

interface Asked {
  answer(outcome: Outcome): void;
  fail(error: Error): void;
}

/** mmun-server.mjs, from the first command line of a spec to its end: most of what a short command takes is to be loaded. */
let server: ChildProcess | null = null;
/** What it was asked and has not answered, by number: a spec may ask for many command lines at once. */
const waiting = new Map<number, Asked>();
let nrAsked = 0;
afterAll(() => void server?.kill());

function startServer(): ChildProcess {
  const child = fork(SERVER, { execArgv: [] });
  child.on('message', ({ id, code, out, err }: Answer) => {
    waiting.get(id)?.answer({ code, out, err });
    waiting.delete(id);
  });
  child.on('exit', () => {
    for (const { fail } of waiting.values()) fail(new Error('a command line ended the process that it ran in'));
    waiting.clear();
  });
  return child;
}

/** The command as a pipe sees it. */
export function mmun(args: readonly string[], options: MmunOptions = {}): Promise<Outcome> {
  server ??= startServer();
  const id = nrAsked++;
  const answered = new Promise<Outcome>((answer, fail) => {
    waiting.set(id, { answer, fail: ({ message }) => fail(new Error(`mmun ${args.join(' ')}: ${message}`)) });
  });
  server.send({ id, args, ...options });
  return answered;
}

/** The command as a process of its own, with signals, an environment, and what node itself has to say. */
export function mmunProcess(args: readonly string[], options: ProcessOptions = {}): Promise<Outcome> {
  const { NO_COLOR: _a, FORCE_COLOR: _b, ...clean } = process.env;
  const child = spawn(process.execPath, [BIN, ...args], { env: { ...clean, ...options.env }, ...(options.cwd === undefined ? {} : { cwd: options.cwd }) });
  const timer = options.interruptMs === undefined ? null : setTimeout(() => child.kill('SIGINT'), options.interruptMs);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => void (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => void (err += chunk.toString()));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => {
      if (timer !== null) clearTimeout(timer);
      done({ code, out, err });
    });
  });
}

/** Interrupted as soon as `isThere` holds of what it says then: how soon that is depends on the machine. */
export async function mmunInterrupted(args: readonly string[], isThere: (outcome: Outcome) => boolean): Promise<Outcome> {
  for (let interruptMs = 400; ; interruptMs *= 2) {
    const outcome = await mmunProcess(args, { interruptMs });
    if (interruptMs > 25_000 || isThere(outcome)) return outcome;
  }
}
