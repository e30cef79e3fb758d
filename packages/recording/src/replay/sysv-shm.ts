import { EINVAL, MAP_FIXED, MAP_SHARED, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { BootedMachine, Inode, MapsRow, Vaddr } from '@mmun/include';
import type { Call } from '../call.js';
import { run } from './machine.js';
import type { Driven } from './machine.js';

const SHM_RDONLY = 0x1000;
const SHM_RND = 0x2000;
const SHM_REMAP = 0x4000;
const SHM_EXEC = 0x8000;

interface Segment {
  readonly inode: Inode;
  readonly lenBytes: number;
}

/** System V segments of a replay: shmat is an mmap of a file that each attachment opens anew, shmdt an munmap. ipc/shm.c */
export class SysvShm<M extends BootedMachine> {
  readonly #driven: Driven<M>;
  readonly #segments: Map<number, Segment> = new Map();

  constructor(driven: Driven<M>) {
    this.#driven = driven;
  }

  /** do_shmat() @returns null where nothing has said yet how large the segment is */
  attach(call: Call): number | null {
    const [shmid, asked, flags] = call.args;
    const segment = this.#segment(call, shmid);
    if (segment === null) return null;
    const isRounded = (flags & SHM_RND) !== 0;
    if (asked % PAGE_SIZE !== 0 && !isRounded) return -EINVAL;
    const addr = asked - (asked % PAGE_SIZE);
    const isRemap = (flags & SHM_REMAP) !== 0;
    if (addr === 0 && isRemap) return -EINVAL;
    if (asked !== 0 && !isRemap && this.#rows().some((row) => row.start < addr + segment.lenBytes && row.end > addr)) return -EINVAL;
    const isWritable = (flags & SHM_RDONLY) === 0;
    const prot = PROT_READ | (isWritable ? PROT_WRITE : 0) | ((flags & SHM_EXEC) !== 0 ? PROT_EXEC : 0);
    const { image, machine } = this.#driven;
    const file = image.filpOpen(machine, segment.inode, { isReadable: true, isWritable });
    const result = run(this.#driven, image.sysMmap(machine, addr as Vaddr, segment.lenBytes, prot, MAP_SHARED | (asked === 0 ? 0 : MAP_FIXED), file, 0));
    run(this.#driven, image.filpClose(machine, file));
    return result;
  }

  /** What is left of the attachment that began at the address: each piece stands where it stood. ksys_shmdt() */
  detach(addr: number): number {
    if (addr % PAGE_SIZE !== 0) return -EINVAL;
    const pieces = this.#rows().filter((row) => isSegment(row) && row.start - addr === row.offset);
    const [first] = pieces;
    if (first === undefined) return -EINVAL;
    const lenBytes = this.#segments.get(first.ino)?.lenBytes ?? first.end - addr;
    const { image, machine } = this.#driven;
    for (const row of pieces) {
      if (row === first || (row.ino === first.ino && row.end - addr <= lenBytes)) {
        run(this.#driven, image.sysMunmap(machine, row.start as Vaddr, row.end - row.start));
      }
    }
    return 0;
  }

  #segment(call: Call, shmid: number): Segment | null {
    const known = this.#segments.get(shmid);
    if (known !== undefined) return known;
    const { mapped } = call;
    if (mapped === null || mapped.lenBytes === undefined) return null;
    const { image, machine } = this.#driven;
    const [major, minor] = mapped.device.split(':').map((part) => parseInt(part, 16));
    const inode = image.newInode(machine, {
      path: mapped.name, kind: 'shmem', major, minor, ino: mapped.inode, size: mapped.lenBytes, thpAligned: false,
    });
    if (inode === 0) return null;
    const segment = { inode, lenBytes: mapped.lenBytes };
    this.#segments.set(shmid, segment);
    return segment;
  }

  #rows(): MapsRow[] {
    const { image, machine } = this.#driven;
    return image.procMaps(machine, image.mmOf(machine, image.getCurrent(machine)));
  }
}

function isSegment(row: MapsRow): boolean {
  return row.name.startsWith('/SYSV');
}
