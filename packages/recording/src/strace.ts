import { ByteCursor, asciiToken } from './byte-cursor.js';
import type { Call, StraceRecord } from './call.js';
import type { Clock } from './clock.js';
import { NS_PER_SECOND } from './clock.js';
import type { SkippedList } from './diagnostics.js';
import type { LineReader } from './line-reader.js';
import { PrefixCache } from './prefix-cache.js';
import { StraceCallScanner } from './strace-call.js';

const RESUMED = asciiToken('<... ');
const PLUS = asciiToken('+++ ');
const SIGNAL = asciiToken('--- ');
const PID_PREFIX = asciiToken('[pid');
const STRACE_NOTE = asciiToken('strace: ');
const PROCESS_NOTE = asciiToken('Process ');
const EXITED = asciiToken('exited');
const SUPERSEDED = asciiToken('superseded by execve in pid ');
const DOT = 46;
const COLON = 58;
const CLOSE_BRACKET = 93;

/** How the trace gives times; decided by its first line that has one. */
export type StampKind = 'unknown' | 'none' | 'wall' | 'day' | 'relative';

/**
 * Reads the text of `strace -f`, one record at a time.
 *
 * Lines that concern no address space (other calls, signals, strace's own notes)
 * are read over; lines that are no strace line are listed as skipped. The records
 * come in file order, which is the order in which strace saw them.
 */
export class StraceScanner {
  /** What kind of times the trace has. */
  stampKind: StampKind = 'unknown';
  /** Did any line carry a pid? */
  hasPids = false;
  /** The thread of lines without a pid (strace without -f). */
  defaultTid = 1;
  /** Lines that were understood, those that were read over included. */
  nrUnderstood = 0;
  readonly #lines: LineReader;
  readonly #clock: Clock;
  readonly #skipped: SkippedList;
  readonly #file: string;
  readonly #cursor = new ByteCursor();
  readonly #calls: StraceCallScanner;
  readonly #prefix = new PrefixCache();
  #relativeNs = 0;
  #tid = 0;
  #time = NaN;

  constructor(lines: LineReader, context: { clock: Clock; skipped: SkippedList; file: string }) {
    this.#lines = lines;
    this.#clock = context.clock;
    this.#skipped = context.skipped;
    this.#file = context.file;
    this.#calls = new StraceCallScanner(this.#cursor);
  }

  next(): StraceRecord | null {
    const lines = this.#lines;
    while (lines.next()) {
      if (lines.start === lines.end) continue;
      this.#cursor.reset(lines.buf, lines.start, lines.end);
      const record = this.#record();
      if (record !== null) return record;
    }
    return null;
  }

  #record(): StraceRecord | null {
    const cursor = this.#cursor;
    this.#readPrefix();
    const first = cursor.byte();
    if (first >= 97 && first <= 122 && !this.#isNote()) return this.#call();
    if (first === 60 && cursor.take(RESUMED)) return this.#resumed();
    if (first === 43 && cursor.take(PLUS)) return this.#ended();
    if ((first === 45 && cursor.take(SIGNAL)) || this.#isNote() || this.#isDetached()) {
      this.nrUnderstood++;
      return null;
    }
    this.#reject('expected `NAME(ARGUMENTS) = RESULT`');
    return null;
  }

  #call(): Call | null {
    const calls = this.#calls;
    const outcome = calls.scanCall(this.#lines.line, this.#tid, this.#time);
    if (outcome === 'call' && this.#lines.isCut) {
      // The trace ends inside this line; what stands behind `=` may be half a number.
      this.#rejectCall('cut');
      return null;
    }
    if (outcome === 'call') {
      this.nrUnderstood++;
      return calls.call;
    }
    if (outcome === 'other') this.nrUnderstood++;
    else this.#rejectCall(outcome);
    return null;
  }

