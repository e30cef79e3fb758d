import { asciiToken } from './byte-cursor.js';
import type { ByteCursor } from './byte-cursor.js';
import type { Call, Range } from './call.js';
import { errnoByName } from './errno-names.js';
import { fieldValue, findPathEnd, flagsValue, limitValue, skipBrackets, skipString, unescapeText } from './strace-text.js';
import { NAME_HASH_SEED, findSyscall, nameHash } from './syscalls.js';
import type { Syscall, SyscallName } from './syscalls.js';

/** What a line turned out to be: a call of ours, another call, a name no one knows, no call at all, a call cut short. */
export type CallOutcome = 'call' | 'other' | 'unknown' | 'no-call' | 'cut';

const MAX_ARGS = 8;
const F_ADD_SEALS = 1033;
const UNFINISHED = asciiToken('<unfinished');
const RESUMED = asciiToken(' resumed>');
const DELETED = asciiToken('(deleted)');
const NULL = asciiToken('NULL');
const COMMA = 44;
const OPEN = 40;
const CLOSE = 41;
const EQUALS = 61;
const QUESTION = 63;
const QUOTE = 34;
const LESS = 60;
const PIPE = 124;
const MINUS = 45;

/** Reads one call: its name, its arguments, its result. The fields hold the line read last. */
export class StraceCallScanner {
  call: Call | null = null;
  name: SyscallName | null = null;
  result: number = NaN;
  hasReturned = true;
  resultPath: string | null = null;
  readonly #cursor: ByteCursor;
  readonly #args: Float64Array = new Float64Array(MAX_ARGS);
  #nrArgs = 0;
  #nameStart = 0;
  #nameEnd = 0;
  #fdPath: string | null = null;
  #text: string | null = null;
  #struct: string | null = null;
  /** Bytes of the first argument in brackets. */
  #array: readonly [start: number, end: number] | null = null;
  #isUnfinished = false;

  constructor(cursor: ByteCursor) {
    this.#cursor = cursor;
  }

  /** The bytes of the name read last. */
  nameText(): string {
    return this.#cursor.text(this.#nameStart, this.#nameEnd);
  }

  /** Reads `NAME(ARGS) = RESULT` or `NAME(ARGS <unfinished ...>`; on 'call' the call is in `call`. */
  scanCall(line: number, tid: number, time: number): CallOutcome {
    const cursor = this.#cursor;
    const syscall = this.#readName();
    if (cursor.byte() !== OPEN) return 'no-call';
    cursor.pos++;
    if (syscall === undefined) return !this.#looksLikeCall() ? 'no-call' : this.#isUnknownToKernel() ? 'other' : 'unknown';
    if (syscall.name === null) return 'other';
    if (!this.#readArgs()) return 'cut';
    this.result = NaN;
    this.hasReturned = true;
    this.resultPath = null;
    if (!this.#isUnfinished && !this.#readResult()) return 'cut';
    if (syscall.name === 'fcntl' && this.#args[1] !== F_ADD_SEALS) return 'other';
    this.call = this.#makeCall(syscall, line, { tid, time });
    return 'call';
  }

  /** Reads `NAME resumed>REST) = RESULT`, behind `<... `. */
  scanResumed(): CallOutcome {
    const cursor = this.#cursor;
    const syscall = this.#readName();
    if (!cursor.take(RESUMED)) return 'no-call';
    if (syscall === undefined) return 'unknown';
    this.name = syscall.name;
    if (syscall.name === null) return 'other';
    return this.#skipToClose() && this.#readResult() ? 'call' : 'cut';
  }

  #readName(): Syscall | undefined {
    const cursor = this.#cursor;
    const { buf, end } = cursor;
    const start = cursor.pos;
    let pos = start;
    let hash = NAME_HASH_SEED;
    while (pos < end) {
      const byte = buf[pos];
      if (!((byte >= 97 && byte <= 122) || (byte >= 48 && byte <= 57) || byte === 95)) break;
      hash = nameHash(hash, byte);
      pos++;
    }
    cursor.pos = pos;
    this.#nameStart = start;
    this.#nameEnd = pos;
    return findSyscall(hash, buf, start, pos);
  }

  /** An unknown name counts as a call only where a result or an interruption follows. */
  #looksLikeCall(): boolean {
    const { buf, pos, end } = this.#cursor;
    const rest = buf.toString('latin1', pos, end);
    return rest.includes(') = ') || /\)\s+= /.test(rest) || rest.includes('<unfinished');
  }

