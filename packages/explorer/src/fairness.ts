/** Whether a fair schedule comes to an end: what tells a livelock from an unlucky or unfair one. */
import type { Cursor } from './cursor.js';
import type { Execution } from './execution.js';
import { Rng } from './rng.js';
import type { Found, Schedule } from './search.js';

/** Runs that a livelock must survive. */
const RUNS = 8;
/** Places that seem to have no end that a search looks into. */
export const MAX_SUSPECTS = 32;

export function livelock(step: number, schedule: Schedule): Found {
  return { code: 'retry-livelock', message: 'from here on the threads that remain go round for ever, whoever is let run', thread: -1, step, schedule };
}

/** From where the cursor stands; where it stands afterwards is of no use. */
export function fairlyEnds(cursor: Cursor, maxSteps: number): boolean {
  const { x } = cursor;
  const place = cursor.save();
  for (let run = 0; run < RUNS; run++) {
    const rng = new Rng(run + 1);
    if (run > 0) cursor.restore(place);
    for (let step = 0; step < maxSteps; step++) {
      const thread = anyEnabled(x, rng);
      if (thread < 0 || x.findings.length > 0) return true;
      cursor.take(thread, []);
    }
  }
  return false;
}

/** One of the threads that can run, each as likely as the other; -1 where there is none. */
export function anyEnabled(x: Execution, rng: Rng): number {
  let enabled = x.enabledMask();
  if (enabled === 0) return -1;
  let count = 0;
  for (let bits = enabled; bits !== 0; bits &= bits - 1) count++;
  for (let at = rng.below(count); at > 0; at--) enabled &= enabled - 1;
  return 31 - Math.clz32(enabled & -enabled);
}
