// npm run bench: the same operations on the checked and the fast image, side by side, and a recording replayed on each.
//
// Numbers of one run compare with each other, not with those of another day: read the ratios.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { replayRecording } from '@mmun/recording';
import * as checked from '@mmun/image/x86';
import * as fast from '@mmun/image/x86-fast';
import { measure, quantile } from './measure.mjs';
import { OPERATIONS } from './operations.mjs';

const REPLAYS = 7;
const SAMPLES = join(import.meta.dirname, '../../../samples');

/** @param {readonly string[]} cells @param {number} first width of the first cell */
const row = (cells, first = 30) => console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(first) : cell.padStart(14))).join(''));

console.log(`${cpus()[0]?.model ?? 'unknown processor'}, node ${process.version}\n`);
row(['operation, ns each', 'checked', 'fast', 'checked/fast', 'fast spread']);
for (const operation of OPERATIONS) {
  const [slow, quick] = measure(operation, [checked, fast]);
  if (slow === undefined || quick === undefined) continue;
  row([`${operation.name} /${operation.unit}`, slow.ns.toFixed(1), quick.ns.toFixed(1), (slow.ns / quick.ns).toFixed(1), quick.spread.toFixed(1)]);
}

const recordings = process.argv.slice(2);
if (recordings.length === 0 && existsSync(SAMPLES)) {
  recordings.push(...readdirSync(SAMPLES).map((name) => join(SAMPLES, name)).filter((path) => statSync(path).isDirectory()));
}
console.log('');
row(['recording, events a second', 'checked', 'fast', 'events', '']);
for (const recording of recordings) {
  const [slow, quick] = [await eventsASecond(checked, recording), await eventsASecond(fast, recording)];
  row([recording.split('/').at(-1) ?? recording, slow.rate.toFixed(0), quick.rate.toFixed(0), String(quick.events), '']);
}

/**
 * Parsing, ordering, replaying and comparing, end to end.
 * @param {import('@mmun/include').KernelImage<any>} image @param {string} recording
 */
async function eventsASecond(image, recording) {
  const rates = [];
  let events = 0;
  for (let i = 0; i < REPLAYS; i++) {
    const start = process.hrtime.bigint();
    const result = await replayRecording(image, recording);
    events = result.events;
    rates.push(events / (Number(process.hrtime.bigint() - start) / 1e9));
  }
  return { rate: quantile(rates, 0.5), events };
}
