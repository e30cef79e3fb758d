// Models include/asm-x86/uaccess.h: one word of user memory, as an instruction reads or writes it.
/**
 * Translation and access are one instruction: after the point the translation is asked for again, and where it is gone
 * the instruction starts over. So no access reaches a frame by a translation that was flushed, and whatever else it
 * reaches by one that was not is a finding of the oracles.
 */
import { EFAULT, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { point } from '@mmun/locking';
import { hwAccess, ptepGet, pteWrite, ptePfn, ptePresent, smpProcessorId, tlbHits, walkPte } from '#asm';
import { doPageFault } from './fault.js';
import { currentMm } from './mm-types.js';
import type { Machine } from './mm-types.js';

/** Reads the 32-bit word at `address` as the current thread. @context process; may sleep @returns the word, or -EFAULT where a signal would come */
export function* userRead(m: Machine, address: Vaddr): Task<MaySleep, number> {
  const at = yield* userAccess(m, address, false);
  return at < 0 ? at : m.pageContent[at];
}

/** Writes it. @returns 0, or -EFAULT where a signal would come */
export function* userWrite(m: Machine, address: Vaddr, word: number): Task<MaySleep, number> {
  const at = yield* userAccess(m, address, true);
  if (at < 0) return at;
  m.pageContent[at] = word;
  return 0;
}

/** @returns where in pageContent the word lies, with no step between this and the access; or -EFAULT */
function* userAccess(m: Machine, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const mm = currentMm(m);
  const cpu = smpProcessorId(m);
  for (;;) {
    const pfn = yield* hwAccess(m, cpu, mm, address, isWrite);
    if (pfn < 0) {
      if ((yield* doPageFault(m, address, -pfn)) !== 0) return -EFAULT;
      continue;
    }
    const at = pfn * m.bootConfig.pageContentWords + wordOf(m, address);
    if (isWrite) yield* point(m, WRITE, whereOf(m.pageContent, at));
    else yield* point(m, READ, whereOf(m.pageContent, at));
    if (isStillTranslated(m, cpu, mm, address, isWrite, pfn)) return at;
  }
}

function isStillTranslated(m: Machine, cpu: number, mm: Mm, address: Vaddr, isWrite: boolean, pfn: number): boolean {
  if (m.tlb.entriesPerCpu !== 0) return tlbHits(m, cpu, mm, address, isWrite);
  const ptep = walkPte(m, mm, address);
  if (ptep === 0) return false;
  const pte = ptepGet(m, ptep);
  return ptePresent(pte) && ptePfn(pte) === pfn && (!isWrite || pteWrite(pte));
}

/** Fewer words than a page has: they stand for it in turn. */
function wordOf(m: Machine, address: Vaddr): number {
  return ((address % PAGE_SIZE) >>> 2) % m.bootConfig.pageContentWords;
}
