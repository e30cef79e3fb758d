// Models the attaching side of kernel/xpmem_attach.c (hjelmn/xpmem 242eaa1): a VM_PFNMAP area in another process.
/**
 * An area whose ptes are made page by page with remap_pfn_range, each of a page that the PFN table pins: mm of the attaching
 * process counts none of them, and its notifiers are called when they go.
 *
 * The attaching process can end or unmap the area at any moment. Its end is seen by release, which waits for those who are
 * clearing the area; an unmapping holds mmap_sem for writing, so whoever got that for reading finds the page tables whole.
 *
 * Lock order: mmap_sem of the attaching process > seg.mutex > its ptl, its tg.faultLock. Within the mutex mmap_sem is only tried.
 */
import { WRITE } from '@mmun/include';
import type { Mm, Sleep, Step, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { TG_RELEASED, faultLockOf } from './xpmem-private.js';
import type { Xpmem } from './xpmem-private.js';

/**
 * Clears what the area has of `[start, end)` of the owner, and flushes.
 * @locks seg.mutex @returns false where someone holds mmap_sem: nothing was done
 */
export function* zapArea(x: Xpmem, att: number, start: number, end: number): Task<Step | Sleep, boolean> {
  const tg = x.att.tg[att];
  if (!(yield* beginZap(x, tg))) return true;
  const mm = x.tg.mm[tg] as Mm;
  const isHad = yield* x.s.mmapReadTrylock(mm);
  if (isHad) {
    const seg = x.att.seg[att];
    const from = Math.max(start, x.seg.start[seg]);
    const to = Math.min(end, x.seg.end[seg]);
    if (from < to) yield* x.s.zapVmaPtes(mm, areaAddress(x, att, from), to - from, x.tg.mn[tg]);
    yield* x.s.mmapReadUnlock(mm);
  }
  yield* x.s.step(WRITE, whereOf(x.tg.nrZaps, tg));
  x.tg.nrZaps[tg] -= 1;
  return isHad;
}

/** release of an attaching process: waits for those who clear its area; nobody uses its ptes any more, and nobody looks at them after this. */
export function* areaReleased(x: Xpmem, tg: number): Task<Step | Sleep> {
  yield* x.s.waitEvent(x.tg.nrZaps, tg, -1, 0);
}

/** Where the area has an address of the owner. */
export function areaAddress(x: Xpmem, att: number, address: number): Vaddr {
  return (x.att.at[att] + (address - x.seg.start[x.att.seg[att]])) as Vaddr;
}

/** @returns false where the process has ended */
function* beginZap(x: Xpmem, tg: number): Task<Step, boolean> {
  const lock = faultLockOf(x, tg);
  yield* x.s.spinLock(lock);
  const isAlive = (x.tg.state[tg] & TG_RELEASED) === 0;
  if (isAlive) {
    yield* x.s.step(WRITE, whereOf(x.tg.nrZaps, tg));
    x.tg.nrZaps[tg] += 1;
  }
  yield* x.s.spinUnlock(lock);
  return isAlive;
}
