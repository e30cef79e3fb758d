import { PROT_EXEC, PROT_READ, PROT_WRITE } from '@mmun/include';
import { asciiToken } from './byte-cursor.js';
import type { ByteCursor } from './byte-cursor.js';
import type { PerfEvent } from './perf-event.js';

const MMAP2 = asciiToken('MMAP2 ');
const FORK = asciiToken('FORK(');
const EXIT = asciiToken('EXIT(');
const COMM = asciiToken('COMM');
const EXEC = asciiToken(' exec');
const LOST = asciiToken('LOST');
const AT = asciiToken(' @ ');
const BEHIND_RANGE = asciiToken(')');
const OPEN_RANGE = asciiToken('(');
const MIDDLE = asciiToken('):(');
const COLON = 58;
const CLOSE_BRACKET = 93;
const DASH = 45;

interface At {
  readonly time: number;
  readonly line: number;
  readonly pid: number;
  readonly tid: number;
}

/** Reads what stands behind `PERF_RECORD_`. */
export class PerfRecordScanner {
  readonly #cursor: ByteCursor;

  constructor(cursor: ByteCursor) {
    this.#cursor = cursor;
  }

  /** The event; null for a record that concerns no address space; 'malformed' where the line is cut. */
  scan(at: At): PerfEvent | null | 'malformed' {
    const cursor = this.#cursor;
    if (cursor.take(MMAP2)) return this.#mmap2(at);
    if (cursor.take(FORK)) return this.#fork(at);
    if (cursor.take(EXIT)) return this.#exit(at);
    if (cursor.take(COMM)) return this.#comm(at);
    if (cursor.take(LOST)) return this.#lost(at);
    return null;
  }

  /** `PID/TID: [START(LEN) @ OFFSET MAJ:MIN INODE GENERATION]: rwxp NAME` */
  #mmap2(at: At): PerfEvent | null | 'malformed' {
    const cursor = this.#cursor;
    const { buf, end } = cursor;
    if (cursor.byte() === DASH) return null; // -1/0: the kernel's own image
    while (cursor.pos < end && buf[cursor.pos] !== 91) cursor.pos++;
    cursor.pos++;
    const startVaddr = cursor.number();
    if (!cursor.take(OPEN_RANGE)) return 'malformed';
    const lenBytes = cursor.number();
    if (!cursor.take(BEHIND_RANGE) || !cursor.take(AT)) return 'malformed';
    const offsetBytes = cursor.number();
    cursor.skipBlanks();
    const deviceStart = cursor.pos;
    while (cursor.pos < end && buf[cursor.pos] !== 32 && buf[cursor.pos] !== CLOSE_BRACKET) cursor.pos++;
    const hasDevice = buf[cursor.pos] === 32;
    const device = hasDevice ? cursor.text(deviceStart, cursor.pos) : '00:00';
    cursor.skipBlanks();
    const inode = hasDevice ? cursor.decimal() : 0;
    cursor.skipBlanks();
    const generation = cursor.decimal();
    while (cursor.pos < end && buf[cursor.pos] !== CLOSE_BRACKET) cursor.pos++;
    const pos = cursor.pos + 3;
    if (pos + 6 > end || !(startVaddr >= 0 && lenBytes > 0 && offsetBytes >= 0 && inode >= 0)) return 'malformed';
    const prot =
      (buf[pos] === 114 ? PROT_READ : 0) | (buf[pos + 1] === 119 ? PROT_WRITE : 0) | (buf[pos + 2] === 120 ? PROT_EXEC : 0);
    return {
      kind: 'mmap', time: at.time, line: at.line, pid: at.pid, tid: at.tid, startVaddr, lenBytes, offsetBytes,
      device, inode, generation: generation > 0 ? generation : 0, prot, isShared: buf[pos + 3] === 115, name: cursor.text(pos + 5, end),
    };
  }

  /** `(CHILD:CTID):(PARENT:PTID)` */
  #fork(at: At): PerfEvent | 'malformed' {
    const cursor = this.#cursor;
    const childPid = cursor.decimal();
    cursor.pos++;
    const childTid = cursor.decimal();
    if (!cursor.take(MIDDLE)) return 'malformed';
    const parentPid = cursor.decimal();
    cursor.pos++;
    const parentTid = cursor.decimal();
    if (!(childTid > 0 && parentTid > 0)) return 'malformed';
    return {
      kind: 'fork', time: at.time, line: at.line, pid: at.pid, tid: at.tid, childPid, childTid, parentPid, parentTid,
    };
  }

  /** `(PID:TID):(...)`: the thread that ends. */
  #exit(at: At): PerfEvent | 'malformed' {
    const cursor = this.#cursor;
    const pid = cursor.decimal();
    cursor.pos++;
    const tid = cursor.decimal();
    if (!(pid > 0 && tid > 0)) return 'malformed';
    return { kind: 'exit', time: at.time, line: at.line, pid, tid };
  }

  /** ` exec: NAME:PID/TID` or `: NAME:PID/TID`; the name may hold colons. */
  #comm(at: At): PerfEvent | 'malformed' {
    const cursor = this.#cursor;
    const isExec = cursor.take(EXEC);
    if (cursor.byte() !== COLON) return 'malformed';
    const start = cursor.pos + 2;
    let colon = cursor.end - 1;
    while (colon > start && cursor.buf[colon] !== COLON) colon--;
    if (colon <= start) return 'malformed';
    return {
      kind: 'comm', time: at.time, line: at.line, pid: at.pid, tid: at.tid, comm: cursor.text(start, colon), isExec,
    };
  }

  /** `PERF_RECORD_LOST lost N` and `PERF_RECORD_LOST_SAMPLES lost N`. */
  #lost(at: At): PerfEvent {
    const cursor = this.#cursor;
    const { buf, end } = cursor;
    while (cursor.pos < end && !(buf[cursor.pos] >= 48 && buf[cursor.pos] <= 57)) cursor.pos++;
    const nrLost = cursor.decimal();
    return { kind: 'lost', time: at.time, line: at.line, pid: at.pid, tid: at.tid, nrLost: nrLost === nrLost ? nrLost : 0 };
  }
}