  /** A call that the kernel did not know either did nothing. */
  #isUnknownToKernel(): boolean {
    const { buf, pos, end } = this.#cursor;
    return /\) += -1 ENOSYS \(/.test(buf.toString('latin1', pos, end));
  }

  /** Leaves the cursor behind `)`; false where the line ends first. */
  #readArgs(): boolean {
    const cursor = this.#cursor;
    this.#nrArgs = 0;
    this.#fdPath = null;
    this.#text = null;
    this.#struct = null;
    this.#array = null;
    this.#isUnfinished = false;
    cursor.skipBlanks();
    if (cursor.byte() === CLOSE) {
      cursor.pos++;
      return true;
    }
    while (cursor.pos < cursor.end) {
      if (this.#takeUnfinished()) return true;
      const value = this.#readArg();
      if (this.#nrArgs < MAX_ARGS) this.#args[this.#nrArgs++] = value;
      this.#skipToSeparator();
      if (this.#takeUnfinished()) return true;
      const separator = cursor.byte();
      cursor.pos++;
      if (separator === CLOSE) return true;
      if (separator !== COMMA) return false;
      cursor.skipBlanks();
    }
    return false;
  }

  #takeUnfinished(): boolean {
    const cursor = this.#cursor;
    cursor.skipBlanks();
    if (cursor.byte() !== LESS || !cursor.take(UNFINISHED)) return false;
    this.#isUnfinished = true;
    return true;
  }

  #readArg(): number {
    const cursor = this.#cursor;
    const byte = cursor.byte();
    if (byte === QUOTE) return this.#readString();
    if (byte === 123 || byte === 91) return this.#readStruct();
    if (byte === 78 && cursor.take(NULL)) return 0;
    const start = cursor.pos;
    const isNegative = byte === MINUS;
    if (isNegative) cursor.pos++;
    let value = cursor.number();
    if (value !== value) {
      cursor.pos = start;
      return this.#readNamed();
    }
    if (isNegative) value = -value;
    const next = cursor.byte();
    if (next === LESS) this.#fdPath = this.#readPath() ?? this.#fdPath;
    else if (next === PIPE || next === 42) return this.#readFlags(start);
    return value;
  }

  #readString(): number {
    const cursor = this.#cursor;
    const close = skipString(cursor.buf, cursor.pos, cursor.end);
    if (this.#text === null) this.#text = unescapeText(cursor.text(cursor.pos + 1, Math.max(cursor.pos + 1, close - 1)));
    cursor.pos = close;
    return NaN;
  }

  #readStruct(): number {
    const cursor = this.#cursor;
    const close = skipBrackets(cursor.buf, cursor.pos, cursor.end);
    if (this.#array === null && cursor.byte() === 91) this.#array = [cursor.pos, close];
    if (this.#struct === null && cursor.byte() === 123) this.#struct = cursor.text(cursor.pos, close);
    cursor.pos = close;
    return NaN;
  }

  /** `flags=0x1200000|17` of clone, or a flag by name. */
  #readNamed(): number {
    const cursor = this.#cursor;
    const { buf, end } = cursor;
    let pos = cursor.pos;
    while (pos < end && isWordByte(buf[pos])) pos++;
    if (pos === cursor.pos) return NaN;
    if (buf[pos] === EQUALS) {
      cursor.pos = pos + 1;
      if (cursor.byte() === QUOTE || cursor.byte() === 123 || cursor.byte() === 91) return this.#readArg();
    }
    if (cursor.take(NULL)) return 0;
    return this.#readFlags(cursor.pos);
  }

  /** Names and numbers joined by `|`, from `start` to the argument's end. */
  #readFlags(start: number): number {
    const cursor = this.#cursor;
    const { buf, end } = cursor;
    let pos = start;
    while (pos < end && (isWordByte(buf[pos]) || buf[pos] === PIPE || buf[pos] === 42 || buf[pos] === MINUS)) pos++;
    while (pos + 2 < end && buf[pos] === LESS && buf[pos + 1] === LESS) {
      pos += 2;
      while (pos < end && (isWordByte(buf[pos]) || buf[pos] === PIPE)) pos++;
    }
    cursor.pos = pos;
    const value = flagsValue(cursor.text(start, pos));
    if (cursor.byte() === LESS && buf[pos + 1] !== 117) this.#fdPath = this.#readPath() ?? this.#fdPath;
    return value;
  }

  /** `</path>` or `</path>(deleted)`, as the kernel prints it. */
  #readPath(): string | null {
    const cursor = this.#cursor;
    const close = findPathEnd(cursor.buf, cursor.pos, cursor.end);
    if (close < 0) return null;
    let path = unescapeText(cursor.text(cursor.pos + 1, close));
    cursor.pos = close + 1;
    if (cursor.byte() === OPEN && cursor.take(DELETED)) path += ' (deleted)';
    return path;
  }

  /** To the `,` or `)` that ends the argument: over comments, `...`, `=> {...}`, anything unread. */
  #skipToSeparator(): void {
    const cursor = this.#cursor;
    const { buf, end } = cursor;
    while (cursor.pos < end) {
      const byte = buf[cursor.pos];
      if (byte === COMMA || byte === CLOSE) return;
      if (byte === LESS && buf[cursor.pos - 1] === 32) return;
      if (byte === QUOTE) cursor.pos = skipString(buf, cursor.pos, end);
      else if (byte === 123 || byte === 91 || byte === OPEN) cursor.pos = skipBrackets(buf, cursor.pos, end);
      else if (byte === 47 && buf[cursor.pos + 1] === 42) this.#skipComment();
      else cursor.pos++;
    }
  }

  #skipComment(): void {
    const cursor = this.#cursor;
    const close = cursor.buf.indexOf('*/', cursor.pos, 'latin1');
    cursor.pos = close < 0 || close >= cursor.end ? cursor.end : close + 2;
  }

  /** Behind the `)` of a resumed call. */
  #skipToClose(): boolean {
    const cursor = this.#cursor;
    while (cursor.pos < cursor.end) {
      this.#skipToSeparator();
      const separator = cursor.byte();
      cursor.pos++;
      if (separator === CLOSE) return true;
    }
    return false;
  }

  /** ` = 0x7f..`, ` = 3</path>`, ` = -1 ENOENT (..)`, ` = ?`; false where there is none. */
  #readResult(): boolean {
    const cursor = this.#cursor;
    this.resultPath = null;
    this.hasReturned = true;
    cursor.skipBlanks();
    if (cursor.byte() !== EQUALS) return false;
    cursor.pos++;
    cursor.skipBlanks();
    if (cursor.byte() === QUESTION) {
      this.result = NaN;
      this.hasReturned = false;
      return true;
    }
    const isNegative = cursor.byte() === MINUS;
    if (isNegative) cursor.pos++;
    this.result = cursor.number();
    if (this.result !== this.result) return false;
    if (isNegative) this.result = -this.#readErrno();
    else if (cursor.byte() === LESS) this.resultPath = this.#readPath();
    return true;
  }

  #readErrno(): number {
    const cursor = this.#cursor;
    cursor.skipBlanks();
    const start = cursor.pos;
    let pos = start;
    while (pos < cursor.end && isWordByte(cursor.buf[pos])) pos++;
    const errno = errnoByName(cursor.text(start, pos));
    return errno === 0 ? this.result : errno;
  }

  #makeCall(syscall: Syscall, line: number, at: { tid: number; time: number }): Call {
    const name = syscall.name as SyscallName;
    const isClone = name === 'clone' || name === 'clone3';
    return {
      kind: 'call', name, point: syscall.point, time: at.time, line, tid: at.tid, pid: at.tid,
      args: isClone ? this.#cloneArgs(name) : copyArgs(this.#args, this.#nrArgs),
      result: this.result, hasReturned: this.hasReturned, fdPath: this.#fdPath, text: name === 'mbind' ? this.#arrayText() : this.#text,
      resultPath: this.resultPath, limits: this.#limits(name), mapped: null, ranges: name === 'process_madvise' ? this.#ranges() : null,
    };
  }

  /** clone prints `child_stack=, flags=`, clone3 a structure. */
  #cloneArgs(name: string): number[] {
    if (name === 'clone') return [this.#args[1], this.#args[0]];
    const struct = this.#struct ?? '';
    return [fieldValue(struct, 'flags'), fieldValue(struct, 'stack')];
  }

  #arrayText(): string | null {
    return this.#array === null ? null : this.#cursor.text(...this.#array);
  }

  /** `[{iov_base=0x7f.., iov_len=4096}, ...]`; null where strace left some out, or printed no array. */
  #ranges(): Range[] | null {
    const text = this.#arrayText();
    if (text === null || text.includes('...')) return null;
    return [...text.matchAll(/iov_base=(\w+), iov_len=(\w+)/g)].map(([, start, len]) =>
      ({ startVaddr: start === 'NULL' ? 0 : Number(start), lenBytes: Number(len) }));
  }

  #limits(name: string): { cur: number; max: number } | null {
    if ((name !== 'prlimit64' && name !== 'setrlimit') || this.#struct === null) return null;
    // prlimit64 prints the old limits behind the new ones; without new ones its third argument is NULL.
    if (name === 'prlimit64' && this.#args[2] === 0) return null;
    return { cur: limitValue(fieldValue(this.#struct, 'rlim_cur')), max: limitValue(fieldValue(this.#struct, 'rlim_max')) };
  }
}

function isWordByte(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 95;
}

function copyArgs(args: Float64Array, nrArgs: number): number[] {
  switch (nrArgs) {
    case 0: return [];
    case 1: return [args[0]];
    case 2: return [args[0], args[1]];
    case 3: return [args[0], args[1], args[2]];
    case 4: return [args[0], args[1], args[2], args[3]];
    case 5: return [args[0], args[1], args[2], args[3], args[4]];
    default: return [args[0], args[1], args[2], args[3], args[4], args[5]];
  }
}
