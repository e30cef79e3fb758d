import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const POLL_MS = 4;
/** Other threads go on while one is held in exit_group: what changed while it was read is no state that ever was. */
const MAX_ATTEMPTS = 6;
const NR_EXIT_GROUP = '231';

/**
 * Reads maps, smaps and stat of each process while strace holds its exit_group back.
 * The children of perf are polled; a process whose thread stands in exit_group is
 * read once.
 */
export class EndWatcher {
  /** When each process was read, wall clock in ns. */
  readonly readTimes: Map<number, bigint> = new Map();
  readonly #folder: string;
  readonly #offsetNs: bigint;
  readonly #pids: Set<number> = new Set();
  #timer: NodeJS.Timeout | null = null;

  constructor(folder: string, offsetNs: bigint) {
    this.#folder = folder;
    this.#offsetNs = offsetNs;
  }

  start(rootPid: number): void {
    this.#pids.add(rootPid);
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #poll(): void {
    for (const pid of this.#pids) {
      const tids = list(`/proc/${pid}/task`);
      if (tids.length === 0) this.#pids.delete(pid);
      for (const tid of tids) {
        for (const child of read(`/proc/${pid}/task/${tid}/children`)?.trim().split(' ') ?? []) if (child !== '') this.#pids.add(Number(child));
        if (!this.readTimes.has(pid) && isExiting(pid, tid)) this.#readEnd(pid, tid);
      }
    }
  }

  #readEnd(pid: number, tid: string): void {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const smaps = read(`/proc/${pid}/smaps`);
      const timeNs = process.hrtime.bigint() + this.#offsetNs;
      const texts = [['maps', read(`/proc/${pid}/maps`)], ['smaps', smaps], ['stat', read(`/proc/${pid}/stat`)]] as const;
      const isSteady = read(`/proc/${pid}/smaps`) === smaps;
      if (!isExiting(pid, tid) || texts.some(([, text]) => text === null || text === '')) return;
      for (const [name, text] of texts) writeFileSync(join(this.#folder, `${name}.${pid}.end`), text as string);
      this.readTimes.set(pid, timeNs);
      if (isSteady) return;
    }
  }
}

/** perf and strace end too; only who is traced is stopped inside exit_group. */
function isExiting(pid: number, tid: string): boolean {
  return read(`/proc/${pid}/task/${tid}/syscall`)?.split(' ')[0] === NR_EXIT_GROUP
    && /^\S+ \(.*\) t /s.test(read(`/proc/${pid}/task/${tid}/stat`) ?? '');
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
