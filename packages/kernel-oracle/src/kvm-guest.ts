/**
 * A guest of the running kernel's KVM, driven through the process that makes the operations: its memory slot is a piece of
 * that process's address space, and the kernel itself counts which pages of it the shadow page table holds.
 *
 *   guest physical   0 .. LOW_BYTES      page tables and code, a slot of their own
 *                    GUEST_BASE ..       the arena: page i of the guest is page i of the process's arena
 *
 * The guest runs in 64-bit mode at CPL 3 over identity page tables of 2 MiB entries; anywhere else some hosts emulate its
 * accesses and no shadow pte appears. Its program touches the pages of a list, one after the other, and leaves by an `out`.
 * Documentation/virt/kvm/api.rst
 */
import { AnswerReader, CommandBuffer, SYS, addBytes, addString, addWords } from './commands.js';
import { OracleUnavailable } from './kernel-process.js';
import type { KernelProcess } from './kernel-process.js';
import { EMIT, LOAD, SCRATCH } from './server-program.js';

const PAGE = 4096;
/** Host addresses of what belongs to the guest. */
const LOW = 0x4f00_0000_0000;
const LOW_BYTES = 0x10000;
export const GUEST_BASE = 0x4000_0000;
/** Shared and anonymous: fork leaves it alone, so only the arena's entries come and go. */
const SHARED_FIXED = 0x31;

const KVM = {
  getApiVersion: 0xae00, createVm: 0xae01, vcpuMmapSize: 0xae04, supportedCpuid: 0xc008ae05, createVcpu: 0xae41, userMemoryRegion: 0x4020ae46, dirtyLog: 0x4010ae42, run: 0xae80,
  getSregs: 0x8138ae83, setSregs: 0x4138ae84, setRegs: 0x4090ae82, setCpuid2: 0x4008ae90, statsFd: 0xaece,
} as const;
const MEM_LOG_DIRTY_PAGES = 1;
const EXIT_IO = 2;

/** Buffers of ioctls, behind what operations use of the scratch: of the preparations, of the registers, of the log, of the count. */
const BUFFER: number = SCRATCH + 0x2000;
const BUFFER_BYTES = 0x2000;
const REGS: number = BUFFER + BUFFER_BYTES;
const LOG: number = REGS + 0x200;
const LOG_BITS: number = LOG + 0x40;
const COUNT: number = REGS + 0x800;
const PATH: number = SCRATCH + 0x1200;

/** Guest physical addresses of the tables and the code. */
const PML4 = 0x1000, PDPT = 0x2000, PD_LOW = 0x3000, PD_ARENA = 0x4000, CODE_AT = 0x8000, LIST = 0x9000;
/** Present, writable, for the user; and a page of 2 MiB. */
const TABLE_BITS = 7;
const LARGE = 0x80;

/** rsi: a list of addresses, rcx: how many; writes a word at each, or reads it, then leaves. */
const NEXT_CODE = [0x48, 0x83, 0xc6, 0x04, 0x48, 0xff, 0xc9, 0x75, 0xf3, 0xe6, 0x10];
const WRITE_CODE = [0x8b, 0x06, 0x89, 0x00, ...NEXT_CODE];
const READ_CODE = [0x8b, 0x06, 0x8b, 0x18, ...NEXT_CODE];
const READ_AT = CODE_AT + 0x40;
/** Where in kvm_regs. */
const RCX_AT = 16, RIP_AT = 128;

export interface KvmSlot {
  /** In the process. */
  readonly address: number;
  readonly nrPages: number;
}

/** How a run of the guest ended. */
export type GuestExit = 'done' | 'fault';

export class KvmGuest {
  readonly #vm: number;
  readonly #vcpu: number;
  readonly #stats: number;
  /** Where in the statistics the count of 4 KiB shadow ptes stands. */
  readonly #pages4k: number;
  readonly #runAt: number;
  readonly #slot: KvmSlot;

