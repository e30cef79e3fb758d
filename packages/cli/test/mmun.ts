/** The built command, and copies of a sample for tests to damage. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Outcome } from '@mmun/test-support/mmun';

export { mmun, mmunInterrupted, mmunProcess } from '@mmun/test-support/mmun';
export type { Outcome } from '@mmun/test-support/mmun';

const ROOT = resolve(__dirname, '../../..');

export const DEMO: string = join(ROOT, 'samples/demo');
export const TRUE: string = join(ROOT, 'samples/true');

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
