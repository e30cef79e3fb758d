// Models fs/file_table.c and fs/inode.c as far as mm holds references (6.18).
import type { File, Inode, InodeSpec, MaySleep, Task } from '@mmun/include';
import { bugOn, poolAlloc, poolFree } from '@mmun/lib';
import { truncateInodePages } from './truncate.js';
import { INODE_HUGETLB, INODE_REGULAR, INODE_SHMEM, INODE_ZERO } from './mm-types.js';
import type { Machine } from './mm-types.js';

const KINDS = { regular: INODE_REGULAR, shmem: INODE_SHMEM, zero: INODE_ZERO, hugetlb: INODE_HUGETLB } as const;

/** The caller holds the first reference. @returns 0 when the table is full */
export function newInode(m: Machine, spec: InodeSpec): Inode {
  const inode = poolAlloc(m.inodePool) as Inode;
  if (inode === 0) return inode;
  const t = m.inode;
  t.kind[inode] = KINDS[spec.kind];
  t.isThpAligned[inode] = spec.thpAligned ? 1 : 0;
  t.seals[inode] = 0;
  t.isNoexec[inode] = spec.isNoexec === true ? 1 : 0;
  t.driverVmFlags[inode] = spec.driverVmFlags ?? 0;
  t.major[inode] = spec.major;
  t.minor[inode] = spec.minor;
  t.ino[inode] = spec.ino;
  t.size[inode] = spec.size;
  t.refcount[inode] = 1;
  t.nrPages[inode] = t.nrBlocks[inode] = 0;
  t.iMmapLock[inode] = t.isAllLocked[inode] = t.iMmap[inode] = 0;
  m.inodePaths[inode] = spec.path;
  return inode;
}

export function* iput(m: Machine, inode: Inode): Task<MaySleep> {
  bugOn(m.inode.refcount[inode] <= 0, 'inode-refcount-underflow');
  if (--m.inode.refcount[inode] !== 0) return;
  yield* truncateInodePages(m, inode, 0);
  poolFree(m.inodePool, inode);
}

/** Opens an inode; the file holds a reference to it. @returns 0 when the table is full */
export function filpOpen(m: Machine, inode: Inode, mode: { readonly isReadable: boolean; readonly isWritable: boolean }): File {
  const file = poolAlloc(m.filePool) as File;
  if (file === 0) return file;
  m.file.inode[file] = inode;
  m.file.refcount[file] = 1;
  m.file.isReadable[file] = mode.isReadable ? 1 : 0;
  m.file.isWritable[file] = mode.isWritable ? 1 : 0;
  m.inode.refcount[inode]++;
  return file;
}

export function getFile(m: Machine, file: File): void {
  m.file.refcount[file]++;
}

export function* fput(m: Machine, file: File): Task<MaySleep> {
  bugOn(m.file.refcount[file] <= 0, 'file-refcount-underflow');
  if (--m.file.refcount[file] !== 0) return;
  const inode = m.file.inode[file] as Inode;
  poolFree(m.filePool, file);
  yield* iput(m, inode);
}

export function* filpClose(m: Machine, file: File): Task<MaySleep> {
  yield* fput(m, file);
}
