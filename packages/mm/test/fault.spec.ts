import * as image from '@mmun/image';
import { MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PF_PROT, PF_USER, PROT_NONE, PROT_READ, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_FAULT_SIGSEGV, VM_HUGEPAGE, MADV_DONTNEED, MADV_HUGEPAGE } from '@mmun/include';
import type { Vaddr } from '@mmun/include';
import { HPAGE_PMD_NR, PTRS_PER_PTE } from '#asm';
import { ANON, RW, WRITE_PROTECTED, world } from './page-world.js';
import type { World } from './page-world.js';

const P = PAGE_SIZE;

function consistent({ m }: World): void {
  expect(image.checkMachine(m)).toEqual([]);
}

describe('anonymous memory', () => {
  it('reads of untouched memory see zero, share the zero page, and count nowhere', () => {
    const w = world();
    const a = w.mmap(8);
    const used = w.m.framePool.head.used[0];
    for (let i = 0; i < 8; i++) expect(w.read(a + i * P)).toBe(0);
    expect(w.row(a)).toMatchObject({ anonymous: 0, rss: 0 });
    expect(w.m.framePool.head.used[0]).toBe(used);
    consistent(w);
  });

  it('the first write brings a page, after a read as well', () => {
    const w = world();
    const a = w.mmap(4);
    w.read(a);
    expect(w.write(a, 7)).toBe(0);
    w.write(a + P, 8);
    expect(w.read(a)).toBe(7);
    expect(w.read(a + P)).toBe(8);
    expect(w.read(a + 2 * P)).toBe(0);
    expect(w.row(a)).toMatchObject({ anonymous: 2, rss: 2 });
    consistent(w);
  });

  it('munmap gives back every frame and every table page', () => {
    const w = world();
    const frames = w.m.framePool.head.used[0];
    const tables = w.m.tablePool.head.used[0];
    const a = w.mmap(1500);
    for (let i = 0; i < 1500; i++) w.write(a + i * P, i);
    expect(w.row(a).anonymous).toBe(1500);
    w.run(image.sysMunmap(w.m, a, 1500 * P));
    expect(w.m.framePool.head.used[0]).toBe(frames);
    expect(w.m.tablePool.head.used[0]).toBe(tables);
    expect(w.fault(a)).toBe(VM_FAULT_SIGSEGV);
    consistent(w);
  });

  it('MADV_DONTNEED drops the pages and the next read sees zero', () => {
    const w = world();
    const a = w.mmap(4);
    for (let i = 0; i < 4; i++) w.write(a + i * P, 5);
    w.run(image.sysMadvise(w.m, (a + P) as Vaddr, 2 * P, MADV_DONTNEED));
    expect([0, 1, 2, 3].map((i) => w.read(a + i * P))).toEqual([5, 0, 0, 5]);
    expect(w.row(a).anonymous).toBe(2);
    consistent(w);
  });

  it('without frames a fault is VM_FAULT_OOM and changes nothing', () => {
    const w = world({ nrFrames: 64 });
    const a = w.mmap(128);
    let i = 0;
    while (w.write(a + i * P, 1) === 0) i++;
    expect(w.fault(a + i * P)).toBe(VM_FAULT_OOM);
    expect(w.row(a).anonymous).toBe(i);
    consistent(w);
    w.run(image.sysMunmap(w.m, a, P));
    expect(w.write(a + i * P, 1)).toBe(0);
    consistent(w);
  });

  it('without table pages too', () => {
    const w = world({ nrTables: 12 });
    const a = w.mmap(PTRS_PER_PTE * 32);
    let i = 0;
    while (i < 32 && w.fault(a + i * PTRS_PER_PTE * P) === 0) i++;
    expect(i).toBeLessThan(32);
    expect(w.fault(a + i * PTRS_PER_PTE * P)).toBe(VM_FAULT_OOM);
    consistent(w);
  });
});

describe('what the processor may not do', () => {
  it('is SIGSEGV: no vma, no write permission, PROT_NONE, a read of a page that is present', () => {
    const w = world();
    const ro = w.mmap(1, { prot: PROT_READ });
    const none = w.mmap(1, { prot: PROT_NONE });
    expect(w.fault(0x1000)).toBe(VM_FAULT_SIGSEGV);
    expect(w.fault(ro)).toBe(VM_FAULT_SIGSEGV);
    expect(w.fault(none, PF_USER)).toBe(VM_FAULT_SIGSEGV);
    expect(w.fault(ro, PF_USER)).toBe(0);
    expect(w.fault(ro, PF_USER | PF_PROT)).toBe(VM_FAULT_SIGSEGV);
    expect(w.write(ro, 1)).toBeLessThan(0);
    consistent(w);
  });

  it('mprotect keeps pages and takes the permission, and gives it back', () => {
    const w = world();
    const a = w.mmap(4);
    for (let i = 0; i < 4; i++) w.write(a + i * P, 9);
    w.run(image.sysMprotect(w.m, a, 4 * P, PROT_NONE));
    expect(w.read(a)).toBeLessThan(0);
    w.run(image.sysMprotect(w.m, a, 4 * P, PROT_READ));
    expect(w.read(a)).toBe(9);
    expect(w.write(a, 1)).toBeLessThan(0);
    w.run(image.sysMprotect(w.m, a, 4 * P, RW));
    expect(w.write(a, 1)).toBe(0);
    expect(w.row(a).anonymous).toBe(4);
    consistent(w);
  });
});

