// Models mm/page_io.c (2.6.24) and the disk behind it.
/**
 * One store for everything that leaves memory: a slot holds one page. A slot is swap space for an anonymous page, or a
 * block of a file for a page of a file that was ever written and then cleaned; a page of a file without a block is zeros.
 *
 *   swap row   count     users of a swap slot: swap entries in ptes, and the swap cache. 0: free, or a file's block
 *              page      its frame in the swap cache
 *              inode, index, hashNext     of a file's block; blockHash holds the heads
 *
 * Deviation: input and output take no time and never fail. Shmem has blocks as files do, and no swap entries in its cache.
 */
import { READ, WRITE } from '@mmun/include';
import type { Inode, Pfn, Step, Task } from '@mmun/include';
import { bugOn, poolAlloc, poolFree, poolHighest, poolIsLive, whereOf } from '@mmun/lib';
import { lockdepAssertHeld, point, spinlockAt, touch } from '@mmun/locking';
import type { Machine } from './mm-types.js';

/** The page's words as they are now, though others may be writing them. @context page lock; any */
export function* swapWritepage(m: Machine, slot: number, pfn: Pfn): Task<Step> {
  const words = m.bootConfig.pageContentWords;
  yield* point(m, READ, whereOf(m.pageContent, pfn * words));
  touch(m, WRITE, whereOf(m.swapContent, slot * words));
  for (let i = 0; i < words; i++) m.swapContent[slot * words + i] = m.pageContent[pfn * words + i];
}

/** @context nobody else can see the frame's words yet */
export function swapReadpage(m: Machine, slot: number, pfn: Pfn): void {
  const words = m.bootConfig.pageContentWords;
  for (let i = 0; i < words; i++) m.pageContent[pfn * words + i] = m.swapContent[slot * words + i];
}

/** The block of a file's page, 0 where it has none. @locks treeLock */
export function blockLookup(m: Machine, inode: Inode, index: number): number {
  const { swap } = m;
  let slot = m.inode.nrBlocks[inode] === 0 ? 0 : m.blockHash[bucketOf(m, inode, index)];
  while (slot !== 0 && (swap.index[slot] !== index || swap.inode[slot] !== inode)) slot = swap.hashNext[slot];
  return slot;
}

/** The same, made where there is none. @locks treeLock @returns 0 where the store is full */
export function blockFor(m: Machine, inode: Inode, index: number): number {
  lockdepAssertHeld(m, spinlockAt(m.vm.treeLock, 0));
  const found = blockLookup(m, inode, index);
  if (found !== 0) return found;
  const slot = poolAlloc(m.swapPool);
  if (slot === 0) return 0;
  const { swap } = m;
  const bucket = bucketOf(m, inode, index);
  swap.inode[slot] = inode;
  swap.index[slot] = index;
  swap.hashNext[slot] = m.blockHash[bucket];
  m.blockHash[bucket] = slot;
  m.inode.nrBlocks[inode] = m.inode.nrBlocks[inode] + 1;
  return slot;
}

/** Pages `[from, to)` of a file are zeros again, as far as the store goes. @locks treeLock */
export function blocksFree(m: Machine, inode: Inode, from: number, to: number): void {
  if (m.inode.nrBlocks[inode] === 0) return;
  lockdepAssertHeld(m, spinlockAt(m.vm.treeLock, 0));
  const { swap } = m;
  if (to === from + 1) {
    const slot = blockLookup(m, inode, from);
    if (slot !== 0) blockFree(m, slot);
    return;
  }
  for (let slot = 1; slot <= poolHighest(m.swapPool) && m.inode.nrBlocks[inode] !== 0; slot++) {
    if (swap.inode[slot] === inode && swap.index[slot] >= from && swap.index[slot] < to && poolIsLive(m.swapPool, slot)) blockFree(m, slot);
  }
}

function blockFree(m: Machine, slot: number): void {
  const { swap } = m;
  const inode = swap.inode[slot] as Inode;
  const bucket = bucketOf(m, inode, swap.index[slot]);
  if (m.blockHash[bucket] === slot) m.blockHash[bucket] = swap.hashNext[slot];
  else {
    let prev = m.blockHash[bucket];
    while (swap.hashNext[prev] !== slot) {
      bugOn(prev === 0, 'block-not-hashed');
      prev = swap.hashNext[prev];
    }
    swap.hashNext[prev] = swap.hashNext[slot];
  }
  swap.inode[slot] = swap.hashNext[slot] = 0;
  m.inode.nrBlocks[inode] = m.inode.nrBlocks[inode] - 1;
  poolFree(m.swapPool, slot);
}

function bucketOf(m: Machine, inode: Inode, index: number): number {
  return ((index | 0) + Math.imul(inode, 0x9e3779b1)) & (m.blockHash.length - 1);
}
