import { readFileSync } from 'node:fs';
import type { ExitCode } from './command.js';
import { runCommandLine } from './command-line.js';
import { bench } from './commands/bench.js';
import { check } from './commands/check.js';
import { claims } from './commands/claims.js';
import { compare } from './commands/compare.js';
import { create } from './commands/new.js';
import { fuzzKernel } from './commands/fuzz-kernel.js';
import { races } from './commands/races.js';
import { record } from './commands/record.js';
import { run } from './commands/run.js';
import { openTerminal } from './terminal.js';
import type { Terminal } from './terminal.js';
import { welcome } from './welcome.js';

const COMMANDS = [run, compare, check, races, claims, record, fuzzKernel, bench, create];

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

/** @param argv without node and script */
export function main(argv: readonly string[], terminal: Terminal = openTerminal()): Promise<ExitCode> {
  return runCommandLine({ version: manifest.version, commands: COMMANDS, welcome: welcome(COMMANDS, terminal.width) }, argv, terminal);
}
