// No kernel original: in C a driver calls these functions by name; here it is handed them, and imports nothing.
/** Pages that a driver keeps for long, and areas that it maps pages in itself. Contracts in include/secondary-mmu.ts. */
import type { KernelServices, Sleep, Step, Task } from '@mmun/include';
import { unpinUserPage } from './gup.js';
import { currentMm } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { remapPfn, vmMmapPfn, vmMunmapPfn, zapVmaPtes } from './remap-pfn.js';
import { getUserPageOf } from './secondary-gup.js';

export type AreaServices = Pick<KernelServices, 'pinUserPages' | 'unpinUserPage' | 'currentMm' | 'vmMmapPfn' | 'remapPfn' | 'zapVmaPtes' | 'vmMunmapPfn'>;

export function areaServices(m: Machine): AreaServices {
  return {
    pinUserPages: (mm, address, isWrite) => getUserPageOf(m, mm, address, isWrite, true),
    unpinUserPage: (pfn) => unpinUserPage(m, pfn),
    currentMm: () => currentMm(m),
    vmMmapPfn: (mm, sizeBytes, isWritable, owner) => vmMmapPfn(m, mm, sizeBytes, isWritable, owner),
    remapPfn: (mm, address, pfn, isWritable, owner) => remapPfn(m, mm, address, pfn, isWritable, owner),
    // what else notifiers may do belongs to their own calls
    zapVmaPtes: (mm, address, sizeBytes, owner) => zapVmaPtes(m, mm, address, sizeBytes, owner) as Task<Step | Sleep>,
    vmMunmapPfn: (mm, address, sizeBytes, owner) => vmMunmapPfn(m, mm, address, sizeBytes, owner),
  };
}
