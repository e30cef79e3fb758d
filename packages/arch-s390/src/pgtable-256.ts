// Models include/asm-s390/pgtable.h and arch/s390/mm/pgtable.c (2.6.25, 64 bit): tables of 256 ptes, two in a page.
/**
 *   41      31 30      20 19      12 11         0
 *   | pgd 11  | pmd 11   | pte 8    | byte 12    |
 *
 * As of 146e4b3c8b9, 2008-02-09. A page holds two tables of one mm, in the order in which they were asked for, whatever they
 * map: so one split lock covers two ranges of 1 MiB that need not be neighbours, and who locks two tables at once (mremap) may
 * meet the same lock twice.
 *
 *   pmd  | frame of the page 12 .. | part 11 | invalid 5 |
 *
 * Deviation: three levels. The fourth (5a216a20837) came with the same release, and only mms beyond 4 TiB have it (6252d702c53).
 */
import type { ImageConfig } from '@mmun/include';

export const ARCH: ImageConfig['arch'] = 's390-256';
export const PTRS_PER_PTE: number = 256;
export const PTRS_PER_PMD: number = 2048;
export const PMD_SHIFT: number = 20;
export const PMD_SIZE: number = 0x100000;
export const PGTABLES_PER_PAGE: number = 2;
/** A segment, as mm aligns mappings for on 6.18. */
export const HPAGE_PMD_NR: number = 256;
