/** Numbers of options. */
import { UsageError } from '../usage-error.js';

export function parseRate(text: string): number {
  const rate = Number(text);
  if (text.trim() === '' || !Number.isFinite(rate) || rate < 0 || rate > 1000) throw new UsageError(`--device-rate ${text}: expected a number from 0 to 1000`);
  return rate;
}

/** The zero page, and one for all else. */
const FEWEST_FRAMES = 2;

export function parseFrames(text: string): number {
  const frames = Number(text);
  if (!/^\d+$/.test(text) || frames < FEWEST_FRAMES || frames > 2 ** 24) throw new UsageError(`--frames ${text}: expected a whole number from ${FEWEST_FRAMES} to 2^24`);
  return frames;
}

export function parseSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(seed)) throw new UsageError(`--seed ${text}: expected a whole number from 0 to 2^53 - 1`);
  return seed;
}
