/** Between a machine and whoever schedules it: an oracle hears what is announced and changes nothing. */
import type { PointKind, Scheduler, Where } from '@mmun/include';
import type { WatchedMachine } from './watched.js';

export interface Listener {
  /** An operation is announced. `isWait`: it may have to wait. It may be announced again when a thread that waited goes on. */
  announced(kind: PointKind, where: Where, isWait: boolean): void;
  touched(kind: PointKind, where: Where): void;
}

/** From now on `m.sched` is the tap, and whoever sets it sets what is behind the tap. */
export function tapScheduler(m: WatchedMachine, listener: Listener): void {
  const first = m.sched;
  let behind = first;
  const tap: Scheduler = {
    point(kind, where) {
      listener.announced(kind, where, false);
      return behind.point(kind, where);
    },
    until(kind, where, mask, value) {
      listener.announced(kind, where, true);
      return behind.until(kind, where, mask, value);
    },
    touch(kind, where) {
      listener.touched(kind, where);
      behind.touch(kind, where);
    },
    choose: (nrOptions, label) => behind.choose(nrOptions, label),
  };
  Object.defineProperty(m, 'sched', {
    enumerable: true,
    get: () => tap,
    set: (next: Scheduler) => { behind = next === tap ? first : next; },
  });
}
