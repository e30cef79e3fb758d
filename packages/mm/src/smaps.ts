// Models smap_gather_stats of fs/proc/task_mmu.c (6.18).
import { PAGE_SIZE } from '@mmun/include';
import type { Pmdp, Ptep, Vaddr, Vma } from '@mmun/include';
import { pmdAddrEnd, pteOffset, pteToSwpEntry, ptepGet, ptepNone, ptepPfn, ptepPresent } from '#asm';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { pageIsAnon, vmNormalPage } from './page-flags.js';
import { mmFindTable, skipHole } from './pgalloc.js';

/** Pages of one VMA, added to what is there. The zero page and special mappings count nowhere. */
export interface MemSizeStats {
  anonymous: number;
  rss: number;
  swap: number;
}

/** @context mmap_sem held, or nobody runs: it takes no ptl, since it is for reports */
export function smapGatherStats(m: Machine, vma: Vma, out: MemSizeStats): void {
  const end = m.vma.vmEnd[vma] as Vaddr;
  let address = m.vma.vmStart[vma] as Vaddr;
  if (m.mm.pgd[vmaMm(m, vma)] === 0) return;
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

function smapsPteRange(m: Machine, vma: Vma, first: Ptep, nrPtes: number, out: MemSizeStats): void {
  for (let i = 0; i < nrPtes; i++) {
    const ptep = (first + i) as Ptep;
    if (ptepNone(m, ptep)) continue;
    if (!ptepPresent(m, ptep)) {
      if (pteToSwpEntry(ptepGet(m, ptep)) !== 0) out.swap++;
      continue;
    }
    const pfn = vmNormalPage(m, vma, ptepPfn(m, ptep));
    if (pfn === 0) continue;
    out.rss++;
    if (pageIsAnon(m, pfn)) out.anonymous++;
  }
}
