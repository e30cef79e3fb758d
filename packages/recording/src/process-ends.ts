import { parseMaps } from './maps.js';
import type { RecordedRow } from './maps.js';
import { parseSmaps } from './smaps.js';
import type { SmapsRow } from './smaps.js';
import { parseStat } from './stat.js';
import type { ProcStat } from './stat.js';
import { readTextFile } from './text-file.js';
import type { ParseContext } from './text-file.js';

const END_FILE = /^(maps|smaps|stat)\.(\d+)\.end$/;

/** The end state of one process; a part is null where its file is missing or unreadable. */
export interface ProcessEnd {
  readonly maps: readonly RecordedRow[] | null;
  readonly smaps: readonly SmapsRow[] | null;
}

/** The .end files of a recording, read when they are asked for. */
export class ProcessEnds {
  /** Processes that have a maps or smaps file, ascending. */
  readonly pids: readonly number[];
  readonly #statsRead: Set<number> = new Set();
  readonly #folder: string | null;
  readonly #names: readonly string[];
  readonly #context: (name: string) => ParseContext;

  constructor(folder: string | null, names: readonly string[], context: (name: string) => ParseContext) {
    this.#folder = folder;
    this.#names = names.filter((name) => END_FILE.test(name));
    this.#context = context;
    const pids = this.#names.filter((name) => !name.startsWith('stat')).map(pidOf);
    this.pids = [...new Set(pids)].sort((a, b) => a - b);
  }

  /** null where the process has no end state. */
  read(pid: number): ProcessEnd | null {
    if (!this.pids.includes(pid)) return null;
    const maps = this.#parse(`maps.${pid}.end`, parseMaps);
    const smaps = this.#parse(`smaps.${pid}.end`, parseSmaps);
    // A process that never calls execve has no use for it, but damage is damage.
    if (!this.#statsRead.has(pid)) this.stat(pid);
    return { maps, smaps };
  }

  stat(pid: number): ProcStat | null {
    const name = `stat.${pid}.end`;
    this.#statsRead.add(pid);
    const text = this.#text(name);
    if (text === null) return null;
    const stat = parseStat(text);
    if (stat === null) this.#context(name).skip(1, 'expected /proc/PID/stat with 52 fields');
    return stat;
  }

  /** Says of each file that belongs to none of `pids` that it was left aside. */
  skipStrangers(pids: ReadonlySet<number>): void {
    for (const name of this.#names) {
      const pid = pidOf(name);
      if (!pids.has(pid)) this.#context(name).skip(0, `the trace knows no process ${pid}`);
    }
  }

  /** Lists the file as skipped, with why. */
  skip(name: string, line: number, reason: string): void {
    this.#context(name).skip(line, reason);
  }

  #parse<R>(name: string, parse: (text: string, context: ParseContext) => R[]): R[] | null {
    const text = this.#text(name);
    if (text === null) return null;
    if (text === '') {
      this.#context(name).skip(0, 'empty file');
      return null;
    }
    const rows = parse(text, this.#context(name));
    return rows.length === 0 ? null : rows;
  }

  #text(name: string): string | null {
    return this.#folder === null || !this.#names.includes(name) ? null : readTextFile(this.#folder, name);
  }
}

function pidOf(name: string): number {
  return Number((END_FILE.exec(name) as RegExpExecArray)[2]);
}
