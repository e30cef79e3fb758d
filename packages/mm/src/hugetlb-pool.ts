// Models the pool and the reservations of mm/hugetlb.c (6.18 semantics; 2.6.24 has one count of reserved pages).
/**
 * Huge pages are set aside at boot: runs of frames that the frame pool never gives out again. Their first frame, the head,
 * has the references, mappings, flags and mapping of them all; each frame has its content and its generation.
 *
 *   frame    1      2 .. NR+1   NR+2 .. 2NR+1   ..         NR = HPAGE_SIZE / PAGE_SIZE
 *            zero   page 1      page 2                     row r of hugePool: frames from 2 + (r-1) * NR
 *
 * A reservation is a promise of a page to somebody: row (map, index) of hugeResv. Its map is twice the inode for shared
 * memory, whoever faults; for private memory it is odd, and known to the VMA that made it (resvMap) and what is split from
 * it. Rows are never more than free pages.
 * Deviation: heads are not aligned; there is one size, no surplus pages and no hugetlbfs mount with limits of its own.
 *
 * Lock order: .. > page_table_lock > hugetlb_lock.
 */
import { PAGE_SIZE, VM_MAYSHARE, WRITE } from '@mmun/include';
import type { Inode, Pfn, Spinlock, Step, Task, Vaddr, Vma } from '@mmun/include';
import { bugOn, poolAlloc, poolFree, poolHighest, poolIsLive, poolUsed, whereOf } from '@mmun/lib';
import { lockdepAssertHeld, point, refcountAt, refcountDecAndTest, refcountInc, spinLock, spinUnlock, spinlockAt, touch } from '@mmun/locking';
import { HPAGE_SIZE } from '#asm';
import { pageCacheLookup } from './page-cache.js';
import { PG_HUGETLB, PG_RESTORE_RESERVE } from './page-flags.js';
import { vmaInode } from './mm-types.js';
import type { Machine } from './mm-types.js';

/** Pages that a huge one stands for; 0 where the arch has none. */
export const HPAGE_NR: number = HPAGE_SIZE / PAGE_SIZE;
/** What hugetlb_cow has taken from a child, in vma.resvMap: faults there are refused. HPAGE_RESV_UNMAPPED */
export const RESV_UNMAPPED = 0xffffffff;
/** After the zero page. */
const FIRST = 2;

/** Takes the pool's frames. @context boot, after the zero page and before anything else */
export function hugetlbInit(m: Machine): void {
  const { gen } = m.framePool.rows;
  for (let i = 0; i < m.nrHugePages * HPAGE_NR; i++) {
    const pfn = poolAlloc(m.framePool);
    bugOn(pfn !== FIRST + i, 'hugetlb-pool-not-first');
    gen[pfn] = gen[pfn] + 1; // in the pool, and so not in use
  }
}

export function isHugeFrame(m: Machine, pfn: Pfn): boolean {
  return pfn >= FIRST && pfn < FIRST + m.nrHugePages * HPAGE_NR;
}

/** The first frame of a row of the pool. */
export function hugeHead(row: number): Pfn {
  return (FIRST + (row - 1) * HPAGE_NR) as Pfn;
}

/** compound_head() */
export function compoundHead(m: Machine, pfn: Pfn): Pfn {
  return isHugeFrame(m, pfn) ? ((pfn - ((pfn - FIRST) % HPAGE_NR)) as Pfn) : pfn;
}

/** Where the huge page of an address begins. */
export function hugeStart(address: number): Vaddr {
  return (address - (address % HPAGE_SIZE)) as Vaddr;
}

/** The frame of an address in the huge page that begins with `head`. */
export function subpage(head: Pfn, address: Vaddr): Pfn {
  return (head + Math.floor((address % HPAGE_SIZE) / PAGE_SIZE)) as Pfn;
}

/** Index of the huge page of an address in its file, in small pages, as the page cache counts. vma_hugecache_offset() */
export function hugeIndex(m: Machine, vma: Vma, address: Vaddr): number {
  return m.vma.vmPgoff[vma] + (hugeStart(address) - m.vma.vmStart[vma]) / PAGE_SIZE;
}

