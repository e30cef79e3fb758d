// The image builder: one bundle per variant, each asked what it is.
//
// A mistyped condition falls silently to the default in every tool, so an image exports its `config` and the builder
// compares it with the row of the table that it was built from.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build, transform } from 'esbuild';
import { bindOnce } from './bind-once.mjs';
import { tasks } from './esbuild-tasks.mjs';
import { inline } from './inline.mjs';
import { imageTypes } from './image-types.mjs';
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
 * @property {(code: string, path: string) => string} [edit] applied to every source first
 */

/** @param {readonly Variant[]} [variants] @param {ImageOptions} [options] @returns {Promise<string[]>} one line per image */
export async function buildImages(variants = VARIANTS, options = {}) {
  return Promise.all(variants.map((variant) => buildImage(variant, options)));
}

/** @param {Variant} variant @param {ImageOptions} [options] @returns {Promise<string>} a line on what was built */
export async function buildImage(variant, options = {}) {
  const { entry = join(IMAGE, 'src/linked.ts'), outdir = join(IMAGE, 'dist'), edit } = options;
  const outfile = join(outdir, `${variant.name}.js`);
  const linked = await link(variant, entry, outfile, tasks(formOf(variant), edit));
  const { code, map } = await settle(variant, linked);
  await mkdir(outdir, { recursive: true });
  await writeFile(outfile, `${code}//# sourceMappingURL=${basename(outfile)}.map\n`);
  await writeFile(`${outfile}.map`, map);
  await writeFile(join(outdir, `${variant.name}.d.ts`), imageTypes(variant));
  await verifyConfig(variant, outfile);
  return `image ${variant.name}: ${Buffer.byteLength(code)} bytes`;
}

/**
 * @param {Variant} variant @param {string} entry @param {string} outfile @param {import('esbuild').Plugin} transformTasks
 * @returns {Promise<{ code: string, map: string }>}
 */
async function link(variant, entry, outfile, transformTasks) {
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
    plugins: [transformTasks],
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
 * fast images need it: they are the ones that promise to hold no byte of what was left out. Bundling makes variables of the
 * sources' constants; as constants again, before all else (on its first line: lines are mapped), they are put in where
 * they are used, and what `MMU_NOTIFIER` guards goes. Then functions are put in where they are called (inline.mjs), and at last functions and what was
 * computed once become constants too (bind-once.mjs); of the map that moves no line, only columns in the heads of functions.
 * @param {Variant} variant @param {{ code: string, map: string }} linked
 * @returns {Promise<{ code: string, map: string }>}
 */
async function settle({ build: kind }, { code, map }) {
  if (kind !== 'fast') return { code, map };
  const constants = [...code.matchAll(CONSTANTS)].map(([, declared]) => `const ${declared};`).join('');
  const linked = await tidied({ code: `${constants}${code.replaceAll(CONSTANTS, '')}`, map });
  const settled = await tidied(inline(linked.code, linked.map, hotOf(map)));
  return { code: bindOnce(settled.code), map: settled.map };
}

/** @param {{ code: string, map: string }} text @returns {Promise<{ code: string, map: string }>} */
function tidied({ code, map }) {
  const withMap = `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString('base64')}`;
  return transform(withMap, { format: 'esm', target: 'node20', minifySyntax: true, treeShaking: true, sourcemap: 'external', sourcesContent: true });
}

/** The functions that a source calls hot. @param {string} map @returns {Set<string>} */
function hotOf(map) {
  const sources = /** @type {readonly string[]} */ (JSON.parse(map).sourcesContent ?? []);
  return new Set(sources.flatMap((text) => [...text.matchAll(HOT)].map(([, name = '']) => name)));
}

const HOT = /@hot\b(?:(?!\*\/)[^])*\*\/\s*(?:export\s+)?function\*?\s+(\w+)/g;

/** A line of a bundle that declares nothing but primitive constants. */
const CONSTANTS = /^var ((?:(?:, )?[A-Z][A-Z0-9_]* = (?:!0|!1|-?[0-9][0-9a-fx.e]*|"[^"\n]*"))+);$/gm;

/** @param {Variant} variant @param {string} outfile */
export async function verifyConfig(variant, outfile) {
  const config = await configIn(variant, outfile);
  const wrong = Object.entries(configOf(variant)).filter(([key, value]) => config?.[key] !== value);
  if (wrong.length === 0) return;
  const differences = wrong.map(([key, value]) => `${key} is ${JSON.stringify(config?.[key])}, asked ${JSON.stringify(value)}`);
  throw new ImageError(
    `image ${variant.name}: ${differences.join('; ')} (conditions ${conditionsOf(variant).join(', ')}): ` +
      'see the `imports` of packages/mm and packages/locking, and the variant modules that they name',
  );
}

/**
 * Asks the image in a process of its own: it is the published file that answers, loaded as a user loads it.
 * @param {Variant} variant @param {string} outfile @returns {Promise<Record<string, unknown> | undefined>}
 */
async function configIn({ name }, outfile) {
  const program = `import { config } from ${JSON.stringify(pathToFileURL(outfile).href)}; process.stdout.write(JSON.stringify(config ?? null));`;
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
    return JSON.parse(stdout) ?? undefined;
  } catch (error) {
    const { stderr = '', message } = /** @type {{ stderr?: string, message: string }} */ (error);
    throw new ImageError(`image ${name}: does not load: ${/^\w*Error: .*$/m.exec(stderr)?.[0] ?? message}`);
  }
}