  #rejectCall(outcome: 'unknown' | 'no-call' | 'cut'): void {
    const calls = this.#calls;
    if (outcome === 'unknown') {
      this.nrUnderstood++;
      this.#skipped.addOnce(this.#file, this.#lines.line, `unknown system call ${calls.nameText()}`);
    } else if (outcome === 'cut') this.#reject(`cut line: expected the rest of ${calls.nameText()}`);
    else this.#reject('expected `NAME(ARGUMENTS) = RESULT`');
  }

  #resumed(): StraceRecord | null {
    const calls = this.#calls;
    const outcome = calls.scanResumed();
    if (outcome === 'call' || outcome === 'other') this.nrUnderstood++;
    else this.#rejectCall(outcome);
    if (outcome !== 'call' || calls.name === null) return null;
    return {
      kind: 'resumed', time: this.#time, line: this.#lines.line, tid: this.#tid, name: calls.name,
      result: calls.result, hasReturned: calls.hasReturned, resultPath: calls.resultPath,
    };
  }

  #ended(): StraceRecord {
    const cursor = this.#cursor;
    const how = cursor.take(EXITED) ? 'exited' : cursor.take(SUPERSEDED) ? 'superseded' : 'killed';
    const by = how === 'superseded' ? cursor.decimal() : 0;
    this.nrUnderstood++;
    return { kind: 'ended', time: this.#time, line: this.#lines.line, tid: this.#tid, how, by: by > 0 ? by : 0 };
  }

  /** `[pid N] `, `N  `, then a time in one of strace's notations; each may be missing. */
  #readPrefix(): void {
    const cursor = this.#cursor;
    const lineStart = cursor.pos;
    const known = this.#prefix.take(cursor);
    if (known !== undefined) {
      this.#tid = known.tid;
      this.#time = this.#clock.stamp(known.seconds, cursor.fractionNs());
      cursor.skipBlanks();
      return;
    }
    let tid = 0;
    cursor.skipBlanks();
    if (cursor.byte() === 91 && cursor.take(PID_PREFIX)) {
      cursor.skipBlanks();
      tid = cursor.decimal();
      if (cursor.byte() === CLOSE_BRACKET) cursor.pos++;
      cursor.skipBlanks();
      this.hasPids = true;
    }
    let start = cursor.pos;
    let number = cursor.decimal();
    if (number === number && tid === 0 && cursor.byte() !== DOT && cursor.byte() !== COLON) {
      tid = number;
      this.hasPids = true;
      cursor.skipBlanks();
      start = cursor.pos;
      number = cursor.decimal();
    }
    this.#tid = tid > 0 ? tid : this.defaultTid;
    if (number === number) this.#readStamp(number, { start, lineStart });
    else if (this.stampKind === 'unknown' || this.stampKind === 'none') {
      this.stampKind = 'none';
      this.#time = NaN;
    }
    cursor.skipBlanks();
  }

  #readStamp(number: number, { start, lineStart }: { start: number; lineStart: number }): void {
    const cursor = this.#cursor;
    if (cursor.byte() === COLON) {
      this.#readTimeOfDay(number);
    } else if (cursor.byte() === DOT) {
      cursor.pos++;
      const behindDot = cursor.pos;
      const ns = cursor.fractionNs();
      if (number > 1e8) {
        this.stampKind = 'wall';
        this.#prefix.store(cursor.buf, lineStart, behindDot, { pid: 0, tid: this.#tid, seconds: number });
        this.#time = this.#clock.stamp(number, ns);
      } else {
        this.stampKind = 'relative';
        this.#relativeNs += number * NS_PER_SECOND + ns;
        this.#time = this.#relativeNs;
      }
    } else {
      cursor.pos = start;
    }
  }

  #readTimeOfDay(hours: number): void {
    const cursor = this.#cursor;
    cursor.pos++;
    const minutes = cursor.decimal();
    cursor.pos++;
    const seconds = cursor.decimal();
    let ns = 0;
    if (cursor.byte() === DOT) {
      cursor.pos++;
      ns = cursor.fractionNs();
    }
    this.stampKind = 'day';
    this.#time = this.#clock.stampOfDay(hours * 3600 + minutes * 60 + seconds, ns);
  }

  #isNote(): boolean {
    const cursor = this.#cursor;
    const pos = cursor.pos;
    const isNote = cursor.take(STRACE_NOTE) || cursor.take(PROCESS_NOTE);
    cursor.pos = pos;
    return isNote;
  }

  /** ` <detached ...>`, what strace prints for a thread it let go. */
  #isDetached(): boolean {
    const { buf, pos, end } = this.#cursor;
    return buf[pos] === 60 && buf.toString('latin1', pos, end).startsWith('<detached');
  }

  #reject(reason: string): void {
    this.#skipped.add(this.#file, this.#lines.line, reason);
  }
}
