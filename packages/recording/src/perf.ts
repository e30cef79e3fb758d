import { ByteCursor, asciiToken } from './byte-cursor.js';
import type { Token } from './byte-cursor.js';
import type { Clock } from './clock.js';
import type { SkippedList } from './diagnostics.js';
import type { LineReader } from './line-reader.js';
import type { PerfEvent } from './perf-event.js';
import { PrefixCache } from './prefix-cache.js';
import { PerfRecordScanner } from './perf-record.js';

const FAULT_USER = asciiToken('exceptions:page_fault_user: address=');
const FAULT_KERNEL = asciiToken('exceptions:page_fault_kernel: address=');
const MMAP_LOCK = asciiToken('mmap_lock:mmap_lock_acquire_returned: mm=');
const PLAIN_FAULTS = asciiToken('page-faults:');
const MINOR_FAULTS = asciiToken('minor-faults:');
const MAJOR_FAULTS = asciiToken('major-faults:');
const PERF_RECORD = asciiToken('PERF_RECORD_');
const ERROR_CODE = asciiToken(' error_code=');
const WRITE = asciiToken(' write=');
const SUCCESS = asciiToken(' success=');
const BLANK = 32;
const SLASH = 47;
const DOT = 46;
const COLON = 58;
const OPEN_BRACKET = 91;
const TRUE = 116;

/**
 * Reads the text of `perf script`, one event at a time. Events that concern no
 * address space are read over; lines without `COMM PID/TID TIME: EVENT` are
 * listed as skipped.
 */
export class PerfScanner {
  /** Lines that were understood, those that were read over included. */
  nrUnderstood = 0;
  /** Faults without an error code were seen: a plain `page-faults` recording. */
  hasPlainFaults = false;
  hasLocks = false;
  readonly #lines: LineReader;
  readonly #clock: Clock;
  readonly #skipped: SkippedList;
  readonly #file: string;
  readonly #cursor = new ByteCursor();
  readonly #records: PerfRecordScanner;
  readonly #prefix = new PrefixCache();
  #seconds = 0;
  #pid = 0;
  #tid = 0;
  #time = 0;

  constructor(lines: LineReader, context: { clock: Clock; skipped: SkippedList; file: string }) {
    this.#lines = lines;
    this.#clock = context.clock;
    this.#skipped = context.skipped;
    this.#file = context.file;
    this.#records = new PerfRecordScanner(this.#cursor);
  }

  next(): PerfEvent | null {
    const lines = this.#lines;
    while (lines.next()) {
      if (lines.start === lines.end) continue;
      this.#cursor.reset(lines.buf, lines.start, lines.end);
      if (!this.#readPrefix()) {
        this.#reject('expected `COMM PID/TID TIME: EVENT`');
        continue;
      }
      const event = this.#event();
      if (event !== null) return event;
    }
    return null;
  }

