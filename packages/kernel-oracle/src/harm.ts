/** Operations that would take from the process that makes them what it needs: they are not made. */
import { MAP_FIXED, MREMAP_FIXED, PAGE_SIZE } from '@mmun/include';
import type { Operation } from './operation.js';
import { HEAP, PROTECTED_LOW, TASK_END, zoneEnd } from './zones.js';
import type { Zone } from './zones.js';

export function isHarmful({ name, args }: Operation, top: Zone): boolean {
  const touches = (addr: number, lenBytes: number): boolean => touchesProcess(addr, lenBytes, zoneEnd(top));
  switch (name) {
    case 'mmap': return (args[3] & MAP_FIXED) !== 0 && touches(args[0], args[1]);
    case 'mremap': return touches(args[0], Math.max(args[1], PAGE_SIZE)) || ((args[3] & MREMAP_FIXED) !== 0 && touches(args[4], args[2]));
    case 'munmap': case 'mprotect': case 'madvise': case 'mlock': case 'mlock2': case 'munlock': case 'msync': case 'mincore': return touches(args[0], args[1]);
    case 'write': return touches(args[0], PAGE_SIZE);
    default: return false;
  }
}

/** Its program, its shared memory, and what the kernel mapped at the upper end. */
function touchesProcess(addr: number, lenBytes: number, topEnd: number): boolean {
  const end = addr + lenBytes;
  const overlaps = (from: number, to: number): boolean => addr < to && end > from;
  return overlaps(HEAP.start - PAGE_SIZE, HEAP.start) || overlaps(PROTECTED_LOW.start, PROTECTED_LOW.end) || overlaps(topEnd, TASK_END);
}
