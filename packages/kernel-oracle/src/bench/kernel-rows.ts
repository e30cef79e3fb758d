/**
 * The kernel's side: the server makes the operations and reads the clock around them, so that nothing of ours is between.
 * The commands of a sample are few enough to arrive in one piece.
 */
import { AnswerReader, CommandBuffer, SYS } from '../commands.js';
import { OracleUnavailable } from '../kernel-process.js';
import type { KernelProcess } from '../kernel-process.js';
import { EMIT, EXIT, FORK, SCRATCH, TOUCH } from '../server-program.js';
import { ADDRESS, FORK_PAGES, MOVED_TO, NR_PAGES } from './rows.js';
import type { Row, RowName } from './rows.js';

const PAGE = 4096;
const LENGTH = NR_PAGES * PAGE;
const READ_WRITE = 3, READ = 1;
const FIXED_ANONYMOUS = 0x32, PRIVATE_FIXED = 0x12;
const MADV_DONTNEED = 4, MADV_NOHUGEPAGE = 15;
const MAYMOVE_FIXED = 3;
const CLOCK_MONOTONIC = 1, CLOCK_THREAD_CPUTIME_ID = 3;
const CLOCKS: number = SCRATCH + 0x1800;
const FILE_PATH: number = SCRATCH + 0x1900;
const FILE_FD = 20;

type Add = (...command: readonly [command: number, ...args: number[]]) => void;

/** Commands before the clock is read, between, and after. */
interface Sample {
  readonly before: (add: Add) => void;
  readonly timed: (add: Add) => void;
  readonly after: (add: Add) => void;
}

const map = (pages: number) => (add: Add): void => {
  add(SYS.mmap, ADDRESS, pages * PAGE, READ_WRITE, FIXED_ANONYMOUS, -1, 0);
  add(SYS.madvise, ADDRESS, pages * PAGE, MADV_NOHUGEPAGE);
};
const populated = (pages: number) => (add: Add): void => {
  map(pages)(add);
  add(TOUCH, ADDRESS, pages, 1);
};
const unmap = (add: Add): void => { add(SYS.munmap, ADDRESS, FORK_PAGES * PAGE); };
const nothing = (): void => undefined;

const SAMPLES: Readonly<Record<RowName, Sample>> = {
  'anonymous write fault': { before: map(NR_PAGES), timed: (add) => { add(TOUCH, ADDRESS, NR_PAGES, 1); }, after: unmap },
  'read fault': { before: map(NR_PAGES), timed: (add) => { add(TOUCH, ADDRESS, NR_PAGES, 0); }, after: unmap },
  'file fault': { before: (add) => { add(SYS.mmap, ADDRESS, LENGTH, READ, PRIVATE_FIXED, FILE_FD, 0); }, timed: (add) => { add(TOUCH, ADDRESS, NR_PAGES, 0); }, after: unmap },
  'munmap, touched': { before: populated(NR_PAGES), timed: (add) => { add(SYS.munmap, ADDRESS, LENGTH); }, after: nothing },
  'mprotect, 512 present': { before: populated(NR_PAGES), timed: (add) => { for (const prot of [READ, READ_WRITE]) add(SYS.mprotect, ADDRESS, LENGTH, prot); }, after: unmap },
  'mprotect, split and merge': {
    before: populated(NR_PAGES), after: unmap,
    timed: (add) => { for (let i = 0; i < 10; i++) for (const prot of [READ, READ_WRITE]) add(SYS.mprotect, ADDRESS + 64 * PAGE, PAGE, prot); },
  },
  'mmap and munmap': {
    before: nothing, after: nothing,
    timed: (add) => {
      for (let i = 0; i < 10; i++) {
        add(SYS.mmap, ADDRESS, PAGE, READ_WRITE, FIXED_ANONYMOUS, -1, 0);
        add(SYS.munmap, ADDRESS, PAGE);
      }
    },
  },
  'MADV_DONTNEED and refault': {
    before: populated(NR_PAGES), after: unmap,
    timed: (add) => {
      add(SYS.madvise, ADDRESS, LENGTH, MADV_DONTNEED);
      add(TOUCH, ADDRESS, NR_PAGES, 1);
    },
  },
  'mremap, pte by pte': {
    before: populated(NR_PAGES), after: unmap,
    timed: (add) => {
      add(SYS.mremap, ADDRESS, LENGTH, LENGTH, MAYMOVE_FIXED, MOVED_TO);
      add(SYS.mremap, MOVED_TO, LENGTH, LENGTH, MAYMOVE_FIXED, ADDRESS);
    },
  },
  'fork, 4096 present': { before: populated(FORK_PAGES), timed: (add) => { add(FORK); }, after: (add) => { add(EXIT); unmap(add); } },
  'COW break': {
    before: (add) => {
      populated(NR_PAGES)(add);
      add(FORK);
    },
    timed: (add) => { add(TOUCH, ADDRESS, NR_PAGES, 1); },
    after: (add) => {
      add(EXIT);
      unmap(add);
    },
  },
};

