// A check of a race as plain data: what is linked, which race, how it is searched. Done on whichever thread has time.
import { openLinked } from './linked-race.mjs';

/** @typedef {import('./race-pool.d.mts').RaceTask} RaceTask */

/** Does tasks one at a time. What it has linked once it keeps, whatever becomes of the sources meanwhile, but for edited kernels. */
export class RaceRunner {
  /** @type {Map<string, any>} */
  #linked = new Map();
  /** @type {Map<string, string>} */
  #digests = new Map();

  /**
   * @param {RaceTask} task @param {object} watcher `signal` and `onProgress`, as checkRace takes them
   * @param {() => void} [onLinked] what is linked is there for everybody now
   * @returns {Promise<unknown>} the report
   */
  async run({ link, race, isBare = false, options }, watcher, onLinked) {
    const linked = await this.#open(link);
    onLinked?.();
    const own = race === undefined ? linked.checkableOf(linked.validateRace(linked.user?.default)) : linked.allRaces.find((/** @type {{ id: string }} */ { id }) => id === race);
    return linked.checkRace(own, isBare ? null : linked.image, { ...options, ...watcher });
  }

  /** @param {RaceTask['link']} link */
  async #open(link) {
    const key = keyOf(link);
    const known = this.#linked.get(key);
    if (known !== undefined) return known;
    const linked = this.#openQuietly(link) ?? (await (await import('./link-race.mjs')).linkRace(link));
    if ((link.edits ?? []).length === 0) this.#linked.set(key, linked);
    return linked;
  }

  /** What goes wrong is said by linkRace, which knows the place. @param {RaceTask['link']} link */
  #openQuietly(link) {
    try {
      return openLinked(link, this.#digests);
    } catch {
      return null;
    }
  }
}

/** @param {RaceTask['link']} link */
export function keyOf({ race, image, edits = [] }) {
  return JSON.stringify([race, image, edits]);
}
