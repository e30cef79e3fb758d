/** Drivers with a line changed: copies in a folder of their own, loaded as if they stood in the repository. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecondaryMmu } from '@mmun/include';

const ROOT = join(__dirname, '../../..');
/** The driver that `mmun new plugin` writes. */
const TEMPLATE = 'packages/cli/templates/plugin/src';

/** As the variants of races have it, but `file` is one of the driver's own. */
export interface Edit {
  readonly file?: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface EditedDriver {
  readonly plugin: SecondaryMmu;
  /** Line of the first edit, as findings name it. */
  readonly line: number;
  readonly file: string;
}

const folders: string[] = [];

/** @param name export of the driver @param source its folder */
export function edited(edits: readonly Edit[], name = 'mydevice', source: string = TEMPLATE): EditedDriver {
  const folder = mkdtempSync(join(tmpdir(), 'mmun-edited-'));
  folders.push(folder);
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'src'));
  cpSync(join(ROOT, source), join(folder, 'src'), { recursive: true });
  const lines = edits.map(({ file = 'index.ts', find, replace }) => {
    const path = join(folder, 'src', file);
    const parts = readFileSync(path, 'utf8').split(find);
    if (parts.length !== 2) throw new Error(`${source}/${file}: the text to edit stands there ${parts.length - 1} times, expected once: ${JSON.stringify(find)}`);
    writeFileSync(path, parts.join(replace));
    return (parts[0] as string).split('\n').length;
  });
  const { file = 'index.ts' } = edits[0] ?? {};
  const exports = createRequire(join(folder, 'src/x.js'))(join(folder, 'src/index.ts')) as Record<string, SecondaryMmu>;
  return { plugin: exports[name] as SecondaryMmu, line: lines[0] ?? 0, file: join(folder, 'src', file) };
}

export function removeEdited(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}
