// Models the order of locks at the head of mm/rmap.c (2.6.24), as lockdep knows it.
/**
 *   mmap_sem > mm_all_locks_mutex > hugetlb_instantiation_mutex > page lock > i_mmap_lock > anon_vma lock > pte lock
 *     > { lru_lock, swap_lock, tree_lock, hugetlb_lock, notifier list }
 *
 * A plugin's spinlocks are below the pte lock, because ops take them there, and above what putPage takes. Its sleeping
 * locks may be above mmap_sem or, under `range`, inside of start and end: which one is for the lock graph to find out.
 * The pte lock is page_table_lock or a table's own; a second one is taken as nested, in fork and mremap.
 */
import type { LockClass } from '@mmun/locking';
import { declareColumn, declareLockOrder } from '@mmun/locking';
import { whereOf } from '@mmun/lib';
import type { Machine } from './mm-types.js';

const MMAP_SEM = 1;
const ALL_LOCKS = 2;
const INSTANTIATION = 3;
const PAGE_LOCK = 4;
const I_MMAP = 5;
const ANON_VMA = 6;
const PTE = 7;
const PLUGIN = 8;
const LEAF = 9;

/** Once, when the machine's tables are there. */
export function declareMmLocks(m: Machine): void {
  declareLockOrder(m, [
    classOf('mmap_sem', m.mm.mmapSem, MMAP_SEM),
    classOf('mm_all_locks_mutex', m.vm.mmAllLocksMutex, ALL_LOCKS),
    classOf('hugetlb_instantiation_mutex', m.vm.hugetlbInstantiationMutex, INSTANTIATION),
    classOf('page lock', m.page.flags, PAGE_LOCK),
    classOf('i_mmap_lock', m.inode.iMmapLock, I_MMAP),
    classOf('anon_vma lock', m.anonVma.lock, ANON_VMA),
    classOf('page_table_lock', m.mm.pageTableLock, PTE, true),
    classOf('pte lock', m.page.ptl, PTE, true),
    classOf('lru_lock', m.vm.lruLock, LEAF),
    classOf('swap_lock', m.vm.swapLock, LEAF),
    classOf('tree_lock', m.vm.treeLock, LEAF),
    classOf('hugetlb_lock', m.vm.hugetlbLock, LEAF),
  ]);
}

/** A plugin's column is one of spinlocks. Asked each time one of them is named, since only the plugin knows which are. */
export function declarePluginLock(m: Machine, column: Int32Array | Uint32Array): void {
  declareColumn(m, column, PLUGIN);
}

function classOf(name: string, column: Int32Array | Uint32Array, rank: number, isNestedByName = false): LockClass {
  const first = whereOf(column, 0);
  return { name, first, last: first + column.length - 1, rank, isNestedByName };
}
