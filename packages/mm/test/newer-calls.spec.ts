/** mseal, remap_file_pages, sealed memfds, mbind and /dev/zero, as a running 6.18 answered them. */
import * as image from '@mmun/image';
import { EACCES, EFAULT, EINVAL, ENOMEM, EPERM, F_SEAL_FUTURE_WRITE, MADV_DONTNEED, MADV_FREE, MADV_RANDOM, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, MREMAP_MAYMOVE, PAGE_SIZE, PROT_EXEC, PROT_READ, VM_DONTEXPAND, VM_MAYEXEC, VM_MAYWRITE, VM_MIXEDMAP, VM_SEALED, VM_SHARED } from '@mmun/include';
import type { Vaddr } from '@mmun/include';
import { RW, world } from './page-world.js';
import type { World } from './page-world.js';

const P = PAGE_SIZE;
const seal = (w: World, at: number, pages: number, flags: number = 0): number => w.run(image.sysMseal(w.m, at as Vaddr, pages * P, flags));
const munmap = (w: World, at: number, pages: number): number => w.run(image.sysMunmap(w.m, at as Vaddr, pages * P));
const mprotect = (w: World, at: number, pages: number, prot: number): number => w.run(image.sysMprotect(w.m, at as Vaddr, pages * P, prot));
const advise = (w: World, at: number, pages: number, advice: number): number => w.run(image.sysMadvise(w.m, at as Vaddr, pages * P, advice));
const starts = (w: World, at: number, pages: number): number[] =>
  image.procMaps(w.m, image.mmOf(w.m, image.getCurrent(w.m))).map(({ start }) => (start - at) / P).filter((page) => page >= 0 && page < pages);

describe('mseal', () => {
  it('a sealed piece is cut off, and stays: no munmap, mprotect, mremap, or mapping over it', () => {
    const w = world();
    const at = w.mmap(6);
    expect(seal(w, at + 2 * P, 2)).toBe(0);
    expect(starts(w, at, 6)).toEqual([0, 2, 4]);
    expect(mprotect(w, at + 2 * P, 1, PROT_READ)).toBe(-EPERM);
    expect(mprotect(w, at + 2 * P, 1, RW)).toBe(-EPERM);
    expect(w.run(image.sysMremap(w.m, (at + 2 * P) as Vaddr, 2 * P, P, MREMAP_MAYMOVE, 0 as Vaddr))).toBe(-EPERM);
    expect(w.run(image.sysMmap(w.m, (at + 3 * P) as Vaddr, P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0 as never, 0))).toBe(-EPERM);
    expect(munmap(w, at + 2 * P, 1)).toBe(-EPERM);
    // what lies before the seal was cut off, and is there
    expect([munmap(w, at + P, 3), starts(w, at, 6)]).toEqual([-EPERM, [0, 1, 2, 4]]);
    expect(mprotect(w, at, 6, PROT_READ)).toBe(-EPERM);
    w.as(w.fork(), () => { expect(munmap(w, at, 6)).toBe(-EPERM); });
    expect(image.checkMachine(w.m)).toEqual([]);
  });

  it('advice may not throw away what is sealed and cannot be written', () => {
    const w = world();
    const at = w.mmap(2);
    w.write(at, 7);
    seal(w, at, 2);
    expect(advise(w, at, 2, MADV_DONTNEED)).toBe(0);
    const readOnly = w.mmap(2, { prot: PROT_READ });
    const ofFile = w.mmap(2, { prot: PROT_READ, file: w.file(2).file, flags: MAP_PRIVATE });
    seal(w, readOnly, 2);
    seal(w, ofFile, 2);
    expect([advise(w, readOnly, 2, MADV_DONTNEED), advise(w, readOnly, 2, MADV_FREE), advise(w, readOnly, 2, MADV_RANDOM)]).toEqual([-EPERM, -EPERM, 0]);
    expect([advise(w, ofFile, 2, MADV_DONTNEED), advise(w, ofFile, 2, MADV_FREE)]).toEqual([0, -EINVAL]);
  });

  it('seals nothing of a range with a hole, and knows no flags', () => {
    const w = world();
    const at = w.mmap(4);
    munmap(w, at + 3 * P, 1);
    expect([seal(w, at, 4), seal(w, at, 1, 1), w.run(image.sysMseal(w.m, (at + 1) as Vaddr, P, 0)), seal(w, at, 0)]).toEqual([-ENOMEM, -EINVAL, -EINVAL, 0]);
    expect(w.row(at).vmFlags & VM_SEALED).toBe(0);
  });
});

