// Mutation testing of drivers: how many of the wrong drivers that are one line away from a right one does the kit convict?
//
//   node packages/plugin-kit/bench/mutate.mjs kvm gru xpmem --sample 100 --seconds 60 --out survivors.json
//
// A driver that does not link, or never ends, is convicted too: its author would notice. What survives a short run is tried again with full effort
// (--full). Survivors are printed with their line; bench/survivors.md argues about those that are no mistakes.
import { build } from 'esbuild';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { mutantsOf } from './mutants.mjs';

const PACKAGES = fileURLToPath(new URL('../../', import.meta.url));
const DRIVERS = /** @type {Record<string, string>} */ ({ template: 'cli/templates/plugin/src', kvm: 'plugin-kvm/src', gru: 'plugin-gru/src', xpmem: 'plugin-xpmem/src' });

/** @param {string} name @param {number} fallback */
function option(name, fallback) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

/** Links the driver with one of its sources replaced. @param {string} driver @param {import('./mutants.mjs').Mutant} mutant @param {string} outfile */
async function link(driver, { file, text }, outfile) {
  await build({
    entryPoints: [join(PACKAGES, DRIVERS[driver] ?? '', 'index.ts')], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', conditions: ['@mmun/source'], logLevel: 'silent',
    nodePaths: [join(PACKAGES, '../node_modules')],
    plugins: [{ name: 'mutant', setup: (b) => { b.onLoad({ filter: /\.ts$/ }, ({ path }) => (path === file ? { contents: text, loader: 'ts' } : undefined)); } }],
  });
}

/** The other thread: a driver that never ends must not take this one with it. */
async function work() {
  const { runTorture } = await import('@mmun/plugin-kit');
  parentPort?.on('message', async ({ file, effort }) => {
    try {
      const exports = await import(pathToFileURL(file).href);
      const plugin = Object.values(exports).find((value) => typeof value === 'object' && value !== null && 'attach' in value);
      const { findings } = await runTorture(plugin, { effort });
      const [finding] = findings;
      parentPort?.postMessage(finding === undefined ? { by: '' } : { by: finding.code, scenario: finding.scenario });
    } catch (error) {
      parentPort?.postMessage({ by: `error: ${/** @type {Error} */ (error).message.split('\n')[0]}` });
    }
  });
  parentPort?.postMessage('ready');
}

/** @type {Worker | null} */
let worker = null;

/** @param {string} file @param {'quick' | 'full'} effort @param {number} seconds @returns {Promise<{ by: string, scenario?: string }>} */
async function judge(file, effort, seconds) {
  if (worker === null) {
    const fresh = new Worker(fileURLToPath(import.meta.url));
    await new Promise((resolve, reject) => fresh.once('message', resolve).once('error', reject));
    worker = fresh;
  }
  const current = worker;
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      worker = null;
      void current.terminate();
      resolve({ by: 'no end' });
    }, seconds * 1000);
    current.once('message', (verdict) => {
      clearTimeout(timer);
      resolve(verdict);
    });
    current.postMessage({ file, effort });
  });
}

/** Every k-th, so that all kinds and files are among them. @template T @param {readonly T[]} list @param {number} count @returns {T[]} */
function sampled(list, count) {
  if (count >= list.length) return [...list];
  return Array.from({ length: count }, (_, i) => /** @type {T} */ (list[Math.floor((i * list.length) / count)]));
}

async function main() {
  const drivers = process.argv.slice(2).filter((arg) => arg in DRIVERS);
  const folder = mkdtempSync(join(tmpdir(), 'mmun-mutants-'));
  const effort = process.argv.includes('--full') ? 'full' : 'quick';
  /** @type {{ driver: string, id: string, was: string, by: string, scenario: string }[]} */
  const rows = [];
  for (const driver of drivers) {
    for (const [i, mutant] of sampled(mutantsOf(join(PACKAGES, DRIVERS[driver] ?? '')), option('sample', Infinity)).entries()) {
      const file = join(folder, `${driver}-${i}.mjs`);
      const linked = await link(driver, mutant, file).then(() => true, () => false);
      const { by, scenario = '' } = linked ? await judge(file, effort, option('seconds', 120)) : { by: 'does not link' };
      rows.push({ driver, id: mutant.id, was: mutant.was, by, scenario });
      console.log(`${by === '' ? 'SURVIVES' : 'convicted'}  ${driver} ${mutant.id}: ${mutant.was}${by === '' ? '' : `  [${by}${scenario === '' ? '' : `, ${scenario}`}]`}`);
    }
  }
  await worker?.terminate();
  const survivors = rows.filter(({ by }) => by === '');
  const out = process.argv.indexOf('--out');
  if (out >= 0) writeFileSync(String(process.argv[out + 1]), JSON.stringify({ mutants: rows.length, survivors }, null, 2));
  console.log(`${rows.length} mutants, ${rows.length - survivors.length} convicted, ${survivors.length} survive`);
  rmSync(folder, { recursive: true });
}

if (isMainThread) await main();
else await work();
