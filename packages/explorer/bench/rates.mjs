// node packages/explorer/bench/rates.mjs [--seconds N]: how fast the explorer is on the litmus program, in both forms of its tasks.
// Times are CPU times of this process, so that a busy machine does not show; the first row of each kind warms up and is not printed.
import { build } from 'esbuild';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { tasks } from '@mmun/build/esbuild-tasks';
import { ROOT } from '@mmun/build/workspace';

const ENTRY = `export * from '@mmun/explorer'; export { unmapFault } from './packages/races/src/unmap-fault.ts';`;

/** @param {'explore' | 'frames'} form */
async function load(form) {
  const outfile = join(mkdtempSync(join(tmpdir(), 'rates-')), `${form}.mjs`);
  await build({
    stdin: { contents: ENTRY, resolveDir: ROOT, loader: 'ts' }, outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20',
    conditions: ['@mmun/explore', '@mmun/source'], plugins: [tasks(form)], logLevel: 'error',
  });
  return import(pathToFileURL(outfile).href);
}

/** Thousands with a comma. @param {number} n */
const count = (n) => Math.round(n).toLocaleString('en');

/** @param {() => void} work @returns {number} CPU seconds */
function cpu(work) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** @param {any} form @param {string} name @param {'A' | 'B'} protocol @param {number} depth @param {number} seconds */
function sampling({ Execution, Sampling, unmapFault }, name, protocol, depth, seconds) {
  const x = new Execution(unmapFault({ protocol, pages: 2, faulters: 2, unmappers: 2 }));
  const search = new Sampling(x, { maxSteps: 10_000 }, { seed: 1, depth });
  for (let round = 0; round < 2; round++) {
    const before = search.executions;
    const until = performance.now() + seconds * 1000;
    const spent = cpu(() => { while (performance.now() < until) search.advance(); });
    if (round === 1) console.log(`${name.padEnd(8)} ${search.strategy.padEnd(9)} ${protocol} 2,2,2  ${count((search.executions - before) / spent).padStart(9)} schedules/s`);
  }
}

/** @param {any} form @param {string} name */
function exhaustive({ Execution, Dpor, Stateful, hasFrames, unmapFault }, name) {
  for (const [protocol, pages, faulters, unmappers] of /** @type {const} */ ([['A', 2, 2, 1], ['B', 1, 1, 1], ['A', 2, 2, 2]])) {
    const program = () => unmapFault({ protocol, pages, faulters, unmappers });
    const search = new Dpor(new Execution(program()), { maxSteps: 10_000 });
    const spent = cpu(() => { while (!search.isDone && search.executions < 50_000) search.advance(); });
    console.log(`${name.padEnd(8)} dpor      ${protocol} ${pages},${faulters},${unmappers}  ${count(search.executions).padStart(9)} orderings, ${search.blocked} in vain, ${(spent * 1000).toFixed(0)} ms${search.isDone ? '' : ' (stopped)'}, ${count(search.executions / spent)}/s`);
  }
  if (!hasFrames(new Execution(unmapFault({ protocol: 'B', pages: 1, faulters: 1, unmappers: 1 })))) return;
  for (const round of [1, 2, 3]) {
    const x = new Execution(unmapFault({ protocol: 'B', pages: 2, faulters: 2, unmappers: 2 }));
    const search = new Stateful(x, { maxSteps: 10_000 }, 'frames');
    const started = performance.now();
    const spent = cpu(() => { while (!search.isDone) search.advance(); });
    const wall = performance.now() - started;
    console.log(`${name.padEnd(8)} stateful  B 2,2,2  ${count(search.states).padStart(9)} states, ${count(search.transitions)} transitions, round ${round}: ${(spent * 1000).toFixed(0)} ms CPU, ${wall.toFixed(0)} ms wall, ${count(search.states / spent)} states/s, ${count(search.transitions / spent)} transitions/s, ${count(process.memoryUsage().rss / 1e6)} MB`);
  }
}

/** Heap after garbage collection before and after a million executions. @param {any} form @param {string} name */
function memory({ Execution, Sampling, unmapFault }, name) {
  const x = new Execution(unmapFault({ protocol: 'A', pages: 1, faulters: 2, unmappers: 2 }));
  const search = new Sampling(x, { maxSteps: 10_000 }, { seed: 1, depth: 0 });
  const heap = () => { globalThis.gc?.(); return process.memoryUsage().heapUsed / 1e6; };
  while (search.executions < 50_000) search.advance();
  const before = heap();
  while (search.executions < 1_050_000) search.advance();
  console.log(`${name.padEnd(8)} memory    heap ${before.toFixed(1)} MB, after a million executions ${heap().toFixed(1)} MB${globalThis.gc ? '' : ' (run node --expose-gc for exact numbers)'}`);
}

const seconds = Number(process.argv[process.argv.indexOf('--seconds') + 1] ?? 0) || 2;
for (const form of /** @type {const} */ (['explore', 'frames'])) {
  const loaded = await load(form);
  for (const protocol of /** @type {const} */ (['A', 'B'])) {
    sampling(loaded, form, protocol, 0, seconds);
    sampling(loaded, form, protocol, 3, seconds);
  }
  exhaustive(loaded, form);
  memory(loaded, form);
}