export class KernelRows {
  readonly #process: KernelProcess;
  readonly #commands = new CommandBuffer();
  /** What reading the clocks takes itself. */
  #clockNs = 0;
  /** A fork of a process that has nothing mapped there. */
  #emptyForkNs = 0;

  /** @throws OracleUnavailable */
  static async start(process: KernelProcess): Promise<KernelRows> {
    const rows = new KernelRows(process);
    await rows.#openFile();
    const idle = async (): Promise<number> => (await rows.#sample({ before: nothing, timed: nothing, after: nothing }, false)).wall;
    const fork = async (): Promise<number> => (await rows.#sample({ before: nothing, timed: (add) => { add(FORK); }, after: (add) => { add(EXIT); } }, true)).wall;
    rows.#clockNs = await leastOf(idle, 50);
    rows.#emptyForkNs = await leastOf(fork, 20);
    return rows;
  }

  private constructor(process: KernelProcess) {
    this.#process = process;
  }

  /** @returns ns of one of `row.count`; CPU time is the thread's, and the wall's where a child's clock begins anew */
  async sample({ name, count }: Row): Promise<{ wall: number; cpu: number }> {
    const isFork = name === 'fork, 4096 present';
    const { wall, cpu } = await this.#sample(SAMPLES[name], isFork);
    const own = this.#clockNs + (isFork ? this.#emptyForkNs : 0);
    const each = (ns: number): number => Math.max(0, ns - own) / count;
    return { wall: each(wall), cpu: each(isFork ? wall : cpu) };
  }

  /** @param isFork the second clock is read by the child, so only wall time can be told */
  async #sample({ before, timed, after }: Sample, isFork: boolean): Promise<{ wall: number; cpu: number }> {
    const commands = this.#commands;
    const add: Add = (command, ...args) => { commands.add(command, ...args); };
    before(add);
    addClocks(add, 0);
    timed(add);
    addClocks(add, 1);
    const { count } = commands;
    add(EMIT, CLOCKS, 64);
    after(add);
    const answers = new AnswerReader(await this.#process.ask(commands));
    for (let i = 0; i < count; i++) {
      const answer = answers.number();
      if (answer < 0) throw new OracleUnavailable(`the kernel cannot be timed: an operation gave ${answer}`);
    }
    const at = answers.skip(64);
    const time = (slot: number): number => answers.view.getUint32(at + slot * 16, true) * 1e9 + answers.view.getUint32(at + slot * 16 + 8, true);
    return { wall: time(2) - time(0), cpu: isFork ? 0 : time(3) - time(1) };
  }

  async #openFile(): Promise<void> {
    const commands = this.#commands;
    commands.add(SYS.memfdCreate, FILE_PATH, 0);
    const fd = new AnswerReader(await this.#process.ask(commands)).number();
    commands.add(SYS.dup2, fd, FILE_FD);
    commands.add(SYS.ftruncate, FILE_FD, LENGTH);
    commands.add(SYS.mmap, ADDRESS, LENGTH, READ_WRITE, 0x11, FILE_FD, 0);
    commands.add(TOUCH, ADDRESS, NR_PAGES, 1);
    commands.add(SYS.munmap, ADDRESS, LENGTH);
    const answers = new AnswerReader(await this.#process.ask(commands));
    for (let i = 0; i < 5; i++) if (answers.number() < 0) throw new OracleUnavailable('the kernel cannot be timed: a file cannot be mapped');
  }
}

/** CPU time is read inside of wall time. */
function addClocks(add: Add, slot: 0 | 1): void {
  const wall = (): void => { add(SYS.clockGettime, CLOCK_MONOTONIC, CLOCKS + slot * 32); };
  const cpu = (): void => { add(SYS.clockGettime, CLOCK_THREAD_CPUTIME_ID, CLOCKS + slot * 32 + 16); };
  if (slot === 0) {
    cpu();
    wall();
  } else {
    wall();
    cpu();
  }
}

async function leastOf(sample: () => Promise<number>, times: number): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < times; i++) least = Math.min(least, await sample());
  return least;
}
