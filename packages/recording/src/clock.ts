const NS_PER_S = 1e9;
/** Time zones are multiples of this. */
const ZONE_S = 900;

/**
 * Wall-clock stamps as exact doubles: nanoseconds since the first stamp's second,
 * because nanoseconds since 1970 do not fit 53 bits. One clock per recording, so
 * that stamps of different files compare.
 */
export class Clock {
  #baseS = NaN;

  /** Seconds since 1970 of stamp 0; NaN before the first stamp. */
  get baseSeconds(): number {
    return this.#baseS;
  }

  /** `seconds` since 1970, `ns` 0 to 999999999; result in ns, negative before the first stamp's second. */
  stamp(seconds: number, ns: number): number {
    if (this.#baseS !== this.#baseS) this.#baseS = seconds;
    return (seconds - this.#baseS) * NS_PER_S + ns;
  }

  /**
   * A time of day (strace -tt) has neither date nor zone: the multiple of a quarter
   * hour that brings it nearest to the first stamp is taken. Without a first
   * stamp the time of day is the clock.
   */
  stampOfDay(secondsOfDay: number, ns: number): number {
    if (this.#baseS !== this.#baseS) this.#baseS = secondsOfDay;
    const shift = Math.round((this.#baseS - secondsOfDay) / ZONE_S) * ZONE_S;
    return (secondsOfDay + shift - this.#baseS) * NS_PER_S + ns;
  }

  /** Back to text, `seconds.nanoseconds`, for messages. */
  format(stamp: number): string {
    const seconds = Math.floor(stamp / NS_PER_S);
    const ns = stamp - seconds * NS_PER_S;
    return `${seconds + (this.#baseS !== this.#baseS ? 0 : this.#baseS)}.${String(ns).padStart(9, '0')}`;
  }
}

export const NS_PER_SECOND: number = NS_PER_S;
