// Mutation testing of drivers: how many of the wrong drivers that are a line away from a right one does the kit convict?
//
//   node packages/plugin-kit/bench/mutate.mjs                                   72 of each driver, as bench/survivors.md has them
//   node packages/plugin-kit/bench/mutate.mjs kvm --sample 20 --seed 7          others
//   node packages/plugin-kit/bench/mutate.mjs kvm --only mmu.ts:31              one line
//   node packages/plugin-kit/bench/mutate.mjs --table                           what is in the results file, nothing is run
//
// Verdicts go to a results file as they come (`--results`, .mutants.json beside this file), and what is in there is not judged again: a run that was cut
// short goes on where it stopped. `--again survivors` judges those once more, for a kit that has changed. `--full` looks with full effort,
// `--designs range` under one design only.
//
//   refused     by the compiler, or it does not even link: its author could not have started it
//   convicted   by the kit
//   survives    of these survivors.md says why each is no mistake
//
// One at a time, with low priority (`--nice 10`), in a process of its own that is replaced where a driver never ends.
import { build } from 'esbuild';
import { execFileSync, fork } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { mutantsOf, sampled } from './mutants.mjs';

const PACKAGES = fileURLToPath(new URL('../../', import.meta.url));
const DRIVERS = /** @type {Record<string, string>} */ ({ template: 'cli/templates/plugin/src', kvm: 'plugin-kvm/src', gru: 'plugin-gru/src', xpmem: 'plugin-xpmem/src' });
const MEASURED = ['kvm', 'gru', 'xpmem'];
const COMPILER = join(PACKAGES, '../node_modules/@typescript/native/bin/tsc');
/** Drivers that one process judges: modules are never unloaded. */
const ENOUGH = 40;

/**
 * @typedef {object} Verdict
 * @property {'refused' | 'convicted' | 'survives'} verdict
 * @property {string} by code of the finding, or of the compiler
 * @property {string} scenario
 * @property {string} message
 * @property {number} millis
 */
/** @typedef {Verdict & { driver: string, id: string, was: string, effort: string }} Row */

/** @param {string} name @param {string} fallback */
function option(name, fallback) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : String(process.argv[at + 1]);
}

/** A copy of a driver's sources that can be changed, compiled and linked. */
class Copy {
  /** @param {string} folder @param {string} driver */
  constructor(folder, driver) {
    this.driver = driver;
    this.source = join(PACKAGES, DRIVERS[driver] ?? '');
    this.folder = join(folder, driver);
    mkdirSync(this.folder, { recursive: true });
    symlinkSync(join(PACKAGES, '../node_modules'), join(this.folder, 'node_modules'));
    cpSync(this.source, join(this.folder, 'src'), { recursive: true });
    writeFileSync(join(this.folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(this.folder, 'tsconfig.json'), JSON.stringify({
      extends: join(PACKAGES, '../tsconfig.base.json'), compilerOptions: { composite: false, noEmit: true, emitDeclarationOnly: false, declaration: false, declarationMap: false, isolatedDeclarations: false, sourceMap: false }, include: ['src'],
    }));
  }

  /** @param {import('./mutants.mjs').Mutant} mutant @param {(file: string) => Promise<Verdict>} judge @returns {Promise<Verdict>} */
  async with(mutant, judge) {
    const path = join(this.folder, 'src', basename(mutant.file));
    const outfile = join(this.folder, `${Math.random().toString(36).slice(2)}.mjs`);
    writeFileSync(path, mutant.text);
    try {
      const error = this.compilerError();
      if (error !== '') return { verdict: 'refused', by: 'types', scenario: '', message: error, millis: 0 };
      await build({ entryPoints: [join(this.folder, 'src/index.ts')], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', conditions: ['@mmun/source'], logLevel: 'silent', sourcemap: 'inline' });
      return await judge(outfile);
    } finally {
      cpSync(join(this.source, basename(mutant.file)), path);
      rmSync(outfile, { force: true });
    }
  }

  compilerError() {
    try {
      execFileSync(process.execPath, [COMPILER, '-p', join(this.folder, 'tsconfig.json')], { encoding: 'utf8' });
      return '';
    } catch (error) {
      return String(/** @type {{ stdout?: string }} */ (error).stdout ?? error).split('\n')[0] ?? '';
    }
  }
}

/** The process that judges: one message in, one out. */
async function work() {
  setPriority(Number(option('nice', '10')));
  const { runTorture } = await import('@mmun/plugin-kit');
  process.on('message', async (/** @type {{ file: string, effort: 'quick' | 'full', filter: string, designs: ('v5' | 'range')[] }} */ { file, effort, filter, designs }) => {
    try {
      const exports = await import(pathToFileURL(file).href);
      const plugin = Object.values(exports).find((value) => typeof value === 'object' && value !== null && 'attach' in value);
      const { findings } = await runTorture(plugin, { effort, filter, designs });
      const [finding] = findings;
      process.send?.(finding === undefined ? { by: '', scenario: '', message: '' } : { by: finding.code, scenario: finding.scenario, message: finding.why === '' ? finding.message : finding.why });
    } catch (error) {
      process.send?.({ by: 'error', scenario: '', message: /** @type {Error} */ (error).message.split('\n')[0] });
    }
  });
  process.send?.('ready');
}

/** @type {{ child: import('node:child_process').ChildProcess, judged: number } | null} */
let worker = null;

/** @param {string} file @param {string} effort @param {number} seconds @returns {Promise<Verdict>} */
async function judge(file, effort, seconds) {
  if (worker === null) {
    const child = fork(fileURLToPath(import.meta.url), ['--work', '--nice', option('nice', '10')]);
    await new Promise((resolve, reject) => child.once('message', resolve).once('error', reject));
    worker = { child, judged: 0 };
  }
  const { child } = worker;
  const began = performance.now();
  const answer = await new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ by: 'no end', scenario: '', message: `after ${seconds} s` }), seconds * 1000);
    child.once('message', (message) => {
      clearTimeout(timer);
      resolve(message);
    });
    child.send({ file, effort, filter: option('filter', ''), designs: option('designs', 'v5,range').split(',') });
  });
  worker.judged++;
  if (answer.by === 'no end' || worker.judged >= ENOUGH) {
    child.removeAllListeners();
    child.kill('SIGKILL');
    worker = null;
  }
  return { verdict: answer.by === '' ? 'survives' : 'convicted', ...answer, millis: Math.round(performance.now() - began) };
}

