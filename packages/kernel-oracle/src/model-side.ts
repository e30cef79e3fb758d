/** The model as the other side: the same operations on an image, seen in the same form. */
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PAGE_SIZE, PF_USER, PF_WRITE, VM_EXEC, VM_FAULT_SIGBUS, VM_MAYSHARE, VM_READ, VM_SHARED, VM_WRITE } from '@mmun/include';
import type { BootedMachine, ExecLayout, ExecRow, File, Inode, InspectedImage, KernelImage, MachineConfig, Mm, NewerCalls, Pfn, TaskStruct, Vaddr } from '@mmun/include';
import { VM_FLAG_LETTERS } from './flag-names.js';
import { ANONYMOUS_FILE, EXCLUSIVE, IS_ZERO, OF_FILE, PRESENT, observedZones } from './observation.js';
import type { Observation, SmapsRow } from './observation.js';
import { FILE_PAGES, FILE_RO, FILE_RW, MEMFD } from './operation.js';
import type { HardLimits, Operation } from './operation.js';
import { CODE, SHARED, SHARED_BYTES } from './server-program.js';
import type { World, WorldRow } from './world.js';
import { ARENA, HEAP, HUGE_PAGE, NR_HUGE_NEEDED, TASK_END, zoneEnd } from './zones.js';
import type { Zone } from './zones.js';

/** What is needed of an image: system calls, and a look at pages. */
export type FuzzedImage<M extends BootedMachine> = KernelImage<M> & NewerCalls<M> & Pick<InspectedImage<M>, 'userRead' | 'userWrite' | 'pagemapEntry' | 'contentWhere' | 'auditVmas'>;

const WORD_BYTES = 4;
const SIGSEGV = 11;
const SIGBUS = 7;
const SHARED_FLAGS = 0x100021;
const EINVAL = 22;
/** As a row has them: 1, 2 and 4; that it was asked to be shared is 8. */
const ACCESS_FLAGS = VM_READ | VM_WRITE | VM_EXEC;

const NR_FRAMES = 16384;
const CAPACITIES: Partial<MachineConfig> = {
  nrCpus: 1, nrTasks: 16, nrMms: 16, nrVmas: 4096, nrAnonVmas: 2048, nrAnonVmaChains: 8192, nrTables: 1024, nrInodes: 512, nrFiles: 512,
  nrNotifiers: 4, pageContentWords: 2, tlbEntries: 0,
};

export class ModelSide<M extends BootedMachine> {
  readonly #image: FuzzedImage<M>;
  readonly #machine: M;
  readonly #words: Uint32Array;
  readonly #fresh: Uint8Array;
  readonly #first: TaskStruct;
  readonly #files: readonly File[];
  readonly #inodes: readonly Inode[];
  readonly #zones: readonly Zone[];
  readonly #lowest: number;
  readonly #highest: number;
  readonly #inos: ReadonlySet<number>;
  readonly #zeroPfn: number;
  readonly #hardLimits: HardLimits;
  #tasks: TaskStruct[] = [];

