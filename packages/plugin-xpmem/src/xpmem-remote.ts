// Models the proxy tables of the 2008 XPMEM (20080409185500.GT11364), which lie in another partition of the machine.
/**
 * The attached side: a partition with a kernel and CPUs of its own. Its proxy table holds what the owner's side sent it, and
 * its CPU's TLB holds what was used of that. It learns of changes by messages alone, which its kernel handles in a thread.
 *
 *   owner                           remote partition
 *   recall ── message ──>           proxies of the range go, then the TLB's copies of them
 *          <── answer ───
 *   only now drops the pages
 *
 * An access that has translated reaches memory before a flush of its entry ends, so the two are one step.
 */
import { ENOMEM, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { Pfn, Spinlock, Step, Task, Vaddr, Where } from '@mmun/include';
import { hlistAddHead, hlistDel, poolAlloc, poolFree, whereOf } from '@mmun/lib';
import { PROXY_D, PROXY_P, PROXY_PFN_SHIFT, PROXY_W, TLB_ENTRIES, bucketIndex, proxyPfn } from './xpmem-private.js';
import type { Xpmem } from './xpmem-private.js';

/** Proxies of a range that are looked up one by one; fewer where there are few at all. */
const FEW_PAGES = 16;

/**
 * The answer to a fault arrives: an entry of the PFN table becomes one of the proxy table, or lets more than it did.
 * @locks seg.mutex, so that a recall that has taken the entry finds the proxy; @returns 0, or -ENOMEM where the proxy table is full
 */
export function* installProxy(x: Xpmem, att: number, page: Vaddr, entry: number, isWritable: boolean): Task<Step, number> {
  const lock = attLockOf(x, att);
  const word = ((x.entry.pfn[entry] << PROXY_PFN_SHIFT) | PROXY_P | (isWritable ? PROXY_W : 0)) >>> 0;
  yield* x.s.spinLock(lock);
  const present = findProxy(x, att, page);
  let result = 0;
  if (present !== 0) {
    yield* x.s.step(WRITE, proxyWhere(x, present));
    x.proxy.word[present] = word | (x.proxy.word[present] & (PROXY_W | PROXY_D));
  } else {
    result = yield* addProxy(x, att, page, entry, word);
  }
  yield* x.s.spinUnlock(lock);
  return result;
}

/** Takes away what the partition has of `[start, end)`; what it wrote is noted in the PFN table. @context any @locks takes att.lock */
export function* remoteZap(x: Xpmem, att: number, start: Vaddr, end: Vaddr): Task<Step> {
  const lock = attLockOf(x, att);
  yield* x.s.spinLock(lock);
  if (end - start <= Math.min(FEW_PAGES, x.proxyPool.capacity >> 3) * PAGE_SIZE) {
    for (let page: number = start; page < end; page += PAGE_SIZE) {
      const row = findProxy(x, att, page as Vaddr);
      if (row !== 0) yield* zapProxy(x, att, row);
    }
  } else {
    for (let row = x.att.proxies[att]; row !== 0;) {
      const next = x.proxy.attNext[row];
      if (x.proxy.page[row] >= start && x.proxy.page[row] < end) yield* zapProxy(x, att, row);
      row = next;
    }
  }
  yield* x.s.spinUnlock(lock);
}

/**
 * A CPU of the partition loads the word at `address`, or adds one to it: by its TLB, else by its proxy table.
 * @returns the frame, or 0: nothing is there, or not for writing
 */
export function* remoteAccess(x: Xpmem, att: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> {
  const page = (address - (address % PAGE_SIZE)) as Vaddr;
  const needed = isWrite ? PROXY_P | PROXY_W : PROXY_P;
  const slot = tlbSlot(att, page);
  yield* x.s.step(READ, whereOf(x.tlb.word, slot));
  if (x.tlb.page[slot] === page && (x.tlb.word[slot] & needed) === needed) return reach(x, x.tlb.word[slot], address, isWrite);
  yield* x.s.step(READ, bucketOf(x, att, page));
  const row = findProxy(x, att, page);
  if (row === 0) return 0 as Pfn;
  yield* x.s.step(WRITE, proxyWhere(x, row));
  const word = x.proxy.word[row];
  if ((word & needed) !== needed || x.proxy.page[row] !== page || x.proxy.att[row] !== att) return 0 as Pfn;
  if (isWrite) x.proxy.word[row] = word | PROXY_D;
  // part of the same step: whoever clears the proxy clears it before or after, and flushes the TLB then
  x.tlb.page[slot] = page;
  x.tlb.word[slot] = isWrite ? word : word & ~PROXY_W;
  return reach(x, word, address, isWrite);
}

/** Calls `visit` with each proxy and each copy of one in a TLB. */
export function forEachRemote(x: Xpmem, visit: (att: number, page: Vaddr, word: number) => void): void {
  for (let row = 1; row <= x.proxyPool.head.bump[0]; row++) {
    if ((x.proxy.word[row] & PROXY_P) !== 0) visit(x.proxy.att[row], x.proxy.page[row] as Vaddr, x.proxy.word[row]);
  }
  for (let slot = TLB_ENTRIES; slot < TLB_ENTRIES * (x.attPool.head.bump[0] + 1); slot++) {
    if ((x.tlb.word[slot] & PROXY_P) !== 0) visit(Math.floor(slot / TLB_ENTRIES), x.tlb.page[slot] as Vaddr, x.tlb.word[slot]);
  }
}

export function attLockOf(x: Xpmem, att: number): Spinlock {
  return x.s.spinlockAt(x.att.lock, att);
}

/** The page itself, in the step that translated. */
function reach(x: Xpmem, word: number, address: Vaddr, isWrite: boolean): Pfn {
  const pfn = proxyPfn(word);
  x.stat.hits[0] += 1;
  const value = x.s.deviceRead(pfn, address);
  if (isWrite) x.s.deviceWrite(pfn, address, value + 1);
  return pfn;
}

/** @locks att.lock */
function* addProxy(x: Xpmem, att: number, page: Vaddr, entry: number, word: number): Task<Step, number> {
  const bucket = bucketOf(x, att, page);
  yield* x.s.step(WRITE, bucket);
  const row = poolAlloc(x.proxyPool);
  if (row === 0) return -ENOMEM;
  x.proxy.att[row] = att;
  x.proxy.page[row] = page;
  x.proxy.entry[row] = entry;
  x.proxy.word[row] = word;
  hlistAddHead(x.words, x.proxy, row, bucket);
  hlistAddHead(x.words, x.byAtt, row, whereOf(x.att.proxies, att));
  return 0;
}

/** First the proxy, so that the TLB cannot be filled again; then the TLB. @locks att.lock */
function* zapProxy(x: Xpmem, att: number, row: number): Task<Step> {
  const page = x.proxy.page[row] as Vaddr;
  yield* x.s.step(WRITE, proxyWhere(x, row));
  const word = x.proxy.word[row];
  x.proxy.word[row] = 0;
  if ((word & PROXY_D) !== 0) x.entry.isDirty[x.proxy.entry[row]] = 1;
  const slot = tlbSlot(att, page);
  yield* x.s.step(WRITE, whereOf(x.tlb.word, slot));
  if (x.tlb.page[slot] === page) x.tlb.word[slot] = 0;
  yield* x.s.step(WRITE, bucketOf(x, att, page));
  hlistDel(x.words, x.proxy, row);
  hlistDel(x.words, x.byAtt, row);
  poolFree(x.proxyPool, row);
}

/** @locks att.lock, or none for the hardware, which looks again. @returns a row, or 0 */
function findProxy(x: Xpmem, att: number, page: Vaddr): number {
  let row = x.words[bucketOf(x, att, page)];
  while (row !== 0 && (x.proxy.page[row] !== page || x.proxy.att[row] !== att)) row = x.proxy.next[row];
  return row;
}

function bucketOf(x: Xpmem, att: number, page: Vaddr): Where {
  return whereOf(x.proxyHash.first, bucketIndex(att, page, x.proxyHash.first.length));
}

function tlbSlot(att: number, page: Vaddr): number {
  return att * TLB_ENTRIES + ((page / PAGE_SIZE) % TLB_ENTRIES);
}

function proxyWhere(x: Xpmem, row: number): Where {
  return whereOf(x.proxy.word, row);
}
