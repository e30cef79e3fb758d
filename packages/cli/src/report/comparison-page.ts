/** `mmun compare --report`: the designs side by side. */
import type { NotifierCounts } from '@mmun/include';
import type { ComparisonData, ComparisonGroup } from '@mmun/viewer';
import type { CompareReport, DesignReport } from '../compare/compare-designs.js';

const CALLS: readonly (readonly [keyof NotifierCounts, string])[] = [
  ['invalidatePage', 'invalidate_page'], ['invalidatePages', 'invalidate_pages'], ['invalidateRangeStart', 'invalidate_range_start'],
  ['invalidateRangeEnd', 'invalidate_range_end'], ['agePage', 'age_page'], ['release', 'release'],
];

export function comparisonPage({ designs, arch, plugin, deviceRate, recordings }: CompareReport): ComparisonData {
  const locks = [...new Set(designs.flatMap(({ told }) => told.map(({ lock }) => lock)))];
  const group = (title: string, unit: string, rows: readonly (readonly [string, (design: DesignReport) => number | null])[]): ComparisonGroup =>
    ({ title, unit, rows: rows.map(([label, value]) => ({ label, values: designs.map(value) })) });
  return {
    kind: 'comparison', title: `${recordings.join(', ')} under each notifier design`,
    config: `${arch}, ${plugin} at ${deviceRate} accesses an event, the same accesses under each design`,
    designs: designs.map(({ design }) => design),
    groups: [
      group('Calls of the notifier', 'calls, by kind', CALLS.map(([key, label]) => [label, ({ notifier }) => notifier?.[key] ?? null])),
      group(`What ${plugin} did`, 'times', [
        ['accesses', ({ secondary }) => secondary?.accesses ?? null], ['faults', ({ secondary }) => secondary?.faults ?? null],
        ['of them on pages it had before', ({ secondary }) => secondary?.refaults ?? null], ['entries dropped', ({ secondary }) => secondary?.invalidations ?? null],
      ]),
      group('Calls, by the lock that was held', 'calls under the innermost lock', locks.map((lock) => [lock, ({ told, notifier }) => (notifier === null ? null : told.find((row) => row.lock === lock)?.calls ?? 0)])),
      group('Pages told of, by the lock that was held', 'pages', locks.map((lock) => [lock, ({ told, notifier }) => (notifier === null ? null : told.find((row) => row.lock === lock)?.pages ?? 0)])),
    ],
  };
}
