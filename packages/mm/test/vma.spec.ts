/** VMAs as a program sees them: placement, splits and merges, errnos. Each fact was seen on Linux 6.18. */
import { describe, expect, it } from '@jest/globals';
import { EINVAL, ENOMEM, EOPNOTSUPP, MADV_DODUMP, MADV_DONTDUMP, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN, MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MREMAP_MAYMOVE, PF_USER, PF_WRITE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { File, Vaddr } from '@mmun/include';
import { HPAGE_PMD_NR } from '#asm';
import * as image from '@mmun/image';

const P = 4096;
/** Where every arch maps: s390 with three levels ends at 4 TiB. */
const BASE = 0x100_0000_0000;
const TOP = 0x300_0000_0000;
const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_PRIVATE | MAP_ANONYMOUS;

function process() {
  const m = image.boot({ ...image.defaultConfig, nrFrames: 4096, nrTables: 256, nrVmas: 1024 });
  image.setCurrent(m, image.newProcess(m));
  const mm = image.mmOf(m, image.getCurrent(m));
  m.mm.mmapBase[mm] = TOP;
  const va = (page: number): Vaddr => (BASE + page * P) as Vaddr;
  return {
    m, mm, va,
    map: (page: number, pages: number, prot = RW, flags = ANON | MAP_FIXED, file = 0 as File) => image.run(m, image.sysMmap(m, va(page), pages * P, prot, flags, file, 0)),
    place: (pages: number, flags = ANON) => image.run(m, image.sysMmap(m, 0 as Vaddr, pages * P, RW, flags, 0 as File, 0)),
    unmap: (page: number, pages: number) => image.run(m, image.sysMunmap(m, va(page), pages * P)),
    protect: (page: number, pages: number, prot: number) => image.run(m, image.sysMprotect(m, va(page), pages * P, prot)),
    advise: (page: number, pages: number, advice: number) => image.run(m, image.sysMadvise(m, va(page), pages * P, advice)),
    write: (page: number) => image.run(m, image.doPageFault(m, va(page), PF_WRITE | PF_USER)),
    rows: () => image.procMaps(m, mm).map((r) => `${(r.start - BASE) / P}-${(r.end - BASE) / P} ${r.perms}`),
    consistent: () => { expect(image.checkMachine(m)).toEqual([]); },
  };
}

describe('merging', () => {
  it('neighbours with equal flags become one, and a page of other protection splits them again', () => {
    const t = process();
    t.map(0, 2);
    t.map(2, 2);
    expect(t.rows()).toEqual(['0-4 rw-p']);
    t.protect(1, 1, PROT_READ);
    expect(t.rows()).toEqual(['0-1 rw-p', '1-2 r--p', '2-4 rw-p']);
    t.protect(1, 1, RW);
    expect(t.rows()).toEqual(['0-4 rw-p']);
    t.consistent();
  });

  it('VMAs with anon_vmas of their own stay apart, but the first write asks its neighbours for theirs', () => {
    const apart = process();
    apart.map(0, 1);
    apart.map(2, 1);
    apart.write(0);
    apart.write(2);
    apart.map(1, 1);
    expect(apart.rows()).toEqual(['0-2 rw-p', '2-3 rw-p']);
    const shared = process();
    shared.map(0, 1);
    shared.map(1, 1, PROT_READ);
    shared.write(0);
    shared.protect(1, 1, RW);
    expect(shared.rows()).toEqual(['0-2 rw-p']);
    apart.consistent();
    shared.consistent();
  });

  it('a range that mprotect changes and that merges with what follows is not looked for again', () => {
    const t = process();
    t.map(0, 1);
    t.map(1, 1, PROT_READ);
    t.map(2, 2);
    expect(t.protect(0, 2, PROT_READ)).toBe(0);
    expect(t.protect(0, 4, RW)).toBe(0);
    expect(t.protect(1, 2, RW)).toBe(0);
    expect(t.rows()).toEqual(['0-4 rw-p']);
    t.map(4, 1, PROT_READ);
    t.map(5, 2);
    t.protect(6, 1, PROT_READ);
    expect(t.protect(5, 2, PROT_READ)).toBe(0);
    expect(t.rows()).toEqual(['0-4 rw-p', '4-7 r--p']);
    t.consistent();
  });

  it('what fork copied does not take in a neighbour without pages of its own', () => {
    const t = process();
    t.map(0, 1);
    t.write(0);
    const child = image.run(t.m, image.sysClone(t.m, 0));
    image.setCurrent(t.m, child as never);
    t.map(1, 1);
    expect(image.procMaps(t.m, image.mmOf(t.m, child as never))).toHaveLength(2);
    t.consistent();
  });
});

describe('protection', () => {
  it('a shared page of a regular file that becomes writable still faults at its first write, so that the file is told', () => {
    const t = process();
    const inode = image.newInode(t.m, { path: '/f', kind: 'regular', major: 8, minor: 1, ino: 1, size: 4 * P, thpAligned: true });
    const file = image.filpOpen(t.m, inode, { isReadable: true, isWritable: true });
    t.map(0, 1, PROT_READ, MAP_SHARED | MAP_FIXED, file);
    image.run(t.m, image.doPageFault(t.m, t.va(0), PF_USER));
    t.protect(0, 1, RW);
    const isWritable = (): boolean => image.primaryTranslation(t.m, t.mm, t.va(0)) % 2 === 1;
    expect(isWritable()).toBe(false);
    t.write(0);
    expect(isWritable()).toBe(true);
  });
});

describe('placement', () => {
  it('goes downward from mmap_base, into the highest room that fits', () => {
    const t = process();
    expect(t.place(1)).toBe(TOP - P);
    expect(t.place(2)).toBe(TOP - 3 * P);
    image.run(t.m, image.sysMunmap(t.m, (TOP - P) as Vaddr, P));
    expect(t.place(2)).toBe(TOP - 5 * P);
    expect(t.place(1)).toBe(TOP - P);
    t.consistent();
  });

  it('a whole number of huge pages without a hint is aligned to one', () => {
    const t = process();
    expect(t.place(1)).toBe(TOP - P);
    expect((t.place(HPAGE_PMD_NR) as number) % (HPAGE_PMD_NR * P)).toBe(0);
  });

  it('a stack keeps 256 pages below it; other gaps in there are passed over once the gap below the stack was tried', () => {
    const t = process();
    const stack = t.place(1, ANON | MAP_GROWSDOWN);
    expect(t.place(1)).toBe(stack - 257 * P);
    const tight = process();
    tight.place(1, ANON | MAP_GROWSDOWN);
    const low = TOP - 300 * P;
    image.run(tight.m, image.sysMmap(tight.m, low as Vaddr, 200 * P, RW, ANON | MAP_FIXED, 0 as File, 0));
    image.run(tight.m, image.sysMunmap(tight.m, (TOP - 150 * P) as Vaddr, P));
    expect(tight.place(1)).toBe(low - P);
    tight.consistent();
  });

  it('MAP_SHARED_VALIDATE knows MAP_FIXED but not MAP_FIXED_NOREPLACE', () => {
    const t = process();
    const inode = image.newInode(t.m, { path: '/f', kind: 'regular', major: 8, minor: 1, ino: 1, size: 4 * P, thpAligned: true });
    const file = image.filpOpen(t.m, inode, { isReadable: true, isWritable: true });
    expect(t.map(0, 1, RW, MAP_SHARED_VALIDATE | MAP_FIXED, file)).toBe(BASE);
    expect(t.map(4, 1, RW, MAP_SHARED_VALIDATE | MAP_FIXED_NOREPLACE, file)).toBe(-EOPNOTSUPP);
    expect(t.map(4, 1, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, file)).toBe(BASE + 4 * P);
  });
});

describe('errnos', () => {
  it('madvise works on the rest before it reports a hole', () => {
    const t = process();
    t.map(0, 1);
    t.map(2, 1);
    expect(t.advise(0, 3, MADV_DONTDUMP)).toBe(-ENOMEM);
    expect(image.procMaps(t.m, t.mm).map((r) => (r.vmFlags & 0x4000000) !== 0)).toEqual([true, true]);
    expect(t.advise(0, 1, MADV_DODUMP)).toBe(0);
  });

  it('MADV_POPULATE_READ wants read permission, not just any', () => {
    const t = process();
    t.map(0, 1, PROT_WRITE);
    expect(t.advise(0, 1, MADV_POPULATE_READ)).toBe(-EINVAL);
    expect(t.advise(0, 1, MADV_POPULATE_WRITE)).toBe(0);
  });

  it('what the kernel maps itself is unmapped whole or not at all', () => {
    const t = process();
    const row = (kind: 'vdso' | 'vvar', page: number, name: string) => ({ kind, start: t.va(page), end: t.va(page + 2), prot: PROT_READ, file: 0 as File, pgoff: 0, name });
    image.run(t.m, image.sysExecve(t.m, {
      rows: [row('vdso', 0, '[vdso]'), row('vvar', 4, '[vvar]')], mmapBase: TOP as Vaddr, startBrk: t.va(64), startStack: t.va(80), argStart: t.va(80),
    }));
    expect(t.unmap(0, 1)).toBe(-EINVAL);
    expect(image.run(t.m, image.sysMremap(t.m, t.va(4), P, 2 * P, MREMAP_MAYMOVE, 0 as Vaddr))).toBeLessThan(0);
    expect(t.unmap(0, 2)).toBe(0);
    expect(t.unmap(4, 2)).toBe(0);
    t.consistent();
  });
});
