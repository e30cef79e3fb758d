import { MAP_ANONYMOUS, MAP_HUGETLB, VM_DONTEXPAND, VM_MIXEDMAP } from '@mmun/include';
import type { BootedMachine, File, Inode, InodeKind } from '@mmun/include';
import type { Call, MappedFile } from '../call.js';
import { fileKey } from '../files.js';
import type { RecordedFile } from '../files.js';
import { run } from './machine.js';
import type { Driven } from './machine.js';

const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_CREAT_EXCL = 0x40 | 0x80;
const O_TRUNC = 0x200;
const MFD_HUGETLB = 4;
/** Where huge pages are mounted by custom. */
const HUGETLBFS = '/dev/hugepages/';
const DEV_ZERO = '/dev/zero';
/** Of file systems that hold no programs: SB_I_NOEXEC. */
const NOEXEC_PATH = /^(?:anon_inode:|\/proc\/|\/sys\/)/;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_ANY_HOLE = 2 | 8 | 16 | 32;
/** Bytes of a file whose size the recording does not say: more than any program maps. */
const UNKNOWN_SIZE = 2 ** 42;

/** One open of a file (struct file): mappings of different opens do not merge. Shared by the fds that fork copies. */
interface OpenFile {
  readonly path: string;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  readonly isHugetlb: boolean;
  /** F_SEAL_ bits. */
  seals: number;
  /** 0 until it is mapped: only then its inode is known. */
  inode: Inode;
  file: File;
  nrUsers: number;
}

type FdTable = Map<number, OpenFile>;

/** The inodes and open files of a replay: what stands behind each descriptor that a program maps. */
export class OpenFiles<M extends BootedMachine> {
  readonly #driven: Driven<M>;
  readonly #recorded: ReadonlyMap<string, RecordedFile>;
  readonly #noexecDevices: ReadonlySet<string>;
  readonly #inodes: Map<string, Inode> = new Map();
  /** By path, for calls that name one: what the last mapping of that path found. */
  readonly #inodeOfPath: Map<string, Inode> = new Map();
  readonly #sizeOfPath: Map<string, number> = new Map();
  readonly #lastOpen: Map<string, OpenFile> = new Map();
  readonly #tables: Map<number, FdTable> = new Map();
  readonly #fallbacks: Map<string, File> = new Map();
  #nextUnknownIno = 1;

  constructor(driven: Driven<M>, recorded: ReadonlyMap<string, RecordedFile>, noexecDevices: ReadonlySet<string>) {
    this.#driven = driven;
    this.#noexecDevices = noexecDevices;
    this.#recorded = recorded;
  }

  /** A successful open, openat, openat2, creat or memfd_create. */
  onOpen(call: Call): void {
    const isMemfd = call.name === 'memfd_create';
    const path = call.resultPath ?? (isMemfd ? `/memfd:${call.text ?? ''} (deleted)` : call.text);
    if (path === null) return;
    const flags = openFlags(call);
    const mode = flags & O_ACCMODE;
    const open: OpenFile = {
      path, isReadable: isMemfd || mode !== O_WRONLY, isWritable: isMemfd || mode === O_WRONLY || mode === O_RDWR,
      isHugetlb: isMemfd && (call.args[1] & MFD_HUGETLB) !== 0, seals: 0, inode: 0 as Inode, file: 0 as File, nrUsers: 1,
    };
    const table = this.#table(call.pid);
    this.#drop(table.get(call.result));
    table.set(call.result, open);
    this.#lastOpen.set(path, open);
    if (isMemfd || (flags & O_CREAT_EXCL) === O_CREAT_EXCL) this.#begun(path);
    else if ((flags & O_TRUNC) !== 0 && open.isWritable) this.#emptied(path);
  }

  /** A successful truncate, ftruncate or fallocate. */
  onTruncate(call: Call): void {
    const path = call.name === 'truncate' ? call.text : call.fdPath ?? this.#table(call.pid).get(call.args[0])?.path ?? null;
    if (path === null) return;
    if (call.name !== 'fallocate') {
      this.#resize(path, call.args[1]);
      return;
    }
    const [, mode, offset, lenBytes] = call.args;
    if ((mode & (FALLOC_FL_KEEP_SIZE | FALLOC_FL_ANY_HOLE)) !== 0) return;
    const size = this.#sizeOfPath.get(path) ?? 0;
    if (offset + lenBytes > size) this.#resize(path, offset + lenBytes);
  }