/**
 * A page with one reference, of unknown content: one that was reserved for this place, else one that nobody has reserved.
 * @context any, hugetlb_lock not held @returns the head, 0 where there is none. alloc_huge_page()
 */
export function* allocHugePage(m: Machine, vma: Vma, index: number): Task<Step, Pfn> {
  const lock = hugetlbLockOf(m);
  yield* spinLock(m, lock);
  const reserved = findReservation(m, reservationMap(m, vma), index);
  if (reserved !== 0) poolFree(m.hugeResvPool, reserved);
  const head = reserved !== 0 || nrAvailable(m) > 0 ? dequeue(m) : (0 as Pfn);
  if (reserved !== 0) m.page.flags[head] = m.page.flags[head] | PG_RESTORE_RESERVE;
  yield* spinUnlock(m, lock);
  return head;
}

export function* getHugePage(m: Machine, pfn: Pfn): Task<Step> {
  yield* refcountInc(m, refcountAt(m.page.refcount, compoundHead(m, pfn)));
}

/** Gives a reference back; with the last one the page is in the pool again. @param pfn any of its frames @context any @returns whether it was the last */
export function* putHugePage(m: Machine, pfn: Pfn): Task<Step, boolean> {
  const head = compoundHead(m, pfn);
  if (!(yield* refcountDecAndTest(m, refcountAt(m.page.refcount, head)))) return false;
  const { page } = m;
  bugOn(page.mapcount[head] !== 0, 'huge-page-freed-while-mapped');
  const lock = hugetlbLockOf(m);
  yield* spinLock(m, lock);
  yield* point(m, WRITE, whereOf(m.framePool.rows.gen, head));
  page.flags[head] = 0;
  page.mapping[head] = 0;
  turn(m, head);
  poolFree(m.hugePool, (head - FIRST) / HPAGE_NR + 1);
  yield* spinUnlock(m, lock);
  return true;
}

/** Promises every page of `[from, to)` that has neither promise nor page yet. @returns false, with nothing promised, where the pool is short */
export function* hugetlbReservePages(m: Machine, map: number, from: number, to: number): Task<Step, boolean> {
  const nr = (to - from) / HPAGE_NR;
  if (nr > 2 * m.nrHugePages) return false;
  const lock = hugetlbLockOf(m);
  yield* spinLock(m, lock);
  let nrMissing = 0;
  for (let index = from; index < to; index += HPAGE_NR) if (isMissing(m, map, index)) nrMissing++;
  const isEnough = nrMissing <= nrAvailable(m);
  for (let index = from; isEnough && index < to; index += HPAGE_NR) if (isMissing(m, map, index)) addReservation(m, map, index);
  yield* spinUnlock(m, lock);
  return isEnough;
}

/** Promises for `[from, to)` are off. */
export function* hugetlbUnreservePages(m: Machine, map: number, from: number, to: number): Task<Step> {
  const { hugeResv, hugeResvPool } = m;
  const lock = hugetlbLockOf(m);
  yield* spinLock(m, lock);
  for (let row = 1; row <= poolHighest(hugeResvPool); row++) {
    if (poolIsLive(hugeResvPool, row) && hugeResv.map[row] === map && hugeResv.index[row] >= from && hugeResv.index[row] < to) poolFree(hugeResvPool, row);
  }
  yield* spinUnlock(m, lock);
}

/** A page of allocHugePage that nobody came to use. @context any */
export function* putUnusedHugePage(m: Machine, vma: Vma, index: number, pfn: Pfn): Task<Step> {
  const wasReserved = (m.page.flags[pfn] & PG_RESTORE_RESERVE) !== 0;
  if ((yield* putHugePage(m, pfn)) && wasReserved) yield* hugetlbRestoreReserve(m, vma, index);
}

/** What was promised for it is kept. @context a page of allocHugePage */
export function setHugePageUsed(m: Machine, pfn: Pfn): void {
  m.page.flags[pfn] = m.page.flags[pfn] & ~PG_RESTORE_RESERVE;
}

/** A page that its owner has given back is promised to him again, unless somebody was faster. restore_reserve_on_error() */
export function* hugetlbRestoreReserve(m: Machine, vma: Vma, index: number): Task<Step> {
  const map = reservationMap(m, vma);
  if (map !== 0) yield* hugetlbReservePages(m, map, index, index + HPAGE_NR);
}