  #event(): PerfEvent | null {
    const cursor = this.#cursor;
    switch (cursor.byte()) {
      case 101: // e
        if (cursor.take(FAULT_USER) || cursor.take(FAULT_KERNEL)) return this.#fault();
        break;
      case 109: // m
        if (cursor.take(MMAP_LOCK)) return this.#lock();
        if (cursor.take(MINOR_FAULTS) || cursor.take(MAJOR_FAULTS)) return this.#plainFault();
        break;
      case 112: // p
        if (cursor.take(PLAIN_FAULTS)) return this.#plainFault();
        break;
      case 80: // P
        if (cursor.take(PERF_RECORD)) return this.#record();
        break;
    }
    this.#unknownEvent();
    return null;
  }

  #fault(): PerfEvent | null {
    const cursor = this.#cursor;
    const address = cursor.number();
    if (address !== address) {
      // A symbol instead of a number: the kernel faulted on its own memory.
      this.nrUnderstood++;
      return null;
    }
    if (!this.#seek(ERROR_CODE)) return this.#reject('cut line: expected error_code=');
    const errorCode = cursor.number();
    if (errorCode !== errorCode || this.#lines.isCut) return this.#reject('cut line: expected error_code=');
    this.nrUnderstood++;
    return { kind: 'fault', time: this.#time, line: this.#lines.line, pid: this.#pid, tid: this.#tid, address, errorCode };
  }

  #plainFault(): PerfEvent | null {
    const cursor = this.#cursor;
    // `page-faults:u:` names its modifier.
    while (cursor.byte() === 117 || cursor.byte() === COLON) cursor.pos++;
    cursor.skipBlanks();
    const start = cursor.pos;
    let address = cursor.number();
    if (cursor.pos < cursor.end && cursor.byte() !== BLANK) {
      cursor.pos = start;
      address = cursor.hexDigits();
    } else if (cursor.buf[start + 1] !== 120) {
      cursor.pos = start;
      address = cursor.hexDigits();
    }
    if (address !== address) return this.#reject('expected an address behind page-faults:');
    this.nrUnderstood++;
    this.hasPlainFaults = true;
    return { kind: 'fault', time: this.#time, line: this.#lines.line, pid: this.#pid, tid: this.#tid, address, errorCode: -1 };
  }

  #lock(): PerfEvent | null {
    const cursor = this.#cursor;
    const { buf, pos, end } = cursor;
    // `0xffff888104423200`: the upper sixteen bits say nothing and would cost exactness.
    if (pos + 18 <= end && buf[pos + 2] === 102 && buf[pos + 5] === 102) cursor.pos = pos + 6;
    else cursor.pos = pos + 2;
    const mm = cursor.hexDigits();
    if (mm !== mm || !this.#seek(WRITE)) return this.#reject('cut line: expected mm= and write=');
    const isWrite = cursor.byte() === TRUE;
    if (!this.#seek(SUCCESS)) return this.#reject('cut line: expected success=');
    this.nrUnderstood++;
    if (!isWrite || cursor.byte() !== TRUE) return null;
    this.hasLocks = true;
    return { kind: 'lock', time: this.#time, line: this.#lines.line, pid: this.#pid, tid: this.#tid, mm };
  }

  #record(): PerfEvent | null {
    const at = { time: this.#time, line: this.#lines.line, pid: this.#pid, tid: this.#tid };
    const event = this.#records.scan(at);
    if (event === 'malformed') return this.#reject('cut line: expected the rest of a PERF_RECORD');
    this.nrUnderstood++;
    return event;
  }

  #unknownEvent(): void {
    const { buf, pos, end } = this.#cursor;
    const text = buf.toString('latin1', pos, Math.min(end, pos + 80));
    const name = /^[\w:-]+/.exec(text)?.[0].replace(/:+$/, '') ?? '';
    if (name === '') this.#reject('expected an event behind the time');
    else {
      this.nrUnderstood++;
      this.#skipped.addOnce(this.#file, this.#lines.line, `unknown event ${name}`);
    }
  }

  /**
   * COMM may hold anything, blanks and slashes too: the first `PID/TID TIME:` behind
   * a blank ends it.
   */
  #readPrefix(): boolean {
    const cursor = this.#cursor;
    const { buf, end } = cursor;
    const start = cursor.pos;
    const known = this.#prefix.take(cursor);
    if (known !== undefined) {
      this.#pid = known.pid;
      this.#tid = known.tid;
      this.#seconds = known.seconds;
      if (this.#readFraction()) return true;
      cursor.pos = start;
    }
    cursor.skipBlanks();
    for (let pos = cursor.pos; pos < end; pos++) {
      const byte = buf[pos];
      if (byte < 48 || byte > 57 || (pos > 0 && buf[pos - 1] !== BLANK)) continue;
      cursor.pos = pos;
      if (this.#readIds()) {
        const behindDot = cursor.pos;
        if (this.#readFraction()) {
          this.#prefix.store(buf, start, behindDot, { pid: this.#pid, tid: this.#tid, seconds: this.#seconds });
          return true;
        }
      }
    }
    return false;
  }

  /** `PID/TID [CPU] SECONDS.` */
  #readIds(): boolean {
    const cursor = this.#cursor;
    const pid = cursor.decimal();
    let tid = pid;
    if (cursor.byte() === SLASH) {
      cursor.pos++;
      tid = cursor.decimal();
      if (tid !== tid) return false;
    }
    if (cursor.byte() !== BLANK) return false;
    cursor.skipBlanks();
    if (cursor.byte() === OPEN_BRACKET) {
      cursor.pos++;
      cursor.decimal();
      cursor.pos++;
      cursor.skipBlanks();
    }
    const seconds = cursor.decimal();
    if (seconds !== seconds || cursor.byte() !== DOT) return false;
    cursor.pos++;
    this.#pid = pid;
    this.#tid = tid;
    this.#seconds = seconds;
    return true;
  }

  /** `NANOSECONDS: ` */
  #readFraction(): boolean {
    const cursor = this.#cursor;
    const ns = cursor.fractionNs();
    if (ns !== ns || cursor.byte() !== COLON) return false;
    cursor.pos++;
    this.#time = this.#clock.stamp(this.#seconds, ns);
    this.#skipPeriod();
    return true;
  }

  /** `perf script` without -F puts the period in front of the event. */
  #skipPeriod(): void {
    const cursor = this.#cursor;
    cursor.skipBlanks();
    const start = cursor.pos;
    const first = cursor.byte();
    if (first < 48 || first > 57) return;
    const period = cursor.decimal();
    if (period === period && cursor.byte() === BLANK) cursor.skipBlanks();
    else cursor.pos = start;
  }

  /** Moves behind the next `text`; false where the line has none. */
  #seek(text: Token): boolean {
    const cursor = this.#cursor;
    const { buf, end } = cursor;
    for (let pos = cursor.pos; pos < end; pos++) {
      if (buf[pos] !== BLANK) continue;
      cursor.pos = pos;
      if (cursor.take(text)) return true;
    }
    return false;
  }

  #reject(reason: string): null {
    this.#skipped.add(this.#file, this.#lines.line, reason);
    return null;
  }
}
