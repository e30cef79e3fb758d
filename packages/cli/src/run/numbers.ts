/** Numbers of options. */
import { UsageError } from '../usage-error.js';

export function parseRate(text: string): number {
  const rate = Number(text);
  if (text.trim() === '' || !Number.isFinite(rate) || rate < 0 || rate > 1000) throw new UsageError(`--device-rate ${text}: expected a number from 0 to 1000`);
  return rate;
}

export function parseSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(seed)) throw new UsageError(`--seed ${text}: expected a whole number from 0 to 2^53 - 1`);
  return seed;
}
