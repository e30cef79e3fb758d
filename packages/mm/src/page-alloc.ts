// Models mm/page_alloc.c (2.6.24), the allocating half: frames, and what they hold.
/**
 * Deviation: a frame is given out and taken back in one step each; zones, per-CPU lists and their lock are not modelled.
 * When no frame is left, whoever wants one reclaims (vmscan.ts).
 */
import { READ, WRITE } from '@mmun/include';
import type { MaySleep, Pfn, Step, Task } from '@mmun/include';
import { bugOn, poolAlloc, whereOf } from '@mmun/lib';
import { point, touch } from '@mmun/locking';
import { pageClearDirty } from '#asm';
import { shouldFail } from './fault-inject.js';
import { hugetlbInit } from './hugetlb-pool.js';
import type { Machine } from './mm-types.js';
import { PG_RESERVED } from './page-flags.js';
import { tryToFreePages } from './vmscan.js';

/** The boot allocator's customers: the zero page and the pool of huge pages. Once per machine, before anything else. */
export function pagingInit(m: Machine): void {
  const pfn = poolAlloc(m.framePool);
  bugOn(pfn === 0, 'boot-no-frame-for-zero-page');
  m.page.flags[pfn] = PG_RESERVED;
  m.page.refcount[pfn] = 1;
  m.vm.zeroPfn[0] = pfn;
  hugetlbInit(m);
}

/**
 * A frame with one reference, of unknown content.
 * @context process, no spinlock and no page lock held: it may reclaim @returns 0 where none is left, nor to be had
 * @hot
 */
export function* allocPage(m: Machine): Task<MaySleep, Pfn> {
  const { head } = m.framePool;
  if (shouldFail(m, 'alloc_page')) return 0 as Pfn;
  yield* point(m, WRITE, whereOf(head.used, 0));
  let pfn = poolAlloc(m.framePool);
  if (pfn === 0) {
    pfn = yield* allocPageSlow(m);
    if (pfn === 0) return 0 as Pfn;
  }
  touch(m, WRITE, whereOf(m.framePool.rows.gen, pfn));
  const { page } = m;
  touch(m, WRITE, whereOf(page.refcount, pfn));
  touch(m, WRITE, whereOf(page.mapping, pfn));
  page.flags[pfn] = 0;
  page.refcount[pfn] = 1;
  page.mapping[pfn] = 0;
  yield* pageClearDirty(m, pfn as Pfn);
  return pfn as Pfn;
}

/** alloc_page(__GFP_ZERO) @hot */
export function* allocZeroedPage(m: Machine): Task<MaySleep, Pfn> {
  const pfn = yield* allocPage(m);
  if (pfn !== 0) clearHighpage(m, pfn);
  return pfn;
}

/** Reclaims and tries again, as long as that frees anything, a few times. @returns 0 where it does not */
function* allocPageSlow(m: Machine): Task<MaySleep, number> {
  for (let tries = 0; tries < RECLAIM_TRIES; tries++) {
    const nrFreed = yield* tryToFreePages(m);
    yield* point(m, WRITE, whereOf(m.framePool.head.used, 0));
    const pfn = poolAlloc(m.framePool);
    if (pfn !== 0 || (nrFreed === 0 && tries > 0)) return pfn;
  }
  return 0;
}

const RECLAIM_TRIES = 4;

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
