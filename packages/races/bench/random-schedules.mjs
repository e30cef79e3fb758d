// Right variants under random schedules, until something fires or nothing has for long enough. Can be left running.
//
//   node packages/races/bench/random-schedules.mjs --schedules 10000000
//   node packages/races/bench/random-schedules.mjs --seconds 3600 --filter munmap --seed 7
//
// Exits with 1 where an oracle fired, and prints how to see it again.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { linkRace } from '@mmun/build/link-race';

/** Variants that are right, by name; the others of a race are wrong, or wrong in part. */
const RIGHT = ['fixed', 'range', 'v5-gru', 'range-gru', 'range-xpmem'];
/** v5 has no hook in fork: whatever the driver. */
const FORGOTTEN = { race: /^fork-/, variant: 'v5-gru' };
/** Of one task: each variant gets the same time, and as many schedules as fit into it. */
const SLICE_MILLIS = 2000;

/** Linked once, whatever becomes of the sources meanwhile. @type {Map<string, Promise<any>>} */
const linked = new Map();

/** @typedef {{ race: string, variant: string, seed: number }} Task */
/** @typedef {{ task: Task, executions: number, findings: { code: string, message: string, replay: string }[], failure?: string }} Done */

if (isMainThread) await main();
else parentPort?.on('message', (/** @type {Task} */ task) => { void serve(task); });

async function main() {
  const { values } = parseArgs({ options: { schedules: { type: 'string', default: '100000' }, seconds: { type: 'string' }, filter: { type: 'string', default: '' }, seed: { type: 'string', default: '1' }, workers: { type: 'string' } } });
  const wanted = values.seconds === undefined ? Number(values.schedules) : Infinity;
  const until = Date.now() + Number(values.seconds ?? Infinity) * 1000;
  const pairs = await rightVariants(values.filter);
  process.stderr.write(`${pairs.length} right variants of ${new Set(pairs.map(({ race }) => race)).size} races\n`);
  const nrWorkers = Math.min(Number(values.workers ?? availableParallelism()), pairs.length);
  /** @type {Map<string, number>} */
  const counts = new Map();
  /** @type {Done['findings']} */
  const fired = [];
  /** Variants that do not run: they are left out from then on. @type {Set<string>} */
  const failed = new Set();
  let done = 0;
  let rounds = 0;
  const started = Date.now();
  const next = () => {
    if (done >= wanted || Date.now() >= until || fired.length > 0) return null;
    const able = pairs.filter(({ race, variant }) => !failed.has(`${race} ${variant}`));
    if (able.length === 0) return null;
    const { race, variant } = able[rounds % able.length];
    return { race, variant, seed: Number(values.seed) + rounds++ };
  };
  const ticker = setInterval(() => { process.stderr.write(`${status(done, started)}\n`); }, 10_000);
  await Promise.all(Array.from({ length: nrWorkers }, () => run(next, ({ task, executions, findings, failure }) => {
    done += executions;
    if (failure !== undefined) {
      failed.add(`${task.race} ${task.variant}`);
      process.stderr.write(`${task.race}, ${task.variant}: ${failure}\n`);
      return;
    }
    const key = `${task.race} ${task.variant}`;
    counts.set(key, (counts.get(key) ?? 0) + executions);
    for (const { code, message, replay } of findings) {
      fired.push({ code, message, replay });
      process.stdout.write(`${code}: ${message}\n  npx mmun check ${task.race} --variant ${task.variant} --replay '${replay}'  (seed ${task.seed})\n`);
    }
  })));
  clearInterval(ticker);
  const ran = pairs.filter(({ race, variant }) => !failed.has(`${race} ${variant}`)).map(({ race, variant }) => `${race} ${variant}`);
  const fewest = Math.min(...ran.map((pair) => counts.get(pair) ?? 0));
  for (const pair of ran) if ((counts.get(pair) ?? 0) === 0) process.stderr.write(`${pair}: no schedule\n`);
  process.stdout.write(`${status(done, started)}; ${fewest.toLocaleString('en-US')} and more of each variant; ${fired.length === 0 ? 'no oracle fired' : `${fired.length} fired`}\n`);
  process.exitCode = fired.length === 0 && failed.size === 0 ? 0 : 1;
}

/** @param {number} done @param {number} started */
function status(done, started) {
  const seconds = (Date.now() - started) / 1000;
  return `${done.toLocaleString('en-US')} schedules, ${Math.round(done / seconds).toLocaleString('en-US')} a second`;
}

/** One worker, until nothing is left to do. @param {() => Task | null} next @param {(done: Done) => void} take @returns {Promise<void>} */
function run(next, take) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url));
    const give = () => {
      const task = next();
      if (task === null) void worker.terminate().then(() => { resolve(); });
      else worker.postMessage(task);
    };
    worker.on('message', (done) => {
      take(done);
      give();
    });
    worker.on('error', reject);
    give();
  });
}

/** @param {string} filter @returns {Promise<{ race: string, variant: string }[]>} */
async function rightVariants(filter) {
  const { allRaces } = await link('toy', []);
  return allRaces.filter((/** @type {{ id: string }} */ { id }) => id.includes(filter)).flatMap((/** @type {{ id: string, variants: Map<string, unknown> }} */ { id, variants }) =>
    RIGHT.filter((variant) => variants.has(variant) && !(FORGOTTEN.race.test(id) && variant === FORGOTTEN.variant)).map((variant) => ({ race: id, variant })));
}

/** @param {string} image @param {readonly unknown[]} edits @returns {Promise<any>} */
function link(image, edits) {
  const key = JSON.stringify([image, edits]);
  const known = linked.get(key) ?? linkRace({ image, edits: /** @type {any} */ (edits) });
  linked.set(key, known);
  return known;
}

/** @param {Task} task */
async function serve(task) {
  const { race, variant, seed } = task;
  try {
    const named = (/** @type {{ id: string }} */ { id }) => id === race;
    const plan = (await link('toy', [])).allRaces.find(named).variants.get(variant);
    const { allRaces, image, checkRace } = await link(plan.image ?? 'toy', plan.edits);
    const { executions, findings } = await checkRace(allRaces.find(named), plan.image === null ? null : image, { variant, strategy: 'random', maxMillis: SLICE_MILLIS, seed, keepsLong: true });
    parentPort?.postMessage({ task, executions, findings: findings.map((/** @type {{ code: string, message: string, replay: string }} */ { code, message, replay }) => ({ code, message, replay })) });
  } catch (error) {
    parentPort?.postMessage({ task, executions: 0, findings: [], failure: error instanceof Error ? error.message : String(error) });
  }
}
