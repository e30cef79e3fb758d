// A thread of race-pool.mjs: one task at a time, from plain data to plain data.
import { parentPort } from 'node:worker_threads';
import { RaceRunner } from './race-task.mjs';

/** @typedef {import('./race-pool.d.mts').RaceTask} RaceTask */

// counterexamples and errors of a race name lines of its source
process.setSourceMapsEnabled(true);

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const runner = new RaceRunner();
let control = new AbortController();

port.on('message', (/** @type {{ task: RaceTask } | 'abort'} */ message) => {
  if (message === 'abort') control.abort();
  else void serve(message.task);
});

/** @param {RaceTask} task */
async function serve(task) {
  control = new AbortController();
  try {
    const onProgress = (/** @type {unknown} */ progress) => { port.postMessage({ progress }); };
    port.postMessage({ report: await runner.run(task, { signal: control.signal, onProgress }, () => { port.postMessage('linked'); }) });
  } catch (error) {
    const { name, message, stack, constructor } = /** @type {Error} */ (error);
    port.postMessage({ error: { kind: constructor.name, name, message, stack } });
  }
}
