/** A finding: what, why, how to see it again, and the steps as one column per actor with time downwards. */
import type { Finding, FindingStep } from '@mmun/include';
import type { Screen } from './screen.js';
import { wrap } from './text-table.js';

const NUMBER_WIDTH = 4;
const MIN_COLUMN = 14;

export function renderFinding(finding: Finding, screen: Screen): string[] {
  const { paint, width } = screen;
  return [
    `${paint.red(paint.bold(finding.code))}`,
    ...wrap(finding.message, width - 2).map((line) => `  ${line}`),
    ...(finding.replay === '' ? [] : [paint.dim(`  replay: ${finding.replay}`)]),
    ...(finding.steps.length === 0 ? [] : ['', ...renderSteps(finding.steps, screen)]),
  ];
}

/** Actors in the order of their first step; a cell is wrapped inside its column. */
export function renderSteps(steps: readonly FindingStep[], { paint, width }: Screen): string[] {
  const actors = [...new Set(steps.map(({ actor }) => actor))];
  const columnWidth = Math.max(MIN_COLUMN, Math.floor((width - NUMBER_WIDTH - 2) / actors.length) - 2);
  const at = (column: number, text: string, painter: (text: string) => string): string => ' '.repeat(column * (columnWidth + 2)) + painter(text);
  const header = actors.map((actor) => actor.padEnd(columnWidth + 2)).join('').trimEnd();
  const lines = [`${' '.repeat(NUMBER_WIDTH + 2)}${paint.bold(header)}`];
  for (const [index, step] of steps.entries()) {
    const column = actors.indexOf(step.actor);
    const place = step.file === undefined ? [] : wrap(`${step.file}${step.line === undefined ? '' : `:${step.line}`}`, columnWidth);
    const number = String(index + 1).padStart(NUMBER_WIDTH);
    const cells = [...wrap(step.text, columnWidth).map((text) => at(column, text, String)), ...place.map((text) => at(column, text, paint.dim))];
    cells.forEach((cell, i) => lines.push(`${i === 0 ? paint.dim(number) : ' '.repeat(NUMBER_WIDTH)}  ${cell}`));
  }
  return lines;
}
