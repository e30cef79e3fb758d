/** Schedules that were drawn in parts, as one search: what it says is what it would have said in one piece. */
import { riskOf } from '@mmun/explorer';
import type { Sampled } from '@mmun/explorer';
import { notesOf, standingFindings } from './check-race.js';
import type { CheckReport } from './check-race.js';

/**
 * @param parts made with `isPart`, by `pct` or `random`, in the order of their schedules; what comes after the first that found something does not count
 * @param elapsedMs of all together
 */
export function joinReports(parts: readonly [CheckReport, ...CheckReport[]], elapsedMs: number): CheckReport {
  const end = parts.findIndex(({ findings }) => findings.length > 0) + 1;
  const counted = end === 0 ? parts : parts.slice(0, end);
  const { part: _, ...last } = counted.at(-1) as CheckReport;
  const sampled = counted.flatMap(({ part }) => part?.sampled ?? []).reduce(together);
  const notes = [...new Set(counted.flatMap((report) => report.notes)), riskOf(sampled)];
  const findings = [...last.findings, ...standingFindings(counted.flatMap(({ part }) => part?.orders ?? []))];
  const interrupted = counted.some((report) => report.interrupted);
  return {
    ...last, executions: sampled.executions, elapsedMs: Math.round(elapsedMs * 10) / 10, findings, interrupted,
    estimate: last.findings.length > 0 ? null : parts[0].estimate,
    notes: notesOf({ notes, exhaustive: false, findings: last.findings }), ok: findings.length === 0 && !interrupted,
  };
}

function together(one: Sampled, other: Sampled): Sampled {
  return { ...one, executions: one.executions + other.executions, longest: Math.max(one.longest, other.longest), measuring: one.measuring + other.measuring };
}
