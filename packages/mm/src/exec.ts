// Models fs/exec.c and fs/binfmt_elf.c (6.18) as far as they map.
/**
 * execve gives a process a new address space and maps stack, program, interpreter
 * and vdso into it. Where they go is random in the kernel; here the caller says.
 */
import {
  ENOMEM, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, VM_DONTDUMP, VM_DONTEXPAND, VM_EXEC, VM_IO, VM_MAYEXEC, VM_MAYREAD,
  VM_MAYWRITE, VM_PFNMAP, VM_READ, VM_STACK_FLAGS, VM_WRITE,
} from '@mmun/include';
import type { ExecLayout, ExecRow, MaySleep, Mm, Task, Vaddr } from '@mmun/include';
import { current, downWrite, upWrite } from '@mmun/locking';
import { doBrkFlags } from './brk.js';
import { mmAlloc, mmput } from './fork.js';
import { vmEnoughMemory, vmStatAccount } from './limits.js';
import { FAULT_FLAG_WRITE } from './fault-flags.js';
import { handleMmFault } from './memory-fault.js';
import { mmapRegion } from './mmap.js';
import { VM_OPS_ANON, VM_OPS_SPECIAL, mmapSemOf } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { anonVmaPrepare } from './rmap.js';
import { vmAreaAlloc } from './vma.js';
import { findVmaPrev, vmaLink } from './vma-tree.js';

/** @returns 0, or -ENOMEM with the old address space gone, as for a process that is past the point of no return */
export function* sysExecve(m: Machine, layout: ExecLayout): Task<MaySleep, number> {
  const task = current(m);
  const old = m.task.mm[task] as Mm;
  const fresh = yield* mmAlloc(m, old === 0 ? 0 : m.mm.defFlags[old]);
  if (fresh < 0) return fresh;
  const mm = fresh as Mm;
  m.task.mm[task] = mm;
  if (old !== 0) yield* mmput(m, old);
  m.mm.mmapBase[mm] = layout.mmapBase;
  m.mm.startBrk[mm] = m.mm.brk[mm] = layout.startBrk;
  m.mm.startStack[mm] = layout.startStack;
  m.mm.argStart[mm] = layout.argStart;
  m.mm.dataBytes[mm] = layout.dataBytes ?? 0;
  const mmapSem = mmapSemOf(m, mm);
  yield* downWrite(m, mmapSem);
  const error = yield* mapRows(m, mm, layout);
  yield* upWrite(m, mmapSem);
  return error;
}

function* mapRows(m: Machine, mm: Mm, layout: ExecLayout): Task<MaySleep, number> {
  for (let i = 0; i < layout.rows.length; i++) {
    const row = layout.rows[i] as ExecRow;
    const result = yield* mapRow(m, mm, row, layout.argStart);
    if (result < 0) return result;
  }
  return 0;
}

function* mapRow(m: Machine, mm: Mm, row: ExecRow, argStart: Vaddr): Task<MaySleep, number> {
  const len = row.end - row.start;
  const access = ((row.prot & PROT_READ) !== 0 ? VM_READ : 0) | ((row.prot & PROT_WRITE) !== 0 ? VM_WRITE : 0)
    | ((row.prot & PROT_EXEC) !== 0 ? VM_EXEC : 0);
  switch (row.kind) {
    case 'stack': return yield* setupArgPages(m, mm, row, argStart);
    case 'bss': return yield* doBrkFlags(m, mm, findVmaPrev(m, mm, row.start), row.start, len);
    case 'file': return yield* mmapRegion(m, mm, row.start, len, access | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC, row.pgoff, row.file);
    case 'vdso': return installSpecialMapping(m, mm, row, access | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_DONTEXPAND);
    case 'vvar': return installSpecialMapping(m, mm, row, access | VM_MAYREAD | VM_IO | VM_DONTDUMP | VM_PFNMAP | VM_DONTEXPAND);
  }
}

/** The stack at its final place, with room below, and the pages that hold the arguments and the environment. */
function* setupArgPages(m: Machine, mm: Mm, row: ExecRow, argStart: Vaddr): Task<MaySleep, number> {
  const nrPages = (row.end - row.start) / PAGE_SIZE;
  const vma = vmAreaAlloc(m, mm);
  if (vma === 0 || !vmEnoughMemory(m, nrPages)) return -ENOMEM;
  const v = m.vma;
  v.vmStart[vma] = row.start;
  v.vmEnd[vma] = row.end;
  v.vmFlags[vma] = VM_STACK_FLAGS | ((row.prot & PROT_EXEC) !== 0 ? VM_EXEC : 0);
  v.vmPgoff[vma] = row.pgoff;
  v.vmOps[vma] = VM_OPS_ANON;
  vmaLink(m, mm, vma);
  m.mm.mapCount[mm]++;
  vmStatAccount(m, mm, v.vmFlags[vma], nrPages);
  const error = yield* anonVmaPrepare(m, vma);
  if (error !== 0) return error;
  for (let at = argStart - (argStart % PAGE_SIZE); at < row.end; at += PAGE_SIZE) {
    if (at >= row.start && (yield* handleMmFault(m, vma, at as Vaddr, FAULT_FLAG_WRITE)) !== 0) return -ENOMEM;
  }
  return 0;
}

/** A mapping that the kernel owns: it has a name instead of a file, and never merges. _install_special_mapping() */
function installSpecialMapping(m: Machine, mm: Mm, row: ExecRow, vmFlags: number): number {
  const vma = vmAreaAlloc(m, mm);
  if (vma === 0) return -ENOMEM;
  let name = m.specialNames.indexOf(row.name);
  if (name < 0) name = m.specialNames.push(row.name) - 1;
  const v = m.vma;
  v.vmStart[vma] = row.start;
  v.vmEnd[vma] = row.end;
  v.vmFlags[vma] = vmFlags;
  v.vmPgoff[vma] = row.pgoff;
  v.vmOps[vma] = VM_OPS_SPECIAL;
  v.vmName[vma] = name;
  vmaLink(m, mm, vma);
  m.mm.mapCount[mm]++;
  vmStatAccount(m, mm, vmFlags, (row.end - row.start) / PAGE_SIZE);
  return 0;
}

