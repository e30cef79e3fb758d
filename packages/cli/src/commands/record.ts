import { readdirSync } from 'node:fs';
import { recordProgram } from '@mmun/recording';
import type { Command, ExitCode } from '../command.js';
import { plural } from '../render/text-table.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export const record: Command = {
  name: 'record',
  summary: 'record a real program with strace and perf',
  args: '<out> <command...>',
  options: [],
  takesCommandLine: true,
  examples: [
    { line: 'mmun record sorted -- sort -R /etc/services', shows: 'writes the folder sorted/' },
    { line: 'mmun run sorted', shows: 'replays it' },
  ],

  async run([out, ...rest]: readonly string[], _options: object, terminal: Terminal): Promise<ExitCode> {
    const command = rest[0] === '--' ? rest.slice(1) : rest;
    if (command.length === 0) throw new UsageError(`record ${out}: expected a command line behind --`);
    if (process.platform !== 'linux' || process.arch !== 'x64') throw new UsageError('recording needs Linux on x86-64; replaying does not');
    refuseFilled(out);
    const outcome = await recordProgram(out, command);
    if (outcome.exitCode !== 0) terminal.note(`${command[0]} ended with ${outcome.exitCode === null ? 'a signal' : `exit code ${outcome.exitCode}`}`);
    for (const text of outcome.missing) terminal.note(terminal.notePaint.yellow(`missing: ${text}`));
    terminal.out(`${out}: ${plural(outcome.processes, 'process', 'processes')}; replay with: mmun run ${out}`);
    return 0;
  },
};

/** Two recordings in one folder would be neither. */
function refuseFilled(out: string): void {
  let names: string[] = [];
  try {
    names = readdirSync(out);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  if (names.length > 0) throw new UsageError(`${out}: expected a new or an empty folder`);
}
