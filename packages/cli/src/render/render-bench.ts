/** `mmun bench` for eyes, from its JSON document. */
import type { ScaleReport } from '../bench/scale.js';
import type { BenchReport } from '../commands/bench.js';
import type { Screen } from './screen.js';
import { textTable } from './text-table.js';
import type { Column } from './text-table.js';

const COLUMNS: readonly Column[] = [
  { title: 'ns each', align: 'left' }, { title: 'model', align: 'right' }, { title: 'kernel', align: 'right' }, { title: 'times', align: 'right' }, { title: 'floor', align: 'right' },
  { title: 'over it', align: 'right' }, { title: 'model cpu', align: 'right' }, { title: 'kernel cpu', align: 'right' },
];

export function renderBench({ rows, meanRatio, kernel, machine, node, samples, scale }: BenchReport, screen: Screen): string[] {
  const { paint, width } = screen;
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
    ...(scale === undefined ? [] : renderScale(scale, screen)),
  ];
}

function renderScale({ vmas, pages, processes, replays }: ScaleReport, { paint, width }: Screen): string[] {
  const table = (titles: readonly string[], rows: readonly (readonly string[])[]): string[] => [
    '',
    ...textTable(titles.map((title, i): Column => ({ title, align: i === 0 ? 'left' : 'right' })), rows.map((row) => row.map((text) => ({ text }))), { width, title: paint.dim }),
  ];
  return [
    ...table(['VMAs', 'find ns', 'munmap, mmap ns', 'anywhere ns', 'bytes each'], vmas.map((row) => [count(row.vmas), ns(row.findNs), ns(row.munmapMmapNs), ns(row.anywhereNs), row.bytesEach.toFixed(0)])),
    ...table(['present pages', 'fault ns', 'munmap ns', 'bytes each'], pages.map((row) => [count(row.pages), ns(row.writeFaultNs), ns(row.munmapNs), row.bytesEach.toFixed(1)])),
    ...table(['processes', 'fork ns', 'exit ns', 'bytes each'], processes.map((row) => [count(row.processes), ns(row.forkNs), ns(row.exitNs), row.bytesEach.toFixed(0)])),
    ...table(['recording', 'events', 'events a second', 'a cpu second', 'heap MB'], replays.map((row) => [row.name, count(row.events), count(Math.round(row.eventsASecond)), count(Math.round(row.eventsACpuSecond)), (row.peakHeapBytes / 1e6).toFixed(1)])),
  ];
}

function ns(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

function count(value: number): string {
  return value.toLocaleString('en');
}
