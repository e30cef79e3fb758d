// Models remap_pfn_range and zap_vma_ptes of mm/memory.c (2.6.24, with hook #5 of v5; zap_vma_ptes came with 2.6.27), and vm_mmap of mm/util.c as drivers use it.
/**
 * A driver maps frames that mm does not count: no rmap, no reference, no reclaim. It does so all at once (remapPfnRange), or in
 * an area of its own, page by page as they are touched (vmMmapPfn, remapPfn, zapVmaPtes). The area may be split, unmapped and
 * replaced by its process at any time; `owner` says which pieces are still the driver's.
 * Deviation: private writable mappings (copy on write of such frames) are refused.
 * Lock order: mmap_sem > ptl > what a notifier takes.
 */
import {
  EFAULT, EINVAL, ENOMEM, MAP_ANONYMOUS, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE, VM_DONTCOPY, VM_DONTDUMP, VM_DONTEXPAND, VM_IO, VM_MAYWRITE, VM_PFNMAP, VM_SHARED,
} from '@mmun/include';
import type { File, MaySleep, Mm, Pfn, Pgprot, Pmdp, Ptep, Step, Task, Vaddr, Vma } from '@mmun/include';
import { bugOn } from '@mmun/lib';
import { downWrite, spinLock, spinUnlock, upWrite } from '@mmun/locking';
import { pfnPte, pmdAddrEnd, pmdNone, pteMkdirty, pteMkwrite, pteOffset, ptePfn, pteWrprotect, ptepClearFlush, ptepGet, ptepNone, setPteAt, vmGetPageProt } from '#asm';
import { MMU_NOTIFIER, mmuNotifier, mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '#mmu-notifier';
import { doMmap } from './mmap.js';
import { VM_OPS_DRIVER, mmapSemOf, vmaMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { doMunmap } from './munmap.js';
import { mmFindPmd, pmdAllocWalk, pteAllocMapLock, pteLockptr } from './pgalloc.js';
import { findVma } from './vma-tree.js';

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

/** @see KernelServices.vmMmapPfn */
export function* vmMmapPfn(m: Machine, mm: Mm, sizeBytes: number, isWritable: boolean, owner: number): Task<MaySleep, number> {
  const mmapSem = mmapSemOf(m, mm);
  yield* downWrite(m, mmapSem);
  const prot = isWritable ? PROT_READ | PROT_WRITE : PROT_READ;
  const address = yield* doMmap(m, mm, 0 as Vaddr, sizeBytes, prot, MAP_SHARED | MAP_ANONYMOUS, 0 as File, 0);
  if (address >= 0) {
    const vma = findVma(m, mm, address as Vaddr);
    const { vmFlags, vmOps, vmPrivateData } = m.vma;
    vmFlags[vma] = (vmFlags[vma] | VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY) >>> 0;
    vmOps[vma] = VM_OPS_DRIVER;
    vmPrivateData[vma] = owner;
  }
  yield* upWrite(m, mmapSem);
  return address;
}

/** @see KernelServices.remapPfn */
export function* remapPfn(m: Machine, mm: Mm, address: Vaddr, pfn: Pfn, isWritable: boolean, owner: number): Task<MaySleep, number> {
  const vma = findVma(m, mm, address);
  if (!isOwnArea(m, vma, owner) || m.vma.vmStart[vma] > address) return -EFAULT;
  const pmdp = yield* pmdAllocWalk(m, mm, address);
  const ptep = pmdp === 0 ? (0 as Ptep) : yield* pteAllocMapLock(m, mm, pmdp, address);
  if (ptep === 0) return -ENOMEM;
  if (!ptepNone(m, ptep) && ptePfn(ptepGet(m, ptep)) !== pfn) yield* ptepClearFlush(m, vma, address, ptep);
  const entry = pfnPte(pfn, vmGetPageProt(m.vma.vmFlags[vma]));
  yield* setPteAt(m, mm, address, ptep, isWritable ? pteMkwrite(pteMkdirty(entry)) : pteWrprotect(entry));
  if (MMU_NOTIFIER) yield* mmuNotifier(m, mm, 'invalidatePages', address, (address + PAGE_SIZE) as Vaddr); // a constant: the sum would stay
  yield* spinUnlock(m, pteLockptr(m, mm, pmdp));
  return 0;
}

/** @see KernelServices.zapVmaPtes. The caller may be gathering for another mm, so each page is flushed by itself. */
export function* zapVmaPtes(m: Machine, mm: Mm, start: Vaddr, sizeBytes: number, owner: number): Task<MaySleep> {
  const end = (start + sizeBytes) as Vaddr;
  for (let vma = findVma(m, mm, start); vma !== 0 && m.vma.vmStart[vma] < end; vma = m.vma.vmNext[vma] as Vma) {
    if (!isOwnArea(m, vma, owner)) continue;
    const from = Math.max(start, m.vma.vmStart[vma]) as Vaddr;
    const to = Math.min(end, m.vma.vmEnd[vma]) as Vaddr;
    yield* mmuNotifierInvalidateRangeStart(m, mm, from, to);
    for (let address = from; address < to; address = (address + PAGE_SIZE) as Vaddr) yield* zapOne(m, vma, address);
    yield* mmuNotifierInvalidateRangeEnd(m, mm, from, to);
  }
}

/** @see KernelServices.vmMunmapPfn */
export function* vmMunmapPfn(m: Machine, mm: Mm, start: Vaddr, sizeBytes: number, owner: number): Task<MaySleep> {
  const end = start + sizeBytes;
  const mmapSem = mmapSemOf(m, mm);
  yield* downWrite(m, mmapSem);
  for (let vma = findVma(m, mm, start); vma !== 0 && m.vma.vmStart[vma] < end;) {
    const [from, to] = [m.vma.vmStart[vma], m.vma.vmEnd[vma]];
    if (isOwnArea(m, vma, owner)) yield* doMunmap(m, mm, from as Vaddr, to - from);
    vma = findVma(m, mm, to as Vaddr);
  }
  yield* upWrite(m, mmapSem);
}

/** @locks mmap_sem */
function* zapOne(m: Machine, vma: Vma, address: Vaddr): Task<Step> {
  const mm = vmaMm(m, vma);
  const pmdp = mmFindPmd(m, mm, address);
  if (pmdp === 0 || pmdNone(m, pmdp)) return;
  const ptl = pteLockptr(m, mm, pmdp);
  yield* spinLock(m, ptl);
  const ptep = pteOffset(m, pmdp, address);
  if (!ptepNone(m, ptep)) yield* ptepClearFlush(m, vma, address, ptep);
  yield* spinUnlock(m, ptl);
}

function isOwnArea(m: Machine, vma: Vma, owner: number): boolean {
  return vma !== 0 && m.vma.vmOps[vma] === VM_OPS_DRIVER && m.vma.vmPrivateData[vma] === owner;
}
