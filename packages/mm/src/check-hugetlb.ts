// No kernel file: what mm/hugetlb.c asserts of its pool, and the counts that it keeps beside those of ordinary pages.
/** Walks the pool of huge pages and what is promised of it, and compares both with what page tables and files have. At quiescence; it allocates. */
import { PAGE_SIZE, VM_HUGETLB, VM_MAYSHARE } from '@mmun/include';
import type { Inode, Mm, Ptep, Vaddr, Vma } from '@mmun/include';
import { poolHighest, poolIsLive } from '@mmun/lib';
import { HPAGE_SIZE, pteWrite, ptepGet, ptepPfn, ptepPresent } from '#asm';
import { HPAGE_NR, compoundHead, hugeHead, isHugeFrame, isResvOwner, nrFreeHugePages, nrReservedHugePages } from './hugetlb-pool.js';
import type { Machine } from './mm-types.js';
import { PG_ANON_EXCLUSIVE, PG_HUGETLB, pageIsAnon } from './page-flags.js';
import { findVma } from './vma-tree.js';

type Report = (code: string, message: string) => void;

/** Of what the walk of page tables has counted. */
interface CountedFrames {
  readonly mapped: Int32Array;
  readonly cached: Int32Array;
  readonly followed: Int32Array;
}

/** One huge entry that is not none. @param counted null where the table is shared and was counted before */
export function checkHugeEntry(m: Machine, mm: Mm, ptep: Ptep, address: Vaddr, counted: CountedFrames | null, report: Report): void {
  const where = `mm ${mm}, 0x${address.toString(16)}`;
  const vma = findVma(m, mm, address);
  const isCovered = vma !== 0 && m.vma.vmStart[vma] <= address && m.vma.vmEnd[vma] >= address + HPAGE_SIZE && (m.vma.vmFlags[vma] & VM_HUGETLB) !== 0;
  if (!isCovered) report('huge-pte-without-vma', `${where}: a huge entry that no hugetlb vma covers`);
  if (!ptepPresent(m, ptep)) report('bad-huge-pte', `${where}: neither none nor present`);
  const pfn = ptepPfn(m, ptep);
  if (!isHugeFrame(m, pfn) || compoundHead(m, pfn) !== pfn || !poolIsLive(m.framePool, pfn)) {
    report('huge-pte-maps-free-page', `${where}: frame ${pfn} is no huge page in use`);
    return;
  }
  if (counted !== null) counted.mapped[pfn]++;
  if (pageIsAnon(m, pfn) && pteWrite(ptepGet(m, ptep)) && (m.page.flags[pfn] & PG_ANON_EXCLUSIVE) === 0) {
    report('anon-writable-shared', `${where}: huge page ${pfn} can be written and is not exclusive`);
  }
}

/** Each page's references and mappings, the pool's count, and promises to those who still exist. */
export function checkHugePages(m: Machine, counted: CountedFrames, report: Report): void {
  for (let row = 1; row <= m.nrHugePages; row++) checkHugePage(m, row, counted, report);
  if (nrReservedHugePages(m) > nrFreeHugePages(m)) report('hugetlb-promised-too-much', `${nrReservedHugePages(m)} huge pages are promised and ${nrFreeHugePages(m)} are free`);
  const promised = new Set<string>();
  for (let row = 1; row <= poolHighest(m.hugeResvPool); row++) {
    if (!poolIsLive(m.hugeResvPool, row)) continue;
    const what = `page ${m.hugeResv.index[row]} of map ${m.hugeResv.map[row]}`;
    if (promised.has(what)) report('hugetlb-promised-twice', what);
    promised.add(what);
    if (!isPromiseAlive(m, m.hugeResv.map[row], m.hugeResv.index[row])) report('hugetlb-promise-leak', `${what} is promised to nobody who exists`);
  }
}

function checkHugePage(m: Machine, row: number, { mapped, cached, followed }: CountedFrames, report: Report): void {
  const { refcount, mapcount, flags } = m.page;
  const head = hugeHead(row);
  const isLive = poolIsLive(m.hugePool, row);
  let nrFollowed = 0;
  for (let pfn = head as number; pfn < head + HPAGE_NR; pfn++) {
    nrFollowed += followed[pfn];
    if (poolIsLive(m.framePool, pfn) !== isLive) report('huge-page-generation', `frame ${pfn} of huge page ${head} does not know whether it is in use`);
    if (pfn !== head && (refcount[pfn] !== 0 || mapcount[pfn] !== 0 || cached[pfn] !== 0)) report('huge-page-tail', `frame ${pfn} is inside of huge page ${head} and has counts of its own`);
  }
  if (!isLive && refcount[head] !== 0) report('free-frame-referenced', `huge page ${head} is free and has ${refcount[head]} references`);
  if (!isLive) return;
  if ((flags[head] & PG_HUGETLB) === 0) report('huge-page-flags', `huge page ${head} is in use and not marked`);
  if (mapcount[head] !== mapped[head]) report('bad-mapcount', `huge page ${head} counts ${mapcount[head]} mappings and has ${mapped[head]}`);
  const needed = mapped[head] + cached[head];
  if (refcount[head] < needed) report('refcount-low', `huge page ${head} has ${refcount[head]} references and needs ${needed}`);
  if (refcount[head] > needed + nrFollowed) report('refcount-leak', `huge page ${head} has ${refcount[head]} references; ${mapped[head]} mappings, ${cached[head]} of the page cache and ${nrFollowed} secondary entries explain the others not`);
}

/** A file that exists, or a VMA that has the page in it. */
function isPromiseAlive(m: Machine, map: number, index: number): boolean {
  if (map % 2 === 0) return poolIsLive(m.inodePool, map / 2 as Inode);
  const { vmPgoff, vmStart, vmEnd, vmFlags, resvMap } = m.vma;
  for (let vma = 1 as Vma; vma <= poolHighest(m.vmaPool); vma++) {
    if (!poolIsLive(m.vmaPool, vma) || (vmFlags[vma] & VM_MAYSHARE) !== 0 || !isResvOwner(m, vma) || resvMap[vma] * 2 + 1 !== map) continue;
    if (index >= vmPgoff[vma] && index < vmPgoff[vma] + (vmEnd[vma] - vmStart[vma]) / PAGE_SIZE) return true;
  }
  return false;
}
