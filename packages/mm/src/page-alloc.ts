// Models mm/page_alloc.c and put_page of mm/swap.c (2.6.24): frames and their references.
/**
 * Deviation: a frame is given out and taken back in one step each; zones, per-CPU lists and their lock are not modelled.
 * Deviation: there is no reclaim but this: when no frame is left, clean pages of regular files that nobody maps go.
 */
import { READ, WRITE } from '@mmun/include';
import type { Pfn, Step, Task } from '@mmun/include';
import { bugOn, poolAlloc, poolFree, whereOf } from '@mmun/lib';
import { point, refcountAt, refcountDecAndTest, refcountInc, spinTrylock, spinUnlock, touch } from '@mmun/locking';
import { pageClearDirty } from '#asm';
import { INODE_REGULAR } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { pageCacheUnlink, treeLockOf } from './page-cache.js';
import { PG_DIRTY, PG_LOCKED, PG_RESERVED } from './page-flags.js';

/** The boot allocator's only customer: the zero page. Once per machine, before anything else. */
export function pagingInit(m: Machine): void {
  const pfn = poolAlloc(m.framePool);
  bugOn(pfn === 0, 'boot-no-frame-for-zero-page');
  m.page.flags[pfn] = PG_RESERVED;
  m.page.refcount[pfn] = 1;
  m.vm.zeroPfn[0] = pfn;
}

/**
 * A frame with one reference, of unknown content.
 * @context any @returns 0 where none is left
 */
export function* allocPage(m: Machine): Task<Step, Pfn> {
  const { head } = m.framePool;
  yield* point(m, WRITE, whereOf(head.used, 0));
  let pfn = poolAlloc(m.framePool);
  if (pfn === 0) {
    yield* shrinkPageCache(m);
    pfn = poolAlloc(m.framePool);
    if (pfn === 0) return 0 as Pfn;
  }
  touch(m, WRITE, whereOf(m.framePool.rows.gen, pfn));
  const { page } = m;
  page.flags[pfn] = 0;
  page.refcount[pfn] = 1;
  page.mapping[pfn] = 0;
  yield* pageClearDirty(m, pfn as Pfn);
  return pfn as Pfn;
}

/** alloc_page(__GFP_ZERO) */
export function* allocZeroedPage(m: Machine): Task<Step, Pfn> {
  const pfn = yield* allocPage(m);
  if (pfn !== 0) clearHighpage(m, pfn);
  return pfn;
}

export function* getPage(m: Machine, pfn: Pfn): Task<Step> {
  yield* refcountInc(m, refcountAt(m.page.refcount, pfn));
}

/** Gives a reference back; with the last one the frame is free. @context any */
export function* putPage(m: Machine, pfn: Pfn): Task<Step> {
  if (yield* refcountDecAndTest(m, refcountAt(m.page.refcount, pfn))) yield* freePage(m, pfn);
}

/** The frame's words become zero. @context nobody else can see the frame */
export function clearHighpage(m: Machine, pfn: Pfn): void {
  const words = m.bootConfig.pageContentWords;
  const start = pfn * words;
  const { pageContent } = m;
  if (words > SMALL) pageContent.fill(0, start, start + words);
  else for (let i = start; i < start + words; i++) pageContent[i] = 0;
}

/** Copies a page that others may be writing meanwhile. */
export function* copyUserHighpage(m: Machine, to: Pfn, from: Pfn): Task<Step> {
  const words = m.bootConfig.pageContentWords;
  const { pageContent } = m;
  yield* point(m, READ, whereOf(pageContent, from * words));
  if (words > SMALL) pageContent.copyWithin(to * words, from * words, (from + 1) * words);
  else for (let i = 0; i < words; i++) pageContent[to * words + i] = pageContent[from * words + i];
}

/** Below this many words a loop beats a call. */
const SMALL = 16;

function* freePage(m: Machine, pfn: Pfn): Task<Step> {
  bugOn(m.page.mapcount[pfn] !== 0, 'page-freed-while-mapped');
  bugOn((m.page.flags[pfn] & PG_RESERVED) !== 0, 'page-freed-reserved');
  yield* point(m, WRITE, whereOf(m.framePool.head.used, 0));
  touch(m, WRITE, whereOf(m.framePool.rows.gen, pfn));
  m.page.mapping[pfn] = 0;
  poolFree(m.framePool, pfn);
}

/** Drops a batch of page-cache pages that can be had again. @context any: it takes treeLock only if that is free */
function* shrinkPageCache(m: Machine): Task<Step> {
  const lock = treeLockOf(m);
  if (!(yield* spinTrylock(m, lock))) return;
  const { nrFrames } = m.bootConfig;
  const { page, vm } = m;
  let nrFreed = 0;
  for (let i = 0; i < nrFrames && nrFreed < SHRINK_BATCH; i++) {
    const pfn = ((vm.reclaimHand[0] % nrFrames) + 1) as Pfn;
    vm.reclaimHand[0] = pfn;
    if (!isDroppable(m, pfn)) continue;
    pageCacheUnlink(m, pfn);
    page.refcount[pfn] = 0;
    touch(m, WRITE, whereOf(m.framePool.rows.gen, pfn));
    poolFree(m.framePool, pfn);
    nrFreed++;
  }
  yield* spinUnlock(m, lock);
}

const SHRINK_BATCH = 32;

/** In the cache of a regular file, clean, and referenced by the cache alone. */
function isDroppable(m: Machine, pfn: Pfn): boolean {
  const { flags, mapping, refcount } = m.page;
  return refcount[pfn] === 1 && mapping[pfn] !== 0 && (mapping[pfn] & 1) === 0 && (flags[pfn] & (PG_LOCKED | PG_DIRTY)) === 0
    && m.inode.kind[mapping[pfn] >>> 1] === INODE_REGULAR;
}
