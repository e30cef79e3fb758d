/**
 * Milliseconds that this process has worked: what limits of a search are counted in, so that a machine which does other work too
 * does not cut it short. On an idle one they are those of the clock.
 */
export function cpuMillis(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
