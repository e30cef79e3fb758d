// Models do_wp_page of mm/memory.c (2.6.24 locks; hooks of v5 and of 4.12; reuse as in 6.18).
/** Lock order: mmap_sem > ptl > what a notifier takes. */
import { PAGE_SIZE, VM_FAULT_OOM, VM_SHARED, VM_WRITE } from '@mmun/include';
import type { MaySleep, Mm, Pfn, Pte, Ptep, Spinlock, Step, Task, Vaddr, Vma } from '@mmun/include';
import { spinLock, spinUnlock } from '@mmun/locking';
import { pfnPte, pteMkdirty, pteMkwrite, pteMkyoung, ptePfn, pteSame, ptepClearFlush, ptepGet, ptepSetAccessFlags, setPteAt, vmGetPageProt } from '#asm';
import { mmuNotifierChangePte, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '#mmu-notifier';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { allocPage, clearHighpage, copyUserHighpage } from './page-alloc.js';
import { MM_ANONPAGES, PG_ANON_EXCLUSIVE, PG_DIRTY, PG_SWAPCACHE, addMmCounter, mmCounter, pageIsAnon, setFlag, testFlag, trylockPage, unlockPage, vmNormalPage } from './page-flags.js';
import { anonVmaPrepare, pageAddNewAnonRmap, pageMapcount, pageRemoveRmap } from './rmap.js';
import { getPage, pageCount, putPage } from './swap.js';
import { tryToFreeSwap } from './swapfile.js';

/**
 * A write to a page that is present and read-only.
 * @locks mmap_sem, ptl(address) @owes nothing: the ptl is left on return
 * @returns 0 or VM_FAULT_OOM
 */
export function* doWpPage(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep, ptl: Spinlock, seen: Pte): Task<MaySleep, number> {
  const pfn = vmNormalPage(m, vma, ptePfn(seen));
  if (pfn !== 0 && testFlag(m, pfn, PG_SWAPCACHE)) yield* leaveSwapCache(m, pfn);
  const isShared = (m.vma.vmFlags[vma] & VM_SHARED) !== 0;
  if (pfn !== 0 && (isShared || isExclusive(m, pfn))) {
    if (isShared) setFlag(m, pfn, PG_DIRTY);
    yield* wpPageReuse(m, vma, address, ptep, seen);
    yield* spinUnlock(m, ptl);
    return 0;
  }
  if (pfn !== 0) yield* getPage(m, pfn);
  yield* spinUnlock(m, ptl);
  return yield* wpPageCopy(m, vma, address, ptep, ptl, seen, pfn);
}

/** A page whose slot nobody wants any more need not be copied because of the swap cache's reference. @locks ptl */
function* leaveSwapCache(m: Machine, pfn: Pfn): Task<Step> {
  if (!(yield* trylockPage(m, pfn))) return;
  yield* tryToFreeSwap(m, pfn);
  yield* unlockPage(m, pfn);
}

/** More permissive only, so nobody is told. */
function* wpPageReuse(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep, seen: Pte): Task<Step> {
  yield* ptepSetAccessFlags(m, vma, address, ptep, pteMkwrite(pteMkdirty(pteMkyoung(seen))), true);
}

/**
 * An anonymous page that nobody else can see through another mapping. Known by its flag, whoever pins it; else if this
 * pte holds the only reference.
 */
function isExclusive(m: Machine, pfn: Pfn): boolean {
  const { flags } = m.page;
  if (!pageIsAnon(m, pfn)) return false;
  if ((flags[pfn] & PG_ANON_EXCLUSIVE) !== 0) return true;
  if (pageMapcount(m, pfn) !== 1 || pageCount(m, pfn) !== 1) return false;
  flags[pfn] = flags[pfn] | PG_ANON_EXCLUSIVE;
  return true;
}

/**
 * Copies the page and switches the pte. Through ptepClearFlush: clear, flush, hook #1 of v5; only then stands the new
 * page there. The old page leaves the rmap after the flush (945754a1754f, 2008-06); 2.6.24 itself had it before, and a
 * third CPU could read the old page while its new sole owner wrote.
 * @param old 0: the zero page @owes the reference to `old` is given back
 */
function* wpPageCopy(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep, ptl: Spinlock, seen: Pte, old: Pfn): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  const copy = m.vma.anonVma[vma] === 0 && (yield* anonVmaPrepare(m, vma)) !== 0 ? (0 as Pfn) : yield* allocPage(m);
  if (copy === 0) {
    if (old !== 0) yield* putPage(m, old);
    return VM_FAULT_OOM;
  }
  if (old === 0) clearHighpage(m, copy);
  else yield* copyUserHighpage(m, copy, old);
  const mmunStart = address;
  const mmunEnd = (address + PAGE_SIZE) as Vaddr;
  yield* mmuNotifierInvalidateRangeStart(m, mm, mmunStart, mmunEnd);
  yield* spinLock(m, ptl);
  const isOurs = pteSame(ptepGet(m, ptep), seen);
  if (isOurs) {
    yield* ptepClearFlush(m, vma, address, ptep);
    if (old !== 0) addMmCounter(m, mm, mmCounter(m, old), -1);
    addMmCounter(m, mm, MM_ANONPAGES, 1);
    pageAddNewAnonRmap(m, copy, vma, address);
    m.page.flags[copy] = m.page.flags[copy] | PG_ANON_EXCLUSIVE;
    const entry = pteMkyoung(pteMkdirty(pfnPte(copy, vmGetPageProt(m.vma.vmFlags[vma]))));
    yield* setPteAtNotify(m, mm, address, ptep, (m.vma.vmFlags[vma] & VM_WRITE) !== 0 ? pteMkwrite(entry) : entry);
    if (old !== 0) pageRemoveRmap(m, old);
  }
  yield* spinUnlock(m, ptl);
  yield* mmuNotifierInvalidateRangeEnd(m, mm, mmunStart, mmunEnd);
  if (!isOurs) yield* putPage(m, copy);
  if (old !== 0) {
    if (isOurs) yield* putPage(m, old);
    yield* putPage(m, old);
  }
  return 0;
}

/** The secondary MMUs may switch to the new page in place; today none does. set_pte_at_notify() @locks ptl(address) */
function* setPteAtNotify(m: Machine, mm: Mm, address: Vaddr, ptep: Ptep, entry: Pte): Task<Step> {
  yield* mmuNotifierChangePte(m, mm, address, entry);
  yield* setPteAt(m, mm, address, ptep, entry);
}
