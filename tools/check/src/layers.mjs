// The direction of dependencies: every import of a package, against the tags in its package.json.
//
// A private import (`#asm`) is judged by the package that uses it, and the packages that it
// may mean are named nowhere else. A canary tree with one forbidden import of each kind is convicted on every run: a check
// that finds nothing in a wrong tree is broken.
import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { filesUnder, layerOf, ROOT, workspace } from '@mmun/build/workspace';
import { parseSync } from 'oxc-parser';

/** @typedef {import('@mmun/build/workspace').Package} Package */

/** Layers that a layer's source may import. */
const MAY_IMPORT = /** @type {Record<string, readonly string[]>} */ ({
  include: [],
  lib: ['include', 'lib'],
  arch: ['include', 'lib', 'arch'],
  notifier: ['include', 'lib'],
  mm: ['include', 'lib'],
  plugin: ['include', 'lib'],
  check: ['include', 'lib', 'check'],
  image: ['include', 'lib', 'arch', 'notifier', 'mm'],
  kit: ['include', 'lib', 'check', 'image', 'plugin', 'kit'],
  tool: ['include', 'lib', 'arch', 'notifier', 'mm', 'plugin', 'check', 'image', 'kit', 'tool'],
});

/** What its specs and benches may import besides. */
const TESTS_MAY_IMPORT = /** @type {Record<string, readonly string[]>} */ ({
  mm: ['image'], // through the one door: what an image offers
  plugin: ['image', 'kit', 'check', 'plugin'], // several secondary MMUs on one machine
  check: ['image', 'plugin'],
  image: ['check', 'plugin'],
});

/** Private imports that stand for a package, by layer, and the layer they stand for. */
const PRIVATE = /** @type {Record<string, Record<string, string>>} */ ({
  mm: { '#asm': 'arch', '#mmu-notifier': 'notifier' },
  arch: { '#asm': 'arch', '#mmu-notifier': 'notifier' }, // the hooks of v5 stand in the pte operations of an arch
});

/** The one arch that others may build on. */
const ARCH_BASE = '@mmun/arch-generic';

/** @param {string} [root] @returns {string[]} one line per forbidden import */
export function layers(root = ROOT) {
  const packages = workspace(root);
  const byName = new Map(packages.map((p) => [p.name, p]));
  return packages.flatMap((p) => [...checkManifest(p, byName), ...checkSources(p, byName, root)]);
}

/** @param {Package} p @param {ReadonlyMap<string, Package>} byName */
function checkManifest(p, byName) {
  const out = [];
  const layer = layerOf(p);
  const file = `${p.folder}/package.json`;
  if (!(layer in MAY_IMPORT)) out.push(`${file}: unknown tag layer:${layer}: known are ${Object.keys(MAY_IMPORT).join(', ')}`);
  for (const [key, entry] of Object.entries(p.manifest.imports ?? {})) {
    const meant = leaves(entry).filter((target) => !target.startsWith('.'));
    for (const target of meant) {
      const other = byName.get(packageNameOf(target));
      if (!other) out.push(`${file}: ${key} names ${target}, which is no package of this workspace`);
      else if (PRIVATE[layer]?.[key] !== layerOf(other)) out.push(`${file}: ${key} means ${target} (layer:${layerOf(other)}), which layer:${layer} may not import`);
      else if (!p.manifest.dependencies?.[other.name] && !p.manifest.peerDependencies?.[other.name]) {
        out.push(`${file}: ${key} may mean ${other.name}: list it in dependencies, or as an optional peer where it depends on this package`);
      }
    }
  }
  if (p.tags.includes('env:pure')) {
    const foreign = Object.keys(p.manifest.dependencies ?? {}).filter((name) => !byName.has(name));
    for (const name of foreign) out.push(`${file}: env:pure allows no dependency on ${name}`);
  }
  return out;
}

/** @param {unknown} entry @returns {string[]} */
function leaves(entry) {
  if (typeof entry === 'string') return [entry];
  return Object.values(/** @type {object} */ (entry ?? {})).flatMap(leaves);
}

/** @param {Package} p @param {ReadonlyMap<string, Package>} byName @param {string} root */
function checkSources(p, byName, root) {
  const files = ['src', 'test', 'bench', 'bin'].flatMap((part) => filesUnder(`${p.directory}/${part}`, /\.(ts|mjs)$/));
  return files
    .filter((file) => !/[\\/]fixtures[\\/]/.test(relative(p.directory, file)))
    .flatMap((file) =>
      importsOf(file).flatMap(({ specifier, line }) => {
        const isTest = /^(test|bench)[\\/]/.test(relative(p.directory, file));
        const reason = forbidden(p, file, specifier, isTest, byName);
        return reason ? [`${relative(root, file)}:${line}: ${reason}`] : [];
      }),
    );
}

