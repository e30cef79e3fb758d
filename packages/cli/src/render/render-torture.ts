/** The verdict on a plugin. */
import type { PluginCheckReport } from '../check/check-plugin.js';
import { renderFinding } from './render-finding.js';
import type { Screen } from './screen.js';
import { grouped, plural, wrap } from './text-table.js';

export function renderTorture(report: PluginCheckReport, name: string, screen: Screen): string[] {
  const { paint } = screen;
  const { plugin, findings, scenarios, ok, executions, elapsedMs, interrupted } = report;
  const designs = [...new Set(scenarios.map(({ design }) => design))];
  const work = `${plural(scenarios.length, 'trial')}, ${plural(executions, 'execution')} (${(elapsedMs / 1000).toFixed(1)} s)`;
  const verdict = findings.length > 0 ? `broken: ${plural(findings.length, 'finding')}; ${work}` : interrupted === true ? `interrupted, nothing found so far: ${work}` : `stands: ${work}`;
  return [
    `${paint.bold(plugin)}  ${paint.dim(designs.length === 0 ? name : `${name}, notifier ${designs.join(' and ')}, on the toy machine`)}`,
    ...findings.flatMap((finding) => ['', ...renderFinding(finding, screen), ...again(report, finding.replay, name, screen)]),
    '',
    ...(findings.length > 0 ? [] : designs.flatMap((design) => summary(report, design)).flatMap((line) => wrap(line, screen.width - 2)).map((line) => paint.dim(`  ${line}`))),
    (ok ? paint.green : interrupted === true && findings.length === 0 ? paint.yellow : paint.red)(verdict),
  ];
}

/** What was covered, and what only sampled. */
function summary({ scenarios }: PluginCheckReport, of: string): string[] {
  const rows = scenarios.filter(({ design }) => design === of);
  const alone = rows.filter(({ strategy }) => strategy === 'sequential');
  const beside = rows.filter(({ strategy }) => strategy !== 'sequential');
  const whole = beside.filter(({ exhaustive }) => exhaustive);
  const rest = beside.filter(({ exhaustive }) => !exhaustive);
  const programs = alone.reduce((sum, { executions }) => sum + executions, 0);
  return [
    `${of}: alone, ${plural(programs, 'program')}`
      + (beside.length === 0 ? '' : `; beside mm, ${whole.length} of ${plural(beside.length, 'scenario')} in every interleaving`)
      + (rest.length === 0 ? '' : `, ${grouped(rest.reduce((sum, { executions }) => sum + executions, 0))} executions of ${rest.map(({ scenario }) => scenario.slice(of.length + 1)).join(', ')}`),
  ];
}

/** A line to copy; two where one would be too wide. */
function again({ race }: PluginCheckReport, replay: string, name: string, { paint, width }: Screen): string[] {
  if (race === 'source' || race === 'shape') return [];
  const start = `  again: mmun check ${name} --scenario ${race}`;
  const end = replay === '' ? '' : `--replay '${replay}'`;
  return ['', ...(end === '' || start.length + end.length < width ? [`${start} ${end}`.trimEnd()] : [`${start} \\`, `    ${end}`]).map((line) => paint.dim(line))];
}
