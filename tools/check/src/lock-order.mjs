// docs/lock-order.md: which lock is waited for while which is held, seen in the right variant of every race of the catalogue.
//   npm run docs                 writes it, and docs/xref.md
//   node tools/check/src/lock-order.mjs   says whether it is as it should be
import { pathToFileURL } from 'node:url';
import { ACQUIRE, ACQUIRE_SHARED } from '@mmun/include';
import { Execution, estimate } from '@mmun/explorer';
import { allRaces, catalogue, settleParameters } from '@mmun/races';
import { kernelName, tapScheduler } from '@mmun/oracle';
import { table, writeOrCompare } from './generated-page.mjs';

/** Random schedules of each race. */
const SCHEDULES = 5;
const MAX_STEPS = 10_000;

/**
 * @typedef {object} Order `taken` was waited for while `held` was
 * @property {string} held
 * @property {string} taken
 * @property {string} fn where it was seen first
 * @property {string} race
 * @property {Set<string>} contexts
 * @property {Set<string>} designs
 */

/** What an image is to us. @typedef {any} Image */

class Orders {
  /** @type {Map<string, Order>} */
  seen = new Map();
  /** By class: where it was taken with nothing else held. @type {Map<string, { contexts: Set<string>, isShared: boolean }>} */
  classes = new Map();
  /** Ranks by class, as the kernel declares them. @type {Map<string, { rank: number, name: string }>} */
  ranks = new Map();
  race = '';

  /** @param {Image} image @returns {Image} the same, and every machine that it boots is watched */
  watch(image) {
    return {
      ...image,
      boot: (/** @type {any[]} */ ...args) => {
        const m = image.boot(...args);
        for (const { name, first, rank } of m.lockClasses) this.ranks.set(classOf(image.nameOfWhere(m, first)), { rank, name });
        tapScheduler(m, {
          announced: (kind, where, isWait) => { if (kind === ACQUIRE || (isWait && kind === ACQUIRE_SHARED)) this.#waits(image, m, kind, where); },
          touched: () => undefined,
        });
        return m;
      },
    };
  }

  /** @param {Image} image @param {any} m @param {number} kind @param {number} where */
  #waits(image, m, kind, where) {
    const task = m.cpu.current[0];
    const taken = classOf(image.nameOfWhere(m, where));
    const context = contextOf(m, task);
    const known = this.classes.get(taken) ?? { contexts: new Set(), isShared: false };
    known.contexts.add(context);
    known.isShared ||= kind === ACQUIRE_SHARED;
    this.classes.set(taken, known);
    for (const lock of image.heldLocks(m, task)) {
      if (lock === where) continue;
      const held = classOf(image.nameOfWhere(m, lock));
      const key = `${held} > ${taken}`;
      const order = this.seen.get(key) ?? { held, taken, fn: callerOf(), race: this.race, contexts: new Set(), designs: new Set() };
      order.contexts.add(context);
      order.designs.add(image.config.design);
      this.seen.set(key, order);
    }
  }
}

/** `page.ptl[9]` is of class `page.ptl`. @param {string} name */
function classOf(name) {
  return kernelName(name.replace(/(\[\d+\])+$/, ''));
}

/** @param {any} m @param {number} task */
function contextOf({ thread }, task) {
  if (thread.preemptCount[task] > 0) return 'atomic';
  if (thread.rcuNesting[task] > 0) return 'rcu_read_lock';
  return thread.nonBlockCount[task] > 0 ? 'non-block' : 'may sleep';
}

const NO_CALLER = /(?:packages|tools)[\\/](?:locking|explorer|oracle|check|mm[\\/]src[\\/]services)\b|node:|\.next /;
const PRIMITIVE = /^(rmapLock|lockPage|pteOffsetMapLock|hugePteLock)$/;

function callerOf() {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  const stack = new Error().stack ?? '';
  Error.stackTraceLimit = before;
  return callerIn(stack);
}

