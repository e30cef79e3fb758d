// What somebody has who is no part of this repository: a release of what is committed goes to a registry of this machine (release.mjs), is installed
// from there into an empty folder elsewhere, and used as the README and the docs promise. Run by .ci/run: it takes minutes and the npm registry.
//   --keep   leaves the folder, and says where it is
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRegistry } from './local-registry.mjs';
import { release } from './release.mjs';

const FIXTURES = fileURLToPath(new URL('../test/fixtures/consumer/', import.meta.url));
/** What the stranger's driver may take, and how long the verdict on it. */
const MAX_LINES = 40;
const MAX_SECONDS = 30;

/** What brings no package of ours: the compiler, and node's types, for the packages that are node's. */
const TYPES = ['typescript@6.0.3', '@types/node@20.19.43'];

/** What an application says to node and tsc, and what one-page.ts then prints. */
const CHOICES = [
  { title: 'on', conditions: ['@mmun/arch-x86'], config: 'x86 v5 checked: 7 0, a notifier' },
  { title: 'off', conditions: ['@mmun/arch-x86', '@mmun/notifier-off'], config: 'x86 off checked: 7 0, no notifier' },
  { title: 'straight', conditions: ['@mmun/arch-x86', '@mmun/fast'], config: 'x86 v5 fast: 7 0, a notifier' },
  { title: 'off and straight', conditions: ['@mmun/arch-s390', '@mmun/notifier-off', '@mmun/fast'], config: 's390 off fast: 7 0, no notifier' },
];

const folder = mkdtempSync(join(tmpdir(), 'mmun-consumer-'));
/** @type {string[]} */
const wrong = [];

/**
 * Runs a command, prints what it took, and keeps what it ended with where that is not expected.
 * @param {string} what @param {readonly string[]} command @param {{ cwd?: string, code?: number, env?: Record<string, string> }} [options]
 */
function step(what, [program = '', ...args], { cwd = folder, code = 0, env = {} } = {}) {
  const started = performance.now();
  const { status, stdout: out, stderr: err, error } = spawnSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, NO_COLOR: '1', ...env } });
  const seconds = (performance.now() - started) / 1000;
  const [stdout, stderr] = [out ?? '', err ?? '']; // null where the folder is not there
  console.log(`${seconds.toFixed(1).padStart(6)} s  ${what}`);
  if (status !== code) wrong.push(`${what}: exit code ${status}, expected ${code}\n${error?.message ?? ''}${stdout.slice(-4000)}${stderr.slice(-4000)}`);
  return { stdout, output: `${stdout}${stderr}`, seconds };
}

/** @param {boolean} isTrue @param {string} message */
function expect(isTrue, message) {
  if (!isTrue) wrong.push(message);
}

/** @param {Map<string, string>} versions @param {Record<string, string>} env @returns {string} the folder that they are installed in */
function install(versions, env) {
  const home = join(folder, 'home');
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), '{ "name": "consumer", "version": "1.0.0", "private": true, "type": "module" }\n');
  const packages = [...versions].map(([name, version]) => `${name}@${version}`);
  step(`npm install ${packages.length} packages from it`, ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', ...packages, ...TYPES], { cwd: home, env });
  for (const [name, version] of versions) {
    const path = join(home, 'node_modules', name, 'package.json');
    expect(existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).version === version, `${name}@${version} is not what was installed`);
    expect(existsSync(join(home, 'node_modules', name, 'LICENSE')), `${name} comes without its licence`);
  }
  return home;
}

/** The two commands that the README begins with, where there is nothing but what was installed. @param {string} home */
function commands(home) {
  const run = JSON.parse(step('npx mmun run samples/demo', ['npx', 'mmun', 'run', 'samples/demo', '--plugin', 'kvm', '--json'], { cwd: home }).stdout || '{}');
  expect(run.ok === true && run.recordings?.[0]?.processes?.length === 5, `npx mmun run: ok is ${run.ok}`);
  const buggy = JSON.parse(step('npx mmun check munmap-read', ['npx', 'mmun', 'check', 'munmap-read', '--json'], { cwd: home, code: 1 }).stdout || '{}');
  expect(buggy.findings?.[0]?.code === 'stale-translation', `npx mmun check munmap-read finds ${buggy.findings?.[0]?.code}`);
  const fixed = JSON.parse(step('npx mmun check munmap-read --variant fixed', ['npx', 'mmun', 'check', 'munmap-read', '--variant', 'fixed', '--json'], { cwd: home }).stdout || '{}');
  expect(fixed.ok === true && fixed.exhaustive === true, 'npx mmun check munmap-read --variant fixed: not clean in every interleaving');
}

