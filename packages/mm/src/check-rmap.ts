// No kernel file: the checks of mm/interval_tree.c, list_debug and swapfile.c's "bad swap" messages in one walk.
/** Walks what leads from pages to their users, and compares it with the users. At quiescence; it allocates. */
import { PAGE_SIZE } from '@mmun/include';
import type { Finding, Pfn } from '@mmun/include';
import { poolHighest, poolIsLive } from '@mmun/lib';
import { LRU_ACTIVE, LRU_INACTIVE } from './mm-tables.js';
import type { Machine } from './mm-types.js';
import { PG_ACTIVE, PG_LOCKED, PG_LRU, PG_SWAPCACHE, pageIsAnon } from './page-flags.js';

type Report = (code: string, message: string) => void;

/** @returns empty where every file's VMAs are in its i_mmap, once, and nothing else is, and reclaim's lists hold live pages, once */
export function checkRmap(m: Machine): Finding[] {
  const found: Finding[] = [];
  const report: Report = (code, message) => found.push({ code, message, replay: '', steps: [] });
  checkIMmap(m, report);
  checkLru(m, report);
  return found;
}

function checkIMmap(m: Machine, report: Report): void {
  const v = m.vma;
  const listed = new Set<number>();
  for (let inode = 1; inode <= poolHighest(m.inodePool); inode++) {
    if (!poolIsLive(m.inodePool, inode)) continue;
    let prev = 0;
    for (let vma = m.inode.iMmap[inode]; vma !== 0 && !listed.has(vma); prev = vma, vma = v.sharedNext[vma]) {
      listed.add(vma);
      const where = `vma ${vma} in the i_mmap of inode ${inode}`;
      if (!poolIsLive(m.vmaPool, vma)) report('i-mmap-use-after-free', `${where} is free`);
      else if (v.vmFile[vma] === 0 || m.file.inode[v.vmFile[vma]] !== inode) report('i-mmap-wrong-file', `${where} maps another file`);
      if (v.sharedPrev[vma] !== prev || v.isInIMmap[vma] === 0) report('i-mmap-list', `${where} has wrong links`);
    }
  }
  for (let vma = 1; vma <= poolHighest(m.vmaPool); vma++) {
    if (poolIsLive(m.vmaPool, vma) && v.vmFile[vma] !== 0 && !listed.has(vma)) report('i-mmap-missing', `vma ${vma} maps a file and is not in its i_mmap`);
  }
}

/** @param swapped entries that ptes hold, by slot */
export function checkSwap(m: Machine, swapped: Int32Array, report: Report): void {
  const { swap, page } = m;
  const nrBlocks = new Map<number, number>();
  for (let slot = 1; slot <= poolHighest(m.swapPool); slot++) {
    if (!poolIsLive(m.swapPool, slot)) continue;
    if (swap.inode[slot] !== 0) {
      nrBlocks.set(swap.inode[slot], (nrBlocks.get(swap.inode[slot]) ?? 0) + 1);
      continue;
    }
    const pfn = swap.page[slot];
    const nrUsers = swapped[slot] + (pfn === 0 ? 0 : 1);
    if (swap.count[slot] !== nrUsers || nrUsers === 0) report('bad-swap-count', `slot ${slot} counts ${swap.count[slot]} users and has ${nrUsers}`);
    if (pfn !== 0 && (page.swapSlot[pfn] !== slot || (page.flags[pfn] & PG_SWAPCACHE) === 0)) report('bad-swap-cache', `frame ${pfn} does not know that it stands for slot ${slot}`);
  }
  for (let pfn = 1; pfn <= poolHighest(m.framePool); pfn++) {
    if (!poolIsLive(m.framePool, pfn)) continue;
    if ((page.flags[pfn] & PG_SWAPCACHE) !== 0 && swap.page[page.swapSlot[pfn]] !== pfn) report('bad-swap-cache', `frame ${pfn} believes to stand for slot ${page.swapSlot[pfn]}`);
    if ((page.flags[pfn] & PG_LOCKED) !== 0) report('page-lock-leak', `frame ${pfn} is locked`);
  }
  for (let inode = 1; inode <= poolHighest(m.inodePool); inode++) {
    const nr = nrBlocks.get(inode) ?? 0;
    if (m.inode.nrBlocks[inode] !== nr) report('inode-nrblocks', `inode ${inode} counts ${m.inode.nrBlocks[inode]} blocks and has ${nr}`);
    if (nr > 0 && !poolIsLive(m.inodePool, inode)) report('block-dead-inode', `inode ${inode} is free and has ${nr} blocks`);
  }
}

function checkLru(m: Machine, report: Report): void {
  const { flags, lruNext, lruPrev } = m.page;
  const listed = new Set<number>();
  for (const list of [LRU_INACTIVE, LRU_ACTIVE]) {
    let prev = 0;
    let nr = 0;
    for (let pfn = m.lru.first[list]; pfn !== 0 && !listed.has(pfn); prev = pfn, pfn = lruNext[pfn]) {
      listed.add(pfn);
      nr++;
      const isRight = (flags[pfn] & PG_LRU) !== 0 && ((flags[pfn] & PG_ACTIVE) !== 0) === (list === LRU_ACTIVE);
      if (!isRight || lruPrev[pfn] !== prev) report('lru-list', `frame ${pfn} does not agree with the list that it is in`);
      if (!poolIsLive(m.framePool, pfn)) report('lru-use-after-free', `frame ${pfn} is free and in a list`);
    }
    if (nr !== m.lru.nr[list] || m.lru.last[list] !== prev) report('lru-count', `a list counts ${m.lru.nr[list]} pages and has ${nr}`);
  }
  for (let pfn = 1; pfn <= poolHighest(m.framePool); pfn++) {
    if (poolIsLive(m.framePool, pfn) && (flags[pfn] & PG_LRU) !== 0 && !listed.has(pfn)) report('lru-lost', `frame ${pfn} believes to be in a list`);
  }
  checkAnonRmap(m, report);
}

/** A mapped anonymous page can be found: its anon_vma lives and leads to some VMA that reaches it. */
function checkAnonRmap(m: Machine, report: Report): void {
  const { vmStart, vmEnd, vmPgoff } = m.vma;
  for (let pfn = 1; pfn <= poolHighest(m.framePool); pfn++) {
    if (!poolIsLive(m.framePool, pfn) || m.page.mapcount[pfn] === 0 || !pageIsAnon(m, pfn as Pfn)) continue;
    const anonVma = m.page.mapping[pfn] >>> 1;
    let isReached = false;
    for (let avc = poolIsLive(m.anonVmaPool, anonVma) ? m.anonVma.rbRoot[anonVma] : 0; avc !== 0; avc = m.avc.sameAnonVma[avc]) {
      const vma = m.avc.vma[avc];
      const offset = (m.page.index[pfn] - vmPgoff[vma]) * PAGE_SIZE;
      if (offset >= 0 && offset < vmEnd[vma] - vmStart[vma]) isReached = true;
    }
    if (!isReached) report('anon-page-lost', `frame ${pfn} is mapped and its anon_vma ${anonVma} leads nowhere`);
  }
}
