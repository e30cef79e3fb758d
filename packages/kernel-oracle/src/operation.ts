/** What is done to both: one operation, how the kernel is asked for it, and how it reads as C. */
import { SYS, addWords } from './commands.js';
import type { CommandBuffer } from './commands.js';
import { EXIT, FORK, LOAD, SCRATCH, STORE } from './server-program.js';
import { ADVICE_NAMES, flagText, MAP_NAMES, MCL_NAMES, MLOCK_NAMES, MREMAP_NAMES, MS_NAMES, PROT_NAMES, RLIMIT_NAMES, valueText } from './flag-names.js';

/** Files by number; 0 is no file. */
export const FILE_RW = 1;
export const FILE_RO = 2;
export const MEMFD = 3;
export const FILE_NAMES: readonly string[] = ['-1', 'file', 'file_ro', 'memfd'];
/** The descriptor of a file in the process of the oracle. */
export const FIRST_FD = 10;
export const FILE_PAGES = 20;

export type OperationName = 'mmap' | 'munmap' | 'mprotect' | 'mremap' | 'madvise' | 'mlock' | 'mlock2' | 'munlock' | 'mlockall' | 'munlockall' | 'msync' | 'brk'
  | 'mincore' | 'ftruncate' | 'setrlimit' | 'mseal' | 'remap_file_pages' | 'read' | 'write' | 'fork' | 'exit';

/** Arguments in the order of the system call; numbers are unsigned 64-bit, as far as a double holds them. */
export interface Operation {
  readonly name: OperationName;
  readonly args: readonly number[];
}

type Formatter = (value: number) => string;

interface Kind {
  /** The system call or the server's command. */
  readonly command: number;
  readonly formats: readonly Formatter[];
}

const hex: Formatter = (value) => (value === Infinity ? 'RLIM_INFINITY' : value < 10 ? String(value) : `0x${value.toString(16)}`);
const file: Formatter = (value) => FILE_NAMES[value] as string;

const KINDS: Readonly<Record<OperationName, Kind>> = {
  mmap: { command: SYS.mmap, formats: [hex, hex, flagText(PROT_NAMES, 'PROT_NONE'), flagText(MAP_NAMES, '0'), file, hex] },
  munmap: { command: SYS.munmap, formats: [hex, hex] },
  mprotect: { command: SYS.mprotect, formats: [hex, hex, flagText(PROT_NAMES, 'PROT_NONE')] },
  mremap: { command: SYS.mremap, formats: [hex, hex, hex, flagText(MREMAP_NAMES, '0'), hex] },
  madvise: { command: SYS.madvise, formats: [hex, hex, valueText(ADVICE_NAMES)] },
  mlock: { command: SYS.mlock, formats: [hex, hex] },
  mlock2: { command: SYS.mlock2, formats: [hex, hex, flagText(MLOCK_NAMES, '0')] },
  munlock: { command: SYS.munlock, formats: [hex, hex] },
  mlockall: { command: SYS.mlockall, formats: [flagText(MCL_NAMES, '0')] },
  munlockall: { command: SYS.munlockall, formats: [] },
  msync: { command: SYS.msync, formats: [hex, hex, flagText(MS_NAMES, '0')] },
  brk: { command: SYS.brk, formats: [hex] },
  mincore: { command: SYS.mincore, formats: [hex, hex] },
  ftruncate: { command: SYS.ftruncate, formats: [file, hex] },
  setrlimit: { command: SYS.prlimit64, formats: [valueText(RLIMIT_NAMES), hex] },
  mseal: { command: SYS.mseal, formats: [hex, hex, hex] },
  remap_file_pages: { command: SYS.remapFilePages, formats: [hex, hex, flagText(PROT_NAMES, '0'), hex, flagText(MAP_NAMES, '0')] },
  read: { command: LOAD, formats: [hex] },
  write: { command: STORE, formats: [hex, hex] },
  fork: { command: FORK, formats: [] },
  exit: { command: EXIT, formats: [] },
};

/** `munmap(0x500000000000, 0x2000)`, with fork as what it goes on with. */
export function operationText({ name, args }: Operation): string {
  switch (name) {
    case 'read': return `*(volatile int *)${hex(args[0])}`;
    case 'write': return `*(volatile int *)${hex(args[0])} = ${args[1]}`;
    case 'fork': return 'fork() /* on as the child */';
    case 'exit': return '_exit(0) /* on as the parent */';
    case 'mincore': return `mincore(${args.map(hex).join(', ')}, vec)`;
    default: return `${name}(${args.map((value, i) => (KINDS[name].formats[i] as Formatter)(value)).join(', ')})`;
  }
}

/** Limits that cannot be raised again, by resource: what a soft limit is at most. Infinity: there is none. */
export type HardLimits = Readonly<Record<number, number>>;

/** Answers that come before the one of the operation itself. */
export function nrAnswersBefore({ name }: Operation): number {
  return name === 'setrlimit' ? 4 : 0;
}

export function addOperation(commands: CommandBuffer, { name, args }: Operation, hardLimits: HardLimits = {}): void {
  const { command } = KINDS[name];
  switch (name) {
    case 'mmap': commands.add(command, args[0], args[1], args[2], args[3], args[4] === 0 ? -1 : FIRST_FD + args[4], args[5]); break;
    case 'ftruncate': commands.add(command, FIRST_FD + args[0], args[1]); break;
    case 'mincore': commands.add(command, args[0], args[1], SCRATCH); break;
    case 'setrlimit': {
      const hard = hardLimits[args[0]] ?? Infinity;
      addWords(commands, SCRATCH, [...rlimWords(Math.min(args[1], hard)), ...rlimWords(hard)]);
      commands.add(command, 0, args[0], SCRATCH, 0);
      break;
    }
    default: commands.add(command, ...args);
  }
}

/** RLIM_INFINITY is all ones. */
function rlimWords(bytes: number): [number, number] {
  return bytes === Infinity ? [0xffffffff, 0xffffffff] : [bytes % 2 ** 32, Math.floor(bytes / 2 ** 32)];
}
