// node packages/explorer/bench/rates.mjs [--seconds N] [--explore]: how fast the explorer is on the litmus program. Its tasks are in the frames
// form, as in `mmun check`; --explore prints the rows of native generators as well.
// Times are CPU times of this process, so that a busy machine does not show; each row is the best of several rounds. The row of
// several cores is what `mmun check --strategy random` does there, by the clock; it says how much of its time the threads had a core.
import { build } from 'esbuild';
import { mkdtempSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { tasks } from '@mmun/build/esbuild-tasks';
import { RacePool } from '@mmun/build/race-pool';
import { ROOT } from '@mmun/build/workspace';

const ENTRY = `export * from '@mmun/explorer'; export { newCursor } from './packages/explorer/src/cursor.ts'; export { unmapFault } from './packages/races/src/unmap-fault.ts';`;
const LIMITS = { maxSteps: 10_000 };
const SCENARIOS = /** @type {const} */ ([['A', 1, 1, 1], ['A', 1, 1, 2], ['A', 1, 2, 1], ['A', 2, 2, 1], ['B', 1, 1, 1], ['A', 2, 2, 2]]);
const ROUNDS = 5;

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
  const search = new Sampling(new Execution(unmapFault({ protocol, pages: 2, faulters: 2, unmappers: 2 })), LIMITS, { seed: 1, depth });
  let best = 0;
  for (let round = 0; round < ROUNDS * 2; round++) {
    const before = search.executions;
    const until = performance.now() + (seconds * 1000) / ROUNDS;
    const spent = cpu(() => { while (performance.now() < until) search.advance(); });
    best = Math.max(best, (search.executions - before) / spent);
  }
  console.log(`${name.padEnd(8)} ${search.strategy.padEnd(9)} ${protocol} 2,2,2  ${count(best).padStart(9)} schedules/s`);
}

/**
 * The same on all cores, each thread with a machine of its own.
 * @param {string} name @param {number} seconds
 */
async function samplingOnAllCores(name, seconds) {
  const cores = availableParallelism();
  const pool = new RacePool(cores);
  const set = { protocol: 'A', pages: 2, faulters: 2, unmappers: 2 };
  const ask = (/** @type {number} */ seed, /** @type {number} */ maxMillis) => pool.check({ link: { image: 'toy', edits: [] }, race: 'unmap-fault', isBare: true, options: { variant: 'fixed', set, strategy: 'random', seed, maxMillis } });
  let best = { rate: 0, had: 0 };
  // the first round loads and compiles
  for (let round = 0; round <= ROUNDS; round++) {
    const started = performance.now();
    const before = process.cpuUsage();
    const reports = await Promise.all(Array.from({ length: cores }, (_, i) => ask(1 + round * cores + i, round === 0 ? 500 : (seconds * 1000) / ROUNDS)));
    const wall = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(before);
    const executions = reports.reduce((sum, report) => sum + /** @type {{ executions: number }} */ (report).executions, 0);
    if (round > 0 && executions / wall > best.rate) best = { rate: executions / wall, had: (user + system) / 1e6 / wall };
  }
  await pool.close();
  console.log(`${name.padEnd(8)} random    A 2,2,2  ${count(best.rate).padStart(9)} schedules/s by the clock on ${cores} cores (of which it had ${best.had.toFixed(2)})`);
}

