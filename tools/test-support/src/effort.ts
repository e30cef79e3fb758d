/**
 * How long a test may look. `npm cit` has three minutes for everything; `.ci/run` (MMUN_EFFORT=full) has a quarter of an hour, so
 * what takes a minute by itself is for a night (MMUN_EFFORT=night).
 */
export function effort(quick: number, full: number, night: number = full): number {
  const asked = process.env['MMUN_EFFORT'] ?? '';
  const found = new Map([['', quick], ['full', full], ['night', night]]).get(asked);
  if (found === undefined) throw new Error(`MMUN_EFFORT=${asked}: expected full, night, or nothing`);
  return found;
}

/** What `npm cit` has no time for, and .ci/run has: `rest` in the run after it (MMUN_SPECS=rest), or where MMUN_EFFORT says to look further. */
export function later<T>(quick: T, rest: T): T {
  return process.env['MMUN_SPECS'] === 'rest' || (process.env['MMUN_EFFORT'] ?? '') !== '' ? rest : quick;
}
