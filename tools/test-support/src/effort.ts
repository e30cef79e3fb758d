/** How long a test may look: `npm cit` has three minutes for everything, `.ci/run` (MMUN_EFFORT=full) looks deeper. */
export function effort(quick: number, full: number): number {
  return process.env['MMUN_EFFORT'] === 'full' ? full : quick;
}
