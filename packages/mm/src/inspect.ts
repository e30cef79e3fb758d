// No kernel file: what a debugger reads out of a stopped kernel.
/** The machine as seen from outside: contract and reasons in include/inspection.ts. Nothing here is a step. */
import { PAGE_SHIFT, PAGE_SIZE, TABLE_PTE } from '@mmun/include';
import type { Inode, Mm, Pfn, Pmdp, Pte, Ptep, TaskStruct, TlbVisitor, Vaddr, Where } from '@mmun/include';
import { nameOfWhere as nameIn, poolHighest, poolIsLive, whereOf } from '@mmun/lib';
import { MAX_HELD_LOCKS } from '@mmun/locking';
import {
  HUGE_TABLE_LEVEL,
  hugePteOffset, pageTestDirty, pgdNone, pgdOffset, pmdHuge, pmdNone, pmdOffset, pteDirty, pteNone, pteOffset, ptePfn, ptePresent, pteWrite, ptepGet, pudNone, pudOffset, walkPte, whereOfSlot,
} from '#asm';
import { newTask } from './fork.js';
import { hugeOrSmallPte, translationAt } from './hugetlb-gup.js';
import { compoundHead } from './hugetlb-pool.js';
import { INODE_HUGETLB } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { PG_DIRTY, pageIsAnon } from './page-flags.js';
import { pageCacheLookup } from './page-cache.js';
import { blockLookup } from './page-io.js';
import { mmFindPmd } from './pgalloc.js';
import { swapSlotOf } from './swapops.js';

export function translationWhere(m: Machine, mm: Mm, address: Vaddr): Where {
  if (m.mm.pgd[mm] === 0) return whereOf(m.mm.pgd, mm);
  const pgdp = pgdOffset(m, mm, address);
  if (pgdNone(m, pgdp)) return whereOfSlot(m, pgdp);
  const pudp = pudOffset(m, pgdp, address);
  if (pudNone(m, pudp)) return whereOfSlot(m, pudp);
  const pmdp: Pmdp = pmdOffset(m, pudp, address);
  if (pmdNone(m, pmdp)) return whereOfSlot(m, pmdp);
  const huge = pmdHuge(m, pmdp) ? hugePteOffset(m, pmdp, address) : (0 as Ptep);
  if (huge !== 0 && ((huge as number) === pmdp || pteNone(ptepGet(m, pteOffset(m, pmdp, address))))) return whereOfSlot(m, huge);
  return whereOfSlot(m, pteOffset(m, pmdp, address));
}

export function tableWhere(m: Machine, mm: Mm, address: Vaddr): Where {
  const pmdp = mmFindPmd(m, mm, address);
  if (pmdp === 0 || !pmdHuge(m, pmdp)) return translationWhere(m, mm, address);
  return HUGE_TABLE_LEVEL === TABLE_PTE ? whereOfSlot(m, pmdp) : whereOfSlot(m, pudOffset(m, pgdOffset(m, mm, address), address));
}

export function frameWhere(m: Machine, pfn: Pfn): Where {
  return whereOf(m.framePool.rows.gen, pfn);
}

export function refcountWhere(m: Machine, pfn: Pfn): Where {
  return whereOf(m.page.refcount, compoundHead(m, pfn));
}

export function frameGeneration(m: Machine, pfn: Pfn): number {
  return m.framePool.rows.gen[pfn];
}

export function contentWhere(m: Machine, pfn: Pfn, address: Vaddr): Where {
  const { pageContentWords } = m.bootConfig;
  return whereOf(m.pageContent, pfn * pageContentWords + (((address % PAGE_SIZE) >>> 2) % pageContentWords));
}

export function wordAt(m: Machine, mm: Mm, address: Vaddr): number {
  const pfn = Math.floor(translationAt(m, mm, address) / 2) as Pfn;
  if (pfn !== 0) return m.words[contentWhere(m, pfn, address)];
  const ptep: Ptep = m.mm.pgd[mm] === 0 ? (0 as Ptep) : walkPte(m, mm, address);
  if (ptep === 0) return 0;
  const pte = ptepGet(m, ptep);
  const slot = pteNone(pte) ? 0 : swapSlotOf(pte);
  if (slot === 0) return 0;
  const cached = m.swap.page[slot] as Pfn;
  const { pageContentWords } = m.bootConfig;
  return cached !== 0 ? m.words[contentWhere(m, cached, address)] : m.swapContent[slot * pageContentWords + (((address % PAGE_SIZE) >>> 2) % pageContentWords)] | 0;
}

export function isPageDirty(m: Machine, pfn: Pfn): boolean {
  const head = compoundHead(m, pfn);
  if ((m.page.flags[head] & PG_DIRTY) !== 0 || pageTestDirty(m, pfn)) return true;
  for (let mm = 1; mm <= poolHighest(m.mmPool); mm++) if (poolIsLive(m.mmPool, mm) && isMappedDirty(m, mm as Mm, head)) return true;
  return false;
}