describe('a memfd that is sealed against writing', () => {
  it('is mapped shared for reading only, and stays so', () => {
    const w = world();
    const { file, inode } = w.file(4, 'shmem');
    const before = w.mmap(4, { file, flags: MAP_SHARED });
    image.memfdAddSeals(w.m, inode as never, F_SEAL_FUTURE_WRITE);
    expect(w.mmap(4, { file, flags: MAP_SHARED })).toBe(-EPERM);
    const shared = w.mmap(4, { file, flags: MAP_SHARED, prot: PROT_READ });
    const own = w.mmap(4, { file, flags: MAP_PRIVATE });
    expect([mprotect(w, shared, 1, RW), w.row(shared).vmFlags & (VM_SHARED | VM_MAYWRITE)]).toEqual([-EACCES, VM_SHARED]);
    expect([mprotect(w, before, 1, RW), mprotect(w, own, 1, RW)]).toEqual([0, 0]);
  });
});

describe('mbind', () => {
  const bind = (w: World, at: number, pages: number, policy: number): number => w.run(image.sysMbind(w.m, at as Vaddr, pages * P, policy));

  it('keeps apart what has another policy, and joins what has the same', () => {
    const w = world();
    const at = w.mmap(8);
    expect([bind(w, at + 2 * P, 2, 1), starts(w, at, 8)]).toEqual([0, [0, 2, 4]]);
    expect([bind(w, at + 4 * P, 2, 1), starts(w, at, 8)]).toEqual([0, [0, 2, 6]]);
    expect([bind(w, at + 3 * P, 1, 2), starts(w, at, 8)]).toEqual([0, [0, 2, 3, 4, 6]]);
    expect([mprotect(w, at, 8, PROT_READ), starts(w, at, 8)]).toEqual([0, [0, 2, 3, 4, 6]]);
    w.as(w.fork(), () => { expect([bind(w, at, 8, 0), starts(w, at, 8)]).toEqual([0, [0]]); });
    // what is mapped anew has no policy
    expect([w.mmap(1, { at: at + 3 * P, prot: PROT_READ, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED }), starts(w, at, 8)]).toEqual([at + 3 * P, [0, 2, 3, 4, 6]]);
    expect([bind(w, at, 8, 0), starts(w, at, 8)]).toEqual([0, [0]]);
  });

  it('wants a range without a hole, but for the default', () => {
    const w = world();
    const at = w.mmap(4);
    munmap(w, at + P, 1);
    expect([bind(w, at, 4, 1), bind(w, at, 4, 0), bind(w, at + P, 1, 0), bind(w, at + 1, 1, 0), bind(w, at, 0, 1)]).toEqual([-EFAULT, 0, -EFAULT, -EINVAL, 0]);
    expect(starts(w, at, 4)).toEqual([0, 2]);
  });
});

