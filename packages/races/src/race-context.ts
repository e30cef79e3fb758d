/**
 * What a race is written with: system calls, accesses and devices of one tiny machine.
 *
 * All of it are tasks: `yield*` them in an actor. In a set-up the same names are plain functions that return at once.
 * Each call tells the oracles when it begins and when it has returned, so an access knows what it may still see.
 */
import { MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { File, MaySleep, Mm, SecondaryDriver, TaskStruct, Task, Vaddr } from '@mmun/include';
import { beginCall, beginOnSpace, endCall, endOnSpace, inheritContents, leaveUntracked } from '@mmun/oracle';
import type { CallName, Oracle, WatchedImage, WatchedMachine } from '@mmun/oracle';
import { RaceDevice } from './race-device.js';

/** Parameters of a race by name: from its definition, or from `--set`. */
export type Parameters = Readonly<Record<string, number | string>>;

export interface MapOptions {
  readonly at?: Vaddr;
  /** PROT_ bits. */
  readonly prot?: number;
  /** What is written is not followed: others may share it. */
  readonly isShared?: boolean;
}

export class RaceContext {
  readonly image: WatchedImage;
  readonly m: WatchedMachine;
  readonly oracle: Oracle<WatchedMachine>;
  readonly parameters: Parameters;
  /** The instance of the variant's plugin that follows the first process. */
  readonly dev: RaceDevice;
  /** One for each plugin. */
  readonly devs: readonly RaceDevice[];
  /** The set-up is over; set once, before the machine is explored. */
  isRunning = false;
  private nextPage = FIRST_PAGE;

  /** @param instances of the plugins, in their order */
  constructor(oracle: Oracle<WatchedMachine>, m: WatchedMachine, drivers: readonly SecondaryDriver[], instances: readonly number[], parameters: Parameters) {
    this.image = oracle.image;
    this.m = m;
    this.oracle = oracle;
    this.parameters = parameters;
    this.devs = drivers.map((driver, i) => new RaceDevice(this, driver, i, instances[i] ?? 0));
    this.dev = this.devs[0] ?? new RaceDevice(this, null, 0, 0);
  }

  /** The current thread's address space. */
  get mm(): Mm {
    return this.image.mmOf(this.m, this.current);
  }

  get current(): TaskStruct {
    return this.m.cpu.current[0] as TaskStruct;
  }

  /** A parameter that is a number. */
  number(name: string): number {
    return Number(this.parameters[name]);
  }

  /**
   * Addresses that nobody is given a second time. For set-ups: an actor that called it would not run the same way twice.
   * @returns the lowest of them
   */
  room(pages = 1): Vaddr {
    if (this.isRunning) throw new TypeError('t.room() and t.mmap() without `at` are for the set-up: an actor names the address');
    const at = this.nextPage * PAGE_SIZE;
    this.nextPage += pages;
    return at as Vaddr;
  }

  /** Memory that can be read and written, private unless told otherwise. @returns its address, or a negative errno */
  * mmap(pages = 1, { at = this.room(pages), prot = READ_WRITE, isShared = false }: MapOptions = {}): Task<MaySleep, Vaddr> {
    const mm = this.mm;
    const end = (at + pages * PAGE_SIZE) as Vaddr;
    yield* beginCall(this.m, 'mmap', mm, at, end);
    const flags = MAP_ANONYMOUS | MAP_FIXED | (isShared ? MAP_SHARED : MAP_PRIVATE);
    const result = (yield* this.image.sysMmap(this.m, at, pages * PAGE_SIZE, prot, flags, 0 as File, 0)) as Vaddr;
    endCall(this.m, 'mmap', mm, at, end, result >= 0);
    if (isShared) leaveUntracked(this.m, mm, at, end);
    return result;
  }

  * munmap(address: Vaddr, pages = 1): Task<MaySleep, number> {
    const mm = this.mm;
    yield* this.begin('munmap', mm, address, pages);
    const result = yield* this.image.sysMunmap(this.m, address, pages * PAGE_SIZE);
    return this.returned('munmap', mm, address, pages, result);
  }

  * mprotect(address: Vaddr, prot: number, pages = 1): Task<MaySleep, number> {
    const mm = this.mm;
    yield* this.begin('mprotect', mm, address, pages);
    const result = yield* this.image.sysMprotect(this.m, address, pages * PAGE_SIZE, prot);
    return this.returned('mprotect', mm, address, pages, result);
  }

  * madvise(address: Vaddr, advice: number = MADV_DONTNEED, pages = 1): Task<MaySleep, number> {
    const mm = this.mm;
    yield* this.begin('madvise', mm, address, pages);
    const result = yield* this.image.sysMadvise(this.m, address, pages * PAGE_SIZE, advice);
    return this.returned('madvise', mm, address, pages, result);
  }

  /** Moves pages to `to`, which t.room() gave. @returns the new address, or a negative errno */
  * mremap(address: Vaddr, to: Vaddr, pages = 1): Task<MaySleep, Vaddr> {
    const mm = this.mm;
    yield* this.begin('mremap', mm, address, pages);
    yield* this.begin('mremap', mm, to, pages);
    const result = (yield* this.image.sysMremap(this.m, address, pages * PAGE_SIZE, pages * PAGE_SIZE, MREMAP_MAYMOVE_FIXED, to)) as Vaddr;
    this.returned('mremap', mm, address, pages, result);
    this.returned('mremap', mm, to, pages, result);
    return result;
  }

  /** The current thread reads a word, as its CPU does. @returns the word, or -EFAULT */
  * read(address: Vaddr): Task<MaySleep, number> {
    const mm = this.mm;
    const value = yield* this.image.userRead(this.m, address);
    if (value >= 0) this.oracle.cpuRead(this.m, mm, address, value, 0);
    return value;
  }

  /** It writes one. @returns 0, or -EFAULT */
  * write(address: Vaddr, value: number): Task<MaySleep, number> {
    const mm = this.mm;
    yield* this.begin('a write', mm, address, 1);
    const result = yield* this.image.userWrite(this.m, address, value);
    if (result >= 0) this.oracle.cpuWrote(this.m, mm, address, value, 1);
    return this.returned('a write', mm, address, 1, result);
  }

  /** @returns the first thread of the child, or a negative errno; the child is played by an actor that says so */
  * fork(): Task<MaySleep, TaskStruct> {
    const mm = this.mm;
    yield* beginOnSpace(this.m, 'fork', mm);
    const child = (yield* this.image.sysClone(this.m, 0)) as TaskStruct;
    if (child > 0) inheritContents(this.m, mm, this.image.mmOf(this.m, child));
    endOnSpace(this.m, 'fork', mm);
    return child;
  }

  /** The current thread ends; with the last one its address space goes. */
  * exit(): Task<MaySleep, number> {
    const mm = this.mm;
    yield* beginOnSpace(this.m, 'exit', mm);
    const result = yield* this.image.sysExit(this.m);
    endOnSpace(this.m, 'exit', mm);
    return result;
  }

  /** What the RCU thread does: waits for the readers, then calls what is queued. */
  rcu(): Task<MaySleep> {
    return this.image.rcuDoBatch(this.m);
  }

  /** What the worker thread does, for ever: the actor named `kworker`, which nobody waits for. */
  work(): Task<MaySleep> {
    return this.image.workerThread(this.m);
  }

  private begin(call: CallName, mm: Mm, address: Vaddr, pages: number): Task<MaySleep> {
    return beginCall(this.m, call, mm, pageOf(address), (pageOf(address) + pages * PAGE_SIZE) as Vaddr);
  }

  private returned(call: CallName, mm: Mm, address: Vaddr, pages: number, result: number): number {
    endCall(this.m, call, mm, pageOf(address), (pageOf(address) + pages * PAGE_SIZE) as Vaddr, result >= 0);
    return result;
  }
}

const READ_WRITE = PROT_READ | PROT_WRITE;
/** MREMAP_MAYMOVE | MREMAP_FIXED */
const MREMAP_MAYMOVE_FIXED = 3;
/** The first page is below mmap_min_addr. */
const FIRST_PAGE = 1;

function pageOf(address: Vaddr): Vaddr {
  return (address - (address % PAGE_SIZE)) as Vaddr;
}
