// Rounds of several images in turn, so that a machine that slows down slows all of them.
import { bootProcess } from './operations.mjs';

const ROUNDS = 21;
const WARM_UP = 5;

/**
 * @param {import('./operations.mjs').Operation} operation
 * @param {readonly import('./operations.mjs').Image[]} images
 * @returns {{ ns: number, spread: number }[]} by image: median, and the distance from the first to the third quartile, ns per operation
 */
export function measure(operation, images) {
  const booted = images.map(bootProcess);
  const samples = images.map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    booted.forEach((b, i) => {
      operation.before(b);
      const start = process.hrtime.bigint();
      operation.round(b);
      const ns = Number(process.hrtime.bigint() - start) / operation.count;
      if (round >= WARM_UP) /** @type {number[]} */ (samples[i]).push(ns);
    });
  }
  return samples.map((ns) => ({ ns: quantile(ns, 0.5), spread: quantile(ns, 0.75) - quantile(ns, 0.25) }));
}

/** @param {readonly number[]} samples @param {number} q */
export function quantile(samples, q) {
  const sorted = [...samples].sort((a, b) => a - b);
  return /** @type {number} */ (sorted[Math.floor(q * (sorted.length - 1))]);
}
