import { claims as allClaims, claimsPage, settleClaims } from '@mmun/races';
import { openToolLab } from '../claims/open-lab.js';
import type { Command, ExitCode } from '../command.js';
import { JOBS_OPTION, withPool } from '../jobs.js';
import { didYouMean } from '../nearest.js';
import { startProgress } from '../progress.js';
import { renderClaims } from '../render/render-claims.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

interface ClaimsOptions {
  readonly only?: readonly string[];
  readonly deep?: boolean;
  readonly jobs?: number;
  readonly json?: boolean;
  readonly markdown?: boolean;
}

export const claims: Command = {
  name: 'claims',
  summary: 'settle each claim of the mail by running it: holds, refuted, or depends on the arch',
  args: '',
  options: [
    { flags: '--only <ids>', description: 'some of them, as C9,C14; then without the table', parse: parseIds },
    { flags: '--deep', description: 'the table of calls with a third CPU too: minutes' },
    JOBS_OPTION,
    { flags: '--json', description: 'print one JSON document, schema mmun.claims/1' },
    { flags: '--markdown', description: 'print docs/claims.md' },
  ],
  examples: [
    { line: 'mmun claims', shows: 'all, and each call against a device under v5 and range' },
    { line: 'mmun claims --only C9', shows: 'the race that the mail does not see' },
    { line: 'mmun claims --json | jq .claims', shows: 'for a script' },
  ],

  async run(_args: readonly string[], { only, deep = false, jobs, json = false, markdown = false }: ClaimsOptions, terminal: Terminal): Promise<ExitCode> {
    if (json && markdown) throw new UsageError('--json and --markdown: expected one of them');
    const progress = startProgress(terminal);
    const report = await withPool(jobs, async (pool) => {
      const lab = await openToolLab(pool, terminal.interrupt);
      return settleClaims(lab, { atOnce: pool.jobs === 1 ? 1 : Infinity, isDeep: deep, signal: terminal.interrupt, onProgress: progress.update, ...(only === undefined ? {} : { only }) });
    }).finally(() => progress.stop());
    if (json) terminal.out(JSON.stringify(report));
    else if (markdown) terminal.out(claimsPage(report).trimEnd());
    else for (const line of renderClaims(report, terminal)) terminal.out(line);
    if (terminal.interrupt.aborted) terminal.note(`${terminal.notePaint.yellow('interrupted')}: the result holds what was settled so far`);
    return report.ok ? 0 : 1;
  },
};

function parseIds(text: string): readonly string[] {
  const ids = text.split(',');
  const unknown = ids.find((id) => !allClaims.some((claim) => claim.id === id));
  if (unknown !== undefined) throw new UsageError(`--only ${text}: no claim is called ${JSON.stringify(unknown)}: there are ${allClaims.map(({ id }) => id).join(', ')}${didYouMean(unknown, allClaims.map(({ id }) => id))}`);
  return ids;
}
