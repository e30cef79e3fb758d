/** The processes of a recording as a table, and the first difference of each that has one. */
import type { ProcessResult } from '@mmun/recording';
import type { RecordingReport } from '../run/run-report.js';
import type { Screen } from './screen.js';
import { grouped, textTable, wrap } from './text-table.js';
import type { Cell, Column } from './text-table.js';

const COLUMNS: readonly Column[] = [
  { title: 'pid', align: 'right' },
  { title: 'command', align: 'left', shrinks: true },
  { title: 'calls', align: 'right' },
  { title: 'faults', align: 'right' },
  { title: 'addr', align: 'right' },
  { title: 'errnos', align: 'right' },
  { title: 'maps', align: 'right' },
  { title: 'anon', align: 'right' },
  { title: 'flags', align: 'right' },
  { title: 'rss', align: 'right' },
];

export function renderProcesses({ processes }: RecordingReport, screen: Screen): string[] {
  const rows = processes.map((process) => processRow(process, screen));
  return [
    ...textTable(COLUMNS, rows, { width: screen.width, title: screen.paint.dim }),
    ...processes.flatMap((process) => renderDifference(process, screen)),
  ];
}

function processRow(process: ProcessResult, { paint }: Screen): Cell[] {
  const { addresses, errnos, maps, anonymous, vmFlags, rss } = process;
  const calls = Object.values(process.calls).reduce((sum, count) => sum + count, 0);
  const ratio = (equal: number, all: number): Cell => {
    if (all === 0) return { text: '-', paint: paint.dim };
    return { text: `${equal}/${all}`, paint: equal === all ? paint.green : paint.red };
  };
  return [
    { text: String(process.pid) },
    { text: process.command === '' ? '?' : process.command, paint: paint.bold },
    { text: grouped(calls) },
    { text: grouped(process.faults) },
    ratio(addresses.equal, addresses.asked),
    ratio(errnos.equal, errnos.checked),
    maps.compared ? { text: maps.equal ? 'equal' : 'differ', paint: maps.equal ? paint.green : paint.red } : { text: '-', paint: paint.dim },
    ratio(anonymous.equal, anonymous.rows),
    ratio(vmFlags.equal, vmFlags.rows),
    { text: rss.rows === 0 ? '-' : `${rss.equal}/${rss.rows}`, paint: paint.dim },
  ];
}

/** What a reader wants to see first: the call that went another way, then the rows that came of it. */
function renderDifference(process: ProcessResult, { paint, width }: Screen): string[] {
  const { firstCallDifference: call, maps, anonymous, vmFlags } = process;
  const lines: string[] = [];
  const values = (recorded: string, model: string): string[] => [
    ...wrap(recorded, width - 16).map((text, i) => `      ${paint.red(`- ${i === 0 ? 'kernel' : '      '}  ${text}`)}`),
    ...wrap(model, width - 16).map((text, i) => `      ${paint.green(`+ ${i === 0 ? 'model ' : '      '}  ${text}`)}`),
  ];
  if (call !== null) lines.push(`    ${call.file}:${call.line}`, `      ${call.call}`, ...values(call.recorded, call.model));
  if (maps.firstDifference !== null) {
    const { diff } = maps.firstDifference;
    lines.push(`    maps  ${paint.dim('- kernel  + model')}`, ...diff.map((row) => `    ${paintDiff(squeeze(row), paint)}`));
  }
  for (const [name, difference] of [['anonymous', anonymous.firstDifference], ['flags', vmFlags.firstDifference]] as const) {
    if (difference !== null) lines.push(`    ${name} of ${squeeze(difference.row)}`, ...values(difference.recorded, difference.model));
  }
  return lines.length === 0 ? [] : ['', `  ${paint.bold(`${process.pid} ${process.command}`)}: the first difference`, ...lines];
}

/** Maps pads the name to column 73; eighty columns have no room for that. */
function squeeze(row: string): string {
  return row.slice(0, 2) + row.slice(2).replace(/ {2,}/g, ' ');
}

function paintDiff(row: string, paint: Screen['paint']): string {
  if (row.startsWith('-')) return paint.red(row);
  return row.startsWith('+') ? paint.green(row) : paint.dim(row);
}