  /** A successful fcntl(F_ADD_SEALS). */
  onAddSeals(call: Call): void {
    const open = this.#openOf(call, call.args[0]);
    if (open === undefined) return;
    open.seals |= call.args[2];
    this.#seal(open);
  }

  /** Does this mmap ask for huge pages? */
  isHugetlb(call: Call): boolean {
    if ((call.args[3] & (MAP_HUGETLB | MAP_ANONYMOUS)) === (MAP_HUGETLB | MAP_ANONYMOUS)) return true;
    if (!(call.args[4] >= 0)) return false;
    return this.#openOf(call, call.args[4])?.isHugetlb === true || (call.fdPath ?? '').startsWith(HUGETLBFS);
  }

  /** fork copies the table, a thread shares it. */
  onFork(parentPid: number, childPid: number): void {
    if (parentPid === childPid) return;
    const table = new Map(this.#table(parentPid));
    for (const open of table.values()) open.nrUsers++;
    this.#tables.set(childPid, table);
  }

  /** The process is gone. */
  onExit(pid: number): void {
    for (const open of this.#tables.get(pid)?.values() ?? []) this.#drop(open);
    this.#tables.delete(pid);
  }

  /** The open file behind an mmap's descriptor; 0 where there is none. Its reference stays with the table. */
  fileOfCall(call: Call): File {
    const fd = call.args[4];
    if (!(fd >= 0)) return 0 as File;
    const open = this.#openOf(call, fd);
    const path = call.fdPath ?? open?.path ?? call.mapped?.name ?? null;
    if (path === null) return 0 as File;
    // The event of a shared mapping of /dev/zero shows the file that the mapping was given instead.
    const inode = call.mapped === null || (path === DEV_ZERO && call.mapped.name !== DEV_ZERO) ? this.#inodeByPath(path) : this.inodeOf(call.mapped, path);
    if (inode === 0) return 0 as File;
    if (open === undefined) return this.#fallback(path, inode);
    if (open.file === 0) open.file = this.#open(inode, open);
    open.inode = inode;
    this.#seal(open);
    return open.file;
  }

  /** A fresh open for execve; the caller closes it. */
  openForExec(mapped: MappedFile): File {
    const inode = this.inodeOf(mapped, mapped.name);
    return inode === 0 ? (0 as File) : this.#open(inode, { isReadable: true, isWritable: false });
  }

  close(file: File): void {
    const { image, machine } = this.#driven;
    run(this.#driven, image.filpClose(machine, file));
  }

  /** The inode that the recording names; made when first met. `path` is the name under which its size may be known. */
  inodeOf(mapped: MappedFile, path: string): Inode {
    const key = fileKey(mapped.device, mapped.inode);
    // A number is used again when its file is gone: a linker that tries what the file system can do, say.
    const ownKey = `${key} ${mapped.generation ?? 0}`;
    let inode = this.#inodes.get(ownKey);
    if (inode === undefined) {
      const recordedSize = this.#recorded.get(key)?.size;
      const lastSize = this.#sizeOfPath.get(path);
      // A size of 0 that `files` contradicts was followed by writes, which no recording shows.
      const size = lastSize === undefined || (lastSize === 0 && recordedSize !== undefined) ? recordedSize ?? UNKNOWN_SIZE : lastSize;
      inode = this.#newInode(mapped, size);
      this.#inodes.set(ownKey, inode);
    }
    this.#inodeOfPath.set(path, inode);
    return inode;
  }

  #newInode(mapped: MappedFile, size: number): Inode {
    const { image, machine } = this.#driven;
    const [major, minor] = mapped.device.split(':').map((part) => parseInt(part, 16));
    return image.newInode(machine, {
      path: mapped.name, kind: inodeKind(mapped.name), major, minor, ino: mapped.inode, size,
      // Unnamed devices (major 0) are tmpfs, overlay and the like; a disk is taken for ext4 or xfs, which ask for alignment.
      thpAligned: major !== 0,
      isNoexec: this.#noexecDevices.has(mapped.device) || NOEXEC_PATH.test(mapped.name), driverVmFlags: driverVmFlags(mapped.name),
    });
  }

  /** A call that mapped nothing (it failed, or perf is missing): by path, else one made up for it. */
  #inodeByPath(path: string): Inode {
    const known = this.#inodeOfPath.get(path);
    if (known !== undefined) return known;
    for (const file of this.#recorded.values()) {
      if (file.path === path) return this.inodeOf({ device: file.device, inode: file.inode, name: path }, path);
    }
    const inode = this.#newInode({ device: '00:00', inode: this.#nextUnknownIno++, name: path }, this.#sizeOfPath.get(path) ?? UNKNOWN_SIZE);
    this.#inodeOfPath.set(path, inode);
    return inode;
  }

  /** Another name for a descriptor (dup, a socket's message) is found by its path. */
  #openOf(call: Call, fd: number): OpenFile | undefined {
    const found = this.#table(call.pid).get(fd);
    return call.fdPath === null || found?.path === call.fdPath ? found : this.#lastOpen.get(call.fdPath);
  }

