import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import type { Command, ExitCode } from '../command.js';
import { recordProgram } from '../record/record-program.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export const record: Command = {
  name: 'record',
  summary: 'record a real program with strace and perf',
  args: '<out> <command...>',
  options: [],
  takesCommandLine: true,
  examples: [
    { line: 'mmun record sorted -- sort /usr/share/dict/words', shows: 'writes the folder sorted/' },
    { line: 'mmun run sorted', shows: 'replays it' },
  ],

  async run([out, ...rest]: readonly string[], _options: object, terminal: Terminal): Promise<ExitCode> {
    const command = rest[0] === '--' ? rest.slice(1) : rest;
    if (command.length === 0) throw new UsageError(`record ${out}: expected a command line behind --`);
    if (process.platform !== 'linux' || process.arch !== 'x64') throw new UsageError('recording needs Linux on x86-64: replaying works everywhere');
    for (const tool of ['strace', 'perf']) requireTool(tool);
    refuseFilled(out);
    const { nrThreads, nrEndStates, hasLost, exitCode } = await recordProgram(out, command);
    if (exitCode !== 0) terminal.note(`${command[0]} ended with exit code ${exitCode}`);
    if (hasLost) terminal.note(terminal.notePaint.yellow('perf lost events: the machine was too busy; record again'));
    terminal.out(`${out}: ${nrThreads} thread${nrThreads === 1 ? '' : 's'}, ${nrEndStates} end state${nrEndStates === 1 ? '' : 's'}; replay it with: mmun run ${out}`);
    return hasLost ? 1 : 0;
  },
};

function requireTool(tool: string): void {
  const { error, status } = spawnSync(tool, ['--version'], { stdio: 'ignore' });
  if (error !== undefined || status !== 0) throw new UsageError(`${tool} is not installed: on Debian, apt install ${tool === 'perf' ? 'linux-perf' : tool}`);
}

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