describe('fork', () => {
  it('shares anonymous pages until one side writes, and neither sees the other', () => {
    const w = world();
    const a = w.mmap(4);
    for (let i = 0; i < 4; i++) w.write(a + i * P, 10 + i);
    const child = w.fork();
    const used = w.m.framePool.head.used[0];
    expect(w.write(a, 99)).toBe(0);
    expect(w.m.framePool.head.used[0]).toBe(used + 1);
    w.as(child, () => {
      expect(w.read(a)).toBe(10);
      expect(w.row(a).anonymous).toBe(4);
      w.write(a + P, 77);
    });
    expect(w.read(a + P)).toBe(11);
    consistent(w);
    w.as(child, () => w.run(image.sysExit(w.m)));
    consistent(w);
    const now = w.m.framePool.head.used[0];
    expect(w.write(a + 2 * P, 1)).toBe(0);
    expect(w.m.framePool.head.used[0]).toBe(now);
    consistent(w);
  });

  it('leaves file pages and shared memory to faults, and shares what is shared', () => {
    const w = world();
    const { file } = w.file(4, 'shmem');
    const a = w.mmap(4, { flags: MAP_SHARED, file });
    w.write(a, 5);
    const child = w.fork();
    w.as(child, () => {
      expect(w.row(a).rss).toBe(0);
      expect(w.read(a)).toBe(5);
      w.write(a, 6);
    });
    expect(w.read(a)).toBe(6);
    consistent(w);
  });

  it('a grandchild and its parents see three values', () => {
    const w = world();
    const a = w.mmap(1);
    w.write(a, 1);
    const child = w.fork();
    const grandchild = w.as(child, () => { w.write(a, 2); return w.fork(); });
    w.as(grandchild, () => w.write(a, 3));
    expect([w.read(a), w.as(child, () => w.read(a)), w.as(grandchild, () => w.read(a))]).toEqual([1, 2, 3]);
    consistent(w);
  });
});

describe('files', () => {
  it('a read fault maps the aligned window around it, inside the vma and the file', () => {
    const w = world();
    const { file } = w.file(40);
    const a = w.mmap(64, { flags: MAP_PRIVATE, file, prot: PROT_READ, at: 0x10000000 });
    w.read(a + 20 * P);
    expect(w.row(a)).toMatchObject({ rss: 16, anonymous: 0 });
    w.read(a + 39 * P);
    expect(w.row(a).rss).toBe(24);
    expect(w.fault(a + 40 * P, PF_USER)).toBe(VM_FAULT_SIGBUS);
    consistent(w);
  });

  it('a window of one page maps one page', () => {
    const w = world({ settings: { faultAroundBytes: 4096 } });
    const { file } = w.file(40);
    const a = w.mmap(40, { flags: MAP_PRIVATE, file, prot: PROT_READ });
    w.read(a + 20 * P);
    expect(w.row(a).rss).toBe(1);
    consistent(w);
  });

  it('a private write copies the page and leaves the file as it is', () => {
    const w = world();
    const { file } = w.file(4);
    const shared = w.mmap(4, { flags: MAP_SHARED, file });
    const priv = w.mmap(4, { flags: MAP_PRIVATE, file });
    w.write(shared, 1);
    expect(w.read(priv)).toBe(1);
    w.write(priv, 2);
    w.write(shared, 3);
    expect(w.read(priv)).toBe(2);
    expect(w.read(shared)).toBe(3);
    w.write(priv + P, 4);
    expect(w.read(shared + P)).toBe(0);
    expect(w.row(priv).anonymous).toBe(2);
    expect(w.row(shared).anonymous).toBe(0);
    consistent(w);
  });

  it('the first write to a shared file page faults although the vma allows it; shmem does not care', () => {
    const w = world();
    const regular = w.mmap(1, { flags: MAP_SHARED, file: w.file(1).file });
    const shmem = w.mmap(1, { flags: MAP_SHARED, file: w.file(1, 'shmem').file });
    const faults = (address: number): number => {
      let n = 0;
      w.read(address);
      const pte = (): number => image.run(w.m, image.userWrite(w.m, address as Vaddr, 1));
      n = pte();
      return n;
    };
    expect(faults(regular)).toBe(0);
    expect(faults(shmem)).toBe(0);
    consistent(w);
  });

  it('truncation unmaps what lies behind the end, private copies too', () => {
    const w = world();
    const { file, inode } = w.file(8);
    const shared = w.mmap(8, { flags: MAP_SHARED, file });
    const priv = w.mmap(8, { flags: MAP_PRIVATE, file });
    for (let i = 0; i < 8; i++) {
      w.write(shared + i * P, i + 1);
      w.write(priv + i * P, 100 + i);
    }
    w.run(image.truncateSetsize(w.m, inode as never, 3 * P));
    expect(w.row(shared).rss).toBe(3);
    expect(w.row(priv).anonymous).toBe(3);
    expect(w.fault(shared + 3 * P)).toBe(VM_FAULT_SIGBUS);
    expect(w.fault(priv + 3 * P)).toBe(VM_FAULT_SIGBUS);
    expect(w.read(priv + 2 * P)).toBe(102);
    w.run(image.truncateSetsize(w.m, inode as never, 8 * P));
    expect(w.read(shared + 3 * P)).toBe(0);
    expect(w.read(shared + 2 * P)).toBe(3);
    consistent(w);
  });

  it('clean pages that nobody maps go when frames are short', () => {
    const w = world({ nrFrames: 128 });
    const { file } = w.file(90);
    const a = w.mmap(90, { flags: MAP_PRIVATE, file, prot: PROT_READ });
    for (let i = 0; i < 90; i++) w.read(a + i * P);
    const b = w.mmap(100);
    w.run(image.sysMunmap(w.m, a, 90 * P));
    for (let i = 0; i < 100; i++) expect(w.write(b + i * P, 1)).toBe(0);
    consistent(w);
  });
});

