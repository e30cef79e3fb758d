/** How long this thread has worked: other threads of the process may search too, each in its own time. */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

type Usage = () => { readonly user: number; readonly system: number };

/**
 * Milliseconds that the calling thread has worked: what limits of a search are counted in, so that a machine which does other work
 * too does not cut it short. On an idle one they are those of the clock.
 *
 * Node says it itself from 23.9 on; before, Linux does, in steps of a tick or so. Elsewhere the process stands for its main thread,
 * and for other threads the clock.
 */
export function cpuMillis(): number {
  return (source ??= findSource())();
}

let source: (() => number) | null = null;

function findSource(): () => number {
  const { threadCpuUsage } = process as { readonly threadCpuUsage?: Usage };
  if (threadCpuUsage !== undefined) return () => millisOf(threadCpuUsage.call(process));
  return ofScheduler() ?? (isMainThread ? (): number => millisOf(process.cpuUsage()) : (): number => performance.now());
}

function millisOf({ user, system }: ReturnType<Usage>): number {
  return (user + system) / 1000;
}

/** Nanoseconds on a CPU are the first number of the file. */
function ofScheduler(): (() => number) | null {
  const read = (): number => Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
  try {
    return read() > 0 ? read : null;
  } catch {
    return null;
  }
}
