/** `mmun bench` for eyes, from its JSON document. */
import type { BenchReport } from '../commands/bench.js';
import type { Screen } from './screen.js';
import { textTable } from './text-table.js';
import type { Column } from './text-table.js';

const COLUMNS: readonly Column[] = [
  { title: 'ns each', align: 'left' }, { title: 'model', align: 'right' }, { title: 'kernel', align: 'right' }, { title: 'times', align: 'right' }, { title: 'floor', align: 'right' },
  { title: 'over it', align: 'right' }, { title: 'model cpu', align: 'right' }, { title: 'kernel cpu', align: 'right' },
];

export function renderBench({ rows, meanRatio, kernel, machine, node, samples }: BenchReport, { paint, width }: Screen): string[] {
  const ns = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
  return [
    `${paint.bold('model and kernel')}  ${paint.dim(`${machine}, ${kernel}, node ${node}, medians of ${samples}`)}`,
    '',
    ...textTable(COLUMNS, rows.map((row) => [
      { text: `${row.name} /${row.unit}` }, { text: ns(row.modelNs) }, { text: ns(row.kernelNs) },
      { text: row.ratio.toFixed(1), paint: row.ratio >= row.ratioWanted ? paint.green : paint.red }, { text: ns(row.floorNs) }, { text: row.overFloor.toFixed(1) },
      { text: ns(row.modelCpuNs), paint: paint.dim }, { text: ns(row.kernelCpuNs), paint: paint.dim },
    ]), { width, title: paint.dim }),
    '',
    `the model is ${meanRatio.toFixed(1)} times as fast, as a geometric mean; it zeroes no memory and takes no trap`,
  ];
}
