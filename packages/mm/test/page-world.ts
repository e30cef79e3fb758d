/** A booted machine with one process, and short words for what tests of pages do. */
import * as image from '@mmun/image';
import type { KernelSettings, MachineConfig, TaskStruct, Vaddr } from '@mmun/include';
import { MAP_ANONYMOUS, MAP_PRIVATE, PAGE_SIZE, PF_PROT, PF_USER, PF_WRITE, PROT_READ, PROT_WRITE } from '@mmun/include';

export type Machine = ReturnType<typeof image.boot>;
export const RW: number = PROT_READ | PROT_WRITE;
export const ANON: number = MAP_PRIVATE | MAP_ANONYMOUS;
const NO_FILE = 0 as never;

export type Config = Omit<Partial<MachineConfig>, 'settings'> & { readonly settings?: Partial<KernelSettings> };

export interface World {
  readonly m: Machine;
  readonly task: TaskStruct;
  run<R>(task: Parameters<typeof image.run<R>>[1]): R;
  mmap(pages: number, more?: { prot?: number; flags?: number; file?: number; at?: number; offset?: number }): Vaddr;
  read(address: number): number;
  write(address: number, word: number): number;
  fault(address: number, errorCode?: number): number;
  /** The row of maps that holds an address. */
  row(address: number): { anonymous: number; rss: number; swap?: number; vmFlags: number };
  file(pages: number, kind?: 'regular' | 'shmem'): { inode: number; file: number };
  as<R>(task: TaskStruct, body: () => R): R;
  fork(): TaskStruct;
}

export const SMALL: Config = { nrFrames: 4096, nrSwapSlots: 0, nrTables: 256, nrVmas: 512, nrAnonVmas: 512, nrAnonVmaChains: 1024, nrTasks: 16, nrMms: 16, nrInodes: 64, nrFiles: 128, pageContentWords: 4 };

/** Machines of the test that runs. */
const machines: Machine[] = [];

/** After every test all counts, maps and lists of its machines are walked. */
afterEach(() => {
  for (const m of machines.splice(0)) expect(image.checkMachine(m)).toEqual([]);
});

/** For a machine that is left in the middle of something, on purpose. */
export function leftAsItIs(m: Machine): void {
  machines.splice(machines.indexOf(m), 1);
}

export function world(config: Config = {}): World {
  const base = image.defaultConfig;
  const m = image.boot({ ...base, ...SMALL, ...config, settings: { ...base.settings, ...config.settings } });
  machines.push(m);
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  image.run(m, image.sysExecve(m, emptyLayout()));
  const w: World = {
    m, task,
    run: (t) => image.run(m, t as never) as never,
    mmap: (pages, { prot = RW, flags = ANON, file = NO_FILE, at = 0, offset = 0 } = {}) =>
      image.run(m, image.sysMmap(m, at as Vaddr, pages * PAGE_SIZE, prot, flags, file as never, offset)) as Vaddr,
    read: (address) => image.run(m, image.userRead(m, address as Vaddr)),
    write: (address, word) => image.run(m, image.userWrite(m, address as Vaddr, word)),
    fault: (address, errorCode = PF_USER | PF_WRITE) => image.run(m, image.doPageFault(m, address as Vaddr, errorCode)),
    row: (address) => {
      const found = image.procMaps(m, image.mmOf(m, image.getCurrent(m))).find((row) => row.start <= address && address < row.end);
      if (!found) throw new Error(`no row at 0x${address.toString(16)}`);
      return found;
    },
    file: (pages, kind = 'regular') => {
      const inode = image.newInode(m, { path: '/f', kind, major: 8, minor: 1, ino: 7, size: pages * PAGE_SIZE, thpAligned: false });
      return { inode, file: image.filpOpen(m, inode, { isReadable: true, isWritable: true }) };
    },
    as: (other, body) => {
      const before = image.getCurrent(m);
      image.setCurrent(m, other);
      try {
        return body();
      } finally {
        image.setCurrent(m, before);
      }
    },
    fork: () => image.run(m, image.sysClone(m, 0)) as TaskStruct,
  };
  return w;
}

/** Writes that the processor reports on a page that is present. */
export const WRITE_PROTECTED: number = PF_USER | PF_WRITE | PF_PROT;

/** A program of nothing but a stack, so that the addresses of a real process are there. */
function emptyLayout(): Parameters<typeof image.sysExecve>[1] {
  const top = Math.min(0x7ffffffde000, image.TASK_SIZE - 0x21000);
  return {
    rows: [{ kind: 'stack', start: (top - 0x21000) as Vaddr, end: top as Vaddr, prot: RW, file: NO_FILE, pgoff: 0, name: '[stack]' }],
    mmapBase: (top - 0x7fdf000) as Vaddr, startBrk: Math.min(0x555555559000, top / 2) as Vaddr, startStack: (top - 0x1000) as Vaddr, argStart: (top - 0x1000) as Vaddr,
  };
}
