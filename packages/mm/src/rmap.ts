// Models mm/rmap.c (anon_vma chains as since 2.6.34, as in 6.18).
/**
 * Which VMAs can map an anonymous page. An anon_vma comes with the first page
 * that is written; a child's VMA gets one of its own and stays tied to its
 * parent's through a chain, which is what decides whether VMAs may merge.
 *
 * Lock order: mmap_sem, then the lock of the root anon_vma, which spins or sleeps as the notifier design needs it.
 */
import { ACQUIRE_SHARED, ENOMEM, READ, VM_ACCESS_FLAGS, WRITE } from '@mmun/include';
import type { AnonVma, AnonVmaChain, MaySleep, Mm, Pfn, Spinlock, Task, Vaddr, Vma } from '@mmun/include';
import { bugOn, poolAlloc, poolFree, whereOf } from '@mmun/lib';
import { spinLock, spinUnlock, spinlockAt, touch } from '@mmun/locking';
import { pageTestDirty } from '#asm';
import { rmapLock, rmapUnlock } from '#mmu-notifier';
import { VM_STICKY, pageTableLockOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { PG_DIRTY, setFlag } from './page-flags.js';

export function anonVmaLock(m: Machine, anonVma: AnonVma): Spinlock {
  return spinlockAt(m.anonVma.lock, m.anonVma.root[anonVma]);
}

/**
 * Gives a VMA the anon_vma that its anonymous pages will need. Another fault may do the same at the same time.
 * @context process, mmap_sem held; may sleep @returns 0 or -ENOMEM
 */
export function* anonVmaPrepare(m: Machine, vma: Vma): Task<MaySleep, number> {
  if (m.vma.anonVma[vma] !== 0) return 0;
  const pageTableLock = pageTableLockOf(m, m.vma.vmMm[vma] as Mm);
  const avc = poolAlloc(m.avcPool) as AnonVmaChain;
  if (avc === 0) return -ENOMEM;
  let anonVma = findMergeableAnonVma(m, vma);
  if (anonVma === 0) {
    anonVma = anonVmaAlloc(m);
    if (anonVma === 0) {
      poolFree(m.avcPool, avc);
      return -ENOMEM;
    }
    m.anonVma.numChildren[anonVma]++;
  }
  const lock = anonVmaLock(m, anonVma);
  yield* rmapLock(m, lock);
  yield* spinLock(m, pageTableLock);
  const isOurs = m.vma.anonVma[vma] === 0;
  if (isOurs) {
    m.vma.anonVma[vma] = anonVma;
    anonVmaChainLink(m, vma, avc, anonVma);
    m.anonVma.numActiveVmas[anonVma]++;
  } else if (m.anonVma.rbRoot[anonVma] === 0) m.anonVma.numChildren[anonVma]--;
  yield* spinUnlock(m, pageTableLock);
  yield* rmapUnlock(m, lock);
  if (isOurs) return 0;
  if (m.anonVma.rbRoot[anonVma] === 0) putAnonVma(m, anonVma);
  poolFree(m.avcPool, avc);
  return 0;
}

/**
 * Ties `dst` to every anon_vma that `src` is tied to.
 *
 * A child that forks again may take over an anon_vma that no VMA uses any more
 * and that has at most one child, so that endless forking does not grow chains.
 * @returns 0 or -ENOMEM, with nothing tied
 */
export function* anonVmaClone(m: Machine, dst: Vma, src: Vma): Task<MaySleep, number> {
  for (let pavc = m.vma.anonVmaChain[src]; pavc !== 0; pavc = m.avc.sameVma[pavc]) {
    const avc = poolAlloc(m.avcPool) as AnonVmaChain;
    if (avc === 0) {
      m.vma.anonVma[dst] = 0;
      yield* unlinkAnonVmas(m, dst);
      return -ENOMEM;
    }
    const anonVma = m.avc.anonVma[pavc] as AnonVma;
    const lock = anonVmaLock(m, anonVma);
    yield* rmapLock(m, lock);
    anonVmaChainLink(m, dst, avc, anonVma);
    if (m.vma.anonVma[dst] === 0 && m.vma.anonVma[src] !== 0 && anonVma !== m.vma.anonVma[src]
      && m.anonVma.numChildren[anonVma] < 2 && m.anonVma.numActiveVmas[anonVma] === 0) m.vma.anonVma[dst] = anonVma;
    yield* rmapUnlock(m, lock);
  }
  if (m.vma.anonVma[dst] !== 0) m.anonVma.numActiveVmas[m.vma.anonVma[dst]]++;
  return 0;
}

/** The child's half of fork for one VMA. @returns 0 or -ENOMEM */
export function* anonVmaFork(m: Machine, vma: Vma, pvma: Vma): Task<MaySleep, number> {
  if (m.vma.anonVma[pvma] === 0) return 0;
  m.vma.anonVma[vma] = 0;
  const error = yield* anonVmaClone(m, vma, pvma);
  if (error !== 0) return error;
  if (m.vma.anonVma[vma] !== 0) return 0;
  const anonVma = anonVmaAlloc(m);
  const avc = anonVma === 0 ? 0 as AnonVmaChain : poolAlloc(m.avcPool) as AnonVmaChain;
  if (avc === 0) {
    if (anonVma !== 0) poolFree(m.anonVmaPool, anonVma);
    yield* unlinkAnonVmas(m, vma);
    return -ENOMEM;
  }
  const parent = m.vma.anonVma[pvma] as AnonVma;
  const root = m.anonVma.root[parent];
  m.anonVma.numActiveVmas[anonVma]++;
  m.anonVma.root[anonVma] = root;
  m.anonVma.parent[anonVma] = parent;
  m.anonVma.refcount[root]++;
  m.vma.anonVma[vma] = anonVma;
  const lock = anonVmaLock(m, anonVma);
  yield* rmapLock(m, lock);
  anonVmaChainLink(m, vma, avc, anonVma);
  m.anonVma.numChildren[parent]++;
  yield* rmapUnlock(m, lock);
  return 0;
}

/** Unties a VMA; anon_vmas that nobody uses any more go, after all of them have been left. */
export function* unlinkAnonVmas(m: Machine, vma: Vma): Task<MaySleep> {
  const { sameVma, anonVma: anonVmaOf } = m.avc;
  for (let avc = m.vma.anonVmaChain[vma]; avc !== 0; avc = sameVma[avc]) {
    const anonVma = anonVmaOf[avc] as AnonVma;
    const lock = anonVmaLock(m, anonVma);
    yield* rmapLock(m, lock);
    anonVmaChainUnlink(m, anonVma, avc);
    if (m.anonVma.rbRoot[anonVma] === 0) m.anonVma.numChildren[m.anonVma.parent[anonVma]]--;
    yield* rmapUnlock(m, lock);
  }
  if (m.vma.anonVma[vma] !== 0) m.anonVma.numActiveVmas[m.vma.anonVma[vma]]--;
  m.vma.anonVma[vma] = 0;
  let avc = m.vma.anonVmaChain[vma];
  m.vma.anonVmaChain[vma] = 0;
  while (avc !== 0) {
    const next = sameVma[avc];
    const anonVma = anonVmaOf[avc] as AnonVma;
    if (m.anonVma.rbRoot[anonVma] === 0) putAnonVma(m, anonVma);
    poolFree(m.avcPool, avc);
    avc = next;
  }
}

/** The VMA is tied to one anon_vma at most: it is no forked copy. list_is_singular() */
export function isChainSingular(m: Machine, vma: Vma): boolean {
  const first = m.vma.anonVmaChain[vma];
  return first !== 0 && m.avc.sameVma[first] === 0;
}

/** A VMA that fork made and that has anonymous pages of its parents. vma_is_fork_child() */
export function vmaIsForkChild(m: Machine, vma: Vma): boolean {
  return vma !== 0 && m.vma.anonVma[vma] !== 0 && !isChainSingular(m, vma);
}

/** A new anonymous page gets its first mapping. @locks ptl @hot */
export function pageAddNewAnonRmap(m: Machine, pfn: Pfn, vma: Vma, address: Vaddr): void {
  bugOn(m.vma.anonVma[vma] === 0, 'rmap-no-anon-vma');
  touch(m, WRITE, whereOf(m.page.mapping, pfn));
  m.page.mapping[pfn] = m.vma.anonVma[vma] * 2 + 1;
  m.page.index[pfn] = m.vma.vmPgoff[vma] + (address - m.vma.vmStart[vma]) / 4096;
  addMapcount(m, pfn, 1);
}

/**
 * A page out of the swap cache gets one more mapping. With the first one it belongs to an anon_vma again: the VMA's own
 * where the page is exclusive, else the oldest, through which all who have its entry are found. @locks ptl, page lock
 */
export function pageAddAnonRmap(m: Machine, pfn: Pfn, vma: Vma, address: Vaddr, isExclusive: boolean): void {
  const anonVma = m.vma.anonVma[vma];
  bugOn(anonVma === 0, 'rmap-swap-no-anon-vma');
  if (m.page.mapcount[pfn] === 0) {
    touch(m, WRITE, whereOf(m.page.mapping, pfn));
    m.page.mapping[pfn] = (isExclusive ? anonVma : m.anonVma.root[anonVma]) * 2 + 1;
    m.page.index[pfn] = m.vma.vmPgoff[vma] + (address - m.vma.vmStart[vma]) / 4096;
  }
  addMapcount(m, pfn, 1);
}

/** A page of a file gets one more mapping. @locks ptl */
export function pageAddFileRmap(m: Machine, pfn: Pfn): void {
  addMapcount(m, pfn, 1);
}

/** fork maps a page once more. @locks ptl of the child and of the parent */
export function pageDupRmap(m: Machine, pfn: Pfn): void {
  addMapcount(m, pfn, 1);
}

/** Counted up and down under different ptls, so two of these commute; whoever reads the count without one names it. */
function addMapcount(m: Machine, pfn: Pfn, by: number): void {
  touch(m, ACQUIRE_SHARED, whereOf(m.page.mapcount, pfn));
  m.page.mapcount[pfn] = m.page.mapcount[pfn] + by;
}

/** One mapping less. @locks ptl */
export function pageRemoveRmap(m: Machine, pfn: Pfn): void {
  bugOn(m.page.mapcount[pfn] <= 0, 'rmap-mapcount-underflow');
  addMapcount(m, pfn, -1);
  // where the frame itself knows, this is the last chance to ask it
  if (m.page.mapcount[pfn] === 0 && pageTestDirty(m, pfn)) setFlag(m, pfn, PG_DIRTY);
}

/** A neighbour's anon_vma that the VMA may share, so that the two can merge one day; the next one is asked first. */
function findMergeableAnonVma(m: Machine, vma: Vma): AnonVma {
  const next = m.vma.vmNext[vma] as Vma;
  if (next !== 0) {
    const anonVma = reusableAnonVma(m, next, vma, next);
    if (anonVma !== 0) return anonVma;
  }
  const prev = m.vma.vmPrev[vma] as Vma;
  return prev !== 0 ? reusableAnonVma(m, prev, prev, vma) : 0 as AnonVma;
}

function reusableAnonVma(m: Machine, old: Vma, a: Vma, b: Vma): AnonVma {
  const v = m.vma;
  const isCompatible = v.vmEnd[a] === v.vmStart[b] && v.vmFile[a] === v.vmFile[b]
    && ((v.vmFlags[a] ^ v.vmFlags[b]) & ~(VM_ACCESS_FLAGS | VM_STICKY)) === 0
    && v.vmPgoff[b] === v.vmPgoff[a] + (v.vmStart[b] - v.vmStart[a]) / 4096;
  return isCompatible && v.anonVma[old] !== 0 && isChainSingular(m, old) ? v.anonVma[old] as AnonVma : 0 as AnonVma;
}

function anonVmaAlloc(m: Machine): AnonVma {
  const anonVma = poolAlloc(m.anonVmaPool) as AnonVma;
  if (anonVma === 0) return anonVma;
  const a = m.anonVma;
  a.root[anonVma] = anonVma;
  a.parent[anonVma] = anonVma;
  a.refcount[anonVma] = 1;
  a.numChildren[anonVma] = 0;
  a.numActiveVmas[anonVma] = 0;
  a.rbRoot[anonVma] = 0;
  a.isAllLocked[anonVma] = 0; // the lock stays as it is: who found the old anon_vma through a page may hold it
  return anonVma;
}

function putAnonVma(m: Machine, anonVma: AnonVma): void {
  const a = m.anonVma;
  if (--a.refcount[anonVma] !== 0) return;
  const root = a.root[anonVma] as AnonVma;
  bugOn(a.rbRoot[anonVma] !== 0, 'anon-vma-freed-in-use');
  poolFree(m.anonVmaPool, anonVma);
  if (root !== anonVma) putAnonVma(m, root);
}

/** The oldest anon_vma stands first in a VMA's chain. */
function anonVmaChainLink(m: Machine, vma: Vma, avc: AnonVmaChain, anonVma: AnonVma): void {
  const c = m.avc;
  c.vma[avc] = vma;
  c.anonVma[avc] = anonVma;
  c.sameVma[avc] = 0;
  let last = m.vma.anonVmaChain[vma];
  if (last === 0) m.vma.anonVmaChain[vma] = avc;
  else {
    while (c.sameVma[last] !== 0) last = c.sameVma[last];
    c.sameVma[last] = avc;
  }
  c.sameAnonVma[avc] = m.anonVma.rbRoot[anonVma];
  m.anonVma.rbRoot[anonVma] = avc;
}

function anonVmaChainUnlink(m: Machine, anonVma: AnonVma, avc: number): void {
  const next = m.avc.sameAnonVma[avc];
  if (m.anonVma.rbRoot[anonVma] === avc) {
    m.anonVma.rbRoot[anonVma] = next;
    return;
  }
  let at = m.anonVma.rbRoot[anonVma];
  while (m.avc.sameAnonVma[at] !== avc) at = m.avc.sameAnonVma[at];
  m.avc.sameAnonVma[at] = next;
}

/** Ptes that map it, under whatever ptls: named, but for the caller's own they may come and go. page_mapcount() */
export function pageMapcount(m: Machine, pfn: Pfn): number {
  touch(m, READ, whereOf(m.page.mapcount, pfn));
  return m.page.mapcount[pfn];
}

/** Some pte maps it. Read without a lock, so it is named. page_mapped() */
export function pageMapped(m: Machine, pfn: Pfn): boolean {
  touch(m, READ, whereOf(m.page.mapcount, pfn));
  return m.page.mapcount[pfn] > 0;
}
