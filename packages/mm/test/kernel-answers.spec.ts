/** Answers of a running 6.18 that `mmun fuzz-kernel` found the model to give otherwise. */
import { HPAGE_PMD_NR } from '#asm';
import * as image from '@mmun/image';
import {
  EFBIG, EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM, MADV_COLLAPSE, MADV_DODUMP, MADV_KEEPONFORK, MADV_MERGEABLE, MADV_PAGEOUT, MADV_REMOVE, MAP_32BIT, MAP_ANONYMOUS, MAP_DROPPABLE, MAP_FIXED,
  MAP_LOCKED, MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_SYNC, MCL_FUTURE, PAGE_SIZE, PF_USER, PF_WRITE, PROT_READ, PROT_WRITE, VM_DONTDUMP, VM_DROPPABLE, VM_FAULT_SIGBUS,
  VM_LOCKED, VM_MERGEABLE, VM_NORESERVE, VM_WIPEONFORK,
} from '@mmun/include';
import type { Vaddr } from '@mmun/include';
import { RW, world } from './page-world.js';
import type { World } from './page-world.js';

/** Where every arch maps: s390 with three levels ends at 4 TiB. */
const ARENA = 0x100_0000_0000;
const HUGE = 2 ** 21;
/** Each real arch aligns mappings by huge pages. */
const HAS_THP = HPAGE_PMD_NR > 0;
const HIGHEST = 2 ** 64 - 2048;
const NO_FILE = 0 as never;

function mmapAt(w: World, at: number, lenBytes: number, flags: number, file: number = NO_FILE, offset: number = 0): number {
  return w.run(image.sysMmap(w.m, at as Vaddr, lenBytes, RW, flags, file as never, offset));
}

describe('absurd values', () => {
  it('a fixed address among the errnos is returned as if it were one', () => {
    const w = world();
    expect(mmapAt(w, HIGHEST, PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)).toBe(-2048);
    expect(mmapAt(w, 2 ** 64 - PAGE_SIZE, PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)).toBe(-ENOMEM);
  });

  it('a fixed address may be as low as vm.mmap_min_addr says, which is not what a hint is raised to', () => {
    const w = world({ settings: { dacMmapMinAddr: 2 * PAGE_SIZE, mmapMinAddr: 16 * PAGE_SIZE } });
    const low = (at: number, flags: number) => mmapAt(w, at, PAGE_SIZE, MAP_ANONYMOUS | MAP_PRIVATE | flags);
    expect(low(PAGE_SIZE, MAP_FIXED)).toBe(-EPERM);
    expect(mmapAt(w, PAGE_SIZE, PAGE_SIZE, MAP_FIXED, w.file(1).file)).toBe(-EPERM);
    expect(low(2 * PAGE_SIZE, MAP_FIXED)).toBe(2 * PAGE_SIZE);
    expect(low(PAGE_SIZE, 0)).toBe(16 * PAGE_SIZE);
    expect(mmapAt(world(), PAGE_SIZE, PAGE_SIZE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED)).toBe(PAGE_SIZE);
  });

  it('an offset overflows where no file can have it, before the type of the mapping is looked at; without a file never', () => {
    const w = world();
    const { file } = w.file(4);
    expect(mmapAt(w, ARENA, PAGE_SIZE, 0, file, 2 ** 63)).toBe(-EOVERFLOW);
    expect(mmapAt(w, ARENA, PAGE_SIZE, 0, file, 2 ** 52)).toBe(-EINVAL);
    expect(mmapAt(w, ARENA, PAGE_SIZE, MAP_ANONYMOUS, NO_FILE, 2 ** 64 - PAGE_SIZE)).toBe(-EINVAL);
    expect(mmapAt(w, ARENA, 2 ** 64 - PAGE_SIZE, 0, file, PAGE_SIZE)).toBe(-ENOMEM);
  });

  it('a length that wraps around to nothing succeeds at nothing', () => {
    const w = world();
    expect(w.run(image.sysMunlock(w.m, 2 ** 63 as Vaddr, HIGHEST))).toBe(0);
    expect(w.run(image.sysMlock(w.m, ARENA + 7 as Vaddr, 2 ** 64 - PAGE_SIZE))).toBe(0);
    expect(w.run(image.sysMsync(w.m, ARENA as Vaddr, HIGHEST, 0))).toBe(0);
    expect(w.run(image.sysMremap(w.m, ARENA as Vaddr, PAGE_SIZE, HIGHEST, 0, 0 as Vaddr))).toBe(-EINVAL);
  });
});

