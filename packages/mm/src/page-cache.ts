// Models the page cache of mm/filemap.c (2.6.24): finding, adding and removing pages of an inode.
/**
 * Pages keyed by (inode, index), in chains: `pageHash` holds the heads, `page.hashNext` the links. The cache holds one
 * reference to each of its pages. A page's `mapping` is twice its inode; anonymous pages have the odd numbers.
 *
 * Lock order: page lock > treeLock.
 */
import { WRITE } from '@mmun/include';
import type { Inode, Pfn, Spinlock, Step, Task } from '@mmun/include';
import { bugOn, whereOf } from '@mmun/lib';
import { refcountAt, refcountInc, spinLock, spinUnlock, spinlockAt, touch } from '@mmun/locking';
import type { Machine } from './mm-types.js';
import { blockLookup, blocksFree, swapReadpage } from './page-io.js';

export function treeLockOf(m: Machine): Spinlock {
  return spinlockAt(m.vm.treeLock, 0);
}

/** @returns the page with a reference taken, or 0 @hot */
export function* findGetPage(m: Machine, inode: Inode, index: number): Task<Step, Pfn> {
  const lock = treeLockOf(m);
  yield* spinLock(m, lock);
  const pfn = pageCacheLookup(m, inode, index);
  if (pfn !== 0) yield* refcountInc(m, refcountAt(m.page.refcount, pfn));
  yield* spinUnlock(m, lock);
  return pfn;
}

/**
 * Puts a new page of zeros into the cache, read in from its block if it has one, with a reference of the cache's own; `pfn`
 * belongs to nobody else yet.
 * @returns false, with nothing done, where another page is there already
 */
export function* addToPageCache(m: Machine, inode: Inode, index: number, pfn: Pfn): Task<Step, boolean> {
  const lock = treeLockOf(m);
  yield* spinLock(m, lock);
  const isFree = pageCacheLookup(m, inode, index) === 0;
  if (isFree) {
    const bucket = bucketOf(m, inode, index);
    const block = blockLookup(m, inode, index);
    if (block !== 0) swapReadpage(m, block, pfn);
    touch(m, WRITE, whereOf(m.page.mapping, pfn));
    m.page.mapping[pfn] = inode * 2;
    m.page.index[pfn] = index;
    m.page.hashNext[pfn] = m.pageHash[bucket];
    m.pageHash[bucket] = pfn;
    m.inode.nrPages[inode] = m.inode.nrPages[inode] + 1;
    yield* refcountInc(m, refcountAt(m.page.refcount, pfn));
  }
  yield* spinUnlock(m, lock);
  return isFree;
}

/** What the file has on disk of pages `[from, to)` goes. @locks none */
export function* truncateBlocks(m: Machine, inode: Inode, from: number, to: number): Task<Step> {
  if (m.inode.nrBlocks[inode] === 0) return;
  const lock = treeLockOf(m);
  yield* spinLock(m, lock);
  blocksFree(m, inode, from, to);
  yield* spinUnlock(m, lock);
}

/**
 * Truncates a page: out of the cache and off the disk; the cache's reference is the caller's now.
 * @locks page lock @holds the page keeps its index, and forgets its mapping
 */
export function* deleteFromPageCache(m: Machine, pfn: Pfn): Task<Step> {
  const lock = treeLockOf(m);
  yield* spinLock(m, lock);
  blocksFree(m, (m.page.mapping[pfn] >>> 1) as Inode, m.page.index[pfn], m.page.index[pfn] + 1);
  pageCacheUnlink(m, pfn);
  yield* spinUnlock(m, lock);
}

/** @locks treeLock, or a caller that takes what it gets for a hint @hot */
export function pageCacheLookup(m: Machine, inode: Inode, index: number): Pfn {
  const first = m.pageHash[bucketOf(m, inode, index)] as Pfn;
  return first === 0 || (m.page.index[first] === index && m.page.mapping[first] === inode * 2) ? first : lookupBehind(m, first, inode, index);
}

/** Behind the first page of a chain. */
function lookupBehind(m: Machine, first: Pfn, inode: Inode, index: number): Pfn {
  const { mapping, index: indexOf, hashNext } = m.page;
  const wanted = inode * 2;
  let pfn = hashNext[first];
  while (pfn !== 0 && (indexOf[pfn] !== index || mapping[pfn] !== wanted)) pfn = hashNext[pfn];
  return pfn as Pfn;
}

/** @locks treeLock */
export function pageCacheUnlink(m: Machine, pfn: Pfn): void {
  const inode = (m.page.mapping[pfn] >>> 1) as Inode;
  const bucket = bucketOf(m, inode, m.page.index[pfn]);
  const { hashNext } = m.page;
  if (m.pageHash[bucket] === pfn) m.pageHash[bucket] = hashNext[pfn];
  else {
    let prev = m.pageHash[bucket];
    while (hashNext[prev] !== pfn) {
      bugOn(prev === 0, 'page-cache-not-hashed');
      prev = hashNext[prev];
    }
    hashNext[prev] = hashNext[pfn];
  }
  hashNext[pfn] = 0;
  touch(m, WRITE, whereOf(m.page.mapping, pfn));
  m.page.mapping[pfn] = 0;
  m.inode.nrPages[inode] = m.inode.nrPages[inode] - 1;
}

function bucketOf(m: Machine, inode: Inode, index: number): number {
  return ((index | 0) + Math.imul(inode, 0x9e3779b1)) & (m.pageHash.length - 1);
}
