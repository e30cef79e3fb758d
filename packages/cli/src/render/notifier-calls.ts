import type { NotifierCounts } from '@mmun/include';

/** The calls by kind, in the order and with the names in which they are shown. */
export const NOTIFIER_CALLS: readonly (readonly [keyof NotifierCounts, string])[] = [
  ['invalidatePage', 'invalidate_page'], ['invalidatePages', 'invalidate_pages'], ['agePage', 'age_page'], ['release', 'release'],
  ['invalidateRangeStart', 'invalidate_range_start'], ['invalidateRangeEnd', 'invalidate_range_end'], ['changePte', 'change_pte'],
];
