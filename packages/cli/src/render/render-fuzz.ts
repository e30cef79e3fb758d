/** `mmun fuzz-kernel` for eyes, from its JSON document. */
import type { FuzzDifference, FuzzReport } from '../commands/fuzz-kernel.js';
import type { Screen } from './screen.js';
import { grouped } from './text-table.js';

export function renderFuzz(report: FuzzReport, { paint }: Pick<Screen, 'paint'>): string[] {
  const { ops, seed, kernel, build, differences, elapsedMs, ok } = report;
  const rate = Math.round(ops / Math.max(elapsedMs / 1000, 0.001));
  const verdict = ok ? 'no difference' : 'they differ';
  return [
    `${paint.bold('model and kernel')}  ${paint.dim(`${kernel}, ${build} build, seed ${seed}`)}`,
    ...differences.flatMap((difference) => ['', ...renderDifference(difference, paint)]),
    '',
    (ok ? paint.green : paint.red)(`${verdict}: ${grouped(ops)} operations compared (${(elapsedMs / 1000).toFixed(1)} s, ${grouped(rate)}/s)`),
  ];
}

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
