/** `mmun fuzz-kernel` for eyes, from its JSON document. */
import type { FuzzDifference, FuzzReport } from '../commands/fuzz-kernel.js';
import type { Screen } from './screen.js';
import { grouped, textTable } from './text-table.js';
import type { Column } from './text-table.js';

export function renderFuzz(report: FuzzReport, { paint }: Pick<Screen, 'paint'>): string[] {
  const { ops, seed, kernel, build, differences, elapsedMs, interrupted, ok } = report;
  const rate = Math.round(ops / Math.max(elapsedMs / 1000, 0.001));
  const verdict = differences.length > 0 ? 'they differ' : interrupted ? 'interrupted, no difference so far' : 'no difference';
  return [
    `${paint.bold('model and kernel')}  ${paint.dim(`${kernel}, ${build} build, seed ${seed}`)}`,
    ...(report.kvm === undefined ? [] : renderKinds(report.kvm, paint)),
    ...differences.flatMap((difference) => ['', ...renderDifference(difference, paint)]),
    '',
    (ok ? paint.green : paint.red)(`${verdict}: ${grouped(ops)} operations compared (${(elapsedMs / 1000).toFixed(1)} s, ${grouped(rate)}/s)`),
  ];
}

const KIND_COLUMNS: readonly Column[] = [
  { title: 'the host does', align: 'left' }, { title: 'slot', align: 'left' }, { title: 'ranges', align: 'right' }, { title: 'model drops', align: 'right' }, { title: 'kernel drops', align: 'right' },
  { title: 'differ', align: 'right' },
];

/** More than the model is what lies around a cut; less would be a difference. */
function renderKinds({ kinds, widensAtCuts }: NonNullable<FuzzReport['kvm']>, paint: Screen['paint']): string[] {
  const rows = kinds.filter(({ trials }) => trials > 0).map(({ kind, backing, trials, modelDropped, kernelDropped, differences }) =>
    [{ text: kind }, { text: backing }, ...[trials, modelDropped, kernelDropped, differences].map((number) => ({ text: grouped(number) }))]);
  return ['', ...textTable(KIND_COLUMNS, rows, { width: KIND_TABLE_WIDTH, title: paint.dim }), paint.dim(widensAtCuts ? '  this kernel drops two megabytes around each cut of a VMA, as predicted' : '  this kernel drops what was asked and no more')];
}

const KIND_TABLE_WIDTH = 80;

function renderDifference({ program, what, model, kernel }: FuzzDifference, paint: Screen['paint']): string[] {
  const width = 6;
  return [
    ...program.map((line, i) => `  ${i === program.length - 1 ? paint.bold(`${line};`) : `${line};`}`),
    '',
    `  ${what} then differ${what.endsWith('s') ? '' : 's'}:`,
    `    ${'model'.padEnd(width)} ${model}`,
    `    ${'kernel'.padEnd(width)} ${kernel}`,
  ];
}
