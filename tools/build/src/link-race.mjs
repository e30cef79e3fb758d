// Links a race with the image, the plugins and the oracles that it is checked with, in the frames form and in one file.
//
// A race may change a line of real code: that edit is made here, on the source, when it is linked. So there is no copy of
// the kernel anywhere, and what is checked is what is shipped but for that line.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tasks } from './esbuild-tasks.mjs';
import { conditionsOf, VARIANTS } from './variants.mjs';
import { IS_CLONE, MODULES, PACKAGES, ROOT } from './workspace.mjs';

export { IS_CLONE, PACKAGES, ROOT };

/** A race that cannot be linked; the message is one line and names file and line. */
export class LinkError extends Error {}

/**
 * @typedef {{ file: string, find: string, replace: string }} Edit file: from `packages/` on
 * @typedef {object} LinkOptions
 * @property {string} [race] path of a race module; left out: the catalogue
 * @property {string} [image] a row of the table of variants
 * @property {readonly Edit[]} [edits]
 */

const NAMESPACE = 'mmun-race';
/** Linking takes seconds and changes only with the sources. */
const CACHE = join(PACKAGES, 'races/dist/linked');
/** What decides how sources are rewritten. */
const OWN_FILES = ['link-race.mjs', 'esbuild-tasks.mjs', 'eager.mjs', 'frames.mjs', 'frame-runtime.mjs', 'liveness.mjs', 'straighten.mjs', 'variants.mjs'].map((file) => fileURLToPath(new URL(file, import.meta.url)));

/** @param {LinkOptions} options @returns {Promise<any>} what the entry below exports */
export async function linkRace(options) {
  const outfile = join(CACHE, `${createHash('sha256').update(JSON.stringify(options)).digest('hex').slice(0, 16)}.cjs`);
  try {
    if (!isFresh(outfile)) await link(options, outfile);
    return createRequire(join(ROOT, 'package.json'))(outfile);
  } catch (error) {
    throw error instanceof LinkError ? error : new LinkError(describe(error, options.race));
  }
}

/** Linked before, and nothing that went in has changed since. @param {string} outfile */
function isFresh(outfile) {
  if (!existsSync(outfile) || !existsSync(`${outfile}.inputs`)) return false;
  const linkedMs = statSync(outfile).mtimeMs;
  const inputs = /** @type {string[]} */ (JSON.parse(readFileSync(`${outfile}.inputs`, 'utf8')));
  return inputs.every((path) => existsSync(path) && statSync(path).mtimeMs < linkedMs);
}

/** @param {LinkOptions} options @param {string} outfile */
async function link({ race, image = 'toy', edits = [] }, outfile) {
  const variant = VARIANTS.find(({ name }) => name === image);
  if (!variant) throw new LinkError(`no image is called \`${image}\`: there are ${VARIANTS.map(({ name }) => name).join(', ')}`);
  const used = new Set();
  // several processes may link at once: each writes its own, and the last rename wins
  const own = `${outfile}.${process.pid}`;
  const { metafile } = await build({
    entryPoints: [`${NAMESPACE}:entry`], outfile: own, absWorkingDir: ROOT, bundle: true, format: 'cjs', platform: 'node', target: 'node20',
    conditions: [...conditionsOf(variant), '@mmun/source'], nodePaths: [MODULES], logLevel: 'silent', sourcemap: 'inline', sourcesContent: false, metafile: true,
    plugins: [entry(race), tasks('frames', edits.length === 0 ? undefined : editing(edits, used), (path) => edits.some(({ file }) => path === join(PACKAGES, file)))],
  });
  const unused = edits.find((edit) => !used.has(edit));
  if (unused) throw new LinkError(`packages/${unused.file}: no image holds this file, so it cannot be edited`);
  const inputs = [...Object.keys(metafile.inputs).map((path) => resolve(ROOT, path)).filter((path) => existsSync(path)), ...OWN_FILES];
  writeFileSync(`${outfile}.inputs`, JSON.stringify(inputs));
  renameSync(own, outfile);
}

/** @param {string | undefined} race @returns {import('esbuild').Plugin} */
function entry(race) {
  const contents = [
    "export * as image from '@mmun/image';",
    "export { allRaces, catalogue, checkableOf, checkRace, validateRace } from '@mmun/races';",
    "export { auditSteps } from '@mmun/explorer';",
    race ? `export * as user from ${JSON.stringify(race)};` : '',
  ].join('\n');
  return {
    name: NAMESPACE,
    setup(builder) {
      builder.onResolve({ filter: new RegExp(`^${NAMESPACE}:`) }, ({ path }) => ({ path, namespace: NAMESPACE }));
      builder.onLoad({ filter: /.*/, namespace: NAMESPACE }, () => ({ contents, loader: 'ts', resolveDir: ROOT }));
    },
  };
}

/** @param {readonly Edit[]} edits @param {Set<Edit>} used @returns {(code: string, path: string) => string} */
function editing(edits, used) {
  return (code, path) => {
    let text = code;
    for (const edit of edits) {
      if (path !== join(PACKAGES, edit.file)) continue;
      const parts = text.split(edit.find);
      if (parts.length !== 2) throw new LinkError(`packages/${edit.file}: the text to edit stands there ${parts.length - 1} times, expected once: ${JSON.stringify(edit.find)}`);
      text = parts.join(edit.replace);
      used.add(edit);
    }
    return text;
  };
}

/** One line, with the place in the source. @param {any} error @param {string | undefined} race */
function describe(error, race) {
  const failure = error.errors?.[0];
  if (failure) {
    const { text, location, detail } = failure;
    if (detail instanceof LinkError || /^\S+:\d+:\d+: /.test(text) || !location) return text;
    const path = join(ROOT, location.file);
    // the place is one in the rewritten text; what cannot be found is named in the source as it is
    const missing = /^Could not resolve "(.*)"$/.exec(text)?.[1];
    const line = missing === undefined ? 0 : readFileSync(path, 'utf8').split('\n').findIndex((row) => row.includes(`'${missing}'`) || row.includes(`"${missing}"`)) + 1;
    return `${shown(path)}:${line > 0 ? line : `${location.line}:${location.column + 1}`}: ${text}`;
  }
  return `${race ? placeIn(race, error.stack ?? '') : 'the catalogue'}: ${error.message}`;
}

/** Where in the race's own file an error came from. @param {string} race @param {string} stack */
export function placeIn(race, stack) {
  const at = stack.split(basename(race)).slice(1).map((rest) => /^:(\d+)/.exec(rest)?.[1]).find(Boolean);
  return at ? `${shown(race)}:${at}` : shown(race);
}

/** @param {string} path */
function shown(path) {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}
