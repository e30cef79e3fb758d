// Models arch/x86/mm/fault.c (6.18): what a page fault of the processor leads to.
/** Lock order: takes mmap_sem for reading. */
import { PF_INSTR, PF_PROT, PF_USER, PF_WRITE, VM_ACCESS_FLAGS, VM_FAULT_SIGSEGV, VM_GROWSDOWN, VM_WRITE } from '@mmun/include';
import type { MaySleep, Mm, Task, Vaddr, Vma } from '@mmun/include';
import { downRead, upRead } from '@mmun/locking';
import { TASK_SIZE } from '#asm';
import { expandStack } from './expand-stack.js';
import { FAULT_FLAG_INSTRUCTION, FAULT_FLAG_USER, FAULT_FLAG_WRITE } from './fault-flags.js';
import { handleMmFault } from './memory-fault.js';
import { currentMm, mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { findVma } from './vma-tree.js';

/**
 * A page fault of the current thread. A fault of the kernel on a user address (no PF_USER) is handled alike; what the
 * kernel then does about VM_FAULT_SIGSEGV is -EFAULT of the call it is in.
 * @context process, no lock held; may sleep
 * @param errorCode PF_ bits as the processor pushes them
 * @returns 0: the access can be repeated; else VM_FAULT_SIGSEGV, VM_FAULT_SIGBUS or VM_FAULT_OOM
 */
export function* doPageFault(m: Machine, address: Vaddr, errorCode: number): Task<MaySleep, number> {
  const mm = currentMm(m);
  if (mm === 0 || address < 0 || address >= TASK_SIZE) return VM_FAULT_SIGSEGV;
  const mmapSem = mmapSemOf(m, mm);
  yield* downRead(m, mmapSem);
  const result = yield* faultLocked(m, mm, address, errorCode);
  yield* upRead(m, mmapSem);
  return result;
}

/** @hot */
function* faultLocked(m: Machine, mm: Mm, address: Vaddr, errorCode: number): Task<MaySleep, number> {
  const vma = findVma(m, mm, address);
  if (vma === 0) return VM_FAULT_SIGSEGV;
  if (m.vma.vmStart[vma] > address) {
    if ((m.vma.vmFlags[vma] & VM_GROWSDOWN) === 0) return VM_FAULT_SIGSEGV;
    if ((yield* expandStack(m, vma, address)) !== 0) return VM_FAULT_SIGSEGV;
  }
  if (isAccessError(m, vma, errorCode)) return VM_FAULT_SIGSEGV;
  return yield* handleMmFault(m, vma, address, faultFlags(errorCode));
}

/** access_error(): a page that is present and still faults on a read is one that may not be touched. @hot */
function isAccessError(m: Machine, vma: Vma, errorCode: number): boolean {
  const vmFlags = m.vma.vmFlags[vma];
  if ((errorCode & PF_WRITE) !== 0) return (vmFlags & VM_WRITE) === 0;
  return (errorCode & PF_PROT) !== 0 || (vmFlags & VM_ACCESS_FLAGS) === 0;
}

function faultFlags(errorCode: number): number {
  return ((errorCode & PF_WRITE) === 0 ? 0 : FAULT_FLAG_WRITE) | ((errorCode & PF_USER) === 0 ? 0 : FAULT_FLAG_USER)
    | ((errorCode & PF_INSTR) === 0 ? 0 : FAULT_FLAG_INSTRUCTION);
}