/** The innermost function on a stack that is no locking primitive, by its kernel name. @param {string} stack */
export function callerIn(stack) {
  for (const line of stack.split('\n').slice(1)) {
    const [, fn = '', file = ''] = /^\s*at (?:Object\.|Module\.)?([\w$]+) .*?\(?([^( ]+):\d+:\d+\)?$/.exec(line) ?? [];
    if (fn !== '' && !NO_CALLER.test(file) && !/\.next|^next$/.test(line) && !PRIMITIVE.test(fn)) return kernelName(fn);
  }
  return '';
}

/** @returns {Promise<Orders>} */
async function look() {
  process.setSourceMapsEnabled(true);
  const images = new Map(await Promise.all(['toy', 'toy-range'].map(async (name) => /** @type {[string, Image]} */ ([name, await import(`@mmun/image/${name}`)]))));
  const orders = new Orders();
  const watched = new Map([...images].map(([name, image]) => [name, orders.watch(image)]));
  for (const race of [...catalogue, ...allRaces.filter((one) => !catalogue.includes(one))]) {
    for (const [variant, { image, edits }] of race.variants) {
      if (variant === 'buggy' || edits.length > 0 || image === null || !watched.has(image)) continue;
      orders.race = race.id;
      const { program } = race.subject(variant, settleParameters(race, variant, {}), watched.get(image));
      estimate(new Execution(/** @type {any} */ (program)), 1, MAX_STEPS, SCHEDULES); // how many schedules there are does not matter here
    }
  }
  return orders;
}

/** Small drivers of the catalogue have locks too: one column or two of a table that is called `dev`. */
const OF_A_RACE = /^\w+\.dev\./;

/** @param {Orders} orders @returns {string} */
function page({ seen, ranks, classes }) {
  const shown = [...seen.values()].filter(({ held, taken }) => !OF_A_RACE.test(held) && !OF_A_RACE.test(taken));
  const sorted = sortedClasses(shown, ranks);
  const place = new Map(sorted.map((name, index) => [name, index]));
  const at = (/** @type {string} */ name) => place.get(name) ?? -1;
  const code = (/** @type {string} */ text) => `\`${text}\``;
  const own = [...classes].filter(([name]) => !OF_A_RACE.test(name) && !place.has(name)).map(([name]) => name).sort();
  return [
    '# Lock order', '',
    '<!-- Written by `npm run docs` (tools/check/src/lock-order.mjs). -->', '',
    'Which lock is waited for while which is held: seen in the checked build, in random schedules of the right variant of every race of the catalogue, under the designs v5',
    'and range. `npm run check` looks again and compares; an order that closes a circle fails there, and in every exploration as `lock-order`.', '',
    '## The order', '',
    `From the outside inwards; a lock is waited for only while those above it are held. Where a place is declared (\`packages/mm/src/lock-order.ts\`), the checked build asserts it at every`,
    'lock that is taken; the others are where they were seen. A second lock of one class is taken as nested.', '',
    ...table(['lock', 'declared as', 'waited for'], sorted.map((name) => [code(name), ranks.has(name) ? `${ranks.get(name)?.rank}, ${ranks.get(name)?.name}` : '', contextsOf(classes.get(name)?.contexts ?? new Set())])), '',
    ...(own.length === 0 ? [] : [`Never seen together with another: ${own.map(code).join(', ')}.`, '']),
    '## What was seen', '',
    '*Context* is that of the thread when it waits: *atomic* with a spinlock held, else it may sleep. *First seen in* is the function that waits, and the race.', '',
    ...table(['held', 'waited for', 'context', 'design', 'first seen in'], shown.sort((a, b) => at(a.held) - at(b.held) || at(a.taken) - at(b.taken))
      .map(({ held, taken, contexts, designs, fn, race }) => [code(held), held === taken ? 'a second one' : code(taken), contextsOf(contexts), [...designs].sort().reverse().join(', '), `${code(fn)}, ${race}`])), '',
    'Locks of a driver that only a race has are left out; `kvm`, `gru` and `xpmem` are plugins.', '',
  ].join('\n');
}

/** @param {Set<string>} contexts */
function contextsOf(contexts) {
  return [...contexts].sort().reverse().join(', ');
}

/** Outer locks first; of those that nothing orders, the one with the lower rank, then by name. @param {readonly Order[]} seen @param {Orders['ranks']} ranks @returns {string[]} */
function sortedClasses(seen, ranks) {
  const left = new Set(seen.flatMap(({ held, taken }) => [held, taken]));
  const rankOf = (/** @type {string} */ name) => ranks.get(name)?.rank ?? 8;
  /** @type {string[]} */
  const out = [];
  while (left.size > 0) {
    const free = [...left].filter((name) => !seen.some(({ held, taken }) => taken === name && held !== name && left.has(held))).sort((a, b) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1));
    const [next] = free;
    if (next === undefined) throw new Error(`each of these is taken while another of them is held: ${[...left].join(', ')}`);
    left.delete(next);
    out.push(next);
  }
  return out;
}

/** @param {Orders} orders @returns {string[]} */
function againstRanks({ seen, ranks }) {
  return [...seen.values()].filter(({ held, taken }) => (ranks.get(held)?.rank ?? 0) > (ranks.get(taken)?.rank ?? Infinity)).map(({ held, taken, fn }) => `${fn} waits for ${taken} while it holds ${held}`);
}

async function main() {
  const orders = await look();
  const wrong = againstRanks(orders);
  if (wrong.length > 0) throw new Error(wrong.join('; '));
  writeOrCompare('docs/lock-order.md', page(orders));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
