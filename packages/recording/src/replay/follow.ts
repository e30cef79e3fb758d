import { MAP_FIXED, MAP_FIXED_NOREPLACE, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from '@mmun/include';
import type { BootedMachine, File, Vaddr } from '@mmun/include';
import type { Call } from '../call.js';
import { run } from './machine.js';
import type { Driven } from './machine.js';

/**
 * After a difference was counted: brings the model as near as it can be brought to
 * what the recording says happened, so that one difference does not hide the rest.
 */
export function follow<M extends BootedMachine>(driven: Driven<M>, call: Call, model: number, file: File): void {
  if (call.result === model) return;
  switch (call.name) {
    case 'mmap': followMmap(driven, call, model, file); break;
    case 'mremap': followMremap(driven, call, model); break;
    case 'brk': run(driven, driven.image.sysBrk(driven.machine, call.result as Vaddr)); break;
    default: break;
  }
}

function followMmap<M extends BootedMachine>(driven: Driven<M>, call: Call, model: number, file: File): void {
  const { image, machine: m } = driven;
  const [, lenBytes, prot, flags, , offset] = call.args;
  if (model >= 0) run(driven, image.sysMunmap(m, model as Vaddr, lenBytes));
  if (call.result < 0) return;
  const fixed = (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;
  run(driven, image.sysMmap(m, call.result as Vaddr, lenBytes, prot, fixed, file, offset));
}

function followMremap<M extends BootedMachine>(driven: Driven<M>, call: Call, model: number): void {
  if (call.result < 0) return;
  const { image, machine: m } = driven;
  const [oldAddr, oldLen, newLen, flags] = call.args;
  const isMoved = model >= 0;
  const from = (isMoved ? model : oldAddr) as Vaddr;
  const fromLen = isMoved ? newLen : oldLen;
  // What the first move left behind stays once, not twice.
  const kept = isMoved ? flags & ~MREMAP_DONTUNMAP : flags;
  run(driven, image.sysMremap(m, from, fromLen, newLen, kept | MREMAP_MAYMOVE | MREMAP_FIXED, call.result as Vaddr));
}
