/**
 * The program that makes the operations: a server for raw system calls, without libc, heap or threads, assembled here.
 *
 * A process of its own, and not this one through a foreign-function library, because its address space must be known
 * whole: nobody else maps anything in it, fork can go on as the child (no lock is held by a thread that is not there),
 * its break, limits and stack can be played with, and when it dies nothing else does. It needs no compiler either.
 *
 *   CODE    one page of the file: the program         SHARED  a shared mapping of its own: the state below,
 *   stack   used by signal frames only                        commands read, answers to be written, scratch
 *
 * A command is eight words: what, and up to six arguments. Whatever is a number of the kernel's is that system call, and is
 * answered with its result. The state is shared by parent and child, so a child takes the commands where its parent stopped,
 * and the parent, which waits, goes on behind its child's exit. SIGSEGV and SIGBUS continue at the address in R14.
 */
import { Assembler, R10, R12, R13, R14, R15, R8, R9, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from './assembler.js';

export const CODE = 0x400000;
export const SHARED = 0x10000000;
export const SHARED_BYTES = 0x100000;
/** Where strings and buffers of system calls are put. */
export const SCRATCH: number = SHARED + 0x2000;
const INPUT = 0x20000;
const INPUT_BYTES = 0x10000;
const OUTPUT = 0x40000;
const OUTPUT_FLUSH = 0x40000;
/** struct procmap_query of the walk. */
const QUERY = 0x1000;

export const COMMAND_BYTES = 64;
/** Commands that are no system call. */
export const LOAD = 0x10000;
export const STORE = 0x10001;
/** Goes on as the child; the parent waits. */
export const FORK = 0x10002;
/** The child ends; the parent goes on, or ends too where the child was killed. */
export const EXIT = 0x10003;
/** (lo, hi): the VMAs of the range by PROCMAP_QUERY on MAPS_FD: bytes or a negative errno, then WALK_ROW_BYTES for each. */
export const WALK = 0x10004;
/** (page, count): pagemap entries by PAGEMAP_FD and the first 32-bit word of each page that is present. */
export const PAGES = 0x10005;
/** (address, bytes): the bytes themselves. */
export const EMIT = 0x10006;

/** (address, pages, isWrite): a word of each page, one after the other; 0, or the signal of the first that was not possible. */
export const TOUCH = 0x10007;

/** Start, end, flags, offset, inode. */
export const WALK_ROW_BYTES = 40;
export const MAPS_FD = 3;
export const PAGEMAP_FD = 4;
/** Plus the signal: the answer of a LOAD or STORE that was not possible. */
export const SIGNALLED = 0x5160000000;

const SYS_READ = 0, SYS_WRITE = 1, SYS_MMAP = 9, SYS_RT_SIGRETURN = 15, SYS_IOCTL = 16, SYS_PREAD64 = 17, SYS_FORK = 57, SYS_EXECVE = 59, SYS_WAIT4 = 61;
const SYS_PERSONALITY = 135, SYS_EXIT_GROUP = 231;
const ADDR_NO_RANDOMIZE = 0x40000;
/** _IOWR('f', 17, 104 bytes) and the flag for the VMA that covers or follows an address. */
const PROCMAP_QUERY = 0xc0686611, QUERY_BYTES = 104, COVERING_OR_NEXT = 0x10;
const ENOENT = 2, EINTR = 4;
/** In the frame of a signal: the registers R14, RAX, RIP. arch/x86/include/uapi/asm/sigcontext.h */
const UC_R14 = 88, UC_RAX = 144, UC_RIP = 168;

export interface ServerProgram {
  /** An executable file. */
  readonly elf: Uint8Array;
  readonly handler: number;
  readonly restorer: number;
}

export function serverProgram(): ServerProgram {
  const a = new Assembler();
  start(a);
  serve(a);
  accesses(a);
  processes(a);
  walker(a);
  pageReader(a);
  emitter(a);
  transfer(a);
  signals(a);
  a.label('self');
  a.data(new TextEncoder().encode('/proc/self/exe\0'));
  const code = a.assemble();
  const at = (label: string): number => CODE + ELF_HEADERS + a.offsetOf(label);
  return { elf: elfFile(code), handler: at('handler'), restorer: at('restorer') };
}

/** Starts itself again without address randomization, so that the same operations meet the same addresses everywhere. */
function start(a: Assembler): void {
  a.set(RDI, 0xffffffff);
  a.set(RAX, SYS_PERSONALITY);
  a.syscall();
  a.move(RDI, RAX);
  a.andNumber(RAX, ADDR_NO_RANDOMIZE);
  a.jumpIf('notEqual', 'started');
  a.addNumber(RDI, ADDR_NO_RANDOMIZE);
  a.set(RAX, SYS_PERSONALITY);
  a.syscall();
  a.compareNumber(RAX, 0);
  a.jumpIf('less', 'started');
  a.addressOf(RDI, 'self');
  a.address(RSI, RSP, 8); // argv
  a.load(RDX, RSP, 0); // argc
  a.add(RDX, RDX);
  a.add(RDX, RDX);
  a.add(RDX, RDX);
  a.add(RDX, RSI);
  a.addNumber(RDX, 8); // envp
  a.set(RAX, SYS_EXECVE);
  a.syscall();
  a.label('started');
  a.set(RDI, SHARED);
  a.set(RSI, SHARED_BYTES);
  a.set(RDX, 3);
  a.set(R10, 0x100021); // MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
  a.set(R8, 0xffffffff);
  a.set(R9, 0);
  a.set(RAX, SYS_MMAP);
  a.syscall();
  a.set(R13, SHARED);
  a.compare(RAX, R13);
  a.jumpIf('notEqual', 'quit');
  a.address(RBX, R13, INPUT);
  a.move(RBP, RBX);
  a.address(R12, R13, OUTPUT);
}

/** RBX: the next command, RBP: the end of those read, R12: the end of the answers. */
function serve(a: Assembler): void {
  a.label('loop');
  a.compare(RBX, RBP);
  a.jumpIf('equal', 'refill');
  a.label('fetch');
  a.load(RAX, RBX, 0);
  a.addNumber(RBX, COMMAND_BYTES);
  const commands = [[LOAD, 'load'], [STORE, 'store'], [FORK, 'fork'], [EXIT, 'exit'], [WALK, 'walk'], [PAGES, 'pages'], [EMIT, 'emit'], [TOUCH, 'touch']] as const;
  for (const [command, label] of commands) {
    a.compareNumber(RAX, command);
    a.jumpIf('equal', label);
  }
  argument(a, RDI, 1);
  argument(a, RSI, 2);
  argument(a, RDX, 3);
  argument(a, R10, 4);
  argument(a, R8, 5);
  argument(a, R9, 6);
  a.syscall();
  a.label('answer');
  a.store(R12, 0, RAX);
  a.addNumber(R12, 8);
  a.label('answered');
  a.address(RAX, R13, OUTPUT + OUTPUT_FLUSH);
  a.compare(R12, RAX);
  a.jumpIf('less', 'loop');
  a.call('flush');
  a.jump('loop');
}

function argument(a: Assembler, register: number, number: number): void {
  a.load(register, RBX, number * 8 - COMMAND_BYTES);
}

function accesses(a: Assembler): void {
  a.label('load');
  a.addressOf(R14, 'answer');
  argument(a, RSI, 1);
  a.load32(RAX, RSI, 0);
  a.jump('answer');
  a.label('store');
  a.addressOf(R14, 'answer');
  argument(a, RSI, 1);
  argument(a, RDX, 2);
  a.set(RAX, 0);
  a.store32(RSI, 0, RDX);
  a.jump('answer');
  a.label('touch');
  a.addressOf(R14, 'answer');
  argument(a, RSI, 1);
  argument(a, RDX, 2);
  argument(a, RCX, 3);
  a.label('touchNext');
  a.set(RAX, 0);
  a.compareNumber(RDX, 0);
  a.jumpIf('equal', 'answer');
  a.compareNumber(RCX, 0);
  a.jumpIf('equal', 'touchRead');
  a.store32(RSI, 0, RDX);
  a.jump('touched');
  a.label('touchRead');
  a.load32(RAX, RSI, 0);
  a.label('touched');
  a.addNumber(RSI, 4096);
  a.addNumber(RDX, -1);
  a.jump('touchNext');
}

function processes(a: Assembler): void {
  a.label('fork');
  a.set(RAX, SYS_FORK);
  a.syscall();
  a.compareNumber(RAX, 0);
  a.jumpIf('lessOrEqual', 'answer');
  a.set(RDX, 0);
  a.set(R10, 0);
  a.address(RSI, R13, 32);
  a.move(R15, RAX);
  a.label('wait');
  a.move(RDI, R15);
  a.set(RAX, SYS_WAIT4);
  a.syscall();
  a.compareNumber(RAX, -EINTR);
  a.jumpIf('equal', 'wait');
  a.load(RBX, R13, 0);
  a.load(RBP, R13, 8);
  a.load(R12, R13, 16);
  a.load32(RAX, R13, 32);
  a.compareNumber(RAX, 0);
  a.jumpIf('equal', 'answer');
  a.jump('quit');
  a.label('exit');
  a.store(R13, 0, RBX);
  a.store(R13, 8, RBP);
  a.store(R13, 16, R12);
  a.set(RDI, 0);
  a.set(RAX, SYS_EXIT_GROUP);
  a.syscall();
}

function walker(a: Assembler): void {
  a.label('walk');
  argument(a, R14, 1);
  argument(a, R15, 2);
  a.move(RBP, R12); // RBP is read back from the state
  a.addNumber(R12, 8);
  a.label('walkNext');
  a.set(RAX, QUERY_BYTES);
  a.store(R13, QUERY, RAX);
  a.set(RAX, COVERING_OR_NEXT);
  a.store(R13, QUERY + 8, RAX);
  a.store(R13, QUERY + 16, R14);
  a.set(RAX, 0);
  a.store(R13, QUERY + 80, RAX); // no name, no build id
  a.set(RDI, MAPS_FD);
  a.set(RSI, PROCMAP_QUERY);
  a.address(RDX, R13, QUERY);
  a.set(RAX, SYS_IOCTL);
  a.syscall();
  a.compareNumber(RAX, 0);
  a.jumpIf('less', 'walkStop');
  a.load(RDX, R13, QUERY + 24);
  a.compare(RDX, R15);
  a.jumpIf('aboveOrEqual', 'walkEnd');
  a.load(R14, R13, QUERY + 32);
  a.store(R12, 0, RDX);
  a.store(R12, 8, R14);
  for (const [to, from] of [[16, 40], [24, 56], [32, 64]] as const) {
    a.load(RAX, R13, QUERY + from);
    a.store(R12, to, RAX);
  }
  a.addNumber(R12, WALK_ROW_BYTES);
  a.jump('walkNext');
  a.label('walkStop');
  a.compareNumber(RAX, -ENOENT);
  a.jumpIf('notEqual', 'walkFailed');
  a.label('walkEnd');
  a.move(RAX, R12);
  a.subtract(RAX, RBP);
  a.addNumber(RAX, -8);
  a.label('walkFailed');
  a.store(RBP, 0, RAX);
  a.load(RBP, R13, 8);
  a.jump('answered');
}

function pageReader(a: Assembler): void {
  a.label('pages');
  a.set(RDI, PAGEMAP_FD);
  a.move(RSI, R12);
  argument(a, RDX, 2);
  for (let i = 0; i < 3; i++) a.add(RDX, RDX);
  argument(a, R10, 1);
  a.shiftRight(R10, 9);
  a.set(RAX, SYS_PREAD64);
  a.syscall();
  argument(a, RSI, 1);
  a.move(RDX, R12); // entries
  argument(a, R15, 2);
  for (let i = 0; i < 3; i++) a.add(R15, R15);
  a.add(R15, RDX);
  a.move(R12, R15); // words, behind the entries
  a.addressOf(R14, 'pagesWord');
  a.label('pagesNext');
  a.compare(RDX, R15);
  a.jumpIf('aboveOrEqual', 'answered');
  a.set(RAX, 0);
  a.load(RCX, RDX, 0);
  a.compareNumber(RCX, 0);
  a.jumpIf('greaterOrEqual', 'pagesWord');
  a.load32(RAX, RSI, 0);
  a.label('pagesWord');
  a.store32(R12, 0, RAX);
  a.addNumber(R12, 4);
  a.addNumber(RDX, 8);
  a.addNumber(RSI, 4096);
  a.jump('pagesNext');
}

function emitter(a: Assembler): void {
  a.label('emit');
  argument(a, RSI, 1);
  argument(a, RCX, 2);
  a.move(RDI, R12);
  a.add(R12, RCX);
  a.copy();
  a.jump('answered');
}

function transfer(a: Assembler): void {
  a.label('refill');
  a.call('flush');
  a.address(RBX, R13, INPUT);
  a.move(RBP, RBX);
  a.label('readMore');
  a.set(RDI, 0);
  a.move(RSI, RBP);
  a.address(RDX, R13, INPUT + INPUT_BYTES);
  a.subtract(RDX, RBP);
  a.set(RAX, SYS_READ);
  a.syscall();
  a.compareNumber(RAX, -EINTR);
  a.jumpIf('equal', 'readMore');
  a.compareNumber(RAX, 0);
  a.jumpIf('lessOrEqual', 'quit');
  a.add(RBP, RAX);
  a.move(RAX, RBP);
  a.andNumber(RAX, COMMAND_BYTES - 1);
  a.jumpIf('notEqual', 'readMore');
  a.store(R13, 8, RBP);
  a.jump('fetch');

  a.label('flush');
  a.address(R15, R13, OUTPUT);
  a.label('writeMore');
  a.compare(R15, R12);
  a.jumpIf('equal', 'written');
  a.set(RDI, 1);
  a.move(RSI, R15);
  a.move(RDX, R12);
  a.subtract(RDX, R15);
  a.set(RAX, SYS_WRITE);
  a.syscall();
  a.compareNumber(RAX, -EINTR);
  a.jumpIf('equal', 'writeMore');
  a.compareNumber(RAX, 0);
  a.jumpIf('lessOrEqual', 'quit');
  a.add(R15, RAX);
  a.jump('writeMore');
  a.label('written');
  a.address(R12, R13, OUTPUT);
  a.return();
}

function signals(a: Assembler): void {
  a.label('handler');
  a.load(RAX, RDX, UC_R14);
  a.store(RDX, UC_RIP, RAX);
  a.set(RAX, SIGNALLED);
  a.add(RAX, RDI);
  a.store(RDX, UC_RAX, RAX);
  a.return();
  a.label('restorer');
  a.set(RAX, SYS_RT_SIGRETURN);
  a.syscall();
  a.label('quit');
  a.set(RDI, 3);
  a.set(RAX, SYS_EXIT_GROUP);
  a.syscall();
}

const ELF_HEADERS = 64 + 56;

/** One segment, read and execute, at CODE. */
function elfFile(code: Uint8Array): Uint8Array {
  const elf = new Uint8Array(ELF_HEADERS + code.length);
  const view = new DataView(elf.buffer);
  const u64 = (at: number, value: number): void => { view.setBigUint64(at, BigInt(value), true); };
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 62, true); // EM_X86_64
  view.setUint32(20, 1, true);
  u64(24, CODE + ELF_HEADERS);
  u64(32, 64);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint16(58, 64, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true);
  u64(72, 0);
  u64(80, CODE);
  u64(88, CODE);
  u64(96, elf.length);
  u64(104, elf.length);
  u64(112, 4096);
  elf.set(code, ELF_HEADERS);
  return elf;
}
