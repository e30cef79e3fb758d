// What was linked before, found again and loaded: no compiler is needed for that, nor brought along.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PACKAGES, ROOT } from './workspace.mjs';

/** A race that cannot be linked; the message is one line and names file and line. */
export class LinkError extends Error {}

/**
 * @typedef {{ file: string, find: string, replace: string }} Edit file: from `packages/` on
 * @typedef {object} LinkOptions
 * @property {string} [race] path of a race module; left out: the catalogue
 * @property {string} [image] a row of the table of variants
 * @property {readonly Edit[]} [edits]
 */

/** Linking takes seconds and changes only with the sources. */
export const CACHE = join(PACKAGES, 'races/dist/linked');

/** The first line of what was linked begins with this, then comes each input's digest. */
export const MARK = '// ';

/** First line of what this thread has loaded, by file. @type {Map<string, string>} */
const loaded = new Map();

/**
 * What is there already; null where it was never linked, or from other sources.
 * @param {LinkOptions} options @param {Map<string, string>} digests of sources that were looked at before @returns {any}
 */
export function openLinked(options, digests) {
  const first = freshFirst(outfileOf(options), (path) => {
    const known = digests.get(path) ?? digestOf(path);
    digests.set(path, known);
    return known;
  });
  return first === null ? null : load(options, first);
}

/** @param {LinkOptions} options */
export function outfileOf(options) {
  return join(CACHE, `${digest(JSON.stringify(options))}.cjs`);
}

/** @param {LinkOptions} options @param {string} first its first line @returns {any} */
export function load(options, first) {
  const outfile = outfileOf(options);
  const require = createRequire(join(ROOT, 'package.json'));
  if (loaded.get(outfile) !== first) delete require.cache[outfile];
  loaded.set(outfile, first);
  const linked = require(outfile);
  // a kernel that was edited is asked for once or twice, and takes as much memory as any
  if (options.edits && options.edits.length > 0) delete require.cache[outfile];
  return linked;
}

/** The first line of what was linked before; null where an input is another by now. @param {string} outfile @param {(path: string) => string} [digestNow] */
export function freshFirst(outfile, digestNow = digestOf) {
  if (!existsSync(outfile)) return null;
  // a part of a string would keep the whole, which is megabytes
  const text = readFileSync(outfile);
  const first = text.toString('utf8', 0, text.indexOf('\n'));
  if (!first.startsWith(`${MARK}{`)) return null;
  const inputs = /** @type {[string, string][]} */ (Object.entries(JSON.parse(first.slice(MARK.length))));
  return inputs.every(([path, was]) => was !== '' && digestNow(path) === was) ? first : null;
}

/** @param {string | Buffer} text */
export function digest(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** @param {string} path @returns {string} of what stands there now; empty where nothing does */
export function digestOf(path) {
  return existsSync(path) ? digest(readFileSync(path)) : '';
}
