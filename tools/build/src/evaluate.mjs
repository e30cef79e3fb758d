// Runs a few lines against the packages as one image links them: what a variant does, asked from outside.
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { tasks } from './esbuild-tasks.mjs';
import { conditionsOf, formOf, VARIANTS } from './variants.mjs';
import { MODULES, ROOT } from './workspace.mjs';

/**
 * @param {string} source a module of plain JavaScript that imports packages by name
 * @param {string} image a row of the table of variants
 * @returns {Promise<unknown>} its default export
 */
export async function evaluate(source, image) {
  const variant = VARIANTS.find(({ name }) => name === image);
  if (!variant) throw new RangeError(`no image is called \`${image}\`: there are ${VARIANTS.map(({ name }) => name).join(', ')}`);
  const folder = await mkdtemp(join(tmpdir(), 'evaluate-'));
  const outfile = join(folder, 'bundle.cjs');
  try {
    await build({
      stdin: { contents: source, resolveDir: ROOT, loader: 'js' }, outfile, absWorkingDir: ROOT, bundle: true, format: 'cjs', platform: 'node', target: 'node20',
      conditions: [...conditionsOf(variant), '@mmun/source'], plugins: [tasks(formOf(variant))], logLevel: 'silent', nodePaths: [MODULES],
    });
    return createRequire(join(ROOT, 'package.json'))(outfile).default;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
