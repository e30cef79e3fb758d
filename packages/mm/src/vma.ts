// Models mm/vma.c and mm/vma_init.c (6.18): VMAs made, split and given back.
/**
 * Every function here wants mmap_sem held for write.
 */
import { EINVAL, ENOMEM, PAGE_SIZE } from '@mmun/include';
import type { File, MaySleep, Mm, Task, Vma } from '@mmun/include';
import { poolAlloc, poolFree } from '@mmun/lib';
import { HPAGE_SIZE } from '#asm';
import { fput, getFile } from './file-table.js';
import { hugetlbVmOpClose } from './hugetlbfs.js';
import { unlinkFileVma, vmaComplete, vmaLinkFileLocked, vmaPrepare } from './i-mmap.js';
import { VM_OPS_HUGETLB, VM_OPS_SPECIAL } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { anonVmaClone, unlinkAnonVmas } from './rmap.js';
import { vmaLink, vmaSetRange } from './vma-tree.js';

/** A VMA that is in no tree yet. @returns 0 when the table is full */
export function vmAreaAlloc(m: Machine, mm: Mm): Vma {
  const vma = poolAlloc(m.vmaPool) as Vma;
  if (vma === 0) return vma;
  const v = m.vma;
  v.vmMm[vma] = mm;
  v.vmFlags[vma] = 0;
  v.vmPgoff[vma] = 0;
  v.vmFile[vma] = 0;
  v.isInIMmap[vma] = 0;
  v.vmOps[vma] = 0;
  v.vmPrivateData[vma] = 0;
  v.vmPolicy[vma] = 0;
  v.vmName[vma] = 0;
  v.resvMap[vma] = 0;
  v.anonVma[vma] = 0;
  v.anonVmaChain[vma] = 0;
  return vma;
}

/** A copy that is in no tree and tied to no anon_vma chain, though it names its original's anon_vma. @returns 0 when the table is full */
export function vmAreaDup(m: Machine, orig: Vma): Vma {
  const v = m.vma;
  const vma = vmAreaAlloc(m, v.vmMm[orig] as Mm);
  if (vma === 0) return vma;
  v.vmStart[vma] = v.vmStart[orig];
  v.vmEnd[vma] = v.vmEnd[orig];
  v.vmFlags[vma] = v.vmFlags[orig];
  v.vmPgoff[vma] = v.vmPgoff[orig];
  v.vmFile[vma] = v.vmFile[orig];
  v.vmOps[vma] = v.vmOps[orig];
  v.vmPolicy[vma] = v.vmPolicy[orig];
  v.vmPrivateData[vma] = v.vmPrivateData[orig];
  v.vmName[vma] = v.vmName[orig];
  v.resvMap[vma] = v.resvMap[orig];
  v.anonVma[vma] = v.anonVma[orig];
  if (v.vmFile[vma] !== 0) getFile(m, v.vmFile[vma] as File);
  return vma;
}

/** Gives back a VMA that is in no tree, with its file and its anon_vmas. */
export function* removeVma(m: Machine, vma: Vma): Task<MaySleep> {
  yield* unlinkVma(m, vma);
  if (m.vma.vmOps[vma] === VM_OPS_HUGETLB) yield* hugetlbVmOpClose(m, vma);
  if (m.vma.vmFile[vma] !== 0) yield* fput(m, m.vma.vmFile[vma] as File);
  m.vma.vmFile[vma] = 0;
  poolFree(m.vmaPool, vma);
}

/**
 * Takes a VMA out of the reach of rmap: its anon_vmas and its file's i_mmap. Before its page tables go, since who walks
 * by rmap holds neither mmap_sem nor a reference to the mm. The first half of free_pgtables().
 * @locks none of rmap's
 */
export function* unlinkVma(m: Machine, vma: Vma): Task<MaySleep> {
  if (m.vma.anonVmaChain[vma] !== 0) yield* unlinkAnonVmas(m, vma);
  yield* unlinkFileVma(m, vma);
}

/**
 * Splits at `addr`, a page boundary inside the VMA; `isNewBelow` says which half the new VMA is.
 * The number of VMAs is not limited here: see splitVma.
 * @returns the new VMA, -EINVAL where the kernel owns the mapping or a huge page would be cut, or -ENOMEM
 */
export function* splitVmaUnchecked(m: Machine, mm: Mm, vma: Vma, addr: number, isNewBelow: boolean): Task<MaySleep, Vma | number> {
  const v = m.vma;
  if (!vmaMaySplit(m, vma, addr)) return -EINVAL;
  const fresh = vmAreaDup(m, vma);
  if (fresh === 0) return -ENOMEM;
  const start = v.vmStart[vma];
  const end = v.vmEnd[vma];
  const pgoff = v.vmPgoff[vma];
  const upperPgoff = pgoff + (addr - start) / PAGE_SIZE;
  const error = yield* anonVmaClone(m, fresh, vma);
  if (error !== 0) {
    v.anonVma[fresh] = v.resvMap[fresh] = 0;
    yield* removeVma(m, fresh);
    return error;
  }
  yield* vmaPrepare(m, vma);
  if (isNewBelow) {
    vmaSetRange(m, vma, addr, end, upperPgoff);
    v.vmStart[fresh] = start;
    v.vmEnd[fresh] = addr;
  } else {
    vmaSetRange(m, vma, start, addr, pgoff);
    v.vmStart[fresh] = addr;
    v.vmEnd[fresh] = end;
    v.vmPgoff[fresh] = upperPgoff;
  }
  vmaLink(m, mm, fresh);
  vmaLinkFileLocked(m, fresh);
  yield* vmaComplete(m, vma);
  m.mm.mapCount[mm]++;
  return fresh;
}

/** What the kernel mapped itself, [vdso] and [vvar], stays whole, and so do huge pages. special_mapping_split(), hugetlb_vm_op_split() */
export function vmaMaySplit(m: Machine, vma: Vma, addr: number): boolean {
  const kind = m.vma.vmOps[vma];
  return kind !== VM_OPS_SPECIAL && (kind !== VM_OPS_HUGETLB || addr % HPAGE_SIZE === 0);
}

/** Splits unless the mm has as many VMAs as it may have. @returns the new VMA, or -ENOMEM */
export function* splitVma(m: Machine, mm: Mm, vma: Vma, addr: number, isNewBelow: boolean): Task<MaySleep, Vma | number> {
  if (m.mm.mapCount[mm] >= m.bootConfig.settings.maxMapCount) return -ENOMEM;
  return yield* splitVmaUnchecked(m, mm, vma, addr, isNewBelow);
}

export function vmaPages(m: Machine, vma: Vma): number {
  return (m.vma.vmEnd[vma] - m.vma.vmStart[vma]) / PAGE_SIZE;
}

/** PAGE_ALIGN(). Lengths that wrap around 2^64 in C come out above every limit here. */
export function pageAlign(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
}

/** PAGE_ALIGN() of a length that begins `offset` bytes into a page, where C goes on counting from 0 behind 2^64. */
export function pageAlignWrapping(lenBytes: number, offset: number): number {
  const rest = lenBytes % PAGE_SIZE;
  const aligned = lenBytes - rest + pageAlign(rest + offset);
  return aligned >= 2 ** 64 ? aligned - 2 ** 64 : aligned;
}

/** `&` takes the low bits of any integer, also above 2^53, without the call that `%` of a double is. */
export function isPageAligned(bytes: number): boolean {
  return (bytes & (PAGE_SIZE - 1)) === 0;
}