  constructor(image: FuzzedImage<M>, world: World) {
    const settings = { ...image.defaultConfig.settings, ...world.settings };
    const nrHugePages = world.hasHugePages ? NR_HUGE_NEEDED : 0;
    const nrFrames = NR_FRAMES + (nrHugePages * HUGE_PAGE) / PAGE_SIZE;
    const m = image.boot({ ...image.defaultConfig, ...CAPACITIES, nrFrames, nrHugePages, settings });
    this.#image = image;
    this.#machine = m;
    this.#zones = observedZones(world);
    this.#hardLimits = world.hardLimits;
    this.#lowest = HEAP.start;
    this.#highest = zoneEnd(world.top);
    this.#inos = new Set([0, world.file.ino, world.memfd.ino]);
    const spec = { major: 254, minor: 0, size: FILE_PAGES * PAGE_SIZE };
    const file = image.newInode(m, { ...spec, ...world.file });
    const memfd = image.newInode(m, { ...spec, ...world.memfd });
    const program = image.newInode(m, { ...spec, path: 'server', kind: 'regular', ino: 2 ** 31, size: PAGE_SIZE, thpAligned: world.file.thpAligned });
    const open = (inode: Inode, isWritable: boolean): File => image.filpOpen(m, inode, { isReadable: true, isWritable });
    const files: File[] = [0 as File];
    files[FILE_RW] = open(file, true);
    files[FILE_RO] = open(file, false);
    files[MEMFD] = open(memfd, true);
    this.#files = files;
    this.#inodes = [0 as Inode, file, file, memfd];
    this.#first = image.newProcess(m);
    image.setCurrent(m, this.#first);
    image.run(m, image.sysExecve(m, layoutOf(world, open(program, false))));
    image.run(m, image.sysMmap(m, SHARED as Vaddr, SHARED_BYTES, 3, SHARED_FLAGS, 0 as File, 0));
    this.#zeroPfn = this.#findZeroPfn();
    this.#words = new Uint32Array(m.buffer);
    this.#fresh = new Uint8Array(m.buffer).slice();
  }

  get machine(): M {
    return this.#machine;
  }

  /** Files as new, a new process. */
  beginSegment(): void {
    const m = this.#machine;
    new Uint8Array(m.buffer).set(this.#fresh);
    this.#image.setCurrent(m, this.#first);
    this.#tasks = [this.#first];
    this.#fork();
  }

  apply(operation: Operation, out: Observation): void {
    out.vec.fill(0);
    out.result = this.#result(operation, out.vec);
  }

  /** Fills all but the result. */
  observe(out: Observation, wantsSmaps: boolean): void {
    const mm = this.#image.mmOf(this.#machine, this.#current());
    this.#observeRows(mm, out, wantsSmaps);
    let page = 0;
    for (const { start, nrPages } of this.#zones) {
      for (let i = 0; i < nrPages; i++, page++) this.#observePage(mm, (start + i * PAGE_SIZE) as Vaddr, page, out);
    }
  }

  /** What does not add up inside of the model; empty: nothing. */
  check(): readonly string[] {
    return this.#image.checkMachine(this.#machine).map(({ code, message }) => `${code}: ${message}`);
  }

  /** What an untouched anonymous page shows when it is read. */
  #findZeroPfn(): number {
    const image = this.#image;
    const m = this.#machine;
    image.run(m, image.sysMmap(m, ARENA.start as Vaddr, PAGE_SIZE, 1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0 as File, 0));
    image.run(m, image.userRead(m, ARENA.start as Vaddr));
    const entry = image.pagemapEntry(m, image.mmOf(m, this.#first), ARENA.start as Vaddr);
    image.run(m, image.sysMunmap(m, ARENA.start as Vaddr, PAGE_SIZE));
    return entry >>> 2;
  }

  #current(): TaskStruct {
    return this.#tasks[this.#tasks.length - 1] as TaskStruct;
  }

  #result({ name, args }: Operation, vec: Uint8Array): number {
    const image = this.#image;
    const m = this.#machine;
    const addr = args[0] as Vaddr;
    switch (name) {
      case 'mmap': return image.run(m, image.sysMmap(m, addr, args[1], args[2], args[3], this.#files[args[4]] as File, args[5]));
      case 'munmap': return image.run(m, image.sysMunmap(m, addr, args[1]));
      case 'mprotect': return image.run(m, image.sysMprotect(m, addr, args[1], args[2]));
      case 'mremap': return image.run(m, image.sysMremap(m, addr, args[1], args[2], args[3], args[4] as Vaddr));
      case 'madvise': return image.run(m, image.sysMadvise(m, addr, args[1], args[2]));
      case 'mlock': return image.run(m, image.sysMlock(m, addr, args[1]));
      case 'mlock2': return image.run(m, image.sysMlock2(m, addr, args[1], args[2]));
      case 'munlock': return image.run(m, image.sysMunlock(m, addr, args[1]));
      case 'mlockall': return image.run(m, image.sysMlockall(m, args[0]));
      case 'munlockall': return image.run(m, image.sysMunlockall(m));
      case 'msync': return image.run(m, image.sysMsync(m, addr, args[1], args[2]));
      case 'brk': return image.run(m, image.sysBrk(m, addr));
      case 'mincore': {
        const result = image.run(m, image.sysMincore(m, addr, args[1], vec));
        if (result !== 0) vec.fill(0);
        return result;
      }
      case 'ftruncate': return image.run(m, image.truncateSetsize(m, this.#inodes[args[0]] as Inode, args[1]));
      case 'mseal': return image.run(m, image.sysMseal(m, addr, args[1], args[2]));
      case 'remap_file_pages': return image.run(m, image.sysRemapFilePages(m, addr, args[1], args[2], args[3], args[4]));
      case 'setrlimit':
        image.setRlimit(m, this.#current(), args[0], Math.min(args[1], this.#hardLimits[args[0]] ?? Infinity));
        return 0;
      case 'read': return this.#access(addr, null);
      case 'write': return this.#access(addr, args[1]);
      case 'fork': return this.#fork();
      case 'exit': return this.#exit();
    }
  }

  #access(address: Vaddr, word: number | null): number {
    const image = this.#image;
    const m = this.#machine;
    // Not canonical or behind the end of user space: no page fault comes of it, or one that ends at once.
    if (address >= TASK_END) return SIGSEGV;
    // The last bytes of a page and the first of the next: one after the other.
    if (address % PAGE_SIZE > PAGE_SIZE - WORD_BYTES && word === null) {
      const next = (address - (address % PAGE_SIZE) + PAGE_SIZE) as Vaddr;
      return this.#access((next - WORD_BYTES) as Vaddr, null) || this.#access(next, null);
    }
    const done = word === null ? image.run(m, image.userRead(m, address)) : image.run(m, image.userWrite(m, address, word));
    if (done >= 0) return 0;
    const fault = image.run(m, image.doPageFault(m, address, PF_USER | (word === null ? 0 : PF_WRITE)));
    return (fault & VM_FAULT_SIGBUS) !== 0 ? SIGBUS : SIGSEGV;
  }

  #fork(): number {
    const image = this.#image;
    const m = this.#machine;
    const child = image.run(m, image.sysClone(m, 0));
    if (child < 0) return child;
    this.#tasks.push(child as TaskStruct);
    image.setCurrent(m, child as TaskStruct);
    // A child runs the program and takes its commands: fork copied no page of either.
    image.run(m, image.userRead(m, CODE as Vaddr));
    image.run(m, image.userRead(m, SHARED as Vaddr));
    return 0;
  }

  #exit(): number {
    const image = this.#image;
    if (this.#tasks.length <= 2) return -EINVAL;
    image.run(this.#machine, image.sysExit(this.#machine));
    this.#tasks.pop();
    image.setCurrent(this.#machine, this.#current());
    return 0;
  }

  #observeRows(mm: Mm, out: Observation, wantsSmaps: boolean): void {
    out.nrRows = 0;
    this.#image.auditVmas(this.#machine, mm, (start, end, vmFlags, offset, ino) => {
      if (!this.#isObserved(start)) return;
      const access = (vmFlags & ACCESS_FLAGS) | ((vmFlags & VM_MAYSHARE) === 0 ? 0 : VM_SHARED);
      out.addRow(start, end, access, offset, this.#inos.has(ino) ? ino : ANONYMOUS_FILE);
    });
    out.smaps = wantsSmaps ? this.#smaps(mm) : null;
  }

  #smaps(mm: Mm): SmapsRow[] {
    return this.#image.procMaps(this.#machine, mm).filter(({ start }) => start !== SHARED && this.#isObserved(start)).map(({ start, anonymous, rss, vmFlags }) =>
      ({ start, anonymous, rss, flags: VM_FLAG_LETTERS.filter((_, bit) => (vmFlags >>> bit) & 1).join(' ') }));
  }

  #isObserved(address: number): boolean {
    return address >= this.#lowest && address < this.#highest;
  }

  #observePage(mm: Mm, address: Vaddr, page: number, out: Observation): void {
    const entry = this.#image.pagemapEntry(this.#machine, mm, address);
    if (entry === 0) {
      out.pages[page] = out.frames[page] = 0;
      out.words[page] = -1;
      return;
    }
    const pfn = entry >>> 2;
    out.pages[page] = PRESENT | ((entry & 1) === 0 ? 0 : OF_FILE) | ((entry & 2) === 0 ? 0 : EXCLUSIVE) | (pfn === this.#zeroPfn ? IS_ZERO : 0);
    out.frames[page] = pfn;
    out.words[page] = this.#words[this.#image.contentWhere(this.#machine, pfn as Pfn, address)];
  }
}

/** Without randomization: all but the stack stands where the kernel always puts it. */
function layoutOf({ rows, dataBytes }: World, program: File): ExecLayout {
  const stack = rows.find(({ name }) => name === '[stack]') as WorldRow;
  const top = Math.max(...rows.filter(({ name }) => name.startsWith('[v') && name !== '[vsyscall]').map(({ end }) => end));
  return {
    rows: rows.filter(({ start, name }) => start < 2 ** 47 && start !== SHARED && name !== '[heap]').map((row) => rowOf(row, program)),
    mmapBase: top as Vaddr, startBrk: HEAP.start as Vaddr, startStack: (stack.end - PAGE_SIZE) as Vaddr, argStart: (stack.end - PAGE_SIZE) as Vaddr, dataBytes,
  };
}

function rowOf({ start, end, perms, name }: WorldRow, program: File): ExecRow {
  const kind = name === '[stack]' ? 'stack' : name === '[vdso]' ? 'vdso' : name.startsWith('[v') ? 'vvar' : 'file';
  const prot = (perms[0] === 'r' ? 1 : 0) | (perms[1] === 'w' ? 2 : 0) | (perms[2] === 'x' ? 4 : 0);
  return {
    kind, start: start as Vaddr, end: end as Vaddr, prot, file: kind === 'file' ? program : (0 as File), pgoff: kind === 'stack' ? start / PAGE_SIZE : 0,
    name: kind === 'vdso' || kind === 'vvar' ? name : '',
  };
}