  #seal(open: OpenFile): void {
    const { image, machine } = this.#driven;
    if (open.seals !== 0 && open.inode !== 0) image.memfdAddSeals?.(machine, open.inode, open.seals);
  }

  #open(inode: Inode, mode: { readonly isReadable: boolean; readonly isWritable: boolean }): File {
    const { image, machine } = this.#driven;
    return image.filpOpen(machine, inode, { isReadable: mode.isReadable, isWritable: mode.isWritable });
  }

  /** A descriptor that the program was started with: nothing is known of its mode. */
  #fallback(path: string, inode: Inode): File {
    let file = this.#fallbacks.get(path);
    if (file === undefined) {
      file = this.#open(inode, { isReadable: true, isWritable: true });
      this.#fallbacks.set(path, file);
    }
    return file;
  }

  /** A file that was not there before, whatever had its name. */
  #begun(path: string): void {
    this.#sizeOfPath.set(path, 0);
    this.#inodeOfPath.delete(path);
  }

  #emptied(path: string): void {
    const inode = this.#inodeOfPath.get(path);
    if (inode === undefined) {
      this.#sizeOfPath.set(path, 0);
      return;
    }
    // What is written afterwards is not recorded; the last size is the best guess for it.
    let recorded = UNKNOWN_SIZE;
    for (const file of this.#recorded.values()) if (file.path === path) recorded = file.size;
    this.#resize(path, 0);
    this.#resize(path, recorded);
  }

  #resize(path: string, size: number): void {
    this.#sizeOfPath.set(path, size);
    const inode = this.#inodeOfPath.get(path);
    const { image, machine } = this.#driven;
    if (inode !== undefined) run(this.#driven, image.truncateSetsize(machine, inode, size));
  }

  #table(pid: number): FdTable {
    let table = this.#tables.get(pid);
    if (table === undefined) {
      table = new Map();
      this.#tables.set(pid, table);
    }
    return table;
  }

  #drop(open: OpenFile | undefined): void {
    if (open === undefined || --open.nrUsers > 0) return;
    if (this.#lastOpen.get(open.path) === open) {
      // Still the last word on this path's mode; its file is not kept.
      this.#lastOpen.set(open.path, { ...open, file: 0 as File, nrUsers: 1 });
    }
    if (open.file !== 0) this.close(open.file);
    open.file = 0 as File;
  }
}

/** io_uring_mmap() inserts the ring's pages at once. Other drivers' mappings are as if they added nothing. */
function driverVmFlags(path: string): number {
  return path === 'anon_inode:[io_uring]' ? VM_DONTEXPAND | VM_MIXEDMAP : 0;
}

function openFlags(call: Call): number {
  if (call.name === 'creat') return O_WRONLY | O_TRUNC;
  const flags = call.name === 'open' ? call.args[1] : call.args[2];
  return flags === flags && flags !== undefined ? flags : O_RDWR;
}

function inodeKind(path: string): InodeKind {
  if (path.startsWith('/memfd:') || path.startsWith('/dev/shm/') || path.startsWith('/SYSV')) return 'shmem';
  return path.startsWith('/dev/zero') ? 'zero' : 'regular';
}
