/**
 * An image that knows just enough to be replayed on: it maps top down, merges nothing, counts written pages, and
 * lets a test say what it shall get wrong.
 */
import type {
  BootedMachine, ExecLayout, File, Finding, Inode, InodeSpec, KernelImage, MachineConfig, MapsRow, Mm, NotifierCounts, TaskStruct, Vaddr,
} from '@mmun/include';

interface FakeMm {
  rows: MapsRow[];
  base: number;
  brk: number;
  startBrk: number;
}

export interface FakeMachine extends BootedMachine {
  tasks: (FakeMm | null)[];
  current: number;
  inodes: InodeSpec[];
  files: { inode: number; isWritable: boolean; isOpen: boolean }[];
  log: string[];
}

const MAP_FIXED = 0x10;
const MAP_32BIT = 0x40;
const PAGE = 4096;

export interface FakeFaults {
  /** Added to each address that the fake chooses. */
  readonly shiftBytes?: number;
  /** What mprotect answers. */
  readonly mprotect?: number;
  /** Throws at munmap, as a bug of the model would. */
  readonly stopsAtMunmap?: boolean;
}

export function fakeImage(wrong: FakeFaults = {}): KernelImage<FakeMachine> {
  const mmOf = (m: FakeMachine): FakeMm => m.tasks[m.current] as FakeMm;
  const row = (start: number, end: number, perms: string, extra: Partial<MapsRow> = {}): MapsRow => ({
    start, end, perms, offset: 0, major: 0, minor: 0, ino: 0, name: '', vmFlags: perms.startsWith('rw') ? 0x3 : 0x1, anonymous: 0, rss: 0, ...extra });
  const done = (result: number): never => result as never;
  const unmap = (mm: FakeMm, start: number, end: number): void => {
    mm.rows = mm.rows.filter((r) => r.end <= start || r.start >= end);
  };
  return {
    config: { arch: 'generic', design: 'off', build: 'fast' }, defaultConfig: { nrTasks: 8, settings: {} } as MachineConfig,
    boot: (bootConfig) => ({ buffer: new ArrayBuffer(0), bootConfig, tasks: [null], current: 0, inodes: [{} as InodeSpec], files: [{ inode: 0, isWritable: false, isOpen: false }], log: [] }),
    run: (_m, task) => task as never,
    newProcess: (m) => (m.tasks.push({ rows: [], base: 0, brk: 0, startBrk: 0 }) - 1) as TaskStruct,
    setCurrent: (m, task) => void (m.current = task),
    getCurrent: (m) => m.current as TaskStruct,
    mmOf: (_m, task) => task as number as Mm,
    setRlimit: (m, task, resource, soft) => void m.log.push(`rlimit ${task} ${resource} ${soft}`),
    newInode: (m, spec) => (m.inodes.push(spec) - 1) as Inode,
    truncateSetsize: (m, inode, size) => {
      m.log.push(`truncate ${m.inodes[inode]?.path} ${size}`);
      return done(0);
    },
    filpOpen: (m, inode, mode) => (m.files.push({ inode, isWritable: mode.isWritable, isOpen: true }) - 1) as File,
    filpClose: (m, file) => done(Number(void ((m.files[file] as { isOpen: boolean }).isOpen = false))),
    sysMmap: (m, addr, len, prot, flags, file, offset) => {
      const mm = mmOf(m);
      const size = Math.ceil(len / PAGE) * PAGE;
      if (size === 0) return done(-22);
      const start = (flags & MAP_FIXED) !== 0 || ((flags & MAP_32BIT) !== 0 && addr !== 0) ? addr : (mm.base -= size) + (wrong.shiftBytes ?? 0);
      const inode = m.inodes[m.files[file]?.inode ?? 0] as InodeSpec;
      const shared = (flags & 1) !== 0;
      const zero = shared && file === 0 ? { minor: 1, ino: 7, name: '/dev/zero (deleted)' } : {};
      unmap(mm, start, start + size);
      mm.rows.push(row(start, start + size, `${(prot & 1) !== 0 ? 'r' : '-'}${(prot & 2) !== 0 ? 'w' : '-'}-${shared ? 's' : 'p'}`,
        file === 0 ? zero : { offset, major: inode.major, minor: inode.minor, ino: inode.ino, name: inode.path }));
      m.log.push(`mmap ${file === 0 ? '' : `${inode.path} ${inode.size}${m.files[file]?.isWritable ? ' rw' : ''}`}`);
      return done(start);
    },
    sysMunmap: (m, addr, len) => {
      if (wrong.stopsAtMunmap === true) throw new Error('page-count-underflow');
      unmap(mmOf(m), addr, addr + Math.ceil(len / PAGE) * PAGE);
      return done(0);
    },
    sysMprotect: () => done(wrong.mprotect ?? 0),
    sysMremap: (_m, addr) => done(addr),
    sysBrk: (m, brk) => {
      const mm = mmOf(m);
      if (brk >= mm.startBrk) mm.brk = brk;
      return done(mm.brk);
    },
    sysMadvise: () => done(0), sysMlock: () => done(0), sysMlock2: () => done(0), sysMunlock: () => done(0),
    sysMlockall: () => done(0), sysMunlockall: () => done(0), sysMsync: () => done(0), sysMincore: () => done(0),
    sysClone: (m, flags) => {
      const mm = mmOf(m);
      return done(m.tasks.push((flags & 0x100) !== 0 ? mm : { ...mm, rows: mm.rows.map((r) => ({ ...r })) }) - 1);
    },
    sysExecve: (m, layout: ExecLayout) => {
      m.tasks[m.current] = {
        rows: layout.rows.map((r) => row(r.start, r.end, `${(r.prot & 1) !== 0 ? 'r' : '-'}${(r.prot & 2) !== 0 ? 'w' : '-'}${(r.prot & 4) !== 0 ? 'x' : '-'}p`, { name: r.kind === 'stack' ? '[stack]' : r.name })),
        // Right below the vdso, which the tests put at the top.
        base: layout.rows.find((r) => r.kind === 'vdso')?.start ?? layout.mmapBase, brk: layout.startBrk, startBrk: layout.startBrk,
      };
      return done(0);
    },
    sysExit: (m) => {
      m.tasks[m.current] = null;
      return done(0);
    },
    doPageFault: (m, address: Vaddr, code) => {
      const found = mmOf(m).rows.find((r) => r.start <= address && address < r.end) as { -readonly [K in keyof MapsRow]: MapsRow[K] } | undefined;
      if (found === undefined || ((code & 2) !== 0 && found.perms[1] !== 'w')) return done(0x40);
      found.anonymous += (code & 2) !== 0 ? 1 : 0;
      found.rss++;
      return done(0);
    },
    procMaps: (m, mm) => [...((m.tasks[mm] as FakeMm).rows)].sort((a, b) => a.start - b.start),
    notifierCounts: (): NotifierCounts | null => null,
    checkMachine: (): Finding[] => [],
  };
}
