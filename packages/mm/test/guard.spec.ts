/** Guard regions, as a running 6.18 answered them. */
import * as image from '@mmun/image';
import {
  EFAULT, EINVAL, ENOMEM, MADV_DONTNEED, MADV_FREE, MADV_GUARD_INSTALL, MADV_GUARD_REMOVE, MADV_POPULATE_WRITE, MAP_SHARED, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE, PF_USER,
  PF_WRITE, PROT_READ, VM_FAULT_SIGSEGV, VM_MAYBE_GUARD,
} from '@mmun/include';
import type { Vaddr } from '@mmun/include';
import { RW, world } from './page-world.js';
import type { World } from './page-world.js';

const P = PAGE_SIZE;
const advise = (w: World, at: number, pages: number, advice: number): number => w.run(image.sysMadvise(w.m, at as Vaddr, pages * P, advice));
const isGuarded = (w: World, address: number): boolean => (w.fault(address, PF_USER) & VM_FAULT_SIGSEGV) !== 0 && (w.fault(address, PF_USER | PF_WRITE) & VM_FAULT_SIGSEGV) !== 0;
const rows = (w: World, from: number, to: number): number => image.procMaps(w.m, image.mmOf(w.m, image.getCurrent(w.m))).filter(({ start }) => start >= from && start < to).length;

/** Eight pages, the third and fourth of them guarded, the first and third written before. */
function guarded(): { w: World; at: number } {
  const w = world();
  const at = w.mmap(8);
  w.write(at, 5);
  w.write(at + 2 * P, 6);
  expect(advise(w, at + 2 * P, 2, MADV_GUARD_INSTALL)).toBe(0);
  return { w, at };
}

it('a guarded page loses what it held, and every access to it is a SIGSEGV, without a VMA of its own', () => {
  const { w, at } = guarded();
  expect([0, 1, 2, 3, 4].map((page) => isGuarded(w, at + page * P))).toEqual([false, false, true, true, false]);
  expect(w.row(at).anonymous).toBe(1);
  expect(rows(w, at, at + 8 * P)).toBe(1);
  expect(advise(w, at, 8, MADV_GUARD_REMOVE)).toBe(0);
  expect([w.read(at), w.read(at + 2 * P), w.read(at + 3 * P)]).toEqual([5, 0, 0]);
  expect(image.checkMachine(w.m)).toEqual([]);
});

it('what empties pages leaves guards: MADV_DONTNEED, MADV_FREE, and for files truncation', () => {
  const { w, at } = guarded();
  for (const advice of [MADV_DONTNEED, MADV_FREE]) expect([advise(w, at, 8, advice), isGuarded(w, at + 2 * P)]).toEqual([0, true]);
  const { inode, file } = w.file(4);
  const mapped = w.mmap(4, { file, flags: MAP_SHARED });
  advise(w, mapped + P, 1, MADV_GUARD_INSTALL);
  w.run(image.truncateSetsize(w.m, inode as never, 0));
  w.run(image.truncateSetsize(w.m, inode as never, 4 * P));
  expect([isGuarded(w, mapped + P), isGuarded(w, mapped + 2 * P)]).toEqual([true, false]);
  expect(image.checkMachine(w.m)).toEqual([]);
});

it('fork copies guards, of files too, with the pages beside them; mremap moves them; munmap takes them', () => {
  const { w, at } = guarded();
  const { file } = w.file(4);
  const mapped = w.mmap(4, { file, flags: MAP_SHARED });
  w.write(mapped, 1);
  advise(w, mapped + P, 1, MADV_GUARD_INSTALL);
  w.as(w.fork(), () => {
    expect([isGuarded(w, at + 2 * P), isGuarded(w, mapped + P), w.row(mapped).rss]).toEqual([true, true, 1]);
    w.run(image.sysExit(w.m));
  });
  const elsewhere = w.mmap(32) + 8 * P;
  expect(w.run(image.sysMremap(w.m, at as Vaddr, 8 * P, 8 * P, MREMAP_FIXED | MREMAP_MAYMOVE, elsewhere as Vaddr))).toBe(elsewhere);
  expect([isGuarded(w, elsewhere + 2 * P), w.read(elsewhere)]).toEqual([true, 5]);
  w.run(image.sysMunmap(w.m, elsewhere as Vaddr, 8 * P));
  expect(w.mmap(8, { at: elsewhere })).toBe(elsewhere);
  expect(isGuarded(w, elsewhere + 2 * P)).toBe(false);
  expect(image.checkMachine(w.m)).toEqual([]);
});

it('nothing brings a guarded page in: populating is EFAULT, locking ENOMEM; locked memory takes no guard, but gives one back', () => {
  const { w, at } = guarded();
  expect(advise(w, at, 8, MADV_POPULATE_WRITE)).toBe(-EFAULT);
  expect(w.run(image.sysMlock(w.m, at as Vaddr, 8 * P))).toBe(-ENOMEM);
  expect(advise(w, at, 1, MADV_GUARD_INSTALL)).toBe(-EINVAL);
  expect(advise(w, at, 8, MADV_GUARD_REMOVE)).toBe(0);
  expect(isGuarded(w, at + 2 * P)).toBe(false);
});

it('mincore asks the cache of the file, as for a page that was never touched', () => {
  const w = world();
  const at = w.mmap(2, { file: w.file(2).file, flags: MAP_SHARED });
  advise(w, at, 1, MADV_GUARD_INSTALL);
  const vec = new Uint8Array(2);
  w.run(image.sysMincore(w.m, at, 2 * P, vec));
  expect([...vec]).toEqual([1, 1]);
});

it('memory beside a mapping that had a guard is born into its anon_vma, so the two can merge', () => {
  const w = world();
  const at = w.mmap(4);
  advise(w, at + 3 * P, 1, MADV_GUARD_INSTALL);
  w.run(image.sysMprotect(w.m, at as Vaddr, 3 * P, PROT_READ));
  w.run(image.sysMunmap(w.m, (at + 3 * P) as Vaddr, P));
  w.mmap(1, { at: at + 3 * P });
  w.write(at + 3 * P, 1);
  w.run(image.sysMprotect(w.m, at as Vaddr, 3 * P, RW));
  expect(rows(w, at, at + 4 * P)).toBe(1);
});

it('having had a guard keeps no VMA from merging, and the merged one has had it', () => {
  const w = world();
  const at = w.mmap(8);
  w.run(image.sysMprotect(w.m, (at + 4 * P) as Vaddr, 4 * P, PROT_READ));
  advise(w, at, 1, MADV_GUARD_INSTALL);
  expect([w.row(at).vmFlags & VM_MAYBE_GUARD, w.row(at + 4 * P).vmFlags & VM_MAYBE_GUARD]).toEqual([VM_MAYBE_GUARD, 0]);
  w.run(image.sysMprotect(w.m, (at + 4 * P) as Vaddr, 4 * P, RW));
  expect([rows(w, at, at + 8 * P), w.row(at + 7 * P).vmFlags & VM_MAYBE_GUARD]).toEqual([1, VM_MAYBE_GUARD]);
});
