/** Where the operations happen: three pieces of an address space of which everything is known. */
import { PAGE_SIZE } from '@mmun/include';
import { CODE, SHARED } from './server-program.js';

export interface Zone {
  readonly start: number;
  readonly nrPages: number;
}

/** Far from where the kernel puts anything by itself. */
export const ARENA: Zone = { start: 0x5000_0000_0000, nrPages: 64 };
/** Above the program, from where the break starts. */
export const HEAP: Zone = { start: CODE + PAGE_SIZE, nrPages: 16 };
/** Two halves that no table of any level has in common. */
export const SEAM: Zone = { start: 0x5180_0000_0000 - 12 * PAGE_SIZE, nrPages: 24 };
/** For huge pages, of which the first two small ones are looked at. */
export const HUGE_PAGE: number = 512 * PAGE_SIZE;
const NR_HUGE = 4;
export const HUGE: Zone = { start: 0x5100_0000_0000, nrPages: (NR_HUGE * HUGE_PAGE) / PAGE_SIZE };
/** Enough for all that a segment's processes can map and copy there: then no answer depends on how many there are. */
export const NR_HUGE_NEEDED = 64;
/** What the kernel chooses, without randomization: below [vvar], the highest of what it mapped itself. */
export const TOP_PAGES = 32;
/** Nothing of the process itself lies in between, and nothing that it needs may be touched. */
export const PROTECTED_LOW: { readonly start: number; readonly end: number } = { start: SHARED - 0x1000000, end: SHARED + 0x1000000 };
export const TASK_END = 0x7ffffffff000;

export function zoneEnd({ start, nrPages }: Zone): number {
  return start + nrPages * PAGE_SIZE;
}

/** What to tell where huge pages are left out. */
export const WITHOUT_HUGE_PAGES: string = `huge pages are left out: the kernel has fewer than ${NR_HUGE_NEEDED} to spare (sysctl vm.nr_hugepages)`;

/** The first pages of each huge page. */
export function hugeSamples(): readonly Zone[] {
  return Array.from({ length: NR_HUGE }, (_, i) => ({ start: HUGE.start + i * HUGE_PAGE, nrPages: 2 }));
}

export function topZone(vvarStart: number): Zone {
  return { start: vvarStart - TOP_PAGES * PAGE_SIZE, nrPages: TOP_PAGES };
}
