/** `mmun bench --write`: the table as Markdown, with what it was measured on and what it leaves out. */
import type { BenchReport } from '../commands/bench.js';

export function benchPage({ rows, meanRatio, kernel, machine, node, samples, date }: BenchReport): string {
  const ns = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
  const percent = (part: number): string => `${(part * 100).toFixed(0)} %`;
  return [
    '# Model against kernel',
    '',
    'Written by `mmun bench --write BENCH.md`; do not edit.',
    '',
    `${date}, ${machine}, Linux ${kernel}, node ${node}. Medians of ${samples} samples of each row, taken in turn: kernel, model, floor.`,
    '',
    '| operation, ns each | model | kernel | times as fast | floor | over the floor | spread: model | kernel | CPU time: model | kernel |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row.name}, a ${row.unit} | ${ns(row.modelNs)} | ${ns(row.kernelNs)} | ${row.ratio.toFixed(1)} | ${ns(row.floorNs)} | ${row.overFloor.toFixed(1)} `
      + `| ${percent(row.modelSpread)} | ${percent(row.kernelSpread)} | ${ns(row.modelCpuNs)} | ${ns(row.kernelCpuNs)} |`),
    '',
    `Geometric mean: the model is ${meanRatio.toFixed(1)} times as fast.`,
    '',
    '- The model does not do what costs the kernel most: it zeroes no page, copies a word where the kernel copies a page, takes no trap, changes no',
    '  privilege level, sends no interrupt. What it does do is the same: the same tables, counts, lists and decisions.',
    '- The floor is a bare loop over typed arrays with the same updates and nothing around them: no lookup of a VMA, no walk, no lock.',
    '- Spread is the distance from the first to the third quartile, as a part of the median. Times of one run compare with each other, not with',
    '  those of another day.',
    '- The time of fork is from before the call to the child\'s first instruction, less that of a fork with nothing mapped.',
    '',
  ].join('\n');
}
