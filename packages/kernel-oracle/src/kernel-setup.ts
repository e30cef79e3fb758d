/** Prepares the process that makes the operations: signals, files, and what there is to know about the kernel below it. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { PAGE_SIZE } from '@mmun/include';
import { AnswerReader, CommandBuffer, SYS, addString, addWords } from './commands.js';
import { OracleUnavailable } from './kernel-process.js';
import type { KernelProcess } from './kernel-process.js';
import { dataBytesOf, fileSystemOf, hardLimitsOf, kernelSettings } from './kernel-settings.js';
import { FILE_RO, FILE_RW, FIRST_FD, MEMFD } from './operation.js';
import { parseMaps } from './proc-text.js';
import { LOAD, MAPS_FD, PAGEMAP_FD, PAGES, SCRATCH, SHARED, SHARED_BYTES, WALK } from './server-program.js';
import type { World } from './world.js';
import { NR_HUGE_NEEDED, topZone } from './zones.js';

const O_RDONLY = 0;
const O_RDWR_CREAT = 0x42;
const SIGBUS = 7;
const SIGSEGV = 11;
/** SA_SIGINFO | SA_RESTORER | SA_NODEFER */
const SA_FLAGS = 0x44000004;
const PKEYS = 16;
const ARENA_PROBE = 0x5000_0000_0000;
const PRIVATE_ANONYMOUS = 0x22;

/** Strings, behind what operations use of the scratch. */
const MAPS_PATH: number = SCRATCH + 0x1000;
const PAGEMAP_PATH: number = SCRATCH + 0x1040;
const FILE_PATH: number = SCRATCH + 0x1100;
/** Room for a whole file, at the end. */
export const READ_BUFFER: number = SHARED + SHARED_BYTES - 0x20000;

/** Opens what tells VMAs and pages: it belongs to an address space, so a child needs its own. Four answers. */
export function addOpenObservers(commands: CommandBuffer): void {
  commands.add(SYS.close, MAPS_FD);
  commands.add(SYS.close, PAGEMAP_FD);
  commands.add(SYS.open, MAPS_PATH, O_RDONLY, 0);
  commands.add(SYS.open, PAGEMAP_PATH, O_RDONLY, 0);
}

export interface SetupOptions {
  /** As on a kernel before 6.11. For tests. */
  readonly withoutProcmapQuery?: boolean;
  /** As on a machine that has none: a seed then means the same operations everywhere. */
  readonly withoutHugePages?: boolean;
}

