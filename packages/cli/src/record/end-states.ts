/** Reads each process' maps, smaps and stat while strace holds its exit_group back. */
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatStamp } from './clock-offset.js';

const POLL_MS = 2;
const EXIT = /^(\d+)\s+\d+\.\d+ exit_group\(/;

/** Follows a trace while strace writes it. */
export class EndStates {
  /** `read_PID` of the environment: when the files of a process were read. */
  readonly readTimes: Map<number, string> = new Map();
  readonly #tracePath: string;
  readonly #folder: string;
  readonly #offsetNs: bigint;
  #fd = -1;
  #line = '';
  #isTaken = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(tracePath: string, folder: string, offsetNs: bigint) {
    this.#tracePath = tracePath;
    this.#folder = folder;
    this.#offsetNs = offsetNs;
  }

  start(): void {
    this.#poll();
    this.#timer = setTimeout(() => this.start(), POLL_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#timer = null;
    this.#fd = -1;
  }

  #poll(): void {
    try {
      if (this.#fd < 0) this.#fd = openSync(this.#tracePath, 'r');
    } catch {
      return; // strace has not opened it yet
    }
    const chunk = Buffer.allocUnsafe(1 << 16);
    for (let nrRead = readSync(this.#fd, chunk); nrRead > 0; nrRead = readSync(this.#fd, chunk)) {
      this.#feed(chunk.toString('latin1', 0, nrRead));
    }
  }

  /** The line of an exit_group is written up to its argument before the delay begins. */
  #feed(text: string): void {
    const parts = text.split('\n');
    for (const [i, part] of parts.entries()) {
      if (i > 0) {
        this.#line = '';
        this.#isTaken = false;
      }
      this.#line += part;
      const match = this.#isTaken ? null : EXIT.exec(this.#line);
      if (match === null) continue;
      this.#isTaken = true;
      this.#read(Number(match[1]));
    }
  }

  #read(tid: number): void {
    try {
      const pid = Number(/^Tgid:\s+(\d+)/m.exec(readFileSync(`/proc/${tid}/status`, 'utf8'))?.[1]);
      if (this.readTimes.has(pid)) return;
      const stamp = formatStamp(process.hrtime.bigint() + this.#offsetNs);
      const texts = ['maps', 'smaps', 'stat'].map((name) => [name, readFileSync(`/proc/${pid}/${name}`, 'utf8')] as const);
      const isStillHeld = readFileSync(`/proc/${tid}/syscall`, 'utf8').startsWith('231 ');
      if (!isStillHeld || texts.some(([, text]) => text === '')) return;
      for (const [name, text] of texts) writeFileSync(join(this.#folder, `${name}.${pid}.end`), text);
      this.readTimes.set(pid, stamp);
    } catch {
      // gone already: a process without end state is replayed all the same
    }
  }
}
