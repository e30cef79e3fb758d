// Per-package output: what npm publishes beside the images. `dist/` holds the checked form as written, `dist/fast/` the
// straightened one, file by file and unbundled, so that a consumer's own conditions choose.
import { existsSync } from 'node:fs';
import { copyFile, cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { tasks } from './esbuild-tasks.mjs';
import { filesUnder, ROOT, workspace } from './workspace.mjs';

/** @typedef {import('./workspace.mjs').Package} Package */

/** Packages whose dist is not made of their own files. */
const OTHERWISE = new Set(['packages/image', 'packages/cli', 'packages/viewer']);

/** @returns {Promise<string[]>} one line on what was built */
export async function buildPackages() {
  const packages = workspace().filter((p) => p.folder.startsWith('packages/') && !OTHERWISE.has(p.folder));
  const counts = await Promise.all(packages.map(buildPackage));
  return [`packages: ${packages.length}, ${counts.reduce((a, b) => a + b, 0)} files`];
}

/** @param {Package} p @returns {Promise<number>} files written */
async function buildPackage(p) {
  const source = join(p.directory, 'src');
  const entryPoints = filesUnder(source, /\.ts$/);
  if (entryPoints.length === 0) return 0;
  const dist = join(p.directory, 'dist');
  await emit(entryPoints, source, dist, []);
  if (!p.tags.includes('build:fast')) return entryPoints.length;
  await emit(entryPoints, source, join(dist, 'fast'), [tasks('fast')]);
  return entryPoints.length * 2;
}

/** @param {string[]} entryPoints @param {string} outbase @param {string} outdir @param {import('esbuild').Plugin[]} plugins */
async function emit(entryPoints, outbase, outdir, plugins) {
  await build({
    entryPoints,
    outbase,
    outdir,
    absWorkingDir: ROOT,
    bundle: false,
    format: 'esm',
    target: 'node20',
    sourcemap: 'linked',
    plugins,
    logLevel: 'error',
  });
}

/**
 * The command, in one file. The images and the plugins stay outside: they are chosen at run time, each in the form of the other.
 * @returns {Promise<string[]>}
 */
export async function buildCli() {
  const cli = join(ROOT, 'packages/cli');
  const entry = join(cli, 'src/main.ts');
  if (!existsSync(entry)) return [];
  const manifest = workspace().find(({ folder }) => folder === 'packages/cli')?.manifest;
  const thirdParty = Object.keys({ ...manifest?.dependencies, ...manifest?.optionalDependencies }).filter((name) => !name.startsWith('@mmun/'));
  await build({
    entryPoints: [entry],
    outfile: join(cli, 'dist/main.js'),
    absWorkingDir: ROOT,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    splitting: false,
    sourcemap: 'linked',
    conditions: ['@mmun/source'],
    external: [...thirdParty, '@mmun/viewer', '@mmun/image/*', '@mmun/plugin-*', '@mmun/build/*'],
    logLevel: 'error',
  });
  await cp(join(ROOT, 'samples/demo'), join(cli, 'dist/samples/demo'), { recursive: true });
  return ['cli: packages/cli/dist/main.js, with the recording to begin with'];
}

/**
 * The viewer: the browser's script and style become texts inside the module that writes pages.
 * @returns {Promise<string[]>}
 */
export async function buildViewer() {
  const viewer = join(ROOT, 'packages/viewer');
  if (!existsSync(viewer)) return [];
  await build({
    entryPoints: [join(viewer, 'src/index.ts')],
    outfile: join(viewer, 'dist/index.js'),
    absWorkingDir: ROOT,
    bundle: true,
    format: 'esm',
    target: 'node20',
    sourcemap: 'linked',
    plugins: [browserTexts(join(viewer, 'src/app'))],
    logLevel: 'error',
  });
  return ['viewer: packages/viewer/dist/index.js'];
}

/** @param {string} app @returns {import('esbuild').Plugin} `#app` and `#style` as texts */
function browserTexts(app) {
  /** @param {string} file @returns {Promise<string>} */
  const text = async (file) => {
    const { outputFiles } = await build({ entryPoints: [join(app, file)], absWorkingDir: ROOT, bundle: true, minify: true, format: 'iife', target: 'es2022', write: false, logLevel: 'error' });
    return outputFiles[0].text.trim();
  };
  return {
    name: 'browser-texts',
    setup(pluginBuild) {
      pluginBuild.onResolve({ filter: /^#(app|style)$/ }, ({ path }) => ({ path, namespace: 'browser-text' }));
      pluginBuild.onLoad({ filter: /.*/, namespace: 'browser-text' }, async ({ path }) => ({ contents: await text(path === '#app' ? 'main.ts' : 'style.css'), loader: 'text' }));
    },
  };
}

/** The licence goes where its packages go. */
export async function copyLicences() {
  const published = workspace().filter(({ manifest }) => manifest.private !== true);
  await Promise.all(published.map(({ directory }) => copyFile(join(ROOT, 'LICENSE'), join(directory, 'LICENSE'))));
}

/** Removes every dist folder, so that nothing stale is published. */
export async function clean() {
  await Promise.all(workspace().map((p) => rm(join(p.directory, 'dist'), { recursive: true, force: true })));
}
