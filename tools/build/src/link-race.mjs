// Links a race with the image, the plugins and the oracles that it is checked with, in the frames form and in one file.
//
// A race may change a line of real code: that edit is made here, on the source, when it is linked. So there is no copy of
// the kernel anywhere, and what is checked is what is shipped but for that line.
import { build, stop } from 'esbuild';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tasks } from './esbuild-tasks.mjs';
import { CACHE, digest, digestOf, freshFirst, LinkError, load, MARK, outfileOf } from './linked-race.mjs';
import { conditionsOf, VARIANTS } from './variants.mjs';
import { MODULES, PACKAGES, ROOT, workspace } from './workspace.mjs';
import { writeWhole } from './write-whole.mjs';

export { LinkError, PACKAGES, ROOT };

/** @typedef {import('./linked-race.mjs').LinkOptions} LinkOptions @typedef {import('./linked-race.mjs').Edit} Edit */

const NAMESPACE = 'mmun-race';
/** What decides how sources are rewritten. */
const OWN_FILES = ['link-race.mjs', 'esbuild-tasks.mjs', 'eager.mjs', 'frames.mjs', 'frame-runtime.mjs', 'liveness.mjs', 'straighten.mjs', 'variants.mjs'].map((file) => fileURLToPath(new URL(file, import.meta.url)));

/** @param {LinkOptions} options @returns {Promise<any>} what the entry below exports */
export async function linkRace(options) {
  const outfile = outfileOf(options);
  try {
    return load(options, freshFirst(outfile) ?? (await unstopped(() => link(options, outfile))));
  } catch (error) {
    throw error instanceof LinkError ? error : new LinkError(describe(error, options.race));
  }
}

/**
 * Ctrl-C on a terminal reaches esbuild's own process too, and ends it; this one is to say what it has, so the next esbuild does the work.
 * @template T @param {() => Promise<T>} act @returns {Promise<T>}
 */
async function unstopped(act) {
  try {
    return await act();
  } catch (error) {
    if (!/The service (?:was stopped|is no longer running)/.test(/** @type {Error} */ (error).message)) throw error;
    await stop();
    return act();
  }
}

/** @param {LinkOptions} options @param {string} outfile @returns {Promise<string>} its first line */
async function link({ race, image = 'toy', edits = [] }, outfile) {
  const variant = VARIANTS.find(({ name }) => name === image);
  if (!variant) throw new LinkError(`no image is called \`${image}\`: there are ${VARIANTS.map(({ name }) => name).join(', ')}`);
  const used = new Set();
  const startMs = Date.now();
  // what is written while this runs is not in it: a source counts as it was read, the rest as it was before
  const inputs = new Map([...OWN_FILES, ...workspace().map(({ directory }) => join(directory, 'package.json'))].map((path) => [path, digestOf(path)]));
  const { metafile, outputFiles } = await build({
    entryPoints: [`${NAMESPACE}:entry`], outfile, write: false, absWorkingDir: ROOT, bundle: true, format: 'cjs', platform: 'node', target: 'node20', banner: { js: MARK },
    conditions: [...conditionsOf(variant), '@mmun/source'], nodePaths: [MODULES], logLevel: 'silent', sourcemap: 'inline', sourcesContent: false, metafile: true,
    plugins: [entry(race), tasks('frames', edits.length === 0 ? undefined : editing(edits, used), (path) => edits.some(({ file }) => path === join(PACKAGES, file)), (path, text) => inputs.set(path, digest(text)))],
  });
  const unused = edits.find((edit) => !used.has(edit));
  if (unused) throw new LinkError(`packages/${unused.file}: no image holds this file, so it cannot be edited`);
  for (const path of Object.keys(metafile.inputs).map((name) => resolve(ROOT, name))) {
    if (inputs.has(path) || !existsSync(path)) continue;
    inputs.set(path, statSync(path).mtimeMs < startMs - CLOCK_MS ? digestOf(path) : '');
  }
  const first = `${MARK}${JSON.stringify(Object.fromEntries(inputs))}`;
  await writeWhole(outfile, `${first}${outputFiles[0].text.slice(MARK.length)}`);
  removeOld(startMs);
  return first;
}

/** As coarse as the times of files may be. */
const CLOCK_MS = 50;
const KEPT_MS = 3 * 24 * 3600 * 1000;

/** Races come and go, and each linked one is megabytes. @param {number} nowMs */
function removeOld(nowMs) {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    if (nowMs - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMs) > KEPT_MS) rmSync(path, { force: true });
  }
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
