import { readFileSync } from 'node:fs';
import { runCommandLine } from './command-line.js';
import { record } from './commands/record.js';
import { run } from './commands/run.js';
import { openTerminal } from './terminal.js';
import { welcome } from './welcome.js';

const COMMANDS = [run, record];

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

process.exitCode = await runCommandLine(
  { version: manifest.version, commands: COMMANDS, welcome: welcome(COMMANDS) }, process.argv.slice(2), openTerminal(),
);