it('mincore says that pages of a regular file are there before anyone touched them, those of shmem not', () => {
  const w = world();
  for (const [kind, expected] of [['regular', [1, 1, 0]], ['shmem', [0, 0, 0]]] as const) {
    const at = w.mmap(3, { file: w.file(2, kind).file, flags: MAP_SHARED });
    const vec = new Uint8Array(3);
    expect(w.run(image.sysMincore(w.m, at, 3 * PAGE_SIZE, vec))).toBe(0);
    expect([...vec]).toEqual(expected);
  }
});

it('MADV_MERGEABLE leaves a mapping alone that was asked to be shared, even where it cannot be written to', () => {
  const w = world();
  const { inode } = w.file(2);
  const readOnly = image.filpOpen(w.m, inode as never, { isReadable: true, isWritable: false });
  const at = w.mmap(2, { file: readOnly, flags: MAP_SHARED, prot: PROT_READ });
  expect(w.run(image.sysMadvise(w.m, at, PAGE_SIZE, MADV_MERGEABLE))).toBe(0);
  expect(w.row(at).vmFlags & VM_MERGEABLE).toBe(0);
});

describe('limits', () => {
  const limited = (resource: number, bytes: number) => {
    const w = world();
    image.setRlimit(w.m, w.task, resource, bytes);
    return w;
  };

  it('RLIMIT_DATA of nothing is no limit, of a little is one', () => {
    expect(mmapAt(limited(2, 0), ARENA, PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)).toBe(ARENA);
    expect(mmapAt(limited(2, PAGE_SIZE - 1), ARENA, PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)).toBe(-ENOMEM);
  });

  it('RLIMIT_DATA counts the data of the program with the break', () => {
    const w = world();
    const top = 0x200_0000_0000 as Vaddr;
    const stack = { kind: 'stack', start: (top - 33 * PAGE_SIZE) as Vaddr, end: top, prot: RW, file: NO_FILE, pgoff: 0, name: '[stack]' } as const;
    w.run(image.sysExecve(w.m, { rows: [stack], mmapBase: (top - 2 ** 30) as Vaddr, startBrk: ARENA as Vaddr, startStack: top, argStart: top, dataBytes: 100 }));
    image.setRlimit(w.m, w.task, 2, 2 * PAGE_SIZE);
    expect(w.run(image.sysBrk(w.m, ARENA + 2 * PAGE_SIZE as Vaddr))).toBe(ARENA);
    expect(w.run(image.sysBrk(w.m, ARENA + 2 * PAGE_SIZE - 100 as Vaddr))).toBe(ARENA + 2 * PAGE_SIZE - 100);
  });

  it('a mapping that RLIMIT_AS refuses has cut out what it was to replace', () => {
    const w = world();
    mmapAt(w, ARENA, 3 * PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
    w.write(ARENA + PAGE_SIZE, 7);
    image.setRlimit(w.m, w.task, 9, PAGE_SIZE);
    expect(mmapAt(w, ARENA + PAGE_SIZE, PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)).toBe(-ENOMEM);
    expect(image.procMaps(w.m, image.mmOf(w.m, w.task)).filter(({ start }) => start >= ARENA && start < ARENA + HUGE).map(({ start, end }) => [start, end])).toEqual(
      [0, 1, 2].map((page) => [ARENA + page * PAGE_SIZE, ARENA + (page + 1) * PAGE_SIZE]));
    expect(w.read(ARENA + PAGE_SIZE)).toBe(7);
  });
});

describe('rare flags', () => {
  it('bits above 2^32 are flags that nobody knows, of mprotect and of a file that is to be validated', () => {
    const w = world();
    const { file } = w.file(1);
    expect(w.run(image.sysMprotect(w.m, ARENA as Vaddr, PAGE_SIZE, 2 ** 40 + 3))).toBe(-EINVAL);
    expect(mmapAt(w, ARENA, PAGE_SIZE, MAP_SHARED_VALIDATE + MAP_FIXED + 2 ** 40, file)).toBe(-EOPNOTSUPP);
    expect(mmapAt(w, ARENA, PAGE_SIZE, MAP_SHARED + MAP_FIXED + 2 ** 40, file)).toBe(ARENA);
  });

  const rare = (w: World, flags: number, file: number = NO_FILE, prot: number = RW): number =>
    w.run(image.sysMmap(w.m, 0 as Vaddr, PAGE_SIZE, prot, flags, file as never, 0));

  it('MAP_32BIT searches the second GiB upward, and a fixed address does not care', () => {
    const w = world();
    expect(rare(w, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT)).toBe(0x40000000);
    expect(rare(w, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT)).toBe(0x40001000);
    expect(mmapAt(w, ARENA, PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_FIXED)).toBe(ARENA);
    expect(w.run(image.sysMmap(w.m, 0 as Vaddr, 2 ** 30 + PAGE_SIZE, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, NO_FILE, 0))).toBe(-ENOMEM);
  });

  it('MAP_SYNC of an ordinary file is refused when what was there is gone', () => {
    const w = world();
    const { file } = w.file(2);
    mmapAt(w, ARENA, 3 * PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
    expect(mmapAt(w, ARENA + PAGE_SIZE, PAGE_SIZE, MAP_PRIVATE | MAP_SYNC | MAP_FIXED, file)).toBe(-EOPNOTSUPP);
    expect(() => w.row(ARENA + PAGE_SIZE)).toThrow('no row');
    expect(rare(w, MAP_SHARED_VALIDATE | MAP_SYNC, w.file(2, 'shmem').file)).toBe(-EOPNOTSUPP);
  });

  it('MAP_DROPPABLE is wiped on fork, not dumped, not reserved, and never locked', () => {
    const w = world();
    w.run(image.sysMlockall(w.m, MCL_FUTURE));
    const at = rare(w, MAP_DROPPABLE | MAP_ANONYMOUS);
    const wanted = VM_DROPPABLE | VM_WIPEONFORK | VM_DONTDUMP | VM_NORESERVE;
    expect(w.row(at).vmFlags & (wanted | VM_LOCKED)).toBe(wanted);
    expect(w.run(image.sysMlock(w.m, at as Vaddr, PAGE_SIZE))).toBe(0);
    expect(w.row(at).vmFlags & VM_LOCKED).toBe(0);
    expect(w.run(image.sysMadvise(w.m, at as Vaddr, PAGE_SIZE, MADV_KEEPONFORK))).toBe(-EINVAL);
    expect(w.run(image.sysMadvise(w.m, at as Vaddr, PAGE_SIZE, MADV_DODUMP))).toBe(-EINVAL);
    expect(rare(w, MAP_DROPPABLE | MAP_ANONYMOUS | MAP_LOCKED)).toBe(-EINVAL);
  });

  it('MADV_PAGEOUT drops what may be dropped, written or not, where there is no swap, but not what fork has shared', () => {
    const w = world();
    const at = rare(w, MAP_DROPPABLE | MAP_ANONYMOUS);
    const kept = rare(w, MAP_PRIVATE | MAP_ANONYMOUS);
    for (const address of [at, kept]) w.write(address, 9);
    for (const address of [at, kept]) expect(w.run(image.sysMadvise(w.m, address as Vaddr, PAGE_SIZE, MADV_PAGEOUT))).toBe(0);
    expect([w.row(at).anonymous, w.row(kept).anonymous]).toEqual([0, 1]);
    expect([w.read(at), w.read(kept)]).toEqual([0, 9]);
    expect(image.checkMachine(w.m)).toEqual([]);
  });

  it('MADV_COLLAPSE wants room for a huge page, MADV_REMOVE an offset that the file system knows', () => {
    const w = world();
    const { file } = w.file(2);
    mmapAt(w, ARENA, PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
    expect(w.run(image.sysMadvise(w.m, ARENA as Vaddr, PAGE_SIZE, MADV_COLLAPSE))).toBe(-EINVAL);
    expect(w.run(image.sysMadvise(w.m, ARENA as Vaddr, 0, MADV_COLLAPSE))).toBe(0);
    mmapAt(w, ARENA, 2 * HUGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
    const collapse = (from: number, pages: number) => w.run(image.sysMadvise(w.m, ARENA + from * PAGE_SIZE as Vaddr, pages * PAGE_SIZE, MADV_COLLAPSE));
    expect(collapse(0, 1)).toBe(-EINVAL);
    w.write(ARENA, 1);
    if (HAS_THP) {
      // of shmem where offset and address are aligned alike; and whatever lies below the size of a huge page
      const shmem = (at: number, offset: number): number => {
        mmapAt(w, at, 2 * HUGE, MAP_SHARED | MAP_FIXED, w.file(2048, 'shmem').file, offset);
        return w.run(image.sysMadvise(w.m, at as Vaddr, PAGE_SIZE, MADV_COLLAPSE));
      };
      expect([shmem(ARENA + 8 * HUGE, 0), shmem(ARENA + 8 * HUGE, PAGE_SIZE), shmem(ARENA + 8 * HUGE, HUGE)]).toEqual([0, -EINVAL, 0]);
      mmapAt(w, 0, PAGE_SIZE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED);
      expect(w.run(image.sysMadvise(w.m, 0 as Vaddr, PAGE_SIZE, MADV_COLLAPSE))).toBe(0);
    }
    // a range without a boundary of huge pages is refused, an end of one is nothing to do
    expect([collapse(0, 1), collapse(1, 1), collapse(510, 2), collapse(510, 3)]).toEqual(HAS_THP ? [0, -EINVAL, 0, 0] : [-EINVAL, -EINVAL, -EINVAL, -EINVAL]);
    mmapAt(w, ARENA, PAGE_SIZE, MAP_SHARED | MAP_FIXED, file, 2 ** 52);
    expect(w.run(image.sysMadvise(w.m, ARENA as Vaddr, PAGE_SIZE, MADV_REMOVE))).toBe(-EFBIG);
  });
});

describe('a fault behind the end of a file', () => {
  it('that writes to a private mapping has made its anon_vma: after fork it merges with no neighbour that has none', () => {
    const w = world();
    const { file } = w.file(1);
    mmapAt(w, ARENA, 3 * PAGE_SIZE, MAP_PRIVATE | MAP_FIXED, file);
    expect(w.fault(ARENA + 2 * PAGE_SIZE, PF_USER | PF_WRITE)).toBe(VM_FAULT_SIGBUS);
    w.as(w.fork(), () => {
      mmapAt(w, ARENA + 3 * PAGE_SIZE, PAGE_SIZE, MAP_PRIVATE | MAP_FIXED, file, 3 * PAGE_SIZE);
      expect(image.procMaps(w.m, image.mmOf(w.m, image.getCurrent(w.m))).filter(({ start }) => start >= ARENA && start < ARENA + 2 ** 20)).toHaveLength(2);
    });
  });

  it.each([
    ['regular', 1, 0], ['regular', 2, 2], ['shmem', 1, 1], ['shmem', 2, 2],
  ] as const)('that reads maps of a %s file with %i pages %i of them where there was no table', (kind, pages, mapped) => {
    const w = world();
    const { inode, file } = w.file(pages, kind);
    const warm = w.mmap(pages, { file, flags: MAP_SHARED, prot: PROT_READ | PROT_WRITE });
    for (let i = 0; i < pages; i++) w.write(warm + i * PAGE_SIZE, 1);
    expect(inode).not.toBe(0);
    mmapAt(w, ARENA, 4 * PAGE_SIZE, MAP_SHARED | MAP_FIXED, file);
    expect(w.fault(ARENA + 3 * PAGE_SIZE, PF_USER)).toBe(VM_FAULT_SIGBUS);
    expect(w.row(ARENA).rss).toBe(mapped);
  });
});
