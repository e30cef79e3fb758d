/** From `perf script` to events.perf: the traced threads only, on the wall clock; and which files they mapped. */
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { formatStamp } from './clock-offset.js';
import type { TraceFacts } from './trace-file.js';

const EVENT = /^(.*?)(\d+)\/(\d+)(\s+)(\d+)\.(\d{9}): (.*)$/;
const MMAP2 = /^PERF_RECORD_MMAP2 .*? @ \S+ ([0-9a-f]+:[0-9a-f]+) (\d+) \d+\]: \S+ (.*)$/;

export interface MappedPath {
  /** `MAJ:MIN` as maps prints it. */
  readonly device: string;
  readonly inode: string;
  readonly path: string;
}

export interface PerfFacts {
  readonly mapped: readonly MappedPath[];
  /** Files that execve itself mapped: programs and interpreters, in the order in which they came. */
  readonly executed: ReadonlySet<string>;
  readonly hasLost: boolean;
}

export async function writeEvents(script: Readable, path: string, trace: TraceFacts, offsetNs: bigint): Promise<PerfFacts> {
  const out = createWriteStream(path, 'latin1');
  const windows = new ExecWindows(trace);
  const mapped = new Map<string, MappedPath>();
  const executed = new Set<string>();
  let hasLost = false;
  for await (const line of createInterface({ input: script.setEncoding('latin1'), crlfDelay: Infinity })) {
    const match = EVENT.exec(line);
    if (match === null) continue;
    const [, comm, pid, tid, blanks, seconds, fraction, event] = match;
    const isLost = event.startsWith('PERF_RECORD_LOST');
    const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction) + offsetNs;
    if (event.startsWith('PERF_RECORD_COMM exec:')) windows.onExec(Number(tid), ns);
    // A traced thread is strace's own child until its first exec.
    if (!isLost && !windows.hasExeced(Number(tid))) continue;
    hasLost ||= isLost;
    const file = MMAP2.exec(event);
    if (file !== null) {
      const [, device, inode, name] = file;
      mapped.set(`${device} ${inode}`, { device, inode, path: name });
      if (name.startsWith('/') && windows.isExecs(Number(tid), ns)) executed.add(name);
    }
    if (!out.write(`${comm}${pid}/${tid}${blanks}${formatStamp(ns)}: ${event}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return { mapped: [...mapped.values()], executed, hasLost };
}

/** Between a COMM exec and the thread's next system call every mapping is execve's own. */
class ExecWindows {
  readonly #trace: TraceFacts;
  readonly #ends: Map<number, bigint> = new Map();
  #root = -1;

  constructor(trace: TraceFacts) {
    this.#trace = trace;
  }

  onExec(tid: number, ns: bigint): void {
    const next = this.#trace.entries.get(tid)?.find((entry) => entry > ns);
    if (!this.#trace.tids.has(tid)) return;
    if (this.#root < 0) this.#root = tid;
    this.#ends.set(tid, next ?? ns + 1_000_000_000n);
  }

  /** The first thread counts from its first exec on, the others are its descendants. */
  hasExeced(tid: number): boolean {
    return this.#root >= 0 && this.#trace.tids.has(tid);
  }

  isExecs(tid: number, ns: bigint): boolean {
    const end = this.#ends.get(tid);
    return end !== undefined && ns < end;
  }
}
