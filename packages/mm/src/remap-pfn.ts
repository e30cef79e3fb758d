// Models remap_pfn_range of mm/memory.c (2.6.24, with hook #5 of v5).
/**
 * A driver maps frames that mm does not count: no rmap, no reference, no reclaim.
 * Deviation: private writable mappings (copy on write of such frames) are refused.
 * Lock order: mmap_sem > ptl > what a notifier takes.
 */
import { EINVAL, ENOMEM, PAGE_SIZE, VM_DONTDUMP, VM_DONTEXPAND, VM_IO, VM_MAYWRITE, VM_PFNMAP, VM_SHARED } from '@mmun/include';
import type { MaySleep, Pfn, Pgprot, Pmdp, Ptep, Task, Vaddr, Vma } from '@mmun/include';
import { bugOn } from '@mmun/lib';
import { spinUnlock } from '@mmun/locking';
import { pfnPte, pmdAddrEnd, ptepNone, setPteAt, vmGetPageProt } from '#asm';
import { mmuNotifier } from '#mmu-notifier';
import { vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { pmdAllocWalk, pteAllocMapLock, pteLockptr } from './pgalloc.js';

/**
 * Maps `sizeBytes` from frame `pfn` on at `addr`, where nothing is mapped yet. The frames stay the driver's, for as long as
 * the VMA exists.
 * @context process, from a driver's mmap @locks mmap_sem W
 * @returns 0, -EINVAL for a private mapping, -ENOMEM with part of it mapped: the VMA is to go
 */
export function* remapPfnRange(m: Machine, vma: Vma, addr: Vaddr, pfn: Pfn, sizeBytes: number): Task<MaySleep, number> {
  const { vmFlags } = m.vma;
  if ((vmFlags[vma] & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE) return -EINVAL;
  vmFlags[vma] = (vmFlags[vma] | VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP) >>> 0;
  const prot = vmGetPageProt(vmFlags[vma]);
  const end = (addr + sizeBytes) as Vaddr;
  for (let address = addr; address < end;) {
    const next = pmdAddrEnd(address, end);
    const pmdp = yield* pmdAllocWalk(m, vmaMm(m, vma), address);
    if (pmdp === 0) return -ENOMEM;
    const error = yield* remapPteRange(m, vma, pmdp, address, next, (pfn + (address - addr) / PAGE_SIZE) as Pfn, prot);
    if (error !== 0) return error;
    address = next;
  }
  return 0;
}

/** Hook #5: once for the table, after the last pte and before the ptl is left. No entry can exist: nothing was mapped (claim C19). */
function* remapPteRange(m: Machine, vma: Vma, pmdp: Pmdp, start: Vaddr, end: Vaddr, first: Pfn, prot: Pgprot): Task<MaySleep, number> {
  const mm = vmaMm(m, vma);
  let ptep = yield* pteAllocMapLock(m, mm, pmdp, start);
  if (ptep === 0) return -ENOMEM;
  let pfn = first;
  for (let address = start; address < end; address = (address + PAGE_SIZE) as Vaddr, pfn = (pfn + 1) as Pfn, ptep = (ptep + 1) as Ptep) {
    bugOn(!ptepNone(m, ptep), 'remap-pfn-over-pte');
    yield* setPteAt(m, mm, address, ptep, pfnPte(pfn, prot));
  }
  yield* mmuNotifier(m, mm, 'invalidatePages', start, end);
  yield* spinUnlock(m, pteLockptr(m, mm, pmdp));
  return 0;
}
