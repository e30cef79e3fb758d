/** Commands for the server (server-program.ts) and the lengths of its answers. */
import { COMMAND_BYTES, EMIT, PAGES, STORE, WALK } from './server-program.js';

/** Numbers of x86-64. */
export const SYS = {
  read: 0, open: 2, close: 3, mmap: 9, mprotect: 10, munmap: 11, brk: 12, rtSigaction: 13, ioctl: 16, pread64: 17, pwrite64: 18, mremap: 25, msync: 26,
  mincore: 27, madvise: 28, dup2: 33, getpid: 39, fallocate: 285, ftruncate: 77, prctl: 157, mlock: 149, munlock: 150, mlockall: 151, munlockall: 152,
  clockGettime: 228, prlimit64: 302, memfdCreate: 319, mlock2: 325, pkeyAlloc: 330, remapFilePages: 216, mseal: 462,
} as const;

/** Grows by commands; numbers are unsigned 64-bit, as far as a double holds them. */
export class CommandBuffer {
  #bytes = new Uint8Array(1 << 16);
  #words = new Uint32Array(this.#bytes.buffer);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(command: number, ...args: readonly number[]): void {
    if ((this.#count + 1) * COMMAND_BYTES > this.#bytes.length) this.#grow();
    const first = (this.#count * COMMAND_BYTES) / 4;
    this.#words.fill(0, first, first + COMMAND_BYTES / 4);
    this.#put(first, command);
    for (let i = 0; i < args.length; i++) this.#put(first + 2 + i * 2, args[i]);
    this.#count++;
  }

  /** What was added, for the wire; the buffer is empty afterwards. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#count * COMMAND_BYTES);
    this.#count = 0;
    return taken;
  }

  #put(at: number, value: number): void {
    this.#words[at] = value;
    this.#words[at + 1] = value < 0 ? 0xffffffff : Math.floor(value / 2 ** 32);
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#words = new Uint32Array(larger.buffer);
  }
}

/** Stores a text that ends in a zero, from `address` on: an answer for each four bytes. */
export function addString(commands: CommandBuffer, address: number, text: string): void {
  addBytes(commands, address, [...new TextEncoder().encode(text), 0]);
}

/** The bytes, filled up to whole words. */
export function addBytes(commands: CommandBuffer, address: number, bytes: readonly number[]): void {
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  addWords(commands, address, [...new Uint32Array(padded.buffer)]);
}

export function addWords(commands: CommandBuffer, address: number, words: readonly number[]): void {
  words.forEach((word, i) => { commands.add(STORE, address + i * 4, word); });
}

/** Where the answer ends that begins at `at`, if the bytes say so; -1 where there are too few of them. */
export function answerEnd(commands: DataView, command: number, answers: DataView, at: number): number {
  const first = command * COMMAND_BYTES;
  const kind = commands.getUint32(first, true);
  let end = at + 8;
  if (kind === PAGES) end = at + commands.getUint32(first + 16, true) * 12;
  else if (kind === EMIT) end = at + commands.getUint32(first + 16, true);
  else if (kind === WALK && end <= answers.byteLength) end += Math.max(0, answers.getInt32(at, true));
  return end <= answers.byteLength ? end : -1;
}

/** The answers of one batch, read in the order of its commands. */
export class AnswerReader {
  readonly view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A result or a negative errno; exact below 2^53. */
  number(): number {
    const low = this.view.getUint32(this.#at, true);
    const high = this.view.getInt32(this.#at + 4, true);
    this.#at += 8;
    return high * 2 ** 32 + low;
  }

  /** The last eight bytes of all. */
  last(): number {
    return this.view.getUint32(this.view.byteLength - 8, true);
  }

  /** Steps over `count` bytes. @returns where they begin in `view` */
  skip(count: number): number {
    const at = this.#at;
    this.#at += count;
    return at;
  }
}
