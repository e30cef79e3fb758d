// Models mm/page-writeback.c (2.6.24): pages of files that are written back.
/**
 * A shared page of a file is read-only until its first write, which marks it dirty (do_wp_page, do_fault). Writing it back
 * takes the write permission away again before the flag is cleared, so that no write goes unseen; what is written lands in
 * a block of the file (page-io.ts).
 *
 * Lock order: page lock > i_mmap_lock > ptl; page lock > treeLock.
 */
import { WRITE } from '@mmun/include';
import type { Inode, MaySleep, Pfn, Task } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import { point, spinLock, spinUnlock } from '@mmun/locking';
import type { Machine } from './mm-types.js';
import { findGetPage, pageCacheLookup, treeLockOf } from './page-cache.js';
import { PG_DIRTY, PG_LOCKED, lockPage, setFlag, unlockPage } from './page-flags.js';
import { blockFor, swapWritepage } from './page-io.js';
import { pageMkclean } from './rmap-walk.js';
import { putPage } from './swap.js';

/**
 * Write-protects a page's mappings and takes its dirty flag.
 * @locks page lock @returns whether it was dirty: then it must be written, or be marked again
 */
export function* clearPageDirtyForIo(m: Machine, pfn: Pfn): Task<MaySleep, boolean> {
  bugOn((m.page.flags[pfn] & PG_LOCKED) === 0, 'writeback-page-unlocked');
  if (yield* pageMkclean(m, pfn)) setFlag(m, pfn, PG_DIRTY);
  yield* point(m, WRITE, whereOf(m.page.flags, pfn));
  const wasDirty = (m.page.flags[pfn] & PG_DIRTY) !== 0;
  m.page.flags[pfn] = m.page.flags[pfn] & ~PG_DIRTY;
  return wasDirty;
}

/**
 * Writes a page of a file to its block if it is dirty.
 * @locks page lock @returns false where the store is full: the page stays dirty
 */
export function* writePage(m: Machine, pfn: Pfn): Task<MaySleep, boolean> {
  const inode = (m.page.mapping[pfn] >>> 1) as Inode;
  const lock = treeLockOf(m);
  yield* spinLock(m, lock);
  const slot = blockFor(m, inode, m.page.index[pfn]);
  yield* spinUnlock(m, lock);
  if (slot === 0) return false;
  if (yield* clearPageDirtyForIo(m, pfn)) yield* swapWritepage(m, slot, pfn);
  return true;
}

/**
 * fdatasync() of pages `[from, to)`: those that the cache has become clean and their mappings read-only.
 * Does nothing in a machine without a store: then no page is ever clean again, nor dropped.
 * @context process, no lock but mmap_sem; may sleep
 */
export function* filemapFdatawrite(m: Machine, inode: Inode, from: number, to: number): Task<MaySleep> {
  if (m.bootConfig.nrSwapSlots === 0) return;
  for (let index = from; index < to; index++) {
    if (pageCacheLookup(m, inode, index) === 0) continue;
    const pfn = yield* findGetPage(m, inode, index);
    if (pfn === 0) continue;
    yield* lockPage(m, pfn);
    if (m.page.mapping[pfn] === inode * 2) yield* writePage(m, pfn);
    yield* unlockPage(m, pfn);
    yield* putPage(m, pfn);
  }
}