describe('huge pages', () => {
  const BLOCK = HPAGE_PMD_NR * P;

  it('the first write to an untouched aligned block of a VM_HUGEPAGE vma brings all of it', () => {
    const w = world();
    const a = w.mmap(1536, { flags: ANON });
    w.run(image.sysMadvise(w.m, a, 1536 * P, MADV_HUGEPAGE));
    expect(w.row(a).vmFlags & VM_HUGEPAGE).not.toBe(0);
    const block = Math.ceil(a / BLOCK) * BLOCK;
    w.write(block + 5 * P, 1);
    expect(w.row(a).anonymous).toBe(HPAGE_PMD_NR);
    expect(w.write(block + (HPAGE_PMD_NR - 1) * P, 2)).toBe(0);
    expect(w.row(a).anonymous).toBe(HPAGE_PMD_NR);
    consistent(w);
  });

  it('a read brings the huge zero page, and a write then the block', () => {
    const w = world();
    const a = w.mmap(1536);
    w.run(image.sysMadvise(w.m, a, 1536 * P, MADV_HUGEPAGE));
    const block = Math.ceil(a / BLOCK) * BLOCK;
    expect(w.read(block)).toBe(0);
    expect(w.row(a).rss).toBe(0);
    w.write(block + P, 1);
    expect(w.row(a).anonymous).toBe(HPAGE_PMD_NR);
    expect(w.read(block + 2 * P)).toBe(0);
    consistent(w);
  });

  it('not where the vma does not cover the block, nor without frames', () => {
    const w = world({ nrFrames: HPAGE_PMD_NR - 100 });
    const a = w.mmap(HPAGE_PMD_NR + 188);
    w.run(image.sysMadvise(w.m, a, (HPAGE_PMD_NR + 188) * P, MADV_HUGEPAGE));
    const block = Math.ceil(a / BLOCK) * BLOCK;
    w.write(block, 1);
    expect(w.row(a).anonymous).toBe(1);
    consistent(w);
  });
});

describe('mremap', () => {
  it('moves pages with their content', () => {
    const w = world();
    const a = w.mmap(600);
    for (let i = 0; i < 600; i += 7) w.write(a + i * P, i);
    w.mmap(1, { at: a + 600 * P });
    const b = w.run<number>(image.sysMremap(w.m, a, 600 * P, 1200 * P, 1, 0 as Vaddr));
    for (let i = 0; i < 600; i += 7) expect(w.read(b + i * P)).toBe(i);
    expect(w.row(b).anonymous).toBe(Math.ceil(600 / 7));
    consistent(w);
  });
});

describe('mincore', () => {
  it('tells mapped pages of anonymous memory, and cached pages of a file', () => {
    const w = world();
    const a = w.mmap(3);
    w.write(a + P, 1);
    const vec = new Uint8Array(3);
    expect(w.run<number>(image.sysMincore(w.m, a, 3 * P, vec))).toBe(0);
    expect([...vec]).toEqual([0, 1, 0]);
    expect(w.run<number>(image.sysMincore(w.m, (a + 1) as Vaddr, P, vec))).toBe(-22);
    expect(w.run<number>(image.sysMincore(w.m, a, 64 * P, new Uint8Array(64)))).toBe(-12);
  });
});

describe('spurious faults', () => {
  it('change nothing', () => {
    const w = world();
    const a = w.mmap(1);
    w.write(a, 1);
    expect(w.fault(a, WRITE_PROTECTED)).toBe(0);
    expect(w.read(a)).toBe(1);
    consistent(w);
  });
});