/** @param {readonly Row[]} rows */
function printTable(rows) {
  console.log('\n| driver | mutants | refused by the compiler | convicted | survive |\n|---|---|---|---|---|');
  for (const driver of Object.keys(DRIVERS)) {
    const own = rows.filter((row) => row.driver === driver);
    const count = (/** @type {string} */ verdict) => own.filter((row) => row.verdict === verdict).length;
    if (own.length > 0) console.log(`| ${driver} | ${own.length} | ${count('refused')} | ${count('convicted')} | ${count('survives')} |`);
  }
  for (const { driver, id, was } of rows.filter(({ verdict }) => verdict === 'survives')) console.log(`survives  ${driver} ${id}: ${was}`);
}

async function main() {
  const asked = process.argv.slice(2).filter((arg) => arg in DRIVERS);
  const [effort, again, only] = [process.argv.includes('--full') ? 'full' : 'quick', option('again', ''), option('only', '')];
  const [sample, seed, seconds] = [Number(option('sample', '72')), Number(option('seed', '1')), Number(option('seconds', '900'))];
  const path = option('results', fileURLToPath(new URL('.mutants.json', import.meta.url)));
  /** @type {Row[]} */
  let rows = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
  const folder = mkdtempSync(join(tmpdir(), 'mmun-mutants-'));
  for (const driver of process.argv.includes('--table') ? [] : asked.length > 0 ? asked : MEASURED) {
    const copy = new Copy(folder, driver);
    const wrong = copy.compilerError();
    if (wrong !== '') throw new Error(`${driver} does not compile as it is: ${wrong}`);
    const all = mutantsOf(copy.source);
    const mutants = only === '' ? sampled(all, sample, seed) : all.filter(({ id }) => id.startsWith(only));
    console.log(`${driver}: ${mutants.length} of ${all.length} mutants, seed ${seed}, ${effort} effort`);
    for (const mutant of mutants) {
      const isIt = (/** @type {Row} */ row) => row.driver === driver && row.id === mutant.id && row.was === mutant.was;
      const before = rows.find(isIt);
      const isDone = before !== undefined && only === '' && before.by !== 'no end' && (again === '' ? true : again === 'survivors' ? before.verdict !== 'survives' : again !== 'all');
      if (isDone) continue;
      const verdict = await copy.with(mutant, (file) => judge(file, effort, seconds));
      rows = [...rows.filter((row) => !isIt(row)), { driver, id: mutant.id, was: mutant.was, effort, ...verdict }];
      writeFileSync(path, JSON.stringify(rows, null, 1));
      console.log(`${verdict.verdict.padEnd(9)}  ${driver} ${mutant.id}: ${mutant.was}${verdict.by === '' ? '' : `  [${verdict.by}${verdict.scenario === '' ? '' : `, ${verdict.scenario}`}]`}  ${verdict.millis} ms`);
    }
  }
  worker?.child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
  printTable(rows);
}

if (process.argv.includes('--work')) await work();
else await main();
