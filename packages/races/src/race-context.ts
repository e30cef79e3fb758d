/**
 * What a race is written with: system calls, accesses and devices of one tiny machine.
 *
 * All of it are tasks: `yield*` them in an actor. In a set-up the same names are plain functions that return at once.
 * Each call tells the oracles when it begins and when it has returned, so an access knows what it may still see.
 */
import { MADV_COLD, MADV_DONTNEED, MADV_PAGEOUT, MAP_ANONYMOUS, MAP_FIXED, MAP_HUGETLB, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE, READ, WRITE } from '@mmun/include';
import type { File, MaySleep, Mm, Pfn, SecondaryDriver, Step, TaskStruct, Task, Vaddr } from '@mmun/include';
import { beginCall, beginOnSpace, endCall, endOnSpace, inheritContents, leaveUntracked } from '@mmun/oracle';
import type { CallName, Code, Oracle, WatchedMachine } from '@mmun/oracle';
import { kernelAssert } from './assertion.js';
import { RaceDevice } from './race-device.js';
import { everywhere, frameAt, mappedFiles, newFile, onFile, onSpace } from './race-files.js';
import type { FileSpan, RaceFile } from './race-files.js';
import type { RaceImage } from './race-image.js';

/** Parameters of a race by name: from its definition, or from `--set`. */
export type Parameters = Readonly<Record<string, number | string>>;

export interface MapOptions {
  readonly at?: Vaddr;
  /** PROT_ bits. */
  readonly prot?: number;
  /** What is written is not followed: others may share it. */
  readonly isShared?: boolean;
  /** Of t.file(); what is written there is not followed either. Left out: anonymous memory. */
  readonly file?: RaceFile;
  /** The first page of the file. */
  readonly pgoff?: number;
  /** Of huge pages, two pages each, which `config.nrHugePages` sets aside; `at` and the number of pages are whole ones. */
  readonly isHuge?: boolean;
}

export class RaceContext {
  readonly image: RaceImage;
  readonly m: WatchedMachine;
  readonly oracle: Oracle<WatchedMachine>;
  readonly parameters: Parameters;
  /** The instance of the variant's plugin that follows the first process. */
  readonly dev: RaceDevice;
  /** One for each plugin. */
  readonly devs: readonly RaceDevice[];
  /** Where the set-up has mapped files; null while it runs. */
  private mapped: readonly FileSpan[] | null = null;
  private nextPage = FIRST_PAGE;
  private nextIno = FIRST_INO;

  /** @param instances of the plugins, in their order */
  constructor(oracle: Oracle<WatchedMachine>, m: WatchedMachine, drivers: readonly SecondaryDriver[], instances: readonly number[], parameters: Parameters) {
    this.image = oracle.image as RaceImage;
    this.m = m;
    this.oracle = oracle;
    this.parameters = parameters;
    this.devs = drivers.map((driver, i) => new RaceDevice(this, driver, i, instances[i] ?? 0));
    this.dev = this.devs[0] ?? new RaceDevice(this, null, 0, 0);
  }

  get isRunning(): boolean {
    return this.mapped !== null;
  }

  /** The set-up is over. Called once, before the machine is explored. */
  start(): void {
    this.mapped = mappedFiles(this);
  }

  get mappedFiles(): readonly FileSpan[] {
    return this.mapped ?? mappedFiles(this);
  }

