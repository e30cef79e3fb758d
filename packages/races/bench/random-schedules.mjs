// Right variants under random schedules, until something fires or nothing has for long enough. Can be left running.
//
//   node packages/races/bench/random-schedules.mjs --schedules 10000000
//   node packages/races/bench/random-schedules.mjs --seconds 3600 --filter munmap --seed 7
//
// Exits with 1 where an oracle fired, and prints how to see it again.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { linkRace } from '@mmun/build/link-race';
import { RacePool } from '@mmun/build/race-pool';

/** Variants that are right, by name; the others of a race are wrong, or wrong in part. */
const RIGHT = ['fixed', 'range', 'v5-gru', 'range-gru', 'range-xpmem'];
/** v5 has no hook in fork: whatever the driver. */
const FORGOTTEN = { race: /^fork-/, variant: 'v5-gru' };
/** Of one task: each variant gets the same time, and as many schedules as fit into it. */
const SLICE_MILLIS = 2000;

/** @typedef {{ race: string, variant: string, plan: { image: string | null, edits: readonly any[] } }} Pair */
/** @typedef {{ executions: number, findings: { code: string, message: string, replay: string }[] }} Report */

await main();

async function main() {
  const { values } = parseArgs({ options: { schedules: { type: 'string', default: '100000' }, seconds: { type: 'string' }, filter: { type: 'string', default: '' }, seed: { type: 'string', default: '1' }, workers: { type: 'string' } } });
  const wanted = values.seconds === undefined ? Number(values.schedules) : Infinity;
  const until = Date.now() + Number(values.seconds ?? Infinity) * 1000;
  const pairs = await rightVariants(values.filter);
  process.stderr.write(`${pairs.length} right variants of ${new Set(pairs.map(({ race }) => race)).size} races\n`);
  const pool = new RacePool(Math.min(Number(values.workers ?? availableParallelism()), pairs.length));
  /** @type {Map<string, number>} */
  const counts = new Map();
  /** @type {Report['findings']} */
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
    return { ...able[rounds % able.length], seed: Number(values.seed) + rounds++ };
  };
  const ticker = setInterval(() => { process.stderr.write(`${status(done, started)}\n`); }, 10_000);
  await Promise.all(Array.from({ length: pool.jobs }, async () => {
    for (let task = next(); task !== null; task = next()) {
      const { race, variant, plan: { image, edits }, seed } = task;
      const key = `${race} ${variant}`;
      try {
        const options = { variant, strategy: 'random', maxMillis: SLICE_MILLIS, seed, keepsLong: true };
        const { executions, findings } = /** @type {Report} */ (await pool.check({ link: { image: image ?? 'toy', edits }, race, isBare: image === null, options }));
        done += executions;
        counts.set(key, (counts.get(key) ?? 0) + executions);
        for (const { code, message, replay } of findings) {
          fired.push({ code, message, replay });
          process.stdout.write(`${code}: ${message}\n  npx mmun check ${race} --variant ${variant} --replay '${replay}'  (seed ${seed})\n`);
        }
      } catch (error) {
        failed.add(key);
        process.stderr.write(`${race}, ${variant}: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
  }));
  await pool.close();
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

/** @param {string} filter @returns {Promise<Pair[]>} */
async function rightVariants(filter) {
  const { allRaces } = /** @type {{ allRaces: readonly { id: string, variants: Map<string, Pair['plan']> }[] }} */ (await linkRace({ image: 'toy', edits: [] }));
  return allRaces.filter(({ id }) => id.includes(filter)).flatMap(({ id, variants }) =>
    [...variants].filter(([variant]) => RIGHT.includes(variant) && !(FORGOTTEN.race.test(id) && variant === FORGOTTEN.variant)).map(([variant, { image, edits }]) => ({ race: id, variant, plan: { image, edits } })));
}