/** @param {string} file @returns {{ specifier: string, line: number }[]} */
export function importsOf(file) {
  const code = readFileSync(file, 'utf8');
  const { module } = parseSync(file, code, { sourceType: 'module' });
  const named = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest),
    ...module.staticExports.flatMap(({ entries }) => entries.flatMap(({ moduleRequest }) => moduleRequest ?? [])),
  ].map(({ value, start }) => ({ specifier: value, start }));
  // import() of values and of types
  const dynamic = [...code.matchAll(/\bimport\(\s*'([^']+)'/g)].map((match) => ({ specifier: String(match[1]), start: match.index }));
  return [...named, ...dynamic].map(({ specifier, start }) => ({ specifier, line: code.slice(0, start).split('\n').length }));
}

/**
 * @param {Package} p @param {string} file @param {string} specifier @param {boolean} isTest @param {ReadonlyMap<string, Package>} byName
 * @returns {string | null} why not
 */
function forbidden(p, file, specifier, isTest, byName) {
  const isPure = p.tags.includes('env:pure');
  if (specifier.startsWith('.')) {
    return relative(p.directory, resolve(file, '..', specifier)).startsWith('..') ? `${specifier} leaves the package: import it by name` : null;
  }
  if (specifier.startsWith('#')) {
    const isKnown = specifier in (p.manifest.imports ?? {}) || declaredTexts(p).includes(specifier);
    return isKnown ? null : `${specifier} is not among the imports of ${p.folder}/package.json`;
  }
  const other = byName.get(packageNameOf(specifier));
  if (!other) return isPure && !isTest ? `${specifier}: env:pure allows no npm package and no node: module` : null;
  if (other === p) return isTest || layerOf(p) === 'tool' ? null : `${specifier} is this package itself: import the file`;
  return crossing(p, other, isTest);
}

/** What the build puts into a tool as a text is declared by a `.d.ts` of its source. @param {Package} p @returns {string[]} */
function declaredTexts(p) {
  if (layerOf(p) !== 'tool') return [];
  const declarations = filesUnder(`${p.directory}/src`, /\.d\.ts$/).map((file) => readFileSync(file, 'utf8'));
  return declarations.flatMap((text) => [...text.matchAll(/^declare module '(#[^']+)'/gm)].map(([, name]) => String(name)));
}

/** @param {Package} p @param {Package} other @param {boolean} isTest @returns {string | null} */
function crossing(p, other, isTest) {
  const from = layerOf(p);
  const to = layerOf(other);
  if (isTest && (other.folder.startsWith('tools/') || TESTS_MAY_IMPORT[from]?.includes(to))) return null;
  const isAllowed = MAY_IMPORT[from]?.includes(to) && (from !== 'arch' || to !== 'arch' || other.name === ARCH_BASE);
  if (isAllowed) return null;
  const hint = Object.entries(PRIVATE[from] ?? {}).find(([, layer]) => layer === to)?.[0];
  const may = MAY_IMPORT[from]?.join(', ') || 'nothing';
  return `layer:${from} may not import ${other.name} (layer:${to}): ${hint ? `write ${hint}` : `it may import ${may}`}`;
}

/** @param {string} specifier */
function packageNameOf(specifier) {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

/** What the canary tree must be convicted of, each once. */
const CANARY = [
  /packages\/arch-b\/src\/index\.ts:1: layer:arch may not import @mmun\/arch-a /,
  /packages\/include\/src\/index\.ts:1: layer:include may not import @mmun\/mm /,
  /packages\/mm\/package\.json: #list means @mmun\/plugin-a /,
  /packages\/mm\/src\/index\.ts:1: layer:mm may not import @mmun\/arch-a .*: write #asm/,
  /packages\/mm\/src\/index\.ts:2: #nothing is not among the imports/,
  /packages\/mm\/src\/index\.ts:3: node:fs: env:pure/,
  /packages\/mm\/src\/index\.ts:4: \.\.\/\.\.\/plugin-a\/src\/index\.js leaves the package/,
  /packages\/plugin-a\/src\/index\.ts:1: layer:plugin may not import @mmun\/mm /,
];

/** @param {string} [root] @returns {string[]} convictions that did not come, or came unasked */
export function canary(root = fileURLToPath(new URL('../test/fixtures/canary', import.meta.url))) {
  const found = layers(root);
  const missed = CANARY.filter((pattern) => !found.some((line) => pattern.test(line))).map((pattern) => `canary: not convicted: ${pattern.source}`);
  const extra = found.filter((line) => !CANARY.some((pattern) => pattern.test(line))).map((line) => `canary: convicted without reason: ${line}`);
  return [...missed, ...extra];
}

function main() {
  const lines = [...canary(), ...layers()];
  for (const line of lines) console.log(line);
  console.log(`${workspace().length} packages, ${lines.length} forbidden imports, canary of ${CANARY.length} convicted`);
  process.exitCode = lines.length > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
