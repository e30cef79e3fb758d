/**
 * From some schedule that goes wrong to the smallest: fewest preemptions, then fewest
 * steps. Proved by search where the space fits, else found by leaving out one turn after
 * the other for as long as the finding stays.
 */
import { cpuMillis } from './cpu-time.js';
import { hasFrames } from './cursor.js';
import type { Execution } from './execution.js';
import { Opaque } from './frames.js';
import { LevelSearch } from './level-search.js';
import { SchedulePlayer, ScriptPlayer } from './replay.js';
import type { Turn } from './replay-string.js';
import type { Found, Limits, Schedule } from './search.js';

export interface Minimal {
  readonly schedule: Schedule;
  /** No schedule with this finding has fewer preemptions, nor as many and fewer steps. */
  readonly isProved: boolean;
}

export interface MinimiseOptions extends Limits {
  /** States that the proof may take. */
  readonly maxStates: number;
  /** Of this thread's work. */
  readonly maxMillis: number;
}

/** @param x the execution that the finding comes from: it knows which releases are steps */
export function minimise(x: Execution, found: Found, options: MinimiseOptions): Minimal {
  const proved = prove(x, found, options);
  return proved === null ? { schedule: shrink(x, found, options), isProved: false } : { schedule: proved, isProved: true };
}

/** To look at the clock takes as long as some steps. */
const ADVANCES_PER_LOOK = 8;

function prove(x: Execution, found: Found, { maxStates, maxMillis, maxSteps }: MinimiseOptions): Schedule | null {
  if (found.code === 'retry-livelock') return null;
  const until = cpuMillis() + maxMillis;
  for (const kind of hasFrames(x) ? (['frames', 'replay'] as const) : (['replay'] as const)) {
    try {
      const search = new LevelSearch(x, { maxSteps }, kind, { maxPreemptions: Infinity, until: found.code, maxStates });
      for (let n = 0; !search.isDone && (n % ADVANCES_PER_LOOK !== 0 || cpuMillis() < until); n++) search.advance();
      return search.isDone && !search.isGivenUp ? search.found.get(found.code)?.schedule ?? null : null;
    } catch (error) {
      if (!(error instanceof Opaque)) throw error;
    }
  }
  return null;
}

/** Every single turn that is left is needed. */
function shrink(x: Execution, found: Found, { maxSteps }: MinimiseOptions): Schedule {
  const settled = settle(() => new SchedulePlayer(found.schedule, { maxSteps }).play(x), x);
  if (settled.finding?.code !== found.code) return found.schedule;
  let best = settled;
  const play = (turns: readonly Turn[]): typeof settled => new ScriptPlayer({ turns, digest: '' }, { maxSteps }).play(x);
  for (let size = Math.max(best.turns.length >> 1, 1); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let at = 0; at < best.turns.length; ) {
      const tried = play([...best.turns.slice(0, at), ...best.turns.slice(at + size)]);
      const isBetter = tried.finding?.code === found.code && tried.turns.length < best.turns.length && tried.preemptions <= best.preemptions;
      if (isBetter) best = tried;
      else at += size;
    }
  }
  return best.schedule;
}

/** The first runs of a fresh execution may find places that only later count as points. */
export function settle<T>(play: () => T, x: Execution): T {
  for (;;) {
    x.grew = false;
    const played = play();
    if (!x.grew) return played;
  }
}
