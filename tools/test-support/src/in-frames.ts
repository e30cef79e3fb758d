/** Loads a module of this folder with its tasks in the frames form, the form of the images that the explorer is given. */
import { build } from 'esbuild';
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { tasks } from '../../../tools/build/src/esbuild-tasks.mjs';

const ROOT = resolve(__dirname, '../../..');

export async function inFrames<T>(entry: string): Promise<T> {
  const outfile = join(mkdtempSync(join(tmpdir(), 'frames-')), 'bundle.cjs');
  await build({
    entryPoints: [resolve(__dirname, entry)], outfile, absWorkingDir: ROOT, bundle: true, format: 'cjs', platform: 'node', target: 'node20',
    conditions: ['@mmun/explore', '@mmun/source'], plugins: [tasks('frames')], logLevel: 'error', sourcemap: 'inline',
    nodePaths: [join(ROOT, 'node_modules')],
  });
  return createRequire(join(ROOT, 'package.json'))(outfile) as T;
}
