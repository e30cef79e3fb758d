// No kernel original: in C a driver calls these functions by name; here it is handed them, and imports nothing.
/** What mm does for a secondary MMU: address spaces and pages. Contracts in include/secondary-mmu.ts. */
import { PAGE_SIZE, PTE_LOOKUP_DIRTY, PTE_LOOKUP_WRITE, READ, WRITE } from '@mmun/include';
import type { KernelServices, MaySleep, Mm, Pfn, PointKind, Sleep, Step, Task, Vaddr, Where } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { downRead, downReadTrylock, point, touch, upRead } from '@mmun/locking';
import { hwMarkAccess, pteDirty, ptepGet } from '#asm';
import { mmdrop, mmgrab, mmput, mustPinMm } from './fork.js';
import { getUserPage } from './gup.js';
import { getUserPagesFast } from './gup-fast.js';
import { getAnyPage, hugeOrSmallPte, putAnyPage, translationAt } from './hugetlb-gup.js';
import { compoundHead } from './hugetlb-pool.js';
import { translationWhere } from './inspect.js';
import { mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { allocZeroedPage } from './page-alloc.js';
import { PG_DIRTY, lockPage, trylockPage, unlockPage } from './page-flags.js';
import { followPageOf, getUserPageOf, mmgetNotZero, withPte } from './secondary-gup.js';
import { findVma } from './vma-tree.js';

export type MmServices = Pick<KernelServices, 'getUserPagesFast' | 'mmgrab' | 'mmdrop' | 'mmgetNotZero' | 'mmput' | 'mmapReadLock' | 'mmapReadTrylock' | 'mmapReadUnlock' | 'vmaFlagsAt'
  | 'withPte' | 'getUserPages' | 'getUserPagesLocked' | 'followPage' | 'atomicPteLookup' | 'getPage' | 'putPage' | 'allocPage' | 'lockPage' | 'trylockPage' | 'unlockPage'
  | 'setPageDirty'>;

export function mmServices(m: Machine): MmServices {
  return {
    * mmgrab(mm: Mm): Task<Step> {
      yield* mmgrab(m, mm);
      mustPinMm(m, mm);
    },
    mmdrop: (mm): Task<MaySleep> => mmdrop(m, mm),
    mmgetNotZero: (mm) => mmgetNotZero(m, mm),
    mmput: (mm) => mmput(m, mm),
    * mmapReadLock(mm: Mm): Task<Sleep<'down_read'>> {
      yield* downRead(m, mmapSemOf(m, mm));
      mustPinMm(m, mm);
    },
    mmapReadTrylock: (mm) => downReadTrylock(m, mmapSemOf(m, mm)),
    mmapReadUnlock: (mm) => upRead(m, mmapSemOf(m, mm)),
    vmaFlagsAt: (mm, address) => vmaFlagsAt(m, mm, address),
    withPte: (mm, address, isWrite, install, cookie) => withPte(m, mm, address, isWrite, install, cookie),
    getUserPages: (mm, address, isWrite) => getUserPageOf(m, mm, address, isWrite),
    getUserPagesLocked: (mm, address, isWrite) => getUserPage(m, mm, address, isWrite),
    getUserPagesFast: (address, isWrite) => getUserPagesFast(m, address, isWrite),
    followPage: (mm, address, isWrite) => followPageOf(m, mm, address, isWrite),
    atomicPteLookup: (mm, address) => atomicPteLookup(m, mm, address),
    getPage: (pfn) => getAnyPage(m, pfn),
    putPage: (pfn) => putAnyPage(m, pfn),
    allocPage: () => allocZeroedPage(m),
    lockPage: (pfn) => lockPage(m, compoundHead(m, pfn)) as Task<Sleep<'lock_page'>>,
    trylockPage: (pfn) => trylockPage(m, compoundHead(m, pfn)),
    unlockPage: (pfn) => unlockPage(m, compoundHead(m, pfn)),
    setPageDirty: (pfn) => setPageDirtyFlag(m, compoundHead(m, pfn)),
  };
}

function vmaFlagsAt(m: Machine, mm: Mm, address: Vaddr): number {
  const vma = findVma(m, mm, address);
  return vma === 0 || m.vma.vmStart[vma] > address ? -1 : m.vma.vmFlags[vma];
}

/** The walk is one step: with interrupts off no table is freed under it, and what it saw may be old when it is used. */
function* atomicPteLookup(m: Machine, mm: Mm, address: Vaddr): Task<Step, number> {
  yield* point(m, READ, whereOf(m.mm.pgd, mm)); // which is always the same word: where the walk ends, the step itself finds out
  touch(m, READ, translationWhere(m, mm, address));
  const translation = translationAt(m, mm, address);
  if (translation === 0) return 0;
  const isDirty = pteDirty(ptepGet(m, hugeOrSmallPte(m, mm, address)));
  return 4 * Math.floor(translation / 2) + (translation % 2 === 1 ? PTE_LOOKUP_WRITE : 0) + (isDirty ? PTE_LOOKUP_DIRTY : 0);
}

/** Only the flag: no tree lock and no private lock, so it may be called below the PT lock. SetPageDirty() */
function* setPageDirtyFlag(m: Machine, pfn: Pfn): Task<Step> {
  yield* point(m, WRITE, whereOf(m.page.flags, pfn));
  m.page.flags[pfn] = m.page.flags[pfn] | PG_DIRTY;
}

export type DeviceServices = Pick<KernelServices, 'step' | 'deviceRead' | 'deviceWrite'>;

export function deviceServices(m: Machine): DeviceServices {
  const { pageContentWords } = m.bootConfig;
  const contentWhere = (pfn: Pfn, address: Vaddr): Where => whereOf(m.pageContent, pfn * pageContentWords + (((address % PAGE_SIZE) >>> 2) % pageContentWords));
  return {
    * step(kind: PointKind, where: Where): Task<Step> {
      yield* point(m, kind, where);
    },
    deviceRead: (pfn, address) => {
      touch(m, READ, whereOf(m.framePool.rows.gen, pfn));
      touch(m, READ, contentWhere(pfn, address));
      hwMarkAccess(m, pfn, false);
      return m.words[contentWhere(pfn, address)];
    },
    deviceWrite: (pfn, address, value) => {
      touch(m, READ, whereOf(m.framePool.rows.gen, pfn));
      touch(m, WRITE, contentWhere(pfn, address));
      hwMarkAccess(m, pfn, true);
      m.words[contentWhere(pfn, address)] = value;
    },
  };
}

