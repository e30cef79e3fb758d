// Models the anonymous faults of mm/huge_memory.c (6.18).
/**
 * Deviation: a huge page is HPAGE_PMD_NR small pages that come together, each mapped by a pte of its own; there is no
 * huge pmd, so nothing is ever split. The huge zero page is the zero page, mapped that often.
 */
import { PAGE_SIZE, VM_HUGEPAGE, VM_NOHUGEPAGE, VM_SPECIAL } from '@mmun/include';
import type { MaySleep, Pfn, Pmdp, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { spinLock, spinUnlock } from '@mmun/locking';
import { HPAGE_PMD_NR, PMD_SIZE, pfnPte, pmdIsEmpty, pmdNone, pteOffset, ptepClearFlush, ptepNone, ptepPfn, setPteAt } from '#asm';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '#mmu-notifier';
import { FAULT_FLAG_WRITE } from './fault-flags.js';
import { setAnonPte, vmaPageProt } from './memory-anon.js';
import { VM_OPS_ANON, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { allocZeroedPage } from './page-alloc.js';
import { pteAlloc, pteLockptr } from './pgalloc.js';
import { anonVmaPrepare } from './rmap.js';
import { putPage } from './swap.js';

/** A fault at `address` may bring in a whole aligned block: it lies in the VMA, and nothing of it was touched yet. */
export function isThpFault(m: Machine, vma: Vma, address: Vaddr, pmdp: Pmdp, flags: number): boolean {
  const vmFlags = m.vma.vmFlags[vma];
  const { transparentHugepage } = m.bootConfig.settings;
  if ((vmFlags & VM_HUGEPAGE) === 0 && transparentHugepage !== 'always') return false;
  if (HPAGE_PMD_NR === 0 || m.vma.vmOps[vma] !== VM_OPS_ANON) return false;
  if ((vmFlags & (VM_NOHUGEPAGE | VM_SPECIAL)) !== 0 || transparentHugepage === 'never') return false;
  const start = blockOf(address);
  if (start < m.vma.vmStart[vma] || start + PMD_SIZE > m.vma.vmEnd[vma]) return false;
  return isUntouched(m, pmdp, start, flags);
}

/** @returns false, with nothing changed, where memory is short: a small page may still do */
export function* doHugePmdAnonymousPage(m: Machine, vma: Vma, address: Vaddr, pmdp: Pmdp, flags: number): Task<MaySleep, boolean> {
  const mm = vmaMm(m, vma);
  const start = blockOf(address);
  if ((flags & FAULT_FLAG_WRITE) === 0) {
    if (!(yield* pteAlloc(m, mm, pmdp))) return false;
    yield* mapHugeZeroPage(m, vma, start, pmdp);
    return true;
  }
  if (m.vma.anonVma[vma] === 0 && (yield* anonVmaPrepare(m, vma)) !== 0) return false;
  let chain = yield* allocChain(m);
  if (chain === 0) return false;
  if (!(yield* pteAlloc(m, mm, pmdp))) {
    yield* freeChain(m, chain);
    return false;
  }
  const ptl = pteLockptr(m, mm, pmdp);
  const first = pteOffset(m, pmdp, start);
  // only the huge zero page, replaced as a whole, is a change that others must hear of
  const mmunEnd = ptepNone(m, first) ? start : ((start + PMD_SIZE) as Vaddr);
  if (mmunEnd !== start) {
    yield* mmuNotifierInvalidateRangeStart(m, mm, start, mmunEnd);
  }
  yield* spinLock(m, ptl);
  if (isUntouched(m, pmdp, start, flags)) {
    for (let i = 0; i < HPAGE_PMD_NR; i++) {
      const pfn = chain;
      chain = m.page.hashNext[pfn] as Pfn;
      m.page.hashNext[pfn] = 0;
      const at = (start + i * PAGE_SIZE) as Vaddr;
      if (!ptepNone(m, (first + i) as Ptep)) yield* ptepClearFlush(m, vma, at, (first + i) as Ptep);
      yield* setAnonPte(m, vma, at, (first + i) as Ptep, pfn);
    }
  }
  yield* spinUnlock(m, ptl);
  if (mmunEnd !== start) {
    yield* mmuNotifierInvalidateRangeEnd(m, mm, start, mmunEnd);
  }
  yield* freeChain(m, chain);
  return true;
}

function* mapHugeZeroPage(m: Machine, vma: Vma, start: Vaddr, pmdp: Pmdp): Task<Step> {
  const mm = vmaMm(m, vma);
  const ptl = pteLockptr(m, mm, pmdp);
  yield* spinLock(m, ptl);
  const first = pteOffset(m, pmdp, start);
  const entry = pfnPte(m.vm.zeroPfn[0] as Pfn, vmaPageProt(m, vma));
  if (pmdIsEmpty(m, pmdp)) {
    for (let i = 0; i < HPAGE_PMD_NR; i++) yield* setPteAt(m, mm, (start + i * PAGE_SIZE) as Vaddr, (first + i) as Ptep, entry);
  }
  yield* spinUnlock(m, ptl);
}

/** No table, an empty one, or for a write one that holds nothing but the huge zero page (replaced since 6.13). */
function isUntouched(m: Machine, pmdp: Pmdp, start: Vaddr, flags: number): boolean {
  if (pmdNone(m, pmdp)) return true;
  const first = pteOffset(m, pmdp, start);
  if (ptepNone(m, first)) return pmdIsEmpty(m, pmdp);
  if ((flags & FAULT_FLAG_WRITE) === 0) return false;
  const zero = m.vm.zeroPfn[0];
  for (let i = 0; i < HPAGE_PMD_NR; i++) if (ptepPfn(m, (first + i) as Ptep) !== zero) return false;
  return true;
}

/** All the frames of a block, linked by hashNext; 0 where there are not so many. */
function* allocChain(m: Machine): Task<MaySleep, Pfn> {
  let chain = 0 as Pfn;
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const pfn = yield* allocZeroedPage(m);
    if (pfn === 0) {
      yield* freeChain(m, chain);
      return pfn;
    }
    m.page.hashNext[pfn] = chain;
    chain = pfn;
  }
  return chain;
}

function* freeChain(m: Machine, chain: Pfn): Task<Step> {
  let pfn = chain;
  while (pfn !== 0) {
    const next = m.page.hashNext[pfn] as Pfn;
    m.page.hashNext[pfn] = 0;
    yield* putPage(m, pfn);
    pfn = next;
  }
}

function blockOf(address: Vaddr): Vaddr {
  return (address - (address & (PMD_SIZE - 1))) as Vaddr;
}