  /** @param slot memory that the process has mapped already, 2 MiB aligned @param device for tests @throws OracleUnavailable */
  static async start(process: KernelProcess, slot: KvmSlot, device: string = '/dev/kvm'): Promise<KvmGuest> {
    const machine = new Asker(process);
    await machine.string(PATH, device);
    const kvm = await openDevice(machine, device);
    const vm = await machine.must('KVM_CREATE_VM', SYS.ioctl, kvm, KVM.createVm, 0);
    const runBytes = await machine.must('KVM_GET_VCPU_MMAP_SIZE', SYS.ioctl, kvm, KVM.vcpuMmapSize, 0);
    const vcpu = await machine.must('KVM_CREATE_VCPU', SYS.ioctl, vm, KVM.createVcpu, 0);
    const runAt = await machine.must('mapping the vCPU', SYS.mmap, LOW + 0x100000, runBytes, 3, 0x11, vcpu, 0);
    await machine.must('memory of the guest', SYS.mmap, LOW, LOW_BYTES, 3, SHARED_FIXED, -1, 0);
    await writeLow(machine, slot);
    await region(machine, vm, { slot: 0, flags: 0, guest: 0, bytes: LOW_BYTES, host: LOW });
    await region(machine, vm, { slot: 1, flags: MEM_LOG_DIRTY_PAGES, guest: GUEST_BASE, bytes: slot.nrPages * PAGE, host: slot.address });
    await machine.words(BUFFER, [BUFFER_BYTES / 40 - 1, 0]);
    await machine.must('KVM_GET_SUPPORTED_CPUID', SYS.ioctl, kvm, KVM.supportedCpuid, BUFFER);
    await machine.must('KVM_SET_CPUID2', SYS.ioctl, vcpu, KVM.setCpuid2, BUFFER);
    await machine.must('KVM_GET_SREGS', SYS.ioctl, vcpu, KVM.getSregs, BUFFER);
    await longMode(machine);
    await machine.must('KVM_SET_SREGS', SYS.ioctl, vcpu, KVM.setSregs, BUFFER);
    await machine.quads(REGS, [0, 0, 0, 0, LIST, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, CODE_AT, 0x3002]);
    await machine.quads(LOG, [1, LOG_BITS]);
    const stats = await machine.must('KVM_GET_STATS_FD', SYS.ioctl, vm, KVM.statsFd, 0);
    return new KvmGuest({ vm, vcpu, stats, pages4k: await findPages4k(machine, stats), runAt }, slot);
  }

  private constructor({ vm, vcpu, stats, pages4k, runAt }: { vm: number; vcpu: number; stats: number; pages4k: number; runAt: number }, slot: KvmSlot) {
    this.#vm = vm;
    this.#vcpu = vcpu;
    this.#stats = stats;
    this.#pages4k = pages4k;
    this.#runAt = runAt;
    this.#slot = slot;
  }

