// The image builder: one bundle per variant, each asked what it is.
//
// A mistyped condition falls silently to the default in every tool, so an image exports its `config` and the builder
// compares it with the row of the table that it was built from.
import { readFile, writeFile, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, transform } from 'esbuild';
import { tasks } from './esbuild-tasks.mjs';
import { conditionsOf, configOf, formOf, VARIANTS } from './variants.mjs';
import { ROOT } from './workspace.mjs';

/** @typedef {import('./variants.mjs').Variant} Variant */

/** An image that does not build, or is not what was asked for. */
export class ImageError extends Error {}

const IMAGE = join(ROOT, 'packages/image');

/**
 * @typedef {object} ImageOptions
 * @property {string} [entry] what to link
 * @property {string} [outdir]
 * @property {readonly import('esbuild').Plugin[]} [plugins] tried before the transform
 * @property {boolean} [verify] import the result and compare its config (default)
 */

/** @param {readonly Variant[]} [variants] @param {ImageOptions} [options] @returns {Promise<string[]>} one line per image */
export async function buildImages(variants = VARIANTS, options = {}) {
  return Promise.all(variants.map((variant) => buildImage(variant, options)));
}

/** @param {Variant} variant @param {ImageOptions} [options] @returns {Promise<string>} a line on what was built */
export async function buildImage(variant, options = {}) {
  const { entry = join(IMAGE, 'src/linked.ts'), outdir = join(IMAGE, 'dist'), verify = true } = options;
  const outfile = join(outdir, `${variant.name}.js`);
  const linked = await link(variant, entry, outfile, options.plugins ?? []);
  const { code, map } = await settle(variant, linked);
  await mkdir(outdir, { recursive: true });
  await writeFile(outfile, `${code}//# sourceMappingURL=${basename(outfile)}.map\n`);
  await writeFile(`${outfile}.map`, map);
  await writeFile(join(outdir, `${variant.name}.d.ts`), "export * from './linked.js';\n");
  if (verify) await verifyConfig(variant, outfile);
  return `image ${variant.name}: ${Buffer.byteLength(code)} bytes`;
}

/**
 * @param {Variant} variant @param {string} entry @param {string} outfile @param {readonly import('esbuild').Plugin[]} plugins
 * @returns {Promise<{ code: string, map: string }>}
 */
async function link(variant, entry, outfile, plugins) {
  const result = await build({
    entryPoints: [entry],
    outfile,
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    target: 'node20',
    minifySyntax: true,
    sourcemap: 'external',
    sourcesContent: true,
    conditions: [...conditionsOf(variant), '@mmun/source'],
    plugins: [...plugins, tasks(formOf(variant))],
    logLevel: 'silent',
  }).catch((error) => {
    throw new ImageError(`image ${variant.name}: ${describe(error)}`);
  });
  const text = (/** @type {RegExp} */ suffix) => result.outputFiles.find((file) => suffix.test(file.path))?.text ?? '';
  return { code: text(/\.js$/), map: text(/\.map$/) };
}

/** @param {any} error */
function describe(error) {
  const failures = error.errors ?? [];
  if (failures.length === 0) return error.message;
  return failures
    .map((/** @type {import('esbuild').Message} */ { text, location }) => (location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text))
    .join('\n');
}

/**
 * Inlining empty functions leaves helpers that nobody calls any more; a second look at the bundle drops them. Only the
 * fast images need it: they are the ones that promise to hold no byte of what was left out.
 * @param {Variant} variant @param {{ code: string, map: string }} linked
 * @returns {Promise<{ code: string, map: string }>}
 */
async function settle({ build: kind }, { code, map }) {
  if (kind !== 'fast') return { code, map };
  const inline = `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString('base64')}`;
  return transform(inline, { format: 'esm', target: 'node20', minifySyntax: true, treeShaking: true, sourcemap: 'external', sourcesContent: true });
}

/** @param {Variant} variant @param {string} outfile */
export async function verifyConfig(variant, outfile) {
  const stamp = (await readFile(outfile)).length;
  const image = await import(`${pathToFileURL(outfile).href}?${stamp}-${Date.now()}`);
  const asked = configOf(variant);
  const wrong = Object.entries(asked).filter(([key, value]) => image.config?.[key] !== value);
  if (wrong.length === 0) return;
  const differences = wrong.map(([key, value]) => `${key} is ${JSON.stringify(image.config?.[key])}, asked ${JSON.stringify(value)}`);
  throw new ImageError(
    `image ${variant.name}: ${differences.join('; ')} (conditions ${conditionsOf(variant).join(', ')}): ` +
      'see the `imports` of packages/mm and packages/locking, and the variant modules that they name',
  );
}
