/** The model's side: the same operations on an image. */
import type { BootedMachine, File, KernelImage, TaskStruct, Vaddr } from '@mmun/include';
import { ADDRESS, FORK_PAGES, MOVED_TO, NR_PAGES } from './rows.js';
import type { Row, RowName } from './rows.js';

const PAGE = 4096;
const LENGTH = NR_PAGES * PAGE;
const READ_WRITE = 3, READ = 1;
const FIXED_ANONYMOUS = 0x32, PRIVATE_FIXED = 0x12;
const MADV_DONTNEED = 4;
const MAYMOVE_FIXED = 3;
const WRITE_FAULT = 6, READ_FAULT = 4, COW_FAULT = 7;

interface Sample {
  before(): void;
  timed(): void;
  after(): void;
}

export class ModelRows<M extends BootedMachine> {
  readonly #image: KernelImage<M>;
  readonly #m: M;
  readonly #file: File;
  readonly #parent: TaskStruct;
  readonly #samples: Readonly<Record<RowName, Sample>>;

  constructor(image: KernelImage<M>) {
    const config = {
      ...image.defaultConfig, nrTasks: 8, nrMms: 4, nrVmas: 256, nrAnonVmas: 128, nrAnonVmaChains: 256, nrFrames: 3 * FORK_PAGES, nrTables: 128, nrInodes: 4, nrFiles: 4,
      settings: { ...image.defaultConfig.settings, transparentHugepage: 'never' as const },
    };
    this.#image = image;
    this.#m = image.boot(config);
    this.#parent = image.newProcess(this.#m);
    image.setCurrent(this.#m, this.#parent);
    const inode = image.newInode(this.#m, { path: '/memfd:bench', kind: 'shmem', major: 0, minor: 1, ino: 1, size: LENGTH, thpAligned: false });
    this.#file = image.filpOpen(this.#m, inode, { isReadable: true, isWritable: true });
    this.#map(NR_PAGES, READ_WRITE, 0x11, this.#file);
    this.#touch(NR_PAGES, WRITE_FAULT);
    this.#unmap(FORK_PAGES);
    this.#samples = this.#all();
  }

  /** @returns ns of one of `row.count` */
  sample({ name, count, rounds }: Row): { wall: number; cpu: number } {
    const { before, timed, after } = this.#samples[name];
    before();
    const cpu = process.cpuUsage();
    const start = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) timed();
    const wall = Number(process.hrtime.bigint() - start);
    const { user, system } = process.cpuUsage(cpu);
    after();
    return { wall: wall / (count * rounds), cpu: ((user + system) * 1000) / (count * rounds) };
  }

  #all(): Record<RowName, Sample> {
    const image = this.#image;
    const m = this.#m;
    const nothing = (): void => undefined;
    const unmap = (): void => { this.#unmap(FORK_PAGES); };
    const map = (): void => { this.#map(NR_PAGES, READ_WRITE, FIXED_ANONYMOUS); };
    const populated = (pages: number) => (): void => {
      this.#map(pages, READ_WRITE, FIXED_ANONYMOUS);
      this.#touch(pages, WRITE_FAULT);
    };
    const write = (): void => { this.#touch(NR_PAGES, WRITE_FAULT); };
    const read = (): void => { this.#touch(NR_PAGES, READ_FAULT); };
    const protect = (at: number, bytes: number, prot: number): void => { image.run(m, image.sysMprotect(m, at as Vaddr, bytes, prot)); };
    const move = (from: number, to: number): void => { image.run(m, image.sysMremap(m, from as Vaddr, LENGTH, LENGTH, MAYMOVE_FIXED, to as Vaddr)); };
    const exit = (): void => {
      image.run(m, image.sysExit(m));
      image.setCurrent(m, this.#parent);
      unmap();
    };
    let child = 0 as TaskStruct;
    const clone = (): void => { child = image.run(m, image.sysClone(m, 0)) as TaskStruct; };
    return {
      'anonymous write fault': { before: map, timed: write, after: unmap },
      'read fault': { before: map, timed: read, after: unmap },
      'file fault': { before: () => { this.#map(NR_PAGES, READ, PRIVATE_FIXED, this.#file); }, timed: () => { this.#readFile(); }, after: unmap },
      'munmap, touched': { before: populated(NR_PAGES), timed: () => { this.#unmap(NR_PAGES); }, after: nothing },
      'mprotect, 512 present': { before: populated(NR_PAGES), timed: () => { for (const prot of [READ, READ_WRITE]) protect(ADDRESS, LENGTH, prot); }, after: unmap },
      'mprotect, split and merge': {
        before: populated(NR_PAGES), after: unmap,
        timed: () => { for (let i = 0; i < 20; i++) protect(ADDRESS + 64 * PAGE, PAGE, i % 2 === 0 ? READ : READ_WRITE); },
      },
      'mmap and munmap': {
        before: nothing, after: nothing,
        timed: () => {
          for (let i = 0; i < 10; i++) {
            this.#map(1, READ_WRITE, FIXED_ANONYMOUS);
            this.#unmap(1);
          }
        },
      },
      'MADV_DONTNEED and refault': {
        before: populated(NR_PAGES), after: unmap,
        timed: () => {
          image.run(m, image.sysMadvise(m, ADDRESS as Vaddr, LENGTH, MADV_DONTNEED));
          write();
        },
      },
      'mremap, pte by pte': {
        before: populated(NR_PAGES), after: unmap,
        timed: () => {
          move(ADDRESS, MOVED_TO);
          move(MOVED_TO, ADDRESS);
        },
      },
      'fork, 4096 present': {
        before: populated(FORK_PAGES), timed: clone,
        after: () => {
          image.setCurrent(m, child);
          exit();
        },
      },
      'COW break': {
        before: () => {
          populated(NR_PAGES)();
          clone();
          image.setCurrent(m, child);
        },
        timed: () => { this.#touch(NR_PAGES, COW_FAULT); },
        after: exit,
      },
    };
  }

  #map(pages: number, prot: number, flags: number, file = 0 as File): void {
    this.#image.run(this.#m, this.#image.sysMmap(this.#m, ADDRESS as Vaddr, pages * PAGE, prot, flags, file, 0));
  }

  #unmap(pages: number): void {
    this.#image.run(this.#m, this.#image.sysMunmap(this.#m, ADDRESS as Vaddr, pages * PAGE));
  }

  #touch(pages: number, errorCode: number): void {
    const image = this.#image;
    const m = this.#m;
    for (let i = 0; i < pages; i++) image.run(m, image.doPageFault(m, (ADDRESS + i * PAGE) as Vaddr, errorCode));
  }

  /** A processor faults only where nothing is mapped yet: sixteen pages come with each fault. */
  #readFile(): void {
    const image = this.#image;
    const m = this.#m;
    const step = image.defaultConfig.settings.faultAroundBytes / PAGE;
    for (let i = 0; i < NR_PAGES; i += step) image.run(m, image.doPageFault(m, (ADDRESS + i * PAGE) as Vaddr, READ_FAULT));
  }
}
