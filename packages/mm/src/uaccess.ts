// Models include/asm-x86/uaccess_64.h (2.6.24): one word of user memory, as an instruction reads or writes it.
/**
 * A thread acts as the CPU that it runs on (`thread.cpu`): its TLB, else a walk, else a fault and the instruction starts
 * over. Translation and access are one instruction, so no shootdown comes between them: an access reaches no frame by a
 * translation that was flushed, and whatever it reaches by one that was not is a finding of the oracles.
 */
import { EFAULT, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { MaySleep, Task, Vaddr } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { touch } from '@mmun/locking';
import { hwAccess, hwRetire, smpProcessorId } from '#asm';
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

/** @returns where in pageContent the word lies, to be accessed in the step that has begun; or -EFAULT @owes hwRetire after the access */
function* userAccess(m: Machine, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  const mm = currentMm(m);
  const cpu = smpProcessorId(m);
  for (;;) {
    const pfn = yield* hwAccess(m, cpu, mm, address, isWrite);
    if (pfn > 0) {
      const at = pfn * m.bootConfig.pageContentWords + wordOf(m, address);
      touch(m, READ, whereOf(m.framePool.rows.gen, pfn));
      touch(m, isWrite ? WRITE : READ, whereOf(m.pageContent, at));
      return at;
    }
    if ((yield* doPageFault(m, address, -pfn)) !== 0) return -EFAULT;
  }
}

/** Fewer words than a page has: they stand for it in turn. */
function wordOf(m: Machine, address: Vaddr): number {
  return ((address % PAGE_SIZE) >>> 2) % m.bootConfig.pageContentWords;
}