  /** Lets the guest touch some pages in one run. Answers: readTouch. */
  addTouch(commands: CommandBuffer, pages: readonly number[], isWrite: boolean): void {
    if (pages.length === 0) return;
    addWords(commands, LOW + LIST, pages.map((page) => GUEST_BASE + page * PAGE));
    addWords(commands, REGS + RCX_AT, [pages.length]);
    addWords(commands, REGS + RIP_AT, [isWrite ? CODE_AT : READ_AT]);
    commands.add(SYS.ioctl, this.#vcpu, KVM.setRegs, REGS);
    commands.add(SYS.ioctl, this.#vcpu, KVM.run, 0);
    commands.add(LOAD, this.#runAt + 8);
  }

  /** @returns how it ended; `fault` where the process has nothing there (KVM_RUN answers EFAULT) @throws OracleUnavailable for another end */
  readTouch(answers: AnswerReader, pages: readonly number[]): GuestExit {
    if (pages.length === 0) return 'done';
    for (let i = 0; i < pages.length + 2; i++) answers.number();
    const set = answers.number();
    const ran = answers.number();
    const reason = answers.number();
    if (set === 0 && ran === 0 && reason === EXIT_IO) return 'done';
    if (set === 0 && ran === -EFAULT) return 'fault';
    throw new OracleUnavailable(`KVM cannot be asked: a run of the guest gave ${ran}, exit reason ${reason}`);
  }

  /** One answer and eight bytes: see readPages4k. */
  addPages4k(commands: CommandBuffer): void {
    commands.add(SYS.pread64, this.#stats, COUNT, 8, this.#pages4k);
    commands.add(LOAD, COUNT);
  }

  /** Shadow ptes of 4 KiB pages that the kernel holds now. */
  readPages4k(answers: AnswerReader): number {
    if (answers.number() !== 8) throw new OracleUnavailable('KVM cannot be asked: its statistics cannot be read');
    return answers.number();
  }

  /** The next log begins here: the kernel forgets what was written until now. Answers: readDirtyLog. */
  addDirtyLog(commands: CommandBuffer): void {
    commands.add(SYS.ioctl, this.#vm, KVM.dirtyLog, LOG);
    commands.add(EMIT, LOG_BITS, this.#logBytes);
  }

  /** Which pages of the slot the guest wrote to since the last time, one bit a page. */
  readDirtyLog(answers: AnswerReader): Uint8Array {
    const result = answers.number();
    if (result < 0) throw new OracleUnavailable(`KVM cannot be asked: KVM_GET_DIRTY_LOG gave ${result}`);
    const at = answers.skip(this.#logBytes);
    return new Uint8Array(answers.view.buffer, answers.view.byteOffset + at, this.#logBytes).slice();
  }

  get #logBytes(): number {
    return Math.ceil(this.#slot.nrPages / 64) * 8;
  }
}

const EFAULT = 14;
const EPERM = 1, ENOENT = 2, EACCES = 13;
const O_RDWR = 2;
const API_VERSION = 12;

/** Asks one thing at a time: for setting up. */
class Asker {
  readonly #process: KernelProcess;
  readonly #commands = new CommandBuffer();

  constructor(process: KernelProcess) {
    this.#process = process;
  }

  async ask(command: number, ...args: readonly number[]): Promise<number> {
    this.#commands.add(command, ...args);
    return new AnswerReader(await this.#process.ask(this.#commands)).number();
  }

  async must(what: string, command: number, ...args: readonly number[]): Promise<number> {
    const answer = await this.ask(command, ...args);
    if (answer < 0) throw new OracleUnavailable(`KVM cannot be asked: ${what} gave ${answer}`);
    return answer;
  }

  async words(address: number, words: readonly number[]): Promise<void> {
    addWords(this.#commands, address, words);
    await this.#process.ask(this.#commands);
  }

  async quads(address: number, quads: readonly number[]): Promise<void> {
    await this.words(address, quads.flatMap(halves));
  }

  async bytes(address: number, bytes: readonly number[]): Promise<void> {
    addBytes(this.#commands, address, bytes);
    await this.#process.ask(this.#commands);
  }

  async string(address: number, text: string): Promise<void> {
    addString(this.#commands, address, text);
    await this.#process.ask(this.#commands);
  }

  async read(address: number, bytes: number): Promise<DataView> {
    this.#commands.add(EMIT, address, bytes);
    const answer = await this.#process.ask(this.#commands);
    return new DataView(answer.buffer, answer.byteOffset, bytes);
  }
}

/** The three that a user can do something about are told in words. */
async function openDevice(machine: Asker, device: string): Promise<number> {
  const opened = await machine.ask(SYS.open, PATH, O_RDWR, 0);
  if (opened === -ENOENT) throw new OracleUnavailable(`KVM cannot be asked: there is no ${device} (the kernel has no KVM, or the machine offers no virtualization)`);
  if (opened === -EACCES || opened === -EPERM) throw new OracleUnavailable(`KVM cannot be asked: ${device} may not be opened for reading and writing (be root or in its group)`);
  if (opened < 0) throw new OracleUnavailable(`KVM cannot be asked: opening ${device} gave ${opened}`);
  const version = await machine.ask(SYS.ioctl, opened, KVM.getApiVersion, 0);
  if (version !== API_VERSION) throw new OracleUnavailable(`KVM cannot be asked: ${device} is no KVM of version ${API_VERSION} (KVM_GET_API_VERSION gave ${version})`);
  return opened;
}

/** Low and high. */
function halves(quad: number): [number, number] {
  return [quad % 2 ** 32, Math.floor(quad / 2 ** 32)];
}

async function writeLow(machine: Asker, { nrPages }: KvmSlot): Promise<void> {
  const entry = (table: number, index: number, value: number): Promise<void> => machine.words(LOW + table + index * 8, halves(value));
  await entry(PML4, 0, PDPT | TABLE_BITS);
  await entry(PDPT, 0, PD_LOW | TABLE_BITS);
  await entry(PDPT, GUEST_BASE / 2 ** 30, PD_ARENA | TABLE_BITS);
  await entry(PD_LOW, 0, LARGE | TABLE_BITS);
  for (let i = 0; i * 512 < nrPages; i++) await entry(PD_ARENA, i, GUEST_BASE + i * 2 ** 21 + (LARGE | TABLE_BITS));
  await machine.bytes(LOW + CODE_AT, WRITE_CODE);
  await machine.bytes(LOW + READ_AT, READ_CODE);
}

interface Region {
  readonly slot: number;
  readonly flags: number;
  readonly guest: number;
  readonly bytes: number;
  readonly host: number;
}

async function region(machine: Asker, vm: number, { slot, flags, guest, bytes, host }: Region): Promise<void> {
  await machine.words(BUFFER, [slot, flags, ...[guest, bytes, host].flatMap(halves)]);
  await machine.must('KVM_SET_USER_MEMORY_REGION', SYS.ioctl, vm, KVM.userMemoryRegion, BUFFER);
}

/** struct kvm_sregs in the buffer: flat segments of ring 3, paging in 64-bit mode. */
async function longMode(machine: Asker): Promise<void> {
  const segment = (selector: number, type: number, isCode: boolean): number[] =>
    [0, 0, 0xffffffff, selector | (type << 16) | (1 << 24), 3 | ((isCode ? 0 : 1) << 8) | (1 << 16) | ((isCode ? 1 : 0) << 24), 1];
  const CS = 0, DS = 24, SS = 120, CR0 = 224, CR3 = 240, CR4 = 248, EFER = 264;
  await machine.words(BUFFER + CS, segment(0x2b, 11, true));
  for (let at = DS; at <= SS; at += 24) await machine.words(BUFFER + at, segment(0x23, 3, false));
  await machine.words(BUFFER + CR0, [0x80050033, 0]);
  await machine.words(BUFFER + CR3, [PML4, 0]);
  await machine.words(BUFFER + CR4, [0x20, 0]);
  await machine.words(BUFFER + EFER, [0x500, 0]);
}

/** The descriptor named `pages_4k` says where the number stands. */
async function findPages4k(machine: Asker, stats: number): Promise<number> {
  await machine.must('reading statistics of KVM', SYS.pread64, stats, BUFFER, 24, 0);
  const header = await machine.read(BUFFER, 24);
  const nameBytes = header.getUint32(4, true);
  const nrDescriptors = header.getUint32(8, true);
  const descriptors = header.getUint32(16, true);
  const data = header.getUint32(20, true);
  const bytes = 16 + nameBytes;
  for (let i = 0; i < nrDescriptors; i++) {
    await machine.must('reading statistics of KVM', SYS.pread64, stats, BUFFER, bytes, descriptors + i * bytes);
    const view = await machine.read(BUFFER, bytes);
    const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + 16, nameBytes)).split('\0', 1)[0];
    if (name === 'pages_4k') return data + view.getUint32(8, true);
  }
  throw new OracleUnavailable('KVM cannot be asked: its statistics have no pages_4k');
}
