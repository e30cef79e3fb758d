// Models mm_take_all_locks of mm/mmap.c (4.12).
/**
 * Takes every lock under which a pte of an mm can change: mmap_sem, and the rmap lock of every file and anon_vma that a
 * VMA of it hangs in. So nobody is between a start and its end of that mm.
 *
 * Each lock is taken once, whatever number of VMAs share it: who is taken is marked in the object. No order between objects
 * of a kind is needed, because only one thread at a time takes more than one, the holder of mm_all_locks_mutex.
 *
 * Lock order: mmap_sem W > mm_all_locks_mutex > all i_mmap locks > all anon_vma locks (7cd5a02f54f4).
 * Linked in an image whose rmap locks sleep; the others register without.
 */
import { EINTR } from '@mmun/include';
import type { AnonVma, MaySleep, Mm, Mutex, Task, Vma, Where } from '@mmun/include';
import { lockdepAssertHeld, mutexAt, mutexLock, mutexLockNest, mutexUnlock, mutexUnlockNest } from '@mmun/locking';
import { shouldFail } from './fault-inject.js';
import { mmapSemOf, vmaInode } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { anonVmaLock } from './rmap.js';

/**
 * @context process; may sleep @locks mmap_sem W; takes all below it
 * @owes mmDropAllLocks
 * @returns 0, or -EINTR with no lock taken where a signal is pending (MachineConfig.faultInjection)
 */
export function* mmTakeAllLocks(m: Machine, mm: Mm): Task<MaySleep, number> {
  const v = m.vma;
  const mmapSem = mmapSemOf(m, mm);
  lockdepAssertHeld(m, mmapSem);
  yield* mutexLock(m, allLocksMutex(m));
  if (shouldFail(m, 'mm_take_all_locks: a signal is pending')) {
    yield* mutexUnlock(m, allLocksMutex(m));
    return -EINTR;
  }
  for (let vma = m.mm.mmap[mm] as Vma; vma !== 0; vma = v.vmNext[vma] as Vma) {
    const inode = v.vmFile[vma] === 0 ? 0 : vmaInode(m, vma);
    if (inode === 0 || m.inode.isAllLocked[inode] !== 0) continue;
    yield* mutexLockNest(m, mutexAt(m.inode.iMmapLock, inode), mmapSem);
    m.inode.isAllLocked[inode] = 1;
  }
  for (let vma = m.mm.mmap[mm] as Vma; vma !== 0; vma = v.vmNext[vma] as Vma) {
    for (let avc = v.anonVmaChain[vma]; avc !== 0; avc = m.avc.sameVma[avc]) {
      const root = m.anonVma.root[m.avc.anonVma[avc]];
      if (m.anonVma.isAllLocked[root] !== 0) continue;
      yield* mutexLockNest(m, anonMutex(m, root), mmapSem);
      m.anonVma.isAllLocked[root] = 1;
    }
  }
  return 0;
}

/** @locks mmap_sem W; drops all that mmTakeAllLocks took */
export function* mmDropAllLocks(m: Machine, mm: Mm): Task<MaySleep> {
  const v = m.vma;
  for (let vma = m.mm.mmap[mm] as Vma; vma !== 0; vma = v.vmNext[vma] as Vma) {
    for (let avc = v.anonVmaChain[vma]; avc !== 0; avc = m.avc.sameVma[avc]) {
      const root = m.anonVma.root[m.avc.anonVma[avc]];
      if (m.anonVma.isAllLocked[root] === 0) continue;
      m.anonVma.isAllLocked[root] = 0;
      yield* mutexUnlockNest(m, anonMutex(m, root));
    }
    const inode = v.vmFile[vma] === 0 ? 0 : vmaInode(m, vma);
    if (inode === 0 || m.inode.isAllLocked[inode] === 0) continue;
    m.inode.isAllLocked[inode] = 0;
    yield* mutexUnlockNest(m, mutexAt(m.inode.iMmapLock, inode));
  }
  yield* mutexUnlock(m, allLocksMutex(m));
}

function allLocksMutex(m: Machine): Mutex {
  return mutexAt(m.vm.mmAllLocksMutex, 0);
}

function anonMutex(m: Machine, root: number): Mutex {
  return anonVmaLock(m, root as AnonVma) as Where as Mutex;
}
