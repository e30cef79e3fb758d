/** The built command as a child process, and copies of a sample for tests to damage. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../../..');
const BIN = join(ROOT, 'packages/cli/bin/mmun.mjs');

export const DEMO: string = join(ROOT, 'samples/demo');
export const TRUE: string = join(ROOT, 'samples/true');

export interface Outcome {
  /** null where a signal ended it */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface MmunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Left out: that of the tests. */
  readonly cwd?: string;
  /** Sent after so many milliseconds. */
  readonly interruptMs?: number;
}

export function mmun(args: readonly string[], options: MmunOptions = {}): Promise<Outcome> {
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
    const outcome = await mmun(args, { interruptMs });
    if (interruptMs > 25_000 || isThere(outcome)) return outcome;
  }
}

const folders: string[] = [];

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mmun-'));
  folders.push(folder);
  return folder;
}

/** A copy of the smallest sample that may be damaged. */
export function copyOfTrue(): string {
  const folder = join(newFolder(), 'copy');
  cpSync(TRUE, folder, { recursive: true });
  return folder;
}

export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}

/** Exit code 2 and one line that tells a reader, not a programmer, what to do. */
export function refusal({ code, out, err }: Outcome): string {
  expect({ code, out, lines: err.trimEnd().split('\n').length }).toEqual({ code: 2, out: '', lines: 1 });
  expect(err).not.toMatch(/\bat .*:\d+:\d+|node:internal|Error:/);
  return err.trimEnd();
}