describe('a file where nothing may be executed', () => {
  it('is never mapped executable, and a driver adds what it likes', () => {
    const w = world();
    const spec = { kind: 'regular', major: 0, minor: 16, ino: 4, size: 0, thpAligned: false } as const;
    const open = (path: string, driverVmFlags: number): number =>
      image.filpOpen(w.m, image.newInode(w.m, { ...spec, path, isNoexec: true, driverVmFlags }), { isReadable: true, isWritable: true });
    const file = open('/run/f', 0);
    expect(w.mmap(1, { file, flags: MAP_SHARED, prot: PROT_READ | PROT_EXEC })).toBe(-EPERM);
    const at = w.mmap(1, { file, flags: MAP_SHARED });
    expect([mprotect(w, at, 1, PROT_EXEC), w.row(at).vmFlags & VM_MAYEXEC]).toEqual([-EACCES, 0]);
    const ring = w.mmap(1, { file: open('anon_inode:[io_uring]', VM_DONTEXPAND | VM_MIXEDMAP), flags: MAP_SHARED });
    expect(w.row(ring).vmFlags & (VM_DONTEXPAND | VM_MIXEDMAP | VM_MAYEXEC)).toBe(VM_DONTEXPAND | VM_MIXEDMAP);
  });
});

describe('/dev/zero', () => {
  it('mapped shared, it is shared anonymous memory: each mapping has a file of its own', () => {
    const w = world();
    const inode = image.newInode(w.m, { path: '/dev/zero', kind: 'zero', major: 0, minor: 6, ino: 4, size: 0, thpAligned: false });
    const file = image.filpOpen(w.m, inode, { isReadable: true, isWritable: true });
    const [a, b, own] = [w.mmap(1, { file, flags: MAP_SHARED }), w.mmap(1, { file, flags: MAP_SHARED }), w.mmap(1, { file, flags: MAP_PRIVATE })];
    for (const at of [a, b]) w.write(at, at % 1000);
    expect([w.read(a), w.read(b)]).toEqual([a % 1000, b % 1000]);
    const rows = [a, b, own].map((at) => image.procMaps(w.m, image.mmOf(w.m, w.task)).find(({ start }) => start === at));
    expect(rows.map((row) => row?.name)).toEqual(['/dev/zero (deleted)', '/dev/zero (deleted)', '/dev/zero']);
    expect(new Set(rows.map((row) => row?.ino)).size).toBe(3);
  });
});

describe('remap_file_pages', () => {
  const remap = (w: World, at: number, pages: number, pgoff: number, prot: number = 0): number => w.run(image.sysRemapFilePages(w.m, at as Vaddr, pages * P, prot, pgoff, 0));

  it('maps other pages of the file that is mapped, and brings them in', () => {
    const w = world();
    const { file } = w.file(8);
    const at = w.mmap(4, { file, flags: MAP_SHARED });
    const other = w.mmap(8, { file, flags: MAP_SHARED });
    w.write(other + 6 * P, 66);
    expect(remap(w, at + P, 2, 6)).toBe(0);
    expect(starts(w, at, 4)).toEqual([0, 1, 3]);
    expect(w.row(at + P).rss).toBe(2);
    expect(w.read(at + P)).toBe(66);
    expect(remap(w, at + P, 2, 1)).toBe(0);
    expect(starts(w, at, 4)).toEqual([0]);
  });

  it('keeps the file of memory that is nobody else\'s', () => {
    const w = world();
    const at = w.mmap(1, { flags: MAP_SHARED | MAP_ANONYMOUS });
    w.write(at, 5);
    expect(remap(w, at, 1, 0)).toBe(0);
    expect(w.read(at)).toBe(5);
    expect(image.checkMachine(w.m)).toEqual([]);
  });

  it('wants shared memory without a gap, and no protection', () => {
    const w = world();
    const at = w.mmap(4, { file: w.file(4).file, flags: MAP_SHARED });
    expect([remap(w, w.mmap(2), 1, 0), remap(w, at, 1, 0, PROT_READ), remap(w, at, 0, 0), remap(w, at, 64, 0)]).toEqual([-EINVAL, -EINVAL, -EINVAL, -EINVAL]);
    mprotect(w, at + 2 * P, 2, PROT_READ);
    expect(remap(w, at, 4, 0)).toBe(-EINVAL);
  });
});
