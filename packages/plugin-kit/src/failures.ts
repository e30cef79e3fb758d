/**
 * What can fail in a driver's way, one at a time: memory that is short, a signal while locks are taken, a lock that somebody holds, a queue that
 * is full. One thread, so the n-th service that can fail is the same one in every run.
 */
import { EINTR, ENOMEM } from '@mmun/include';

/** How each fails, as its contract says. */
const FAILS: Readonly<Record<string, number | boolean>> = {
  shouldFail: true, mmuNotifierAlloc: 0,
  mmuNotifierRegister: -EINTR, mmuNotifierGet: -EINTR,
  getUserPages: -ENOMEM, getUserPagesLocked: -ENOMEM, pinUserPages: -ENOMEM, withPte: -ENOMEM, vmMmapPfn: -ENOMEM, remapPfn: -ENOMEM,
  allocPage: 0, followPage: 0, atomicPteLookup: 0, queueWork: -ENOMEM, callRcu: false,
  spinTrylock: false, mutexTrylock: false, mmapReadTrylock: false, downReadTrylock: false, trylockPage: false,
};
const AT_ONCE: ReadonlySet<string> = new Set(['shouldFail', 'mmuNotifierAlloc']);

/** The `at`-th service that can fail does, once. */
export class Failures {
  readonly at: number;
  /** What it was; empty where there were fewer. */
  what = '';
  private seen = 0;

  constructor(at: number) {
    this.at = at;
  }

  /** A machine is booted. */
  begin(): void {
    this.seen = 0;
  }

  isNext(name: string): boolean {
    if (FAILS[name] === undefined || ++this.seen !== this.at) return false;
    this.what = name;
    return true;
  }
}

export function isFailing(failures: Failures | undefined, name: string): boolean {
  return failures?.isNext(name) === true;
}

/** Locks that are asked for and not waited for. */
export function isTry(name: string): boolean {
  return /[tT]rylock/.test(name);
}

/** What such a service answers. */
export function failed(name: string): unknown {
  return AT_ONCE.has(name) ? FAILS[name] : failedTask(FAILS[name] as number | boolean);
}

function* failedTask(answer: number | boolean): Generator<never, number | boolean> {
  return answer;
}
