// Models smap_gather_stats of fs/proc/task_mmu.c (6.18).
import { PAGE_SIZE, VM_HUGETLB } from '@mmun/include';
import type { Pmdp, Ptep, Vaddr, Vma } from '@mmun/include';
import { pmdAddrEnd, pteOffset, ptepGet, ptepNone, ptepPfn, ptepPresent } from '#asm';
import { hugePteOf, hugeTable, nextHuge } from './hugetlb-pgtable.js';
import { HPAGE_NR } from './hugetlb-pool.js';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { pageIsAnon, vmNormalPage } from './page-flags.js';
import { mmFindTable, skipHole } from './pgalloc.js';
import { swapSlotOf } from './swapops.js';

/** Pages of one VMA, added to what is there. The zero page and special mappings count nowhere. */
export interface MemSizeStats {
  anonymous: number;
  rss: number;
  swap: number;
  /** Small pages that huge ones stand for, which are counted nowhere else: by one mapping, and by more. */
  privateHugetlb: number;
  sharedHugetlb: number;
}

/** @context mmap_sem held, or nobody runs: it takes no ptl, since it is for reports */
export function smapGatherStats(m: Machine, vma: Vma, out: MemSizeStats): void {
  const end = m.vma.vmEnd[vma] as Vaddr;
  let address = m.vma.vmStart[vma] as Vaddr;
  if (m.mm.pgd[vmaMm(m, vma)] === 0) return;
  if ((m.vma.vmFlags[vma] & VM_HUGETLB) !== 0) {
    smapsHugetlbRange(m, vma, out);
    return;
  }
  while (address < end) {
    const pmdp = mmFindTable(m, vmaMm(m, vma), address);
    if (pmdp < 0) {
      address = skipHole(address, end, pmdp);
      continue;
    }
    const next = pmdAddrEnd(address, end);
    smapsPteRange(m, vma, pteOffset(m, pmdp as Pmdp, address), (next - address) / PAGE_SIZE, out);
    address = next;
  }
}

/** smaps_hugetlb_range(): a page counts as shared too where a table that leads to it is. */
function smapsHugetlbRange(m: Machine, vma: Vma, out: MemSizeStats): void {
  const end = m.vma.vmEnd[vma] as Vaddr;
  const mm = vmaMm(m, vma);
  for (let address = m.vma.vmStart[vma] as Vaddr; address < end; address = nextHuge(m, mm, address, end)) {
    const ptep = hugePteOf(m, mm, address);
    if (ptep === 0 || !ptepPresent(m, ptep)) continue;
    if (m.page.mapcount[ptepPfn(m, ptep)] > 1 || m.page.refcount[hugeTable(m, mm, address)] > 1) out.sharedHugetlb += HPAGE_NR;
    else out.privateHugetlb += HPAGE_NR;
  }
}

function smapsPteRange(m: Machine, vma: Vma, first: Ptep, nrPtes: number, out: MemSizeStats): void {
  for (let i = 0; i < nrPtes; i++) {
    const ptep = (first + i) as Ptep;
    if (ptepNone(m, ptep)) continue;
    if (!ptepPresent(m, ptep)) {
      if (swapSlotOf(ptepGet(m, ptep)) !== 0) out.swap++;
      continue;
    }
    const pfn = vmNormalPage(m, vma, ptepPfn(m, ptep));
    if (pfn === 0) continue;
    out.rss++;
    if (pageIsAnon(m, pfn)) out.anonymous++;
  }
}
