// Models the seals of mm/memfd.c that a mapping meets (6.18).
import { EPERM, F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, VM_MAYWRITE, VM_SHARED, VM_WRITE } from '@mmun/include';
import type { Inode } from '@mmun/include';
import type { Machine } from './mm-types.js';

/** fcntl(F_ADD_SEALS). The caller has made sure that it may. */
export function memfdAddSeals(m: Machine, inode: Inode, seals: number): void {
  m.inode.seals[inode] |= seals;
}

/** A shared mapping of what is sealed against writing is never writable. @returns the flags of the mapping, or -EPERM */
export function memfdCheckSealsMmap(m: Machine, inode: Inode, vmFlags: number): number {
  if ((m.inode.seals[inode] & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) === 0 || (vmFlags & VM_SHARED) === 0) return vmFlags;
  return (vmFlags & VM_WRITE) !== 0 ? -EPERM : vmFlags & ~VM_MAYWRITE;
}
