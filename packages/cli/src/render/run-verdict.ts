import { isProcessEqual } from '@mmun/recording';
import type { ProcessResult } from '@mmun/recording';
import type { RunReport } from '../run/run-report.js';
import type { Screen } from './screen.js';
import { grouped, plural, wrap } from './text-table.js';

/** The closing words: is all equal, and how much is "all". */
export function runVerdict(report: RunReport, { paint, width }: Screen): string[] {
  const processes = report.recordings.flatMap((recording) => recording.processes);
  const different = processes.filter((process) => !isProcessEqual(process)).length;
  const found = report.findings.length === 0 ? (report.secondary.length > 0 ? ', no finding' : '') : `, ${plural(report.findings.length, 'finding')}`;
  const took = `(${(report.elapsedMs / 1000).toFixed(2)} s)`;
  const lines = wrap(`${verdictWord(report, different)}: ${judged(processes, different)}${found} ${took}`, width);
  const painter = report.ok ? paint.green : report.interrupted ? paint.yellow : paint.red;
  return lines.map((line) => painter(line));
}

function verdictWord(report: RunReport, different: number): string {
  if (report.interrupted) return 'interrupted';
  if (report.findings.length > 0) return 'wrong';
  return different > 0 ? 'different' : 'equal';
}

function judged(processes: readonly ProcessResult[], different: number): string {
  const sum = (count: (process: ProcessResult) => number): number => processes.reduce((total, process) => total + count(process), 0);
  const compared = sum(({ maps }) => (maps.compared ? 1 : 0));
  const parts = [
    different > 0 ? `${grouped(different)} of ${plural(processes.length, 'process', 'processes')} differ` : plural(processes.length, 'process', 'processes'),
    ...(compared === processes.length ? [] : [`maps of ${grouped(compared)} compared`]),
    plural(sum(({ addresses }) => addresses.asked), 'address', 'addresses'),
    plural(sum(({ errnos }) => errnos.checked), 'errno'),
    plural(sum(({ anonymous }) => anonymous.rows), 'row'),
  ];
  return parts.join(', ');
}
