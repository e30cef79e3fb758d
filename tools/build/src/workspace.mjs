// What the workspace holds: its packages, read from their package.json files.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of a clone; installed from a registry, the `node_modules` that this package stands in. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Whether this is a clone of the repository, with its tools and tests. */
const IS_CLONE = existsSync(join(ROOT, 'tools/build'));

/** Where the packages stand, by their names without the scope. */
export const PACKAGES = join(ROOT, IS_CLONE ? 'packages' : '@mmun');

/** Where what they depend on stands. */
export const MODULES = IS_CLONE ? join(ROOT, 'node_modules') : ROOT;

/**
 * @typedef {object} Package
 * @property {string} name with scope
 * @property {string} folder relative to the root, as in `packages/mm`
 * @property {string} directory absolute
 * @property {Record<string, any>} manifest
 * @property {readonly string[]} tags
 * @property {readonly string[]} internal names of the workspace packages that its source may import (tests may import more)
 */

/** @param {string} [root] @returns {Package[]} sorted by folder */
export function workspace(root = ROOT) {
  const found = ['packages', 'tools'].flatMap((family) => {
    const directory = join(root, family);
    if (!existsSync(directory)) return [];
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && existsSync(join(directory, entry.name, 'package.json')))
      .map((entry) => readPackage(root, `${family}/${entry.name}`));
  });
  const names = new Set(found.map(({ name }) => name));
  return found
    .map((p) => ({ ...p, internal: p.internal.filter((name) => names.has(name)) }))
    .sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

/** @param {string} root @param {string} folder @returns {Package} */
function readPackage(root, folder) {
  const directory = join(root, folder);
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const tags = manifest.nx?.tags ?? [];
  // a tool is bundled: what it is made of, its consumers need not install
  const fields = ['dependencies', 'peerDependencies', 'optionalDependencies', ...(tags.includes('layer:tool') ? ['devDependencies'] : [])];
  const internal = fields.flatMap((field) => Object.keys(manifest[field] ?? {}));
  return { name: manifest.name, folder, directory, manifest, tags, internal: [...new Set(internal)] };
}

/** @param {Package} p @returns {string} the layer, without its prefix */
export function layerOf(p) {
  const layers = p.tags.filter((tag) => tag.startsWith('layer:'));
  if (layers.length !== 1) throw new Error(`${p.folder}/package.json: nx.tags must hold exactly one layer:* tag, found ${layers.length}`);
  return String(layers[0]).slice('layer:'.length);
}

/** Every file under a folder whose path passes, sorted. @param {string} directory @param {RegExp} pattern @returns {string[]} */
export function filesUnder(directory, pattern) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/[\\/](node_modules|dist)[\\/]/.test(path.slice(directory.length)))
    .sort();
}
