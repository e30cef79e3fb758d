import { EFAULT, MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED } from '@mmun/include';
import type { BootedMachine, File, Vaddr } from '@mmun/include';
import type { Call, Range } from '../call.js';
import { run } from './machine.js';
import type { Driven } from './machine.js';

/** mincore of more than this is not performed: the vector alone would be larger. */
const MAX_MINCORE_BYTES = 2 ** 36;
const PAGE_SIZE = 4096;
const HARMLESS_ADVICE: ReadonlySet<number> = new Set([MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED]);

/**
 * Performs a recorded call on the image for the current thread.
 *
 * @param file what stands behind an mmap's descriptor; 0 for every other call
 * @returns what the image answered, or null where the call is none of its system calls
 */
export function perform<M extends BootedMachine>(driven: Driven<M>, call: Call, file: File): number | null {
  const { image, machine: m } = driven;
  const [a, b, c, d, e, f] = call.args;
  const addr = a as Vaddr;
  switch (call.name) {
    case 'mmap': return run(driven, image.sysMmap(m, addr, b, c, d, file, f));
    case 'munmap': return run(driven, image.sysMunmap(m, addr, b));
    case 'mprotect': case 'pkey_mprotect': return run(driven, image.sysMprotect(m, addr, b, c));
    case 'mremap': return run(driven, image.sysMremap(m, addr, b, c, d, (e ?? 0) as Vaddr));
    case 'brk': return run(driven, image.sysBrk(m, addr));
    case 'madvise': return run(driven, image.sysMadvise(m, addr, b, c));
    case 'mlock': return run(driven, image.sysMlock(m, addr, b));
    case 'mlock2': return run(driven, image.sysMlock2(m, addr, b, c));
    case 'munlock': return run(driven, image.sysMunlock(m, addr, b));
    case 'mlockall': return run(driven, image.sysMlockall(m, a));
    case 'munlockall': return run(driven, image.sysMunlockall(m));
    case 'mseal': return image.sysMseal === undefined ? null : run(driven, image.sysMseal(m, addr, b, c));
    case 'remap_file_pages': return image.sysRemapFilePages === undefined ? null : run(driven, image.sysRemapFilePages(m, addr, b, c, d, e));
    case 'msync': return run(driven, image.sysMsync(m, addr, b, c));
    case 'mincore': return mincore(driven, call);
    case 'process_madvise': return call.result < 0 ? null : processMadvise(driven, call.ranges ?? [], d);
    default: return null;
  }
}

/** The image fills a vector of its own: whether the program's could be filled is looked up where the kernel said no. */
function mincore<M extends BootedMachine>(driven: Driven<M>, call: Call): number | null {
  const [addr, lenBytes, vec] = call.args;
  if (lenBytes > MAX_MINCORE_BYTES) return null;
  const { image, machine: m } = driven;
  const result = run(driven, image.sysMincore(m, addr as Vaddr, lenBytes, new Uint8Array(Math.ceil(lenBytes / PAGE_SIZE))));
  if (result !== 0 || call.result !== -EFAULT) return result;
  const row = image.procMaps(m, image.mmOf(m, image.getCurrent(m))).find(({ start, end }) => start <= vec && vec < end);
  return row?.perms[1] === 'w' ? result : -EFAULT;
}

/** It succeeded: of another process only such advice is taken as changes nothing that is compared; all else was for the caller itself. */
function processMadvise<M extends BootedMachine>(driven: Driven<M>, ranges: readonly Range[], advice: number): number {
  if (HARMLESS_ADVICE.has(advice)) return 0;
  for (const { startVaddr, lenBytes } of ranges) {
    const result = run(driven, driven.image.sysMadvise(driven.machine, startVaddr as Vaddr, lenBytes, advice));
    if (result < 0) return result;
  }
  return 0;
}

/** Arguments whose value decides what the call does: one that strace gave no number for makes the call unreadable. */
export function hasUnreadableArgs(call: Call): boolean {
  if (call.name === 'process_madvise') return call.ranges === null || !(call.args[3] === call.args[3]);
  const nrNeeded = NEEDED[call.name] ?? 0;
  for (let i = 0; i < nrNeeded; i++) if (!(call.args[i] === call.args[i] && call.args[i] !== undefined)) return true;
  return false;
}

const NEEDED: Readonly<Record<string, number>> = {
  mmap: 6, munmap: 2, mprotect: 3, pkey_mprotect: 4, mremap: 4, brk: 1, madvise: 3, mlock: 2, mlock2: 3, munlock: 2,
  mlockall: 1, msync: 3, mincore: 2, mseal: 3, remap_file_pages: 5, shmat: 3, shmdt: 1, mbind: 3,
};
