/** `mmun compare` for eyes: one column per design. */
import type { NotifierCounts } from '@mmun/include';
import type { CompareReport, DesignReport } from '../compare/compare-designs.js';
import { NOTIFIER_CALLS } from './notifier-calls.js';
import { renderFinding } from './render-finding.js';
import type { Screen } from './screen.js';
import { grouped, plural, textTable } from './text-table.js';

export function renderCompare(report: CompareReport, screen: Screen): string[] {
  const { paint, width } = screen;
  const { arch, plugin, deviceRate, seed, recordings, designs } = report;
  return [
    paint.dim(`${arch}, checked build; ${plugin} at ${deviceRate} accesses an event, seed ${seed}`),
    `${paint.bold(recordings.join(', '))}`,
    '',
    ...textTable(
      [{ title: 'calls of the notifier', align: 'left' }, ...designs.map(({ design }) => ({ title: design, align: 'right' as const }))],
      [
        ...callRows(designs),
        ...row('calls in all', designs, ({ notifier }) => (notifier === null ? null : sum(notifier))),
      ], { width, title: paint.bold }),
    '',
    ...textTable(
      [{ title: plugin, align: 'left' }, ...designs.map(({ design }) => ({ title: design, align: 'right' as const }))],
      [
        ...row('entries dropped', designs, ({ secondary }) => secondary?.invalidations ?? null),
        ...row('faults', designs, ({ secondary }) => secondary?.faults ?? null),
        ...row('of them on pages it had', designs, ({ secondary }) => secondary?.refaults ?? null),
        ...row('accesses', designs, ({ secondary }) => secondary?.accesses ?? null),
      ], { width, title: paint.bold }),
    '',
    ...textTable(
      [
        { title: 'told under', align: 'left' }, { title: '', align: 'left' }, { title: 'calls', align: 'right' }, { title: 'pages named', align: 'right' },
        { title: 'entries dropped', align: 'right' },
      ],
      designs.flatMap(({ design, told }) => told.map(({ lock, calls, pages, dropped }) => [design, lock, grouped(calls), grouped(pages), grouped(dropped)].map((text) => ({ text })))),
      { width, title: paint.bold }),
    ...designs.flatMap(({ design, findings }) => findings.slice(0, 1).flatMap((finding) => ['', paint.bold(design), ...renderFinding(finding, screen)])),
    '',
    verdict(report, screen),
  ];
}

function callRows(designs: readonly DesignReport[]): { text: string }[][] {
  return NOTIFIER_CALLS.filter(([kind]) => designs.some(({ notifier }) => (notifier?.[kind] ?? 0) > 0))
    .flatMap(([kind, name]) => row(name, designs, ({ notifier }) => notifier?.[kind] ?? null));
}

function row(name: string, designs: readonly DesignReport[], value: (design: DesignReport) => number | null): { text: string }[][] {
  const cells = designs.map((design) => value(design)).map((count) => (count === null ? '-' : grouped(count)));
  return [[name, ...cells].map((text) => ({ text }))];
}

function sum(notifier: NotifierCounts): number {
  return NOTIFIER_CALLS.reduce((all, [kind]) => all + notifier[kind], 0);
}

function verdict({ designs, interrupted, ok }: CompareReport, { paint }: Screen): string {
  const wrong = designs.filter(({ equal, findings }) => !equal || findings.length > 0).map(({ design }) => design);
  if (interrupted) return paint.yellow('interrupted');
  return ok ? paint.green(`equal under ${plural(designs.length, 'design')}: the program cannot tell them apart`) : paint.red(`different: ${wrong.join(', ')}`);
}
