/** The state behind the starts of all threads, to run from it again and again. */
import { READY, STOP } from './execution.js';
import type { Driver, Execution, Started } from './execution.js';
import { Constants, Opaque, isFrameTask, loadTask, saveTask } from './frames.js';
import type { ThreadState } from './frames.js';
import { Hash } from './hash.js';

/** null where a start has choices or a finding, or a task cannot be copied. */
export function startAll(x: Execution): Started | null {
  let hasChoices = false;
  const driver: Driver = {
    pick: () => STOP,
    choose: (_x, nrOptions) => {
      hasChoices ||= nrOptions > 1;
      return 0;
    },
  };
  const previous = x.m.sched;
  x.m.sched = x;
  try {
    x.begin(driver);
    for (let t = 0; t < x.nrThreads && x.findings.length === 0; t++) x.take(t);
    if (hasChoices || x.findings.length > 0) return null;
    const constants = new Constants(x.m);
    const hash = new Hash();
    const states = x.tasks.map((task: unknown, t) => {
      if (x.statusOf(t) !== READY) return null;
      if (!isFrameTask(task)) throw new Opaque('a task is not in the frames form');
      return saveTask(task, constants, hash);
    });
    return {
      bytes: x.bytes.slice(), operations: x.operations.slice(),
      task: (t): never => {
        const state = states[t] as ThreadState | null;
        return (state === null ? null : loadTask(state, constants)) as never;
      },
    };
  } catch (error) {
    if (error instanceof Opaque) return null;
    throw error;
  } finally {
    x.m.sched = previous;
  }
}
