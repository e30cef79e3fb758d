// A build whose sources are those of the last one, and whose output stands as that one left it, is no work: `npm cit` asks
// for it twice, and so does `npm run build && npm run check`.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { filesUnder, ROOT, workspace } from './workspace.mjs';

const STAMP = join(ROOT, 'node_modules/.cache/mmun-build.json');

/** @returns {string} of all that a build reads */
export function sourcesHash() {
  const files = [
    ...workspace().flatMap(({ directory, folder }) => [join(directory, 'package.json'), ...(folder.startsWith('packages/') || folder === 'tools/build' ? filesUnder(join(directory, 'src'), /./) : [])]),
    ...['package-lock.json', 'tsconfig.json', 'tsconfig.base.json'].map((name) => join(ROOT, name)),
  ];
  const hash = createHash('sha256').update(process.version);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

/** @param {string} hash of the sources @param {boolean} isQuick whether a quick build will do @param {string} [stamp] where it is kept @param {string} [root] @returns {boolean} whether nothing is to be done */
export function isBuilt(hash, isQuick, stamp = STAMP, root = ROOT) {
  if (!existsSync(stamp)) return false;
  const last = JSON.parse(readFileSync(stamp, 'utf8'));
  return last.hash === hash && (isQuick || last.isQuick === false) && JSON.stringify(last.output) === JSON.stringify(output(root));
}

/** @param {string} hash @param {boolean} isQuick @param {string} [stamp] @param {string} [root] */
export function setBuilt(hash, isQuick, stamp = STAMP, root = ROOT) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, JSON.stringify({ hash, isQuick, output: output(root) }));
}

/** @param {string} root @returns {[string, number][]} what stands in every dist, and since when */
function output(root) {
  return workspace(root).flatMap(({ directory, folder }) => {
    const dist = join(directory, 'dist');
    if (!existsSync(dist)) return [];
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(js|cjs|mjs|d\.ts)$/.test(name) && !name.startsWith('linked')).sort();
    return files.map((name) => /** @type {[string, number]} */ ([`${folder}/${name}`, statSync(join(dist, name)).mtimeMs]));
  });
}
