// What the specs of a jest project import from packages/*/src is linked once, into one file, as an image is: a spec loads
// that file and not two hundred modules, and calls between modules are plain calls.
//
// jest-sequencer.mjs has it done before the first spec; jest-transform.mjs makes of each linked source a line that takes its
// exports from here.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { build, version } from 'esbuild';
import { tasks } from './esbuild-tasks.mjs';
import { conditionsOf, formOf, VARIANTS } from './variants.mjs';
import { filesUnder, layerOf, ROOT, workspace } from './workspace.mjs';

const CACHE = join(ROOT, 'node_modules/.cache/mmun-linked');
const ENTRY = 'mmun-linked:entry';
const OWN_FILES = ['jest-link.mjs', 'esbuild-tasks.mjs', 'straighten.mjs', 'variants.mjs'];

/** Folders of the sources that are linked, relative to the root: all but the tools', which stand above and import from npm. */
const FOLDERS = workspace().filter((p) => p.folder.startsWith('packages/') && layerOf(p) !== 'tool').map(({ folder }) => `${folder}/src/`);

/** @param {string} image name of a variant @returns {string} path of the file that holds what is linked for it */
export function linkedFile(image) {
  return join(CACHE, `${image}.cjs`);
}

/** @param {string} path absolute @returns {string | null} under which name the linked file holds this source's exports */
export function linkedName(path) {
  const name = relative(ROOT, path).replaceAll('\\', '/');
  return name.endsWith('.ts') && !name.endsWith('.d.ts') && FOLDERS.some((folder) => name.startsWith(folder)) ? name : null;
}

/** @param {ReadonlySet<string>} images names of variants; what is linked already and of the same sources stays */
export async function linkImages(images) {
  const names = FOLDERS.flatMap((folder) => filesUnder(join(ROOT, folder), /(?<!\.d)\.ts$/)).map((path) => relative(ROOT, path).replaceAll('\\', '/'));
  const sources = hashOf(names);
  await Promise.all(VARIANTS.filter(({ name }) => images.has(name)).map((variant) => link(variant, names, sources)));
}

/** @param {import('./variants.mjs').Variant} variant @param {readonly string[]} names @param {string} sources */
async function link(variant, names, sources) {
  const outfile = linkedFile(variant.name);
  const key = `// ${sources} ${JSON.stringify(variant)}\n`;
  if (existsSync(outfile) && readFileSync(outfile, 'utf8').startsWith(key)) return;
  const { outputFiles } = await build({
    entryPoints: [ENTRY], outfile, absWorkingDir: ROOT, write: false, bundle: true, format: 'cjs', platform: 'node', target: 'node20',
    minifySyntax: true, sourcemap: 'linked', banner: { js: key.trimEnd() }, logLevel: 'silent',
    conditions: [...conditionsOf(variant), '@mmun/source'],
    plugins: [entry(names), tasks(formOf(variant))],
  });
  await mkdir(CACHE, { recursive: true });
  // whole or not at all, whoever else is at it; the map first
  for (const { path, contents } of outputFiles.toSorted((a, b) => b.path.length - a.path.length)) {
    const own = join(dirname(path), `${process.pid}-${basename(path)}`);
    await writeFile(own, contents);
    await rename(own, path);
  }
}

/** Everything that decides what is linked, but for the variant. @param {readonly string[]} names */
function hashOf(names) {
  const manifests = workspace().map(({ folder }) => `${folder}/package.json`);
  const own = OWN_FILES.map((file) => `tools/build/src/${file}`);
  const hash = createHash('sha256').update(version);
  for (const name of [...names, ...manifests, ...own]) hash.update(`\0${name}\0`).update(readFileSync(join(ROOT, name)));
  return hash.digest('hex');
}

/** @param {readonly string[]} names @returns {import('esbuild').Plugin} */
function entry(names) {
  const contents = [
    ...names.map((name, index) => `import * as m${index} from ${JSON.stringify(`./${name}`)};`),
    'function settled(exports) { return Object.defineProperty({ ...exports }, "__esModule", { value: true }); }',
    'export const sources = {',
    ...names.map((name, index) => `  ${JSON.stringify(name)}: settled(m${index}),`),
    '};',
  ].join('\n');
  return {
    name: 'mmun-linked',
    setup(builder) {
      builder.onResolve({ filter: /^mmun-linked:/ }, ({ path }) => ({ path, namespace: 'mmun-linked' }));
      builder.onLoad({ filter: /.*/, namespace: 'mmun-linked' }, () => ({ contents, loader: 'js', resolveDir: ROOT }));
    },
  };
}
