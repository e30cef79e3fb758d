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

const SAMPLES = resolve(__dirname, '../../../samples');
const SHARED = resolve(__dirname, '../../../../shared/recordings');

/** Folders of the repository's samples, and of the recordings beside it where there are any. */
export function recordings(): string[] {
  return [SAMPLES, SHARED].filter((folder) => existsSync(folder)).flatMap((folder) => readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name)));
}
