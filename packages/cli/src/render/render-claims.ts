/** `mmun claims` for eyes, from its JSON document. */
import type { Cell as TableCell, ClaimRow, ClaimsReport } from '@mmun/races';
import type { Screen } from './screen.js';
import { plural, textTable, wrap } from './text-table.js';
import type { Cell, Column } from './text-table.js';

/** Under a claim's head. */
const INDENT = 6;

export function renderClaims(report: ClaimsReport, screen: Screen): string[] {
  const { claims, table, ok } = report;
  const { paint } = screen;
  const refuted = claims.filter(({ verdict }) => verdict === 'refuted').length;
  const open = claims.filter(({ verdict }) => verdict === 'open').length;
  const isInterrupted = !ok && open === 0 && table.every((cell) => cell.open === '');
  const verdict = isInterrupted ? `interrupted: ${plural(claims.length, 'claim')} settled, ${refuted} refuted` : open === 0 ? `settled: ${plural(claims.length, 'claim')}, ${refuted} refuted` : `${open} of ${plural(claims.length, 'claim')} not settled`;
  return [
    ...claims.flatMap((row) => [...renderClaim(row, screen), '']),
    ...renderTable(table, screen),
    (ok ? paint.green : paint.red)(verdict),
  ];
}

function renderClaim({ id, text, verdict, by, race, variant, replay }: ClaimRow, { paint, width }: Screen): string[] {
  const colour = verdict === 'holds' ? paint.green : verdict === 'refuted' ? paint.red : paint.yellow;
  const again = replay === undefined ? [] : [paint.dim(`${' '.repeat(INDENT)}mmun check ${race} --variant ${variant} --replay '${replay}'`)];
  return [
    `${paint.bold(id.padEnd(INDENT - 1))} ${colour(verdict)}  ${text}`,
    ...wrap(by, width - INDENT).map((line) => `${' '.repeat(INDENT)}${line}`),
    ...again,
  ];
}

function renderTable(cells: readonly TableCell[], { paint, width }: Screen): string[] {
  if (cells.length === 0) return [];
  const kinds = [...new Set(cells.map(({ design, plugin }) => `${design}, ${plugin}`))];
  const columns: Column[] = [{ title: 'call, device', align: 'left' }, ...kinds.map((title): Column => ({ title, align: 'left' }))];
  const rows = [...new Set(cells.map(({ call, access }) => `${call}, ${access}s`))].map((name): Cell[] => {
    const of = cells.filter(({ call, access }) => `${call}, ${access}s` === name);
    return [{ text: name, paint: paint.bold }, ...kinds.map((kind) => outcomeCell(of.filter(({ design, plugin }) => `${design}, ${plugin}` === kind), paint))];
  });
  return [...textTable(columns, rows, { width, title: paint.dim }), ''];
}

function outcomeCell(cells: readonly TableCell[], paint: Screen['paint']): Cell {
  const wrong = cells.find(({ explored }) => explored !== null && explored.counterexample !== null)?.explored?.counterexample;
  if (wrong !== undefined && wrong !== null) return { text: wrong.code, paint: paint.red };
  const open = cells.find((cell) => cell.open !== '');
  if (open !== undefined) return { text: 'open', paint: paint.yellow };
  const cpus = [...new Set(cells.filter(({ explored }) => explored !== null).map((cell) => cell.cpus))];
  return { text: cpus.length === 0 ? '-' : `clean, ${cpus.join(' and ')} CPUs`, paint: paint.green };
}
