const NR_TICKS = 40;

/**
 * CLOCK_REALTIME minus CLOCK_MONOTONIC in ns, right to less than a microsecond on a
 * machine that leaves us alone for one of forty milliseconds. The wall clock is read
 * in milliseconds, so its ticks are waited for: the tick lies between two readings of
 * the monotonic clock, and the narrowest pair is believed.
 */
export function clockOffsetNs(): bigint {
  let best = 0n;
  let bestWidth: bigint | null = null;
  for (let i = 0; i < NR_TICKS; i++) {
    const before = Date.now();
    let lower = process.hrtime.bigint();
    let upper = lower;
    let now = Date.now();
    while (now === before) {
      lower = upper;
      upper = process.hrtime.bigint();
      now = Date.now();
    }
    upper = process.hrtime.bigint();
    const width = upper - lower;
    if (bestWidth !== null && width >= bestWidth) continue;
    bestWidth = width;
    best = BigInt(now) * 1000000n - (lower + upper) / 2n;
  }
  return best;
}