/**
 * Promises of one VMA become those of another, which gets a map of its own: mremap.
 * Deviation: where only a part moves, 6.18 forgets what it has promised to the rest and never gives it back.
 */
export function hugetlbMoveReservations(m: Machine, from: Vma, to: Vma): void {
  const { hugeResv, hugeResvPool } = m;
  if (!isResvOwner(m, from)) return;
  const old = reservationMap(m, from);
  m.vma.resvMap[to] = ++m.vm.nextResvMap[0];
  const first = m.vma.vmPgoff[to];
  const last = first + (m.vma.vmEnd[to] - m.vma.vmStart[to]) / PAGE_SIZE;
  for (let row = 1; row <= poolHighest(hugeResvPool); row++) {
    const isMoved = poolIsLive(hugeResvPool, row) && hugeResv.map[row] === old && hugeResv.index[row] >= first && hugeResv.index[row] < last;
    if (isMoved) hugeResv.map[row] = reservationMap(m, to);
  }
}

/** The VMA made the private mapping: what was promised was promised to it. is_vma_resv_set(vma, HPAGE_RESV_OWNER) */
export function isResvOwner(m: Machine, vma: Vma): boolean {
  return m.vma.resvMap[vma] !== 0 && m.vma.resvMap[vma] !== RESV_UNMAPPED;
}

/** To whom pages of a VMA are promised; 0 to nobody. */
export function reservationMap(m: Machine, vma: Vma): number {
  if ((m.vma.vmFlags[vma] & VM_MAYSHARE) !== 0) return reservationMapOf(vmaInode(m, vma));
  return isResvOwner(m, vma) ? m.vma.resvMap[vma] * 2 + 1 : 0;
}

/** Promises of shared memory. */
export function reservationMapOf(inode: Inode): number {
  return inode * 2;
}

/** Free pages, and those of them that are promised. HugePages_Free, HugePages_Rsvd */
export function nrFreeHugePages(m: Machine): number {
  return m.nrHugePages - poolUsed(m.hugePool);
}

export function nrReservedHugePages(m: Machine): number {
  return poolUsed(m.hugeResvPool);
}

function hugetlbLockOf(m: Machine): Spinlock {
  return spinlockAt(m.vm.hugetlbLock, 0);
}

function nrAvailable(m: Machine): number {
  return nrFreeHugePages(m) - nrReservedHugePages(m);
}

/** @locks hugetlb_lock */
function dequeue(m: Machine): Pfn {
  lockdepAssertHeld(m, hugetlbLockOf(m));
  const row = poolAlloc(m.hugePool);
  bugOn(row === 0, 'hugetlb-promised-too-much');
  const head = hugeHead(row);
  const { page } = m;
  turn(m, head);
  page.flags[head] = PG_HUGETLB;
  page.refcount[head] = 1;
  page.mapping[head] = 0;
  return head;
}

/** The frames come into use, or go out of it. */
function turn(m: Machine, head: Pfn): void {
  const { gen } = m.framePool.rows;
  for (let pfn: number = head; pfn < head + HPAGE_NR; pfn++) {
    touch(m, WRITE, whereOf(gen, pfn));
    gen[pfn] = gen[pfn] + 1;
  }
}

/** @locks hugetlb_lock @returns the row, 0 where nothing is promised */
function findReservation(m: Machine, map: number, index: number): number {
  const { hugeResv, hugeResvPool } = m;
  if (map === 0 || poolUsed(hugeResvPool) === 0) return 0;
  for (let row = 1; row <= poolHighest(hugeResvPool); row++) {
    if (poolIsLive(hugeResvPool, row) && hugeResv.map[row] === map && hugeResv.index[row] === index) return row;
  }
  return 0;
}

function isMissing(m: Machine, map: number, index: number): boolean {
  if (findReservation(m, map, index) !== 0) return false;
  return map % 2 === 1 || pageCacheLookup(m, (map / 2) as Inode, index) === 0;
}

function addReservation(m: Machine, map: number, index: number): void {
  const row = poolAlloc(m.hugeResvPool);
  bugOn(row === 0, 'hugetlb-reservations-full');
  m.hugeResv.map[row] = map;
  m.hugeResv.index[row] = index;
}
