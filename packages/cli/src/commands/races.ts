import { checkAllRaces } from '../check/check-all-races.js';
import type { Command, ExitCode } from '../command.js';
import { JOBS_OPTION, withPool } from '../jobs.js';
import { startProgress } from '../progress.js';
import { renderRaces } from '../render/render-check.js';
import type { Terminal } from '../terminal.js';

interface RacesOptions {
  readonly filter?: string;
  readonly jobs?: number;
  readonly json?: boolean;
}

export const races: Command = {
  name: 'races',
  summary: 'check the catalogue: each race must be found, and its twin must be clean',
  args: '',
  options: [
    { flags: '--filter <text>', description: 'only races whose name, title or source holds this' },
    JOBS_OPTION,
    { flags: '--json', description: 'print one JSON document, schema mmun.races/1' },
  ],
  examples: [
    { line: 'mmun races', shows: 'all of them, a row each' },
    { line: 'mmun races --filter munmap', shows: 'some' },
    { line: 'mmun races --json | jq .races', shows: 'for a script' },
  ],

  async run(_args: readonly string[], { filter = '', jobs, json = false }: RacesOptions, terminal: Terminal): Promise<ExitCode> {
    const progress = startProgress(terminal);
    const report = await withPool(jobs, (pool) => checkAllRaces(filter, pool, { signal: terminal.interrupt, onProgress: progress.update })).finally(() => progress.stop());
    if (json) terminal.out(JSON.stringify(report));
    else for (const line of renderRaces(report, terminal)) terminal.out(line);
    if (terminal.interrupt.aborted) terminal.note(`${terminal.notePaint.yellow('interrupted')}: the result holds what was checked so far`);
    return report.ok ? 0 : 1;
  },
};