/** @throws OracleUnavailable where one of the steps fails */
export async function setUp(process: KernelProcess, options: SetupOptions): Promise<World> {
  const commands = new CommandBuffer();
  const file = join(process.folder, 'file');
  addString(commands, MAPS_PATH, '/proc/self/maps');
  addString(commands, PAGEMAP_PATH, '/proc/self/pagemap');
  addString(commands, FILE_PATH, file);
  addWords(commands, SCRATCH, [process.program.handler, 0, SA_FLAGS, 0, process.program.restorer, 0, 0, 0]);
  await process.ask(commands);

  const step = async (what: string, expected: readonly number[]): Promise<void> => {
    const { count } = commands;
    const answers = new AnswerReader(await process.ask(commands));
    for (let i = 0; i < count; i++) {
      const answer = answers.number();
      if (answer < 0 || (expected[i] !== undefined && expected[i] !== answer)) throw new OracleUnavailable(`the kernel cannot be asked: ${what} gave ${answer}`);
    }
  };
  commands.add(SYS.rtSigaction, SIGSEGV, SCRATCH, 0, 8);
  commands.add(SYS.rtSigaction, SIGBUS, SCRATCH, 0, 8);
  await step('rt_sigaction', []);
  commands.add(SYS.open, MAPS_PATH, O_RDONLY, 0);
  commands.add(SYS.open, PAGEMAP_PATH, O_RDONLY, 0);
  await step('opening /proc/self/maps and pagemap', [MAPS_FD, PAGEMAP_FD]);
  commands.add(SYS.open, FILE_PATH, O_RDWR_CREAT, 0o600);
  commands.add(SYS.open, FILE_PATH, O_RDONLY, 0);
  commands.add(SYS.memfdCreate, FILE_PATH, 0);
  const opened = PAGEMAP_FD + 1;
  await step('opening a file', [opened, opened + 1, opened + 2]);
  [FILE_RW, FILE_RO, MEMFD].forEach((number, i) => { commands.add(SYS.dup2, opened + i, FIRST_FD + number); });
  await step('dup2', []);
  // Every protection key is taken, so PROT_EXEC alone gets none and means what it means on a processor without them.
  for (let i = 0; i < PKEYS; i++) commands.add(SYS.pkeyAlloc, 0, 0);
  await process.ask(commands);
  const memfdIno = statSync(`/proc/${process.pid}/fd/${FIRST_FD + MEMFD}`).ino;

  const mmapMinAddr = await findMmapMinAddr(process, commands);
  const zeroFrame = await findZeroFrame(process, commands);
  commands.add(WALK, 0, 1);
  const walked = new AnswerReader(await process.ask(commands)).number();
  const rows = parseMaps(readFileSync(`/proc/${process.pid}/maps`, 'utf8'));
  const vvar = rows.find(({ name }) => name.startsWith('[v'));
  if (vvar === undefined || rows.some(({ start, name }) => start >= vvar.start && !name.startsWith('['))) {
    throw new OracleUnavailable('the kernel cannot be asked: it has no vvar at the upper end of the address space');
  }
  const { isShmem, thpAligned, maxFileBytes } = fileSystemOf(process.folder);
  return {
    kernel: release(), rows, top: topZone(vvar.start), settings: { ...kernelSettings(process.pid), mmapMinAddr, maxFileBytes },
    hardLimits: hardLimitsOf(process.pid), dataBytes: dataBytesOf(process.pid),
    file: { path: file, kind: isShmem ? 'shmem' : 'regular', ino: statSync(file).ino, thpAligned },
    memfd: { path: '/memfd:file (deleted)', kind: 'shmem', ino: memfdIno, thpAligned: false },
    hasHugePages: options.withoutHugePages !== true && nrHugePagesFree() >= NR_HUGE_NEEDED,
    hasSwap: readFileSync('/proc/swaps', 'utf8').trim().split('\n').length > 1,
    knowsFrames: zeroFrame > 0, zeroFrame: zeroFrame > 0 ? zeroFrame : -1, hasProcmapQuery: walked >= 0 && options.withoutProcmapQuery !== true,
  };
}

/** Those of 2 MiB that nobody has been promised. */
function nrHugePagesFree(): number {
  const folder = '/sys/kernel/mm/hugepages/hugepages-2048kB';
  if (!existsSync(folder)) return 0;
  const count = (file: string): number => Number(readFileSync(join(folder, file), 'utf8'));
  return count('free_hugepages') - count('resv_hugepages');
}

/** The sysctl says only half of it: the security module has a minimum of its own. Both raise a hint. */
async function findMmapMinAddr(process: KernelProcess, commands: CommandBuffer): Promise<number> {
  commands.add(SYS.mmap, PAGE_SIZE, PAGE_SIZE, 0, PRIVATE_ANONYMOUS, -1, 0);
  const found = new AnswerReader(await process.ask(commands)).number();
  commands.add(SYS.munmap, found, PAGE_SIZE);
  await process.ask(commands);
  return found;
}

/** What an untouched anonymous page shows when it is read. @returns 0 where frames cannot be told */
async function findZeroFrame(process: KernelProcess, commands: CommandBuffer): Promise<number> {
  commands.add(SYS.mmap, ARENA_PROBE, PAGE_SIZE, 3, PRIVATE_ANONYMOUS | 0x10, -1, 0);
  commands.add(LOAD, ARENA_PROBE);
  commands.add(PAGES, ARENA_PROBE, 1);
  commands.add(SYS.munmap, ARENA_PROBE, PAGE_SIZE);
  const answers = new AnswerReader(await process.ask(commands));
  if (answers.number() !== ARENA_PROBE || answers.number() !== 0) throw new OracleUnavailable(`the kernel cannot be asked: it maps nothing at 0x${ARENA_PROBE.toString(16)}`);
  const at = answers.skip(12);
  return frameOf(answers.view, at);
}

/** Bits 0 to 54 of a pagemap entry. */
export function frameOf(view: DataView, at: number): number {
  return (view.getUint32(at + 4, true) & 0x7fffff) * 2 ** 32 + view.getUint32(at, true);
}