/** The page's block holds what the page holds: whoever marked it has done its work. */
export function isPageStored(m: Machine, pfn: Pfn): boolean {
  const { pageContentWords: words } = m.bootConfig;
  const slot = blockLookup(m, (m.page.mapping[pfn] >>> 1) as Inode, m.page.index[pfn]);
  if (slot === 0) return false;
  for (let i = 0; i < words; i++) if (m.swapContent[slot * words + i] !== m.pageContent[pfn * words + i]) return false;
  return true;
}

export function isPageOfFile(m: Machine, pfn: Pfn): boolean {
  const head = compoundHead(m, pfn);
  return m.page.mapping[head] !== 0 && !pageIsAnon(m, head);
}

export function mappingWhere(m: Machine, pfn: Pfn): Where {
  return whereOf(m.page.mapping, pfn);
}

export function inodeOfPage(m: Machine, pfn: Pfn): Inode {
  const inode = pageIsAnon(m, pfn) ? 0 : m.page.mapping[pfn] >>> 1;
  return (m.inode.kind[inode] === INODE_HUGETLB ? 0 : inode) as Inode;
}

export function pageIndex(m: Machine, pfn: Pfn): number {
  return m.page.index[pfn];
}

export function inodeGeneration(m: Machine, inode: Inode): number {
  return m.inodePool.rows.gen[inode];
}

export function fileWordAt(m: Machine, inode: Inode, index: number): number | undefined {
  const { pageContentWords: words } = m.bootConfig;
  if (!poolIsLive(m.inodePool, inode) || index * PAGE_SIZE >= m.inode.size[inode]) return undefined;
  const pfn = pageCacheLookup(m, inode, index);
  if (pfn !== 0) return m.pageContent[pfn * words];
  const slot = blockLookup(m, inode, index);
  return slot === 0 ? 0 : m.swapContent[slot * words];
}

export function tlbTranslation(m: Machine, cpu: number, mm: Mm, address: Vaddr): number {
  let found = 0;
  const page = address - (address % PAGE_SIZE);
  auditTlb(m, (onCpu, ofMm, at, pfn, isWritable) => {
    if (onCpu === cpu && ofMm === mm && at === page) found = 2 * pfn + (isWritable ? 1 : 0);
  });
  return found;
}

export function auditTlb(m: Machine, visit: TlbVisitor): void {
  const { entriesPerCpu, nrCpus, state, pfn, vpn } = m.tlb;
  for (let entry = 0; entry < nrCpus * entriesPerCpu; entry++) {
    if (state[entry] === 0) continue;
    visit(Math.floor(entry / entriesPerCpu), m.tlb.mm[entry] as Mm, (vpn[entry] * 2 ** PAGE_SHIFT) as Vaddr, pfn[entry] as Pfn, (state[entry] & TLB_WRITABLE) !== 0);
  }
}

/** As arch-generic's tlb.ts has it. */
const TLB_WRITABLE = 2;

export function taskCpu(m: Machine, task: TaskStruct): number {
  return m.thread.cpu[task];
}

export function heldLocks(m: Machine, task: TaskStruct): Where[] {
  return Array.from({ length: m.thread.nrHeld[task] }, (_, i) => m.thread.held[task * MAX_HELD_LOCKS + i] as Where);
}

export function nameOfWhere(m: Machine, where: Where): string {
  return nameIn(m.layout, where);
}

/** Only words that hold a pte of one word, as the toy's do, and locks are more than their number. */
export function describeWord(m: Machine, where: Where, value: number): string {
  const { buffer, byteOffset, byteLength } = m.pgtable.entries;
  const offset = where * 4 - byteOffset;
  if (buffer !== m.buffer || offset < 0 || offset >= byteLength) return '';
  const pte = value as Pte;
  if (pteNone(pte)) return 'none';
  return `frame ${ptePfn(pte)}${ptePresent(pte) ? (pteWrite(pte) ? ', writable' : ', read only') : ', not present'}`;
}

export function kernelThread(m: Machine): TaskStruct {
  return newTask(m);
}

function isMappedDirty(m: Machine, mm: Mm, pfn: Pfn): boolean {
  for (let vma = m.mm.mmap[mm]; vma !== 0; vma = m.vma.vmNext[vma]) {
    for (let at = m.vma.vmStart[vma]; at < m.vma.vmEnd[vma]; at += PAGE_SIZE) {
      const ptep: Ptep = hugeOrSmallPte(m, mm, at as Vaddr);
      if (ptep === 0) continue;
      const pte = ptepGet(m, ptep);
      if (ptePresent(pte) && ptePfn(pte) === pfn && pteDirty(pte)) return true;
    }
  }
  return false;
}
