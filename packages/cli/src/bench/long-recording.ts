/** A recording as long as one likes: a real one that happens again and again, each time later and under other numbers. */
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const TRACE = 'trace.strace';
const EVENTS = 'events.perf';

/**
 * Writes `times` repetitions of the recording `from` to the new folder `to`. Every repetition is a process tree of its own, which
 * asks the same and is answered the same; end states are those of the first.
 */
export function repeatRecording(from: string, to: string, times: number): void {
  mkdirSync(to, { recursive: true });
  const texts = [TRACE, EVENTS].map((name) => ({ name, text: readFileSync(join(from, name), 'utf8') }));
  const pids = pidsIn(texts.map(({ text }) => text).join('\n'));
  const seconds = texts.flatMap(({ text }) => [...text.matchAll(/\b(\d{10})\.\d{9}\b/g)].map(([, whole]) => Number(whole)));
  const span = Math.max(...seconds) - Math.min(...seconds) + 2;
  const stride = Math.max(...pids) - Math.min(...pids) + 1;
  const numbers = new RegExp(`\\b(?:(${[...pids].join('|')})|(\\d{10})(?=\\.\\d{9}))\\b`, 'g');
  for (let k = 0; k < times; k++) {
    for (const { name, text } of texts) {
      appendFileSync(join(to, name), text.replace(numbers, (_, pid?: string, second?: string) => (pid === undefined ? String(Number(second) + k * span) : String(Number(pid) + k * stride))));
    }
  }
  for (const name of readdirSync(from)) if (name !== TRACE && name !== EVENTS) copyFileSync(join(from, name), join(to, name));
}

/** Threads and processes, as strace begins its lines and perf its events with them. */
function pidsIn(text: string): ReadonlySet<number> {
  const ofTrace = [...text.matchAll(/^(\d+) +\d{10}\./gm)].map(([, pid]) => Number(pid));
  const ofEvents = [...text.matchAll(/ (\d+)\/(\d+) +\d{10}\./g)].flatMap(([, pid, tid]) => [Number(pid), Number(tid)]);
  return new Set([...ofTrace, ...ofEvents]);
}
