/** Loads a module with its tasks in the frames form: what the explorer needs to tell threads apart by value. */
import { build } from 'esbuild';
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tasks } from '@mmun/build/esbuild-tasks';
import { ROOT } from '@mmun/build/workspace';

/** @param entry absolute path of a source */
export async function inFrames<T>(entry: string): Promise<T> {
  const outfile = join(mkdtempSync(join(tmpdir(), 'frames-')), 'bundle.cjs');
  await build({
    entryPoints: [entry], outfile, absWorkingDir: ROOT, bundle: true, format: 'cjs', platform: 'node', target: 'node20',
    conditions: ['@mmun/explore', '@mmun/source'], plugins: [tasks('frames')], logLevel: 'error', sourcemap: 'inline',
    nodePaths: [join(ROOT, 'node_modules')],
  });
  return createRequire(join(ROOT, 'package.json'))(outfile) as T;
}
