/** Recordings for tests: folders that a test writes, and the shared ones where they are at hand. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const folders: string[] = [];

/** Writes the files into a fresh folder and returns its path. */
export function writeFolder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'recording-'));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}

const SHARED = resolve(__dirname, '../../../../shared/recordings');

/** Folders of the shared recordings; empty, with a line that says so, where they are not at hand. */
export function sharedRecordings(): string[] {
  if (!existsSync(SHARED)) {
    console.log('no recordings beside the repository: tests on them are left out');
    return [];
  }
  return readdirSync(SHARED, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => join(SHARED, entry.name));
}
