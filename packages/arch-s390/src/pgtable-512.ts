// Models include/asm-s390/pgtable.h (2.6.24, 64 bit): tables of 512 ptes.
/**
 *   41      31 30      21 20      12 11         0
 *   | pgd 11  | pmd 10   | pte 9    | byte 12    |
 *
 * The hardware's tables of ptes have 256 entries. Two of them lie in one page, so that Linux sees one of 512 and a pmd holds
 * two addresses: the "512 ptes, 2M" of the mail are right for this base. Nine days later it was otherwise: pgtable-256.ts.
 */
import type { ImageConfig } from '@mmun/include';

export const ARCH: ImageConfig['arch'] = 's390';
export const PTRS_PER_PTE: number = 512;
export const PTRS_PER_PMD: number = 1024;
export const PMD_SHIFT: number = 21;
export const PMD_SIZE: number = 0x200000;
export const PGTABLES_PER_PAGE: number = 1;
/** Deviation: there was no huge page of 512. It is what mm aligns mappings for, as on 6.18 with its pmd. */
export const HPAGE_PMD_NR: number = 512;
