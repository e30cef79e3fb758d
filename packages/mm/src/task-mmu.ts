// Models fs/proc/task_mmu.c (6.18): what /proc/PID/maps and smaps say.
import { PAGE_SIZE, VM_EXEC, VM_HUGETLB, VM_MAYSHARE, VM_READ, VM_WRITE } from '@mmun/include';
import type { File, Inode, MapsRow, Mm, Pfn, Vaddr, Vma, VmaVisitor } from '@mmun/include';
import { translationAt } from './hugetlb-gup.js';
import { compoundHead } from './hugetlb-pool.js';
import type { Machine } from './mm-types.js';
import { pageIsAnon } from './page-flags.js';
import { smapGatherStats } from './smaps.js';

/** Rows by address, each with its pages counted. Not for hot paths: it allocates. */
export function procMaps(m: Machine, mm: Mm): MapsRow[] {
  const rows: MapsRow[] = [];
  for (let vma = m.mm.mmap[mm] as Vma; vma !== 0; vma = m.vma.vmNext[vma] as Vma) rows.push(mapsRow(m, mm, vma));
  return rows;
}

/** The VMAs alone, lowest address first: for those who look after every step. */
export function auditVmas(m: Machine, mm: Mm, visit: VmaVisitor): void {
  const v = m.vma;
  for (let vma = m.mm.mmap[mm] as Vma; vma !== 0; vma = v.vmNext[vma] as Vma) {
    const inode = m.file.inode[v.vmFile[vma] as File] as Inode;
    visit(v.vmStart[vma], v.vmEnd[vma], v.vmFlags[vma], inode === 0 ? 0 : v.vmPgoff[vma] * PAGE_SIZE, m.inode.ino[inode]);
  }
}

/** pte_to_pagemap_entry(); the zero page is neither a file's nor anybody's own */
export function pagemapEntry(m: Machine, mm: Mm, address: Vaddr): number {
  const pfn = (translationAt(m, mm, address) >>> 1) as Pfn;
  if (pfn === 0 || pfn === m.vm.zeroPfn[0]) return pfn * 4;
  const head = compoundHead(m, pfn);
  return pfn * 4 + (m.page.mapcount[head] === 1 ? 2 : 0) + (pageIsAnon(m, head) ? 0 : 1);
}

function mapsRow(m: Machine, mm: Mm, vma: Vma): MapsRow {
  const v = m.vma;
  const inode = m.file.inode[v.vmFile[vma] as File] as Inode;
  const stats = { anonymous: 0, rss: 0, swap: 0, privateHugetlb: 0, sharedHugetlb: 0 };
  smapGatherStats(m, vma, stats);
  return {
    start: v.vmStart[vma], end: v.vmEnd[vma], perms: permsOf(v.vmFlags[vma]),
    offset: inode === 0 ? 0 : v.vmPgoff[vma] * PAGE_SIZE,
    major: m.inode.major[inode], minor: m.inode.minor[inode], ino: m.inode.ino[inode],
    name: nameOf(m, mm, vma, inode), vmFlags: v.vmFlags[vma], anonymous: stats.anonymous, rss: stats.rss, swap: stats.swap,
    ...((v.vmFlags[vma] & VM_HUGETLB) !== 0 && { privateHugetlb: stats.privateHugetlb, sharedHugetlb: stats.sharedHugetlb }),
  };
}

/** A file mapping that was asked to be shared prints `s` even where it may not be written to. */
function permsOf(vmFlags: number): string {
  return ((vmFlags & VM_READ) !== 0 ? 'r' : '-') + ((vmFlags & VM_WRITE) !== 0 ? 'w' : '-')
    + ((vmFlags & VM_EXEC) !== 0 ? 'x' : '-') + ((vmFlags & VM_MAYSHARE) !== 0 ? 's' : 'p');
}

function nameOf(m: Machine, mm: Mm, vma: Vma, inode: Inode): string {
  const v = m.vma;
  if (inode !== 0) return m.inodePaths[inode] as string;
  if (v.vmName[vma] !== 0) return m.specialNames[v.vmName[vma]] as string;
  if (v.vmStart[vma] < m.mm.brk[mm] && v.vmEnd[vma] > m.mm.startBrk[mm]) return '[heap]';
  return v.vmStart[vma] <= m.mm.startStack[mm] && v.vmEnd[vma] >= m.mm.startStack[mm] ? '[stack]' : '';
}
