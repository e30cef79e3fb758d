// npm run sync: write what follows from the package.json files. `--check` writes nothing and fails on a difference.
//
// Adding a package is a folder with a package.json (name, description, exports, dependencies, nx.tags) and src/index.ts;
// this makes the rest:
//   packages/<name>/tsconfig.json   references to every workspace package that it depends on
//   tsconfig.json                   references to every package
//   package.json `exports`          an entry may be just its source, `"./off": "./src/off.ts"`: types, the fast build
//                                   (tag `build:fast`) and the default are filled in; a plugin gets its `./fast`
//   packages/image `exports`        one subpath per row of tools/build/src/variants.mjs
//   node_modules/@mmun/<name>       the link that npm makes, so that a new package can be imported at once (the
//                                   lockfile learns of it at the next `npm i`)
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { VARIANTS } from '@mmun/build/variants';
import { layerOf, ROOT, workspace } from '@mmun/build/workspace';

/** @typedef {import('@mmun/build/workspace').Package} Package */

/** @param {string} [root] @returns {Map<string, string>} path from the root, and the text that should stand there */
export function wanted(root = ROOT) {
  const all = workspace(root);
  const packages = all.filter(isCompiled);
  const out = new Map();
  for (const p of packages) {
    out.set(`${p.folder}/package.json`, json({ ...p.manifest, exports: exportsOf(p) }));
    out.set(`${p.folder}/tsconfig.json`, json(tsconfigOf(p, packages)));
  }
  out.set('tsconfig.json', json({ files: [], references: packages.map(({ folder }) => ({ path: folder })) }));
  return out;
}

/** A package whose declarations the root build makes. @param {Package} p */
function isCompiled(p) {
  return p.folder.startsWith('packages/') && existsSync(join(p.directory, 'src'));
}

/** @param {Package} p @param {readonly Package[]} packages */
export function tsconfigOf(p, packages) {
  const compiled = p.internal.filter((name) => !onlyByCondition(p, name));
  const references = packages.filter(({ name }) => compiled.includes(name)).map(({ folder }) => ({ path: `../${folder.slice('packages/'.length)}` }));
  const types = p.tags.includes('env:pure') ? {} : { types: ['node'] };
  return {
    extends: '../../tsconfig.base.json',
    compilerOptions: { rootDir: 'src', outDir: 'dist', tsBuildInfoFile: 'dist/tsconfig.tsbuildinfo', ...types },
    include: ['src'],
    ...(references.length > 0 ? { references } : {}),
  };
}

/**
 * A dependency that a private import reaches under a condition, but not by default: declarations are made without
 * conditions, so it is none of theirs. (An arch and the generic one may name each other.)
 * @param {Package} p @param {string} name
 */
function onlyByCondition(p, name) {
  const isIt = (/** @type {string} */ target) => target === name || target.startsWith(`${name}/`);
  const entries = Object.values(p.manifest.imports ?? {});
  return entries.some((entry) => leaves(entry).some(isIt)) && !entries.some((entry) => leaves(entry?.default ?? entry).some(isIt));
}

/** @param {any} entry @returns {string[]} */
function leaves(entry) {
  return typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(leaves);
}

/** @param {Package} p @returns {Record<string, unknown>} */
export function exportsOf(p) {
  /** @type {Record<string, any>} */
  const exports = p.manifest.exports ?? {};
  if (p.folder === 'packages/image') return imageExports();
  const out = Object.fromEntries(Object.entries(exports).filter(([key]) => key !== './fast').map(([key, entry]) => [key, entryOf(p, key, entry)]));
  if (layerOf(p) === 'plugin' && out['.']) {
    const { types } = /** @type {{ types: string }} */ (out['.']);
    out['./fast'] = { '@mmun/source': sourceOf(p, '.', exports['.']), types, default: './dist/fast/index.js' };
  }
  return out;
}

/** @param {Package} p @param {string} key @param {any} entry */
function entryOf(p, key, entry) {
  const source = sourceOf(p, key, entry);
  if (source === undefined) return entry; // a plain file, such as ./package.json
  const stem = source.replace(/^\.\/src\//, '').replace(/\.ts$/, '');
  return {
    '@mmun/source': source,
    types: `./dist/${stem}.d.ts`,
    ...(p.tags.includes('build:fast') ? { '@mmun/fast': `./dist/fast/${stem}.js` } : {}),
    default: `./dist/${stem}.js`,
  };
}

/** @param {Package} p @param {string} key @param {any} entry @returns {string | undefined} */
function sourceOf(p, key, entry) {
  const source = typeof entry === 'string' ? entry : entry?.['@mmun/source'];
  if (typeof source === 'string' && source.startsWith('./src/')) return source;
  if (typeof entry === 'string') return undefined;
  throw new Error(`${p.folder}/package.json: exports["${key}"] names no source: write "${key}": "./src/....ts"`);
}

function imageExports() {
  const source = './src/linked.ts';
  const variant = (/** @type {string} */ name) => ({ '@mmun/source': source, types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` });
  return { '.': { '@mmun/source': source, types: './dist/linked.d.ts' }, ...Object.fromEntries(VARIANTS.map(({ name }) => [`./${name}`, variant(name)])) };
}

/** Two spaces, with short lists and objects kept on their line. @param {unknown} value */
function json(value) {
  return `${render(value, '')}\n`;
}

/** @param {unknown} value @param {string} indent @returns {string} */
function render(value, indent) {
  const flat = inline(value);
  if (value === null || typeof value !== 'object' || (indent !== '' && indent.length + flat.length <= 110)) return flat;
  const inner = `${indent}  `;
  const items = Array.isArray(value)
    ? value.map((item) => inner + render(item, inner))
    : Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${render(item, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return items.length === 0 ? `${open}${close}` : `${open}\n${items.join(',\n')}\n${indent}${close}`;
}

/** @param {unknown} value @returns {string} */
function inline(value) {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[${value.map(inline).join(', ')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${inline(item)}`);
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

/** @param {string} [root] @returns {string[]} files that are not as they should be */
export function stale(root = ROOT) {
  return [...wanted(root)].filter(([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text).map(([path]) => path);
}

/** Makes the links that are missing. @param {string} [root] */
function link(root = ROOT) {
  for (const { name, directory } of workspace(root)) {
    const path = join(root, 'node_modules', name);
    if (existsSync(path)) continue;
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(relative(dirname(path), directory), path, 'dir');
    console.log(`linked ${name}`);
  }
}

function main() {
  const files = stale();
  if (process.argv.includes('--check')) {
    for (const file of files) console.log(`${file}: not in step with the package.json files: run npm run sync`);
    process.exitCode = files.length > 0 ? 1 : 0;
    return;
  }
  link();
  const texts = wanted();
  for (const file of files) {
    writeFileSync(join(ROOT, file), texts.get(file) ?? '');
    console.log(`wrote ${file}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