/** Each entry point of each package alone: it loads, and its declarations hold, under every choice that an application has. @param {string} home @param {readonly string[]} names */
function singles(home, names) {
  /** @type {{ entry: string, runs: boolean }[]} */
  const entries = names.flatMap((name) => Object.entries(JSON.parse(readFileSync(join(home, 'node_modules', name, 'package.json'), 'utf8')).exports)
    .filter(([, target]) => typeof target === 'object' && 'types' in target)
    .map(([key, target]) => ({ entry: name + key.slice(1), runs: 'default' in target })));
  writeFileSync(join(home, 'singles.mjs'), `for (const entry of ${JSON.stringify(entries.filter(({ runs }) => runs).map(({ entry }) => entry))}) {
  if (Object.keys(await import(entry)).length === 0 && entry !== '@mmun/include') throw new Error(\`\${entry} exports nothing\`);
}\n`);
  writeFileSync(join(home, 'singles.ts'), `${entries.map(({ entry }, i) => `import * as m${i} from '${entry}';\n`).join('')}export const all: readonly object[] = [${entries.map((_, i) => `m${i}`).join(', ')}];\n`);
  copyFileSync(join(FIXTURES, 'one-page.ts'), join(home, 'one-page.ts'));
  // no types but theirs, and theirs are looked at too: no skipLibCheck
  const tsc = (/** @type {string} */ file) => {
    const compilerOptions = { strict: true, module: 'nodenext', target: 'es2023', types: ['node'], rootDir: '.' };
    writeFileSync(join(home, `tsconfig.${file}.json`), JSON.stringify({ compilerOptions, files: [file] }));
    return ['npx', 'tsc', '--project', `tsconfig.${file}.json`];
  };
  step(`the types of ${entries.length} entry points`, tsc('singles.ts'), { cwd: home });
  step('each loads', ['node', 'singles.mjs'], { cwd: home });
  for (const { title, conditions, config } of CHOICES) {
    // the fast build has the types of the checked one
    if (!conditions.includes('@mmun/fast')) step(`one page, ${title}: its types`, [...tsc('one-page.ts'), ...(conditions.length === 0 ? [] : ['--customConditions', conditions.join(',')])], { cwd: home });
    const { stdout } = step(`one page, ${title}: run`, ['node', ...conditions.flatMap((condition) => ['-C', condition]), 'one-page.js'], { cwd: home });
    expect(stdout.trim() === config, `one page, ${title}: prints ${stdout.trim()}, expected ${config}`);
  }
}

/** A new plugin, as it is: types, tests, verdict. @param {string} home */
function newPlugin(home) {
  step('npx mmun new plugin my-device', ['npx', 'mmun', 'new', 'plugin', 'my-device'], { cwd: home });
  const cwd = join(home, 'my-device');
  step('its types', ['npx', 'tsc', '--noEmit'], { cwd });
  const { stdout } = step('its tests (npm test)', ['npm', 'test'], { cwd });
  const [, passed = '0'] = /^# pass (\d+)$/m.exec(stdout) ?? [];
  expect(Number(passed) > 20, `npm test of a new plugin: ${passed} tests, expected more than 20`);
  const { stdout: verdict } = step('npx mmun check', ['npx', 'mmun', 'check', 'src/index.ts', '--json'], { cwd });
  expect(JSON.parse(verdict || '{}').ok === true, 'npx mmun check of a new plugin: `ok` is not true');
}

/** s390 without notifiers, ready-made and linked by conditions. @param {string} home */
function image(home) {
  const use = "console.log(JSON.stringify([kernel.config, kernel.notifierCounts(kernel.boot({ ...kernel.defaultConfig, nrFrames: 64, nrTables: 16 }))]));\n";
  const expected = (/** @type {string} */ build) => JSON.stringify([{ arch: 's390', design: 'off', build }, null]);
  writeFileSync(join(home, 'built.mjs'), `import * as kernel from '@mmun/image/s390-off';\n${use}`);
  const built = step('an s390 image without notifiers, as it comes', ['node', 'built.mjs'], { cwd: home });
  expect(built.stdout.trim() === expected('checked'), `@mmun/image/s390-off says ${built.stdout.trim()}, expected ${expected('checked')}`);
  writeFileSync(join(home, 'app.mjs'), `import * as kernel from '@mmun/mm';\n${use}`);
  step('the same, linked', ['npx', 'esbuild', 'app.mjs', '--bundle', '--format=esm', '--platform=neutral', '--conditions=@mmun/arch-s390,@mmun/notifier-off,@mmun/fast', '--outfile=linked.mjs'], { cwd: home });
  const linked = step('and run', ['node', 'linked.mjs'], { cwd: home });
  expect(linked.stdout.trim() === expected('fast'), `the linked image says ${linked.stdout.trim()}, expected ${expected('fast')}`);
}

/** From an empty folder to the verdict on a driver with a bug. @param {string} home */
function stranger(home) {
  const cwd = join(home, 'stranger');
  mkdirSync(cwd);
  copyFileSync(join(FIXTURES, 'forty.ts'), join(cwd, 'driver.ts'));
  const lines = readFileSync(join(cwd, 'driver.ts'), 'utf8').trimEnd().split('\n').length;
  expect(lines <= MAX_LINES, `the stranger's driver has ${lines} lines, expected at most ${MAX_LINES}`);
  const { stdout, seconds } = step(`a verdict on a driver of ${lines} lines with a bug, in one command`, ['npx', 'mmun', 'check', 'driver.ts'], { cwd, code: 1 });
  expect(/stale-translation|incoherent/.test(stdout) && /driver\.ts:\d+/.test(stdout), `the verdict names neither the bug nor its line:\n${stdout}`);
  expect(seconds <= MAX_SECONDS, `the verdict took ${seconds.toFixed(1)} s, expected at most ${MAX_SECONDS}`);
}

/** @param {import('./local-registry.mjs').LocalRegistry} registry */
function tryOut(registry) {
  const versions = release(folder, registry, step, expect);
  if (wrong.length > 0) return; // what was not released cannot be tried
  const home = install(versions, { NPM_CONFIG_USERCONFIG: registry.userconfig });
  if (wrong.length > 0) return;
  commands(home);
  singles(home, [...versions.keys()]);
  newPlugin(home);
  image(home);
  stranger(home);
}

async function main() {
  const registry = await startRegistry(folder);
  tryOut(registry);
  registry.stop();
  for (const text of wrong) console.log(`\n${text}`);
  console.log(wrong.length === 0 ? 'a consumer has what was promised' : `${wrong.length} of it a consumer has not`);
  if (!process.argv.includes('--keep')) rmSync(folder, { recursive: true });
  else console.log(folder);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

await main();
