// Models set_pte_range and vma_set_page_prot of mm/memory.c and mm/mmap.c (6.18): the ptes that a VMA's new pages get.
import { VM_SHARED, VM_WRITE } from '@mmun/include';
import type { Pfn, Pgprot, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { pfnPte, pteMkdirty, pteMkwrite, setPteAt, vmGetPageProt } from '#asm';
import { VM_OPS_FILE, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { MM_ANONPAGES, PG_ANON_EXCLUSIVE, addMmCounter } from './page-flags.js';
import { pageAddNewAnonRmap } from './rmap.js';

/** The protection of a VMA's new ptes: a shared file page is read-only until its first write is known. vma_set_page_prot() @hot */
export function vmaPageProt(m: Machine, vma: Vma): Pgprot {
  const vmFlags = m.vma.vmFlags[vma];
  return vmGetPageProt(vmaWantsWritenotify(m, vma) ? vmFlags & ~VM_SHARED : vmFlags);
}

/** A write into the page must be told to its file. Shmem does not care. */
export function vmaWantsWritenotify(m: Machine, vma: Vma): boolean {
  return (m.vma.vmFlags[vma] & (VM_WRITE | VM_SHARED)) === (VM_WRITE | VM_SHARED) && m.vma.vmOps[vma] === VM_OPS_FILE;
}

/** Maps a new anonymous page, written and exclusive. @locks ptl @holds anonVma of the VMA; the page's reference becomes the pte's @hot */
export function* setAnonPte(m: Machine, vma: Vma, address: Vaddr, ptep: Ptep, pfn: Pfn): Task<Step> {
  const mm = vmaMm(m, vma);
  const entry = pteMkdirty(pfnPte(pfn, vmaPageProt(m, vma)));
  addMmCounter(m, mm, MM_ANONPAGES, 1);
  pageAddNewAnonRmap(m, pfn, vma, address);
  m.page.flags[pfn] = m.page.flags[pfn] | PG_ANON_EXCLUSIVE;
  yield* setPteAt(m, mm, address, ptep, (m.vma.vmFlags[vma] & VM_WRITE) !== 0 ? pteMkwrite(entry) : entry);
}
