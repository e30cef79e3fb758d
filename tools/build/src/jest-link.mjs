// What the specs of a jest project import from packages/*/src is linked once, into one file, as an image is: a spec loads
// that file and not two hundred modules, and calls between modules are plain calls.
//
// jest-sequencer.mjs has it done before the first spec; jest-transform.mjs makes of each linked source a line that takes its
// exports from here. A package that does not link fails the specs that load it or what depends on it, and no others.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build, version } from 'esbuild';
import { tasks } from './esbuild-tasks.mjs';
import { conditionsOf, formOf, VARIANTS } from './variants.mjs';
import { filesUnder, layerOf, ROOT, workspace } from './workspace.mjs';
import { writeWhole } from './write-whole.mjs';

/** @typedef {import('./variants.mjs').Variant} Variant */
/** @typedef {import('./workspace.mjs').Package} Package */

const CACHE = join(ROOT, 'node_modules/.cache/mmun-linked');
const OWN_FILES = ['jest-link.mjs', 'esbuild-tasks.mjs', 'straighten.mjs', 'variants.mjs'];

/** All but the tools, which stand above and import from npm. */
const LINKED = workspace().filter((p) => p.folder.startsWith('packages/') && layerOf(p) !== 'tool');

/** @param {string} image name of a variant @returns {string} path of the file that holds what is linked for it */
export function linkedFile(image) {
  return join(CACHE, `${image}.cjs`);
}

/** @param {string} path absolute @returns {string | null} under which name the linked file holds this source's exports */
export function linkedName(path) {
  const name = shown(path);
  return name.endsWith('.ts') && !name.endsWith('.d.ts') && LINKED.some(({ folder }) => name.startsWith(`${folder}/src/`)) ? name : null;
}

/** @param {ReadonlySet<string>} images names of variants; what is linked already and of the same sources stays */
export async function linkImages(images) {
  const sources = hashOf(LINKED.flatMap(sourcesOf));
  const missing = VARIANTS.filter((variant) => images.has(variant.name) && !isLinked(variant, sources)).map(({ name }) => name);
  // nobody else has work yet, so the other core takes half
  const rest = missing.splice(missing.length > 3 ? Math.ceil(missing.length / 2) : missing.length);
  const other = rest.length === 0 ? null : promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), ...rest]);
  await Promise.all([other, linkHere(missing, sources)]);
}

/** @param {readonly string[]} images @param {string} [sources] hash of them all */
async function linkHere(images, sources = hashOf(LINKED.flatMap(sourcesOf))) {
  await Promise.all(VARIANTS.filter(({ name }) => images.includes(name)).map((variant) => link(variant, sources)));
}

/** Everything that decides what is linked, but for the variant. @param {readonly string[]} names */
function hashOf(names) {
  const manifests = workspace().map(({ folder }) => `${folder}/package.json`);
  const own = OWN_FILES.map((file) => `tools/build/src/${file}`);
  const hash = createHash('sha256').update(version);
  for (const name of [...names, ...manifests, ...own]) hash.update(`\0${name}\0`).update(readFileSync(join(ROOT, name)));
  return hash.digest('hex');
}

/** First line of what is linked. @param {Variant} variant @param {string} sources hash of them all */
function keyOf(variant, sources) {
  return `// ${sources} ${JSON.stringify(variant)}`;
}

/** @param {Variant} variant @param {string} sources */
function isLinked(variant, sources) {
  const outfile = linkedFile(variant.name);
  return existsSync(outfile) && readFileSync(outfile, 'utf8').startsWith(`${keyOf(variant, sources)}\n`);
}

/** @param {Variant} variant @param {string} sources */
async function link(variant, sources) {
  const files = await bundle(variant, linkedFile(variant.name), keyOf(variant, sources), LINKED, '');
  // the map first
  for (const { path, text } of files.sort((a, b) => b.path.length - a.path.length)) await writeWhole(path, path.endsWith('.map') ? byLines(text) : text);
}

