// No kernel file: the checks of mm/interval_tree.c, list_debug and swapfile.c's "bad swap" messages in one walk.
/** Walks what leads from pages to their users, and compares it with the users. At quiescence; it allocates. */
import type { Finding } from '@mmun/include';
import { poolHighest, poolIsLive } from '@mmun/lib';
import type { Machine } from './mm-types.js';

type Report = (code: string, message: string) => void;

/** @returns empty where every file's VMAs are in its i_mmap, once, and nothing else is */
export function checkRmap(m: Machine): Finding[] {
  const found: Finding[] = [];
  const report: Report = (code, message) => found.push({ code, message, replay: '', steps: [] });
  checkIMmap(m, report);
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