  /** The current thread's address space. @throws Error for a thread beside the process: its call would fail, and the race be clean */
  get mm(): Mm {
    const mm = this.image.mmOf(this.m, this.current);
    if (mm === 0) throw new Error('a thread without a process makes a call of one: the actors cpu0, cpu1, .. are threads of the first, `{ as, run }` is one of another');
    return mm;
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
   * @param alignPages a power of two: the lowest is a multiple of so many pages
   * @returns the lowest of them
   */
  room(pages = 1, alignPages = 1): Vaddr {
    if (this.isRunning) throw new TypeError('t.room() and t.mmap() without `at` are for the set-up: an actor names the address');
    const first = Math.ceil(this.nextPage / alignPages) * alignPages;
    this.nextPage = first + pages;
    return (first * PAGE_SIZE) as Vaddr;
  }

  /** Memory that can be read and written, private unless told otherwise. @returns its address, or a negative errno */
  * mmap(pages = 1, { isHuge = false, at = this.room(pages, isHuge ? pages : 1), prot = READ_WRITE, isShared = false, file, pgoff = 0 }: MapOptions = {}): Task<MaySleep, Vaddr> {
    const mm = this.mm;
    const end = (at + pages * PAGE_SIZE) as Vaddr;
    yield* beginCall(this.m, 'mmap', mm, at, end);
    const flags = (file === undefined ? MAP_ANONYMOUS : 0) | MAP_FIXED | (isShared ? MAP_SHARED : MAP_PRIVATE) | (isHuge ? MAP_HUGETLB : 0);
    const result = (yield* this.image.sysMmap(this.m, at, pages * PAGE_SIZE, prot, flags, file?.file ?? (0 as File), pgoff * PAGE_SIZE)) as Vaddr;
    endCall(this.m, 'mmap', mm, at, end, result >= 0);
    if (isShared || file !== undefined) leaveUntracked(this.m, mm, at, end);
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
    // what only moves a page keeps its content
    const call = advice === MADV_PAGEOUT || advice === MADV_COLD ? 'reclaim' : 'madvise';
    yield* this.begin(call, mm, address, pages);
    const result = yield* this.image.sysMadvise(this.m, address, pages * PAGE_SIZE, advice);
    return this.returned(call, mm, address, pages, result);
  }

  /** userfaultfd's write protection of private memory, by a monitor that shares the process. @returns 0 or -ENOENT */
  * writeProtect(address: Vaddr, pages = 1, mm: Mm = FIRST_MM): Task<MaySleep, number> {
    yield* this.begin('writeback', mm, address, pages);
    const result = yield* this.image.mwriteprotectRange(this.m, mm, address, pages * PAGE_SIZE);
    return this.returned('writeback', mm, address, pages, result);
  }

  /** Moves pages to `to`, which t.room() gave. @param flags besides the two that say so: MREMAP_DONTUNMAP @returns the new address, or a negative errno */
  * mremap(address: Vaddr, to: Vaddr, pages = 1, flags = 0): Task<MaySleep, Vaddr> {
    const mm = this.mm;
    yield* this.begin('mremap', mm, address, pages);
    yield* this.begin('mremap', mm, to, pages);
    const result = (yield* this.image.sysMremap(this.m, address, pages * PAGE_SIZE, pages * PAGE_SIZE, MREMAP_MAYMOVE_FIXED | flags, to)) as Vaddr;
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

  /** In a set-up: the process reads on another CPU, so that CPU's TLB holds the page from the start. */
  * readOn(cpu: number, address: Vaddr): Task<MaySleep, number> {
    const { image, m, current } = this;
    const home = image.taskCpu(m, current);
    image.setTaskCpu(m, current, cpu);
    const value = yield* this.read(address);
    image.setTaskCpu(m, current, home);
    return value;
  }

  /** The same for a write. */
  * writeOn(cpu: number, address: Vaddr, value: number): Task<MaySleep, number> {
    const { image, m, current } = this;
    const home = image.taskCpu(m, current);
    image.setTaskCpu(m, current, cpu);
    const result = yield* this.write(address, value);
    image.setTaskCpu(m, current, home);
    return result;
  }

  /** In a set-up: another process reads. */
  * readAs(task: TaskStruct, address: Vaddr): Task<MaySleep, number> {
    const { image, m, current } = this;
    image.setCurrent(m, task);
    const value = yield* this.read(address);
    image.setCurrent(m, current);
    return value;
  }

  /** In a set-up: another thread, such as a forked child, is the current one while `act` runs. */
  as(task: TaskStruct, act: () => void): void {
    const { image, m, current } = this;
    image.setCurrent(m, task);
    act();
    image.setCurrent(m, current);
  }

  /** In a set-up: the first thread of another process, with nothing mapped; an actor that says `as` plays it. Needs `config.nrMms`. */
  process(): TaskStruct {
    return this.image.newProcess(this.m);
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

  /** A file of so many pages, all 0. For set-ups; `shmem` is tmpfs, `regular` has blocks on a disk (`config.nrSwapSlots`). */
  file(pages = 1, kind: 'regular' | 'shmem' = 'shmem'): RaceFile {
    if (this.isRunning) throw new TypeError('t.file() is for the set-up');
    return newFile(this, this.nextIno++, pages, kind);
  }

  /** The file ends at `pages`; what lies behind goes from every process. @returns 0 */
  truncate(file: RaceFile, pages = 0): Task<MaySleep, number> {
    return onFile(this, 'truncate', file, pages, Infinity, () => this.image.truncateSetsize(this.m, file.inode, pages * PAGE_SIZE));
  }

  /** A hole of pages `[from, to)`; private copies stay. */
  punchHole(file: RaceFile, from = 0, to: number = from + 1): Task<MaySleep> {
    return onFile(this, 'truncate', file, from, to, () => this.image.truncatePageRange(this.m, file.inode, from, to));
  }

  /** Writes pages `[from, to)` back: their ptes become clean and read only. Needs a disk: `config.nrSwapSlots`. */
  writeback(file: RaceFile, from = 0, to: number = from + 1): Task<MaySleep> {
    return onFile(this, 'writeback', file, from, to, () => this.image.filemapFdatawrite(this.m, file.inode, from, to));
  }

  /**
   * What kswapd does with the page that the process has at `address`: out, however young. Needs `config.nrSwapSlots`.
   * @param mm left out: the first process's @returns 1 where the frame is free
   */
  reclaim(address: Vaddr, mm: Mm = FIRST_MM): Task<MaySleep, number> {
    return everywhere(this, 'reclaim', false, () => this.reclaimAt(mm, address));
  }

  /** A round of kswapd over both lists, until `pages` are free. @returns how many it freed */
  kswapd(pages = 1): Task<MaySleep, number> {
    return everywhere(this, 'reclaim', false, () => this.image.shrinkZone(this.m, pages));
  }

  /** What the OOM reaper does to a process that was killed: private memory goes, waiting for nobody. @returns false where it must come back */
  oomReap(mm: Mm = FIRST_MM): Task<MaySleep, boolean> {
    return onSpace(this, 'the OOM reaper', mm, () => this.image.oomReapTaskMm(this.m, mm));
  }

  /** get_user_pages() on the current process, or `mm`: the frame, pinned until t.put(), or a negative errno */
  gup(address: Vaddr, isWrite = false, mm: Mm = this.mm): Task<MaySleep, number> {
    return this.image.getUserPageOf(this.m, mm, address, isWrite);
  }

  /** get_user_pages_fast() on the current process: without mmap_sem where the page is there. @returns as gup */
  gupFast(address: Vaddr, isWrite = false): Task<MaySleep, number> {
    return this.image.getUserPagesFast(this.m, address, isWrite);
  }

  /** Lets go of what gup or gupFast gave. */
  put(pfn: number): Task<Step> {
    return this.image.putPage(this.m, pfn as Pfn);
  }

  /** The kernel reads a word of a frame by its own mapping. */
  * peek(pfn: number, address: Vaddr): Task<Step, number> {
    const where = this.image.contentWhere(this.m, pfn as Pfn, address);
    if (this.m.sched.point(READ, where)) yield 'step';
    this.mustLive(pfn as Pfn);
    return this.m.words[where] >>> 0;
  }

  /** It writes one. */
  * poke(pfn: number, address: Vaddr, value: number): Task<Step> {
    const where = this.image.contentWhere(this.m, pfn as Pfn, address);
    if (this.m.sched.point(WRITE, where)) yield 'step';
    this.mustLive(pfn as Pfn);
    this.m.words[where] = value;
  }

  /** What is in memory at an address; 0 without a page. For `atEnd`: it is no step. */
  valueAt(address: Vaddr, mm: Mm = FIRST_MM): number {
    const pfn = frameAt(this, mm, address);
    return pfn === 0 ? 0 : this.m.words[this.image.contentWhere(this.m, pfn, address)] >>> 0;
  }

  /** The driver of a plugin, with the calls that it has beyond every driver's. */
  driver<D extends SecondaryDriver>(index = 0): D {
    return (this.devs[index] as RaceDevice).driver as D;
  }

  /** A task of a driver's own: `t.run(driver.grow())`. In an actor it may be yielded as it is. */
  run<R>(task: Task<MaySleep, R>): Task<MaySleep, R> {
    return task;
  }

  /** A claim of the race's own. What it is computed from must have been read by the call before it, or stand in a local variable. */
  assert(isTrue: boolean, code: Code, message: string): void {
    kernelAssert(isTrue, code, message);
  }

  /** What the RCU thread does: waits for the readers, then calls what is queued. */
  rcu(): Task<MaySleep> {
    return this.image.rcuDoBatch(this.m);
  }

  private* reclaimAt(mm: Mm, address: Vaddr): Task<MaySleep, number> {
    // a word that is always the same and nobody's: where the walk ends, the step itself finds out
    if (this.m.sched.point(READ, this.image.frameWhere(this.m, 0 as Pfn))) yield 'step';
    const pfn = frameAt(this, mm, address);
    return pfn === 0 ? 0 : yield* this.image.reclaimPage(this.m, pfn);
  }

  private mustLive(pfn: Pfn): void {
    this.m.sched.touch(READ, this.image.frameWhere(this.m, pfn));
    this.m.sched.touch(READ, this.image.refcountWhere(this.m, pfn));
    this.assert(this.image.isFrameLive(this.m, pfn), 'use-after-free', `the kernel uses frame ${pfn}, which is free`);
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
const FIRST_INO = 100;
/** The process that the set-up runs as. */
const FIRST_MM = 1 as Mm;

function pageOf(address: Vaddr): Vaddr {
  return (address - (address % PAGE_SIZE)) as Vaddr;
}