/** Every spec that looks at a stack reads the map anew: of each line it keeps the first place alone. @param {string} map @returns {string} */
function byLines(map) {
  const parsed = JSON.parse(map);
  return JSON.stringify({ ...parsed, names: [], mappings: firstOfLines(parsed.mappings) });
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUES = new Map(Array.from(DIGITS, (digit, value) => [digit.charCodeAt(0), value]));
const [COMMA, SEMICOLON] = [','.charCodeAt(0), ';'.charCodeAt(0)];

/** @param {string} mappings of a source map @returns {string} those of them that are first in their line */
export function firstOfLines(mappings) {
  // a segment: column, source, line and column there, each as the difference to that of the segment before (the first: of its line's)
  const [now, kept, segment] = [new Int32Array(4), new Int32Array(4), new Int32Array(5)];
  let [out, field, value, shift, isFirst] = ['', 0, 0, 0, true];
  const end = () => {
    for (let i = 0; i < Math.min(field, 4); i++) now[i] += segment[i];
    if (isFirst && field >= 4) {
      for (let i = 0; i < 4; i++) out += vlq(now[i] - kept[i]);
      kept.set(now);
      isFirst = false;
    }
    field = 0;
  };
  for (let at = 0; at < mappings.length; at++) {
    const code = mappings.charCodeAt(at);
    if (code === COMMA || code === SEMICOLON) {
      end();
      if (code === COMMA) continue;
      out += ';';
      now[0] = kept[0] = 0;
      isFirst = true;
      continue;
    }
    const digit = VALUES.get(code) ?? 0;
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    segment[field++] = value & 1 ? -(value >> 1) : value >> 1;
    value = shift = 0;
  }
  end();
  return out;
}

/** @param {number} value @returns {string} */
function vlq(value) {
  let text = '';
  for (let rest = value < 0 ? (-value << 1) | 1 : value << 1; ; ) {
    const digit = rest & 31;
    rest >>>= 5;
    text += DIGITS[rest > 0 ? digit | 32 : digit];
    if (rest === 0) return text;
  }
}

/**
 * @param {Variant} variant @param {string} outfile @param {string} key first line of the file
 * @param {readonly Package[]} packages @param {string} complaints of those that were left out
 * @returns {Promise<import('esbuild').OutputFile[]>}
 */
async function bundle(variant, outfile, key, packages, complaints) {
  try {
    const { outputFiles } = await build({
      entryPoints: ['mmun-linked:entry'], outfile, absWorkingDir: ROOT, write: false, bundle: true, format: 'cjs', platform: 'node', target: 'node20',
      minifySyntax: true, sourcemap: 'linked', sourcesContent: false, banner: { js: key }, logLevel: 'silent',
      conditions: [...conditionsOf(variant), '@mmun/source'],
      // a subpath names a built image whatever this project is linked with; jest finds it by moduleNameMapper
      external: ['@mmun/image/*'], supported: { 'dynamic-import': false },
      plugins: [entry(packages.flatMap(sourcesOf), complaints), tasks(formOf(variant))],
    });
    return outputFiles;
  } catch (error) {
    const { errors = [] } = /** @type {{ errors?: import('esbuild').Message[] }} */ (error);
    const texts = errors.map(({ text, location }) => (location && !location.file.startsWith('mmun-linked:') ? `${location.file}:${location.line}: ${text}` : text));
    const left = withoutBroken(packages, new Set(texts.map((text) => /packages\/[\w-]+(?=\/src\/)/.exec(text)?.[0] ?? '')));
    if (left.length === packages.length) throw error;
    return bundle(variant, outfile, key, left, [complaints, ...texts].filter(Boolean).join('\n'));
  }
}

/** @param {readonly Package[]} packages @param {ReadonlySet<string>} folders @returns {Package[]} neither broken nor upon what is */
export function withoutBroken(packages, folders) {
  const broken = new Set(packages.filter(({ folder }) => folders.has(folder)).map(({ name }) => name));
  const isUponBroken = (/** @type {Package} */ p) => !broken.has(p.name) && p.internal.some((name) => broken.has(name));
  for (let next = packages.find(isUponBroken); next; next = packages.find(isUponBroken)) broken.add(next.name);
  return packages.filter(({ name }) => !broken.has(name));
}

/** @param {readonly string[]} names @param {string} complaints @returns {import('esbuild').Plugin} */
function entry(names, complaints) {
  const contents = [
    ...names.map((name, index) => `import * as m${index} from ${JSON.stringify(`./${name}`)};`),
    'const settled = (exports) => Object.defineProperty({ ...exports }, "__esModule", { value: true });',
    `const sources = {${names.map((name, index) => `${JSON.stringify(name)}: () => m${index}`).join(',\n')}};`,
    'const asked = new Map();',
    'export function exportsOf(name) {',
    '  if (!asked.has(name) && sources[name]) asked.set(name, settled(sources[name]()));',
    '  if (asked.has(name)) return asked.get(name);',
    `  throw new Error(name + " is not linked:\\n" + ${JSON.stringify(complaints)});`,
    '}',
  ].join('\n');
  return {
    name: 'mmun-linked',
    setup(builder) {
      builder.onResolve({ filter: /^mmun-linked:/ }, ({ path }) => ({ path, namespace: 'mmun-linked' }));
      builder.onLoad({ filter: /.*/, namespace: 'mmun-linked' }, () => ({ contents, loader: 'js', resolveDir: ROOT }));
    },
  };
}

/** @param {Package} p @returns {string[]} */
function sourcesOf({ directory }) {
  return filesUnder(join(directory, 'src'), /(?<!\.d)\.ts$/).map(shown);
}

/** @param {string} path @returns {string} from the root on */
function shown(path) {
  return relative(ROOT, path).replaceAll('\\', '/');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) linkHere(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
