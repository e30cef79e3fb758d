// What somebody has who is no part of this repository: the packages are packed, installed into an empty folder elsewhere, and used there as the
// README and the docs promise. Run by .ci/run, because it needs a full build and the registry; `node tools/check/src/consumer.mjs --no-build`
// packs what is built.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT, workspace } from '@mmun/build/workspace';

const FIXTURES = fileURLToPath(new URL('../test/fixtures/consumer/', import.meta.url));
/** What the stranger's driver may take, and how long the verdict on it. */
const MAX_LINES = 40;
const MAX_SECONDS = 30;

const folder = mkdtempSync(join(tmpdir(), 'mmun-consumer-'));
/** @type {string[]} */
const wrong = [];

/**
 * Runs a command, prints what it took, and keeps what it ended with where that is not expected.
 * @param {string} what @param {readonly string[]} command @param {{ cwd?: string, code?: number }} [options]
 */
function step(what, [program = '', ...args], { cwd = folder, code = 0 } = {}) {
  const started = performance.now();
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  const seconds = (performance.now() - started) / 1000;
  console.log(`${seconds.toFixed(1).padStart(6)} s  ${what}`);
  if (status !== code) wrong.push(`${what}: exit code ${status}, expected ${code}\n${error?.message ?? ''}${stdout.slice(-4000)}${stderr.slice(-4000)}`);
  return { stdout, seconds };
}

/** @param {boolean} isTrue @param {string} message */
function expect(isTrue, message) {
  if (!isTrue) wrong.push(message);
}

function pack() {
  const published = workspace().filter((p) => p.folder.startsWith('packages/') && p.manifest.private !== true);
  const tarballs = join(folder, 'tarballs');
  mkdirSync(tarballs);
  step(`pack ${published.length} packages`, ['npm', 'pack', '--ignore-scripts', '--silent', '--pack-destination', tarballs, ...published.flatMap((p) => ['-w', p.folder])], { cwd: ROOT });
  return readdirSync(tarballs).map((file) => join(tarballs, file));
}

/** @param {readonly string[]} tarballs @returns {string} the folder that they are installed in */
function install(tarballs) {
  const home = join(folder, 'home');
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), '{ "name": "consumer", "version": "1.0.0", "private": true, "type": "module" }\n');
  step('npm install', ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', ...tarballs, 'typescript@6.0.3'], { cwd: home });
  return home;
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

function main() {
  if (!process.argv.includes('--no-build')) step('npm run build', ['npm', 'run', 'build', '--silent'], { cwd: ROOT });
  const home = install(pack());
  newPlugin(home);
  image(home);
  stranger(home);
  for (const text of wrong) console.log(`\n${text}`);
  console.log(wrong.length === 0 ? 'a consumer has what was promised' : `${wrong.length} of it a consumer has not`);
  if (!process.argv.includes('--keep')) rmSync(folder, { recursive: true });
  else console.log(folder);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

main();
