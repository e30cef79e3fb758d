// Models include/asm-x86/uaccess.h: one word of user memory, as an instruction reads or writes it.
/**
 * A thread acts as the CPU that it runs on (`thread.cpu`): its TLB, else a walk, else a fault and the instruction starts
 * over. Translation and access are one instruction, so no shootdown comes between them: an access reaches no frame by a
 * translation that was flushed, and whatever it reaches by one that was not is a finding of the oracles.
 *
 * Without a TLB there is nothing to shoot down; the translation is then asked for again right before the access. Points
 * cannot say that this step looks at two places, so a machine that is explored has a TLB.
 */
import { EFAULT, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { point } from '@mmun/locking';
import { hwAccess, hwRetire, ptepGet, pteWrite, ptePfn, ptePresent, smpProcessorId, walkPte } from '#asm';
import { doPageFault } from './fault.js';
import { currentMm } from './mm-types.js';
import type { Machine } from './mm-types.js';

/** Reads the 32-bit word at `address` as the current thread. @context process; may sleep @returns the word, or -EFAULT where a signal would come */
export function* userRead(m: Machine, address: Vaddr): Task<MaySleep, number> {
  const at = yield* userAccess(m, address, false);
  if (at < 0) return at;
  const word = m.pageContent[at];
  yield* hwRetire(m, smpProcessorId(m));
  return word;
}

/** Writes it. @returns 0, or -EFAULT where a signal would come */
export function* userWrite(m: Machine, address: Vaddr, word: number): Task<MaySleep, number> {
  const at = yield* userAccess(m, address, true);
  if (at < 0) return at;
  m.pageContent[at] = word;
  yield* hwRetire(m, smpProcessorId(m));
  return 0;
}

/** @returns where in pageContent the word lies, with no step between this and the access; or -EFAULT @owes hwRetire after the access */
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
    yield* point(m, isWrite ? WRITE : READ, whereOf(m.pageContent, at));
    if (m.tlb.entriesPerCpu !== 0 || isStillTranslated(m, mm, address, isWrite, pfn)) return at;
  }
}

/** What stands in for the TLB where there is none. */
function isStillTranslated(m: Machine, mm: Mm, address: Vaddr, isWrite: boolean, pfn: number): boolean {
  const ptep = walkPte(m, mm, address);
  if (ptep === 0) return false;
  const pte = ptepGet(m, ptep);
  return ptePresent(pte) && ptePfn(pte) === pfn && (!isWrite || pteWrite(pte));
}

/** Fewer words than a page has: they stand for it in turn. */
function wordOf(m: Machine, address: Vaddr): number {
  return ((address % PAGE_SIZE) >>> 2) % m.bootConfig.pageContentWords;
}
