/** Operations that would take from the process that makes them what it needs, or from the machine: they are not made. */
import { MAP_FIXED, MREMAP_FIXED, PAGE_SIZE } from '@mmun/include';
import type { Operation } from './operation.js';
import { HEAP, HUGE, PROTECTED_LOW, TASK_END, zoneEnd } from './zones.js';
import type { Zone } from './zones.js';

export function isHarmful({ name, args }: Operation, top: Zone): boolean {
  const touches = (addr: number, lenBytes: number): boolean => touchesProcess(addr, lenBytes, zoneEnd(top));
  switch (name) {
    case 'mmap': return (args[3] & MAP_FIXED) !== 0 && touches(args[0], args[1]);
    case 'mremap': return losesPromises(args) || touches(args[0], Math.max(args[1], PAGE_SIZE)) || ((args[3] & MREMAP_FIXED) !== 0 && touches(args[4], args[2]));
    case 'munmap': case 'mprotect': case 'madvise': case 'mlock': case 'mlock2': case 'munlock': case 'msync': case 'mincore': case 'mseal': case 'remap_file_pages': return touches(args[0], args[1]);
    case 'write': return touches(args[0], PAGE_SIZE);
    default: return false;
  }
}

/**
 * 6.18 forgets what it has promised to the rest of a private hugetlb mapping when a part of it moves: HugePages_Rsvd stays
 * up until the machine is booted again.
 */
function losesPromises([addr, oldLen, , flags]: readonly number[]): boolean {
  return (flags & MREMAP_FIXED) !== 0 && addr < zoneEnd(HUGE) && addr + Math.max(oldLen, PAGE_SIZE) > HUGE.start;
}

/** Its program, its shared memory, and what the kernel mapped at the upper end. */
function touchesProcess(addr: number, lenBytes: number, topEnd: number): boolean {
  const end = addr + lenBytes;
  const overlaps = (from: number, to: number): boolean => addr < to && end > from;
  return overlaps(HEAP.start - PAGE_SIZE, HEAP.start) || overlaps(PROTECTED_LOW.start, PROTECTED_LOW.end) || overlaps(topEnd, TASK_END);
}
