// Checks of races on as many threads as there are cores. A task and its report are plain data, so a thread shares nothing
// with others but the files that were linked; it loads only what its tasks need, and the asking thread nothing of it.
import { basename } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LinkError } from './linked-race.mjs';
import { keyOf, RaceRunner } from './race-task.mjs';

/** @typedef {import('./race-pool.d.mts').RaceTask} RaceTask @typedef {import('./race-pool.d.mts').RaceWatcher<any>} RaceWatcher */
/** @typedef {{ task: RaceTask, key: string, watcher: RaceWatcher, resolve: (report: any) => void, reject: (error: Error) => void }} Asked */
/** @typedef {{ kind: string, name: string, message: string, stack: string }} Told what is left of an error that came from another thread */

export class WorkerLost extends Error {}

export class RacePool {
  /** @type {Asked[]} */
  #queue = [];
  /** @type {Set<Hand>} */
  #hands = new Set();
  #isClosed = false;
  /** What is being linked by one, and is not to be linked by another at once. @type {Set<string>} */
  #linking = new Set();
  /** What has been linked. @type {Set<string>} */
  #linked = new Set();

  /** @param {number} jobs */
  constructor(jobs) {
    this.jobs = jobs;
  }

  /** @param {RaceTask} task @param {RaceWatcher} [watcher] @returns {Promise<any>} */
  check(task, watcher = {}) {
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, key: keyOf(task.link), watcher, resolve, reject });
      this.#next();
    });
  }

  async close() {
    this.#isClosed = true;
    this.#next();
    await Promise.all([...this.#hands].map((hand) => hand.end()));
  }

  /** Whoever is idle takes the first task that can be begun. */
  #next() {
    this.#queue = this.#queue.filter(({ watcher: { signal }, resolve }) => {
      if (!this.#isClosed && signal?.aborted !== true) return true;
      resolve(null);
      return false;
    });
    for (;;) {
      const at = this.#queue.findIndex(({ key }) => this.#linked.has(key) || !this.#linking.has(key));
      const hand = at < 0 ? null : this.#idleHand();
      if (hand === null) return;
      void this.#give(hand, /** @type {Asked} */ (this.#queue.splice(at, 1)[0]));
    }
  }

  #idleHand() {
    for (const hand of this.#hands) {
      if (hand.isLost) this.#hands.delete(hand);
      else if (!hand.isBusy) return hand;
    }
    if (this.#hands.size >= this.jobs) return null;
    const hand = this.jobs === 1 ? new OwnHand() : new OtherHand();
    this.#hands.add(hand);
    return hand;
  }

  /** @param {Hand} hand @param {Asked} asked */
  async #give(hand, { task, key, watcher, resolve, reject }) {
    const isFirst = !this.#linked.has(key);
    if (isFirst) this.#linking.add(key);
    hand.isBusy = true;
    const onLinked = () => {
      this.#linked.add(key);
      if (isFirst) this.#next();
    };
    // the queue is looked through as soon as the signal comes: what stands there is not begun any more
    const onAbort = () => { this.#next(); };
    watcher.signal?.addEventListener('abort', onAbort);
    try {
      resolve(await hand.work(task, watcher, onLinked));
    } catch (error) {
      reject(/** @type {Error} */ (error));
    } finally {
      watcher.signal?.removeEventListener('abort', onAbort);
      hand.isBusy = false;
      if (isFirst) this.#linking.delete(key);
      this.#next();
    }
  }
}

/**
 * Does one task at a time.
 * @typedef {object} Hand
 * @property {boolean} isBusy
 * @property {boolean} isLost its thread has ended
 * @property {(task: RaceTask, watcher: RaceWatcher, onLinked: () => void) => Promise<any>} work
 * @property {() => Promise<void>} end
 */

/** @implements {Hand} */
class OwnHand {
  isBusy = false;
  isLost = false;
  #runner = new RaceRunner();

  /** @param {RaceTask} task @param {RaceWatcher} watcher @param {() => void} onLinked */
  work(task, watcher, onLinked) {
    return this.#runner.run(task, watcher, onLinked);
  }

  async end() {
    // nop: nothing was begun
  }
}

/** @implements {Hand} */
class OtherHand {
  isBusy = false;
  isLost = false;
  #worker = new Worker(new URL('race-worker.mjs', import.meta.url));
  #isEnded = false;
  /** @type {{ asked: string, watcher: RaceWatcher, onLinked: () => void, resolve: (report: any) => void, reject: (error: Error) => void } | null} */
  #present = null;

  constructor() {
    this.#worker.on('message', (message) => { this.#take(message); });
    this.#worker.on('error', (/** @type {Error & { code?: string }} */ { code, message }) => { this.#lose(code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it ran out of memory' : message); });
    this.#worker.on('exit', (code) => { this.#lose(`exit code ${code}`); });
  }

  /** @param {RaceTask} task @param {RaceWatcher} watcher @param {() => void} onLinked @returns {Promise<any>} */
  work(task, watcher, onLinked) {
    const { signal } = watcher;
    const abort = () => { this.#worker.postMessage('abort'); };
    signal?.addEventListener('abort', abort);
    return new Promise((resolve, reject) => {
      this.#present = { asked: nameOf(task), watcher, onLinked, resolve, reject };
      this.#worker.postMessage({ task });
    }).finally(() => {
      this.#present = null;
      signal?.removeEventListener('abort', abort);
    });
  }

  async end() {
    this.#isEnded = true;
    await this.#worker.terminate();
  }

  /** @param {'linked' | { progress?: unknown, report?: unknown, error?: Told }} message */
  #take(message) {
    const present = this.#present;
    if (message === 'linked') present?.onLinked();
    else if (message.error !== undefined) present?.reject(errorOf(message.error));
    else if ('report' in message) present?.resolve(message.report);
    else present?.watcher.onProgress?.(message.progress);
  }

  /** @param {string} why */
  #lose(why) {
    this.isLost = true;
    if (this.#isEnded) this.#present?.resolve(null);
    else this.#present?.reject(new WorkerLost(`${this.#present.asked}: the thread that checked it ended: ${why.split('\n')[0]}`));
  }
}

/** @param {RaceTask} task */
function nameOf({ race, link, options }) {
  return `${race ?? basename(link.race ?? '')}, ${options.variant}`;
}

/** @type {Readonly<Record<string, ErrorConstructor>>} */
const KINDS = { RangeError, TypeError, LinkError: /** @type {any} */ (LinkError) };

/** @param {Told} told */
function errorOf({ kind, name, message, stack }) {
  const error = new (KINDS[kind] ?? Error)(message);
  return Object.assign(error, { stack, name: kind in KINDS ? name : kind });
}
