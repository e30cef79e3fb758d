// Models do_swap_page of mm/memory.c and read_swap_cache_async of mm/swap_state.c (2.6.24; exclusiveness as in 6.18).
/** Lock order: mmap_sem (read) > page lock > ptl > swapLock. */
import { VM_FAULT_OOM, VM_FAULT_SIGSEGV, VM_WRITE } from '@mmun/include';
import type { MaySleep, Pfn, Pmdp, Pte, Ptep, Spinlock, Task, Vaddr, Vma } from '@mmun/include';
import { spinLock, spinUnlock } from '@mmun/locking';
import { pfnPte, pteMkdirty, pteMkwrite, pteSame, pteToSwpEntry, ptepGet, setPteAt } from '#asm';
import { FAULT_FLAG_WRITE } from './fault-flags.js';
import { vmaPageProt } from './memory-anon.js';
import { doWpPage } from './memory-wp.js';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { allocPage } from './page-alloc.js';
import { MM_ANONPAGES, MM_SWAPENTS, PG_ANON_EXCLUSIVE, PG_SWAPCACHE, addMmCounter, lockPage, unlockPage } from './page-flags.js';
import { pteLockptr } from './pgalloc.js';
import { pageAddAnonRmap } from './rmap.js';
import { putPage } from './swap.js';
import { addToSwapCache, isSwapExclusive, lookupSwapCache, swapFree, tryToFreeSwap, vmSwapFull } from './swapfile.js';
import { isGuardPte } from './swapops.js';

/**
 * Brings in the page of a swap entry: out of the swap cache, or from its slot.
 * @param seen what the pte held when it was read without the ptl
 * @context process; may sleep @locks mmap_sem
 * @returns 0, also where someone else was first, VM_FAULT_OOM, or for a guard VM_FAULT_SIGSEGV
 */
export function* doSwapPage(m: Machine, vma: Vma, address: Vaddr, pmdp: Pmdp, ptep: Ptep, flags: number, seen: Pte): Task<MaySleep, number> {
  if (isGuardPte(seen)) return VM_FAULT_SIGSEGV;
  const ptl = pteLockptr(m, vmaMm(m, vma), pmdp);
  const slot = pteToSwpEntry(seen);
  const pfn = yield* readSwapCacheAsync(m, slot);
  if (pfn === 0) {
    yield* spinLock(m, ptl);
    const isStillThere = pteSame(ptepGet(m, ptep), seen);
    yield* spinUnlock(m, ptl);
    return isStillThere ? VM_FAULT_OOM : 0;
  }
  yield* lockPage(m, pfn);
  yield* spinLock(m, ptl);
  const isOurs = (m.page.flags[pfn] & PG_SWAPCACHE) !== 0 && m.page.swapSlot[pfn] === slot && pteSame(ptepGet(m, ptep), seen);
  if (!isOurs) {
    yield* spinUnlock(m, ptl);
    yield* unlockPage(m, pfn);
    yield* putPage(m, pfn);
    return 0;
  }
  return yield* mapSwapPage(m, vma, address, ptep, ptl, flags, pfn);
}

/**
 * The entry's use goes over into a mapping. A page that nobody else maps or has an entry for is exclusive again.
 * @locks page lock, ptl(address) @owes nothing: both are left, and the caller's reference is the pte's
 */
function* mapSwapPage(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep, ptl: Spinlock, flags: number, pfn: Pfn): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  const isWrite = (flags & FAULT_FLAG_WRITE) !== 0;
  const isExclusive = yield* isSwapExclusive(m, pfn);
  const entry = pfnPte(pfn, vmaPageProt(m, vma));
  const isWritable = isWrite && isExclusive && (m.vma.vmFlags[vma] & VM_WRITE) !== 0;
  const pte = isWritable ? pteMkwrite(pteMkdirty(entry)) : entry;
  addMmCounter(m, mm, MM_ANONPAGES, 1);
  addMmCounter(m, mm, MM_SWAPENTS, -1);
  const slot = m.page.swapSlot[pfn];
  pageAddAnonRmap(m, pfn, vma, address, isExclusive);
  if (isExclusive) m.page.flags[pfn] = m.page.flags[pfn] | PG_ANON_EXCLUSIVE;
  yield* setPteAt(m, mm, address, ptep, pte);
  yield* swapFree(m, slot);
  if (isWritable || vmSwapFull(m)) yield* tryToFreeSwap(m, pfn);
  yield* unlockPage(m, pfn);
  if (isWrite && !isWritable) return yield* doWpPage(m, vma, address, ptep, ptl, pte);
  yield* spinUnlock(m, ptl);
  return 0;
}

/** The page of a slot with a reference, read in where the cache has none. @returns 0 where the slot is free by now, or no frame is left */
function* readSwapCacheAsync(m: Machine, slot: number): Task<MaySleep, Pfn> {
  for (;;) {
    const found = yield* lookupSwapCache(m, slot);
    if (found !== 0) return found;
    if (m.swap.count[slot] === 0) return found;
    const pfn = yield* allocPage(m);
    if (pfn === 0 || (yield* addToSwapCache(m, slot, pfn))) return pfn;
    yield* putPage(m, pfn);
  }
}
