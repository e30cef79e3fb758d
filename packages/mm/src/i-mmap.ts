// Models address_space.i_mmap: mm/prio_tree.c and mm/mmap.c (2.6.24), mm/interval_tree.c and vma_prepare of mm/vma.c today.
/**
 * The VMAs that map a file, so that its pages can be found in every address space.
 * Deviation: a list, newest first, instead of a tree: who looks for one page passes all VMAs of the file.
 *
 *   inode.iMmap ──> vma ──sharedNext──> vma ──> 0        vma.sharedPrev: back, 0 at the head
 *
 * A VMA enters when its bounds are set and leaves before its page tables go. Its bounds change only under the locks that
 * vmaPrepare takes, so whoever walks sees each page of the file covered.
 *
 * Lock order: mmap_sem > i_mmap_lock > lock of the root anon_vma > ptl.
 */
import { PAGE_SIZE } from '@mmun/include';
import type { AnonVma, Inode, MaySleep, Spinlock, Task, Vaddr, Vma } from '@mmun/include';
import { bugOn } from '@mmun/lib';
import { lockdepAssertHeld, spinlockAt } from '@mmun/locking';
import { rmapLock, rmapUnlock } from '#mmu-notifier';
import { vmaInode } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { anonVmaLock } from './rmap.js';

export function iMmapLockOf(m: Machine, inode: Inode): Spinlock {
  return spinlockAt(m.inode.iMmapLock, inode);
}

/**
 * The second half of vma_link(): from now on the file's pages are found in this VMA.
 * @context process, mmap_sem held for writing, or nobody else sees the mm @holds bounds, flags and mm are set
 */
export function* vmaLinkFile(m: Machine, vma: Vma): Task<MaySleep> {
  if (m.vma.vmFile[vma] === 0) return;
  const lock = iMmapLockOf(m, vmaInode(m, vma));
  yield* rmapLock(m, lock);
  vmaLinkFileLocked(m, vma);
  yield* rmapUnlock(m, lock);
}

/** unlink_file_vma(): a second time does nothing. @context process; its page tables are still there */
export function* unlinkFileVma(m: Machine, vma: Vma): Task<MaySleep> {
  if (m.vma.vmFile[vma] === 0 || m.vma.isInIMmap[vma] === 0) return;
  const lock = iMmapLockOf(m, vmaInode(m, vma));
  yield* rmapLock(m, lock);
  unlinkFileVmaLocked(m, vma);
  yield* rmapUnlock(m, lock);
}

/** Before the bounds of a VMA change, or those of others of the same file and anon_vma. vma_prepare() @owes vmaComplete */
export function* vmaPrepare(m: Machine, vma: Vma): Task<MaySleep> {
  if (m.vma.vmFile[vma] !== 0) yield* rmapLock(m, iMmapLockOf(m, vmaInode(m, vma)));
  if (m.vma.anonVma[vma] !== 0) yield* rmapLock(m, anonVmaLock(m, m.vma.anonVma[vma] as AnonVma));
}

/** vma_complete() @holds the VMA has the file and the anon_vma that it had at vmaPrepare */
export function* vmaComplete(m: Machine, vma: Vma): Task<MaySleep> {
  if (m.vma.anonVma[vma] !== 0) yield* rmapUnlock(m, anonVmaLock(m, m.vma.anonVma[vma] as AnonVma));
  if (m.vma.vmFile[vma] !== 0) yield* rmapUnlock(m, iMmapLockOf(m, vmaInode(m, vma)));
}

/** @locks i_mmap_lock of its file, if it has one */
export function vmaLinkFileLocked(m: Machine, vma: Vma): void {
  const v = m.vma;
  if (v.vmFile[vma] === 0) return;
  const inode = vmaInode(m, vma);
  lockdepAssertHeld(m, iMmapLockOf(m, inode));
  bugOn(v.isInIMmap[vma] !== 0, 'i-mmap-linked-twice');
  const first = m.inode.iMmap[inode];
  v.sharedNext[vma] = first;
  v.sharedPrev[vma] = 0;
  if (first !== 0) v.sharedPrev[first] = vma;
  m.inode.iMmap[inode] = vma;
  v.isInIMmap[vma] = 1;
}

/** @locks i_mmap_lock of its file, if it has one */
export function unlinkFileVmaLocked(m: Machine, vma: Vma): void {
  const v = m.vma;
  if (v.vmFile[vma] === 0 || v.isInIMmap[vma] === 0) return;
  const inode = vmaInode(m, vma);
  lockdepAssertHeld(m, iMmapLockOf(m, inode));
  const next = v.sharedNext[vma];
  const prev = v.sharedPrev[vma];
  if (prev !== 0) v.sharedNext[prev] = next;
  else m.inode.iMmap[inode] = next;
  if (next !== 0) v.sharedPrev[next] = prev;
  v.isInIMmap[vma] = 0;
}

/** The next VMA after `vma`, 0 for the first, that maps some page of `[from, to)` of the file. @locks i_mmap_lock */
export function vmaIntervalNext(m: Machine, inode: Inode, vma: Vma, from: number, to: number): Vma {
  const { sharedNext, vmPgoff, vmStart, vmEnd } = m.vma;
  lockdepAssertHeld(m, iMmapLockOf(m, inode));
  let next = vma === 0 ? m.inode.iMmap[inode] : sharedNext[vma];
  while (next !== 0 && (vmPgoff[next] >= to || vmPgoff[next] + (vmEnd[next] - vmStart[next]) / PAGE_SIZE <= from)) next = sharedNext[next];
  return next as Vma;
}

/** Where the VMA maps the first of the pages from `from` on that it maps. @context vmaIntervalNext has found it */
export function mappedFrom(m: Machine, vma: Vma, from: number): Vaddr {
  return (m.vma.vmStart[vma] + Math.max(from - m.vma.vmPgoff[vma], 0) * PAGE_SIZE) as Vaddr;
}

/** Where those before page `to` end; `to` may be Infinity. */
export function mappedTo(m: Machine, vma: Vma, to: number): Vaddr {
  return Math.min(m.vma.vmStart[vma] + (to - m.vma.vmPgoff[vma]) * PAGE_SIZE, m.vma.vmEnd[vma]) as Vaddr;
}
