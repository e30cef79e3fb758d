/** Which lock a call takes and what its thread's clone flags mean: the rules of the order that need no state. */
import {
  CLONE_VFORK, CLONE_VM, MADV_COLD, MADV_COLLAPSE, MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_GUARD_INSTALL, MADV_GUARD_REMOVE, MADV_PAGEOUT,
  MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_REMOVE, MADV_WILLNEED, MAP_ANONYMOUS, MAP_SHARED,
} from '@mmun/include';
import type { Call } from './call.js';

export const CLONE_THREAD = 0x10000;

/** Advice that changes pages and no VMA: under the mmap lock for reading. mm/madvise.c, get_lock_mode */
const READ_LOCK_ADVICE: ReadonlySet<number> = new Set([
  MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
  MADV_DONTNEED_LOCKED, MADV_COLLAPSE, MADV_GUARD_INSTALL, MADV_GUARD_REMOVE,
]);

/** Does the call take its own mmap lock for writing? */
export function takesWriteLock(call: Call): boolean {
  if (call.point !== 'lock') return false;
  return !(call.name === 'process_madvise' || (call.name === 'madvise' && READ_LOCK_ADVICE.has(call.args[2])));
}

/** Only an MMAP2 knows device and inode of a file mapping, the inode of shared anonymous memory, the length of a System V segment. */
export function needsMmapEvent(call: Call): boolean {
  if (call.name === 'shmat') return call.result >= 0;
  if (call.name !== 'mmap' || call.result < 0) return false;
  const flags = call.args[3];
  return (flags & MAP_ANONYMOUS) === 0 || (flags & MAP_SHARED) !== 0;
}

export function isClone(call: Call): boolean {
  return call.name === 'clone' || call.name === 'clone3' || call.name === 'fork' || call.name === 'vfork';
}

export function isExecve(call: Call): boolean {
  return call.name === 'execve' || call.name === 'execveat';
}

/** CLONE_ flags of a clone, fork or vfork; 0, a plain copy, where the call is unknown. */
export function cloneFlags(call: Call | null): number {
  if (call === null || call.name === 'fork') return 0;
  if (call.name === 'vfork') return CLONE_VM | CLONE_VFORK;
  const flags = call.args[0];
  return flags === flags ? flags : 0;
}