/** How many schedules there are in all: each state's number is the sum of those behind it. @param {any} form @param {any} program @returns {number} */
function allSchedules({ Execution, newCursor }, program) {
  const x = new Execution(program);
  const cursor = newCursor(x, 'frames');
  /** @type {Map<string, number>} */
  const known = new Map();
  const behind = () => {
    const enabled = x.enabledMask();
    if (enabled === 0) return 1;
    cursor.fingerprint();
    const key = `${cursor.lo} ${cursor.hi}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const place = cursor.save();
    let sum = 0;
    for (let t = 0; t < x.nrThreads; t++) {
      if ((enabled & (1 << t)) === 0) continue;
      cursor.restore(place);
      cursor.take(t, []);
      sum += behind();
    }
    known.set(key, sum);
    return sum;
  };
  const previous = x.m.sched;
  x.m.sched = x;
  cursor.begin([]);
  const sum = behind();
  x.m.sched = previous;
  return sum;
}

/** What each strategy looks at beside all there is. @param {any} form @param {string} name */
function besideBruteForce(form, name) {
  const { Execution, Dpor, LevelSearch, Stateful, hasFrames, unmapFault } = form;
  for (const [protocol, pages, faulters, unmappers] of SCENARIOS) {
    const program = () => unmapFault({ protocol, pages, faulters, unmappers });
    const kind = hasFrames(new Execution(program())) ? 'frames' : 'replay';
    const dpor = best(() => new Dpor(new Execution(program()), LIMITS));
    const row = [`${count(dpor.search.executions)} orderings by dpor (${dpor.search.blocked} in vain, ${millis(dpor)}, ${count(dpor.search.executions / dpor.spent)}/s)`];
    if (kind === 'frames') {
      const stateful = best(() => new Stateful(new Execution(program()), LIMITS, kind));
      const bounded = best(() => new LevelSearch(new Execution(program()), LIMITS, kind, { maxPreemptions: 2 }));
      row.unshift(`${allSchedules(form, program()).toPrecision(3)} schedules`);
      row.push(`${count(stateful.search.states)} states by stateful (${millis(stateful)})`, `${count(bounded.search.states)} with 2 preemptions by bounded (${millis(bounded)})`);
    }
    console.log(`${name.padEnd(8)} ${protocol} ${pages},${faulters},${unmappers}  ${row.join('; ')}`);
  }
}

/** @param {{ spent: number }} measured */
const millis = ({ spent }) => `${(spent * 1000).toFixed(1)} ms`;

/** @param {() => any} make @returns {{ search: any, spent: number, wall: number }} CPU seconds of the fastest round */
function best(make) {
  let fastest = { search: null, spent: Infinity, wall: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    const search = make();
    const started = performance.now();
    const spent = cpu(() => { while (!search.isDone) search.advance(); });
    if (spent < fastest.spent) fastest = { search, spent, wall: performance.now() - started };
  }
  return fastest;
}

/** @param {any} form @param {string} name */
function retryProtocol({ Execution, Stateful, unmapFault }, name) {
  const { search, spent, wall } = best(() => new Stateful(new Execution(unmapFault({ protocol: 'B', pages: 2, faulters: 2, unmappers: 2 })), LIMITS, 'frames'));
  console.log(`${name.padEnd(8)} stateful  B 2,2,2  ${count(search.states)} states, ${count(search.transitions)} transitions: ${(spent * 1000).toFixed(0)} ms CPU, ${wall.toFixed(0)} ms wall, ${count(search.states / spent)} states/s, ${count(search.transitions / spent)} transitions/s, ${count(process.memoryUsage().rss / 1e6)} MB`);
}

/** Heap after garbage collection, before and after many executions. @param {any} form @param {string} name */
function memory({ Execution, Dpor, Sampling, unmapFault }, name) {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const heap = () => { gc(); return process.memoryUsage().heapUsed / 1e6; };
  const over = (/** @type {any} */ search, /** @type {number} */ executions, /** @type {string} */ text) => {
    while (search.executions < 50_000) search.advance();
    const before = heap();
    while (search.executions < 50_000 + executions) search.advance();
    console.log(`${name.padEnd(8)} memory    ${search.strategy.padEnd(7)} heap ${before.toFixed(1)} MB, after ${text} executions ${heap().toFixed(1)} MB`);
  };
  over(new Sampling(new Execution(unmapFault({ protocol: 'A', pages: 1, faulters: 2, unmappers: 2 })), LIMITS, { seed: 1, depth: 0 }), 1_000_000, 'a million');
  over(new Dpor(new Execution(unmapFault({ protocol: 'B', pages: 1, faulters: 2, unmappers: 1 })), LIMITS), 1_000_000, 'a million');
}

const seconds = Number(process.argv[process.argv.indexOf('--seconds') + 1] ?? 0) || 2;
for (const form of process.argv.includes('--explore') ? /** @type {const} */ (['explore', 'frames']) : /** @type {const} */ (['frames'])) {
  const loaded = await load(form);
  for (const protocol of /** @type {const} */ (['A', 'B'])) {
    sampling(loaded, form, protocol, 0, seconds);
    if (form === 'frames' && protocol === 'A') await samplingOnAllCores(form, seconds);
    sampling(loaded, form, protocol, 3, seconds);
  }
  besideBruteForce(loaded, form);
  if (form === 'frames') retryProtocol(loaded, form);
  memory(loaded, form);
}
