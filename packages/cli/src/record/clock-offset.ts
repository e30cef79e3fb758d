/** CLOCK_REALTIME minus CLOCK_MONOTONIC, which Node gives no direct access to in nanoseconds. */

const NR_TICKS = 15;

/**
 * Watches the wall clock's milliseconds tick over and looks at the monotonic clock right then. The look is late by the
 * loop's own time, so the largest of several offsets is the nearest.
 */
export function clockOffsetNs(): bigint {
  let best = 0n;
  for (let i = 0; i < NR_TICKS; i++) {
    const before = Date.now();
    let now = Date.now();
    while (now === before) now = Date.now();
    const offset = BigInt(now) * 1_000_000n - process.hrtime.bigint();
    if (i === 0 || offset > best) best = offset;
  }
  return best;
}

/** `seconds.nanoseconds` since 1970. */
export function formatStamp(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;
}
