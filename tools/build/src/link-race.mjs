// Links a race with the image, the plugins and the oracles that it is checked with, in the frames form and in one file.
//
// A race may change a line of real code: that edit is made here, on the source, when it is linked. So there is no copy of
// the kernel anywhere, and what is checked is what is shipped but for that line.
import { build } from 'esbuild';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { tasks } from './esbuild-tasks.mjs';
import { conditionsOf, VARIANTS } from './variants.mjs';
import { ROOT } from './workspace.mjs';

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

/** @param {LinkOptions} options @returns {Promise<any>} what the entry below exports */
export async function linkRace({ race, image = 'toy', edits = [] }) {
  const variant = VARIANTS.find(({ name }) => name === image);
  if (!variant) throw new LinkError(`no image is called \`${image}\`: there are ${VARIANTS.map(({ name }) => name).join(', ')}`);
  const folder = mkdtempSync(join(tmpdir(), 'mmun-race-'));
  const outfile = join(folder, 'race.cjs');
  const used = new Set();
  try {
    await build({
      entryPoints: [`${NAMESPACE}:entry`], outfile, absWorkingDir: ROOT, bundle: true, format: 'cjs', platform: 'node', target: 'node20',
      conditions: [...conditionsOf(variant), '@mmun/source'], nodePaths: [join(ROOT, 'node_modules')], logLevel: 'silent', sourcemap: 'inline',
      plugins: [entry(race), tasks('frames', edits.length === 0 ? undefined : editing(edits, used))],
    });
    const unused = edits.find((edit) => !used.has(edit));
    if (unused) throw new LinkError(`packages/${unused.file}: no image holds this file, so it cannot be edited`);
    return createRequire(join(ROOT, 'package.json'))(outfile);
  } catch (error) {
    throw error instanceof LinkError ? error : new LinkError(describe(error, race));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string | undefined} race @returns {import('esbuild').Plugin} */
function entry(race) {
  const contents = [
    "export * as image from '@mmun/image';",
    "export { catalogue, checkableOf, checkRace, validateRace } from '@mmun/races';",
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
      if (path !== join(ROOT, 'packages', edit.file)) continue;
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
    return `${shown(join(ROOT, location.file))}:${location.line}:${location.column + 1}: ${text}`;
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
