/** From argv to a command: what commander does, worded our way. */
import { Command as Parser, CommanderError, Option } from 'commander';
import { RecordingError } from '@mmun/recording';
import type { Command, ExitCode, OptionSpec } from './command.js';
import { didYouMean } from './nearest.js';
import type { Terminal } from './terminal.js';
import { fileErrorLine, isFileError, UsageError } from './usage-error.js';

export interface Program {
  readonly version: string;
  readonly commands: readonly Command[];
  /** What `mmun` alone prints. */
  readonly welcome: string;
}

/** Runs the command that `argv` names. Every failure is one line on stderr. */
export async function runCommandLine(program: Program, argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  if (argv.length === 0) {
    terminal.out(program.welcome);
    return 0;
  }
  let exitCode: ExitCode = 0;
  const parser = rootParser(program, terminal);
  for (const command of program.commands) {
    addCommand(parser, command, async (args, options) => {
      exitCode = await command.run(args, options, terminal);
    });
  }
  try {
    await parser.parseAsync(argv, { from: 'user' });
  } catch (error) {
    return explain(unknownTopic(error, argv, program) ?? error, program.commands.find((command) => command.name === argv[0]), terminal);
  }
  return exitCode;
}

function rootParser(program: Program, terminal: Terminal): Parser {
  const silent = (): void => undefined;
  return new Parser('mmun')
    .description('Linux memory management with MMU notifiers, as a model that runs, checks and explains.')
    .usage('<command> [options]')
    .version(program.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help; `mmun <command> --help` shows examples')
    .helpCommand('help [command]', 'print help of a command')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: silent, outputError: silent, getOutHelpWidth: () => terminal.width })
    .configureHelp({ showGlobalOptions: false });
}

function addCommand(parser: Parser, command: Command, act: (args: string[], options: object) => Promise<void>): void {
  const child = parser
    .command(command.name)
    .summary(command.summary)
    .description(`${command.summary[0].toUpperCase()}${command.summary.slice(1)}.`)
    .helpOption('-h, --help', 'print this')
    .allowExcessArguments(false)
    .addHelpText('after', examplesText(command));
  if (command.args !== '') child.arguments(command.args);
  if (command.takesCommandLine === true) child.passThroughOptions();
  for (const spec of command.options) child.addOption(optionOf(spec));
  child.action(async (...given: unknown[]) => {
    const args = given.slice(0, -2).flat().filter((arg): arg is string => typeof arg === 'string');
    await act(args, child.opts());
  });
}

function optionOf(spec: OptionSpec): Option {
  const { flags, choices, parse, defaultValue = choices?.[0] } = spec;
  const option = new Option(flags, choices === undefined ? spec.description : `${spec.description}: ${choices.join(', ')}`);
  if (choices !== undefined) option.argParser((text) => oneOf(flags, text, choices));
  if (parse !== undefined) option.argParser(parse);
  if (defaultValue !== undefined) option.default(defaultValue, String(defaultValue));
  return option;
}

function oneOf(flags: string, text: string, choices: readonly string[]): string {
  if (choices.includes(text)) return text;
  throw new UsageError(`${flags.split(' ')[0]} ${text}: expected ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}${didYouMean(text, choices)}`);
}

function examplesText({ examples }: Command): string {
  const width = Math.max(...examples.map(({ line }) => line.length));
  const lines = examples.map(({ line, shows }) => (width > 50 ? `  ${line}\n      ${shows}` : `  ${line.padEnd(width)}  ${shows}`));
  return `\nExamples:\n${lines.join('\n')}`;
}

/** `mmun help rnu`: commander prints its help instead, and says nothing of the name. */
function unknownTopic(error: unknown, [first, topic = '']: readonly string[], { commands }: Program): UsageError | null {
  if (first !== 'help' || !(error instanceof CommanderError) || error.exitCode === 0) return null;
  return new UsageError(`unknown command '${topic}'${didYouMean(topic, commands.map(({ name }) => name))}`);
}

/** One line for whatever went wrong, and the exit code. */
function explain(error: unknown, command: Command | undefined, terminal: Terminal): ExitCode {
  if (error instanceof CommanderError && error.exitCode === 0) return 0; // help or version was printed
  const who = command === undefined ? 'mmun' : `mmun ${command.name}`;
  const isShort = error instanceof CommanderError && error.code === 'commander.missingArgument';
  terminal.note(`${terminal.notePaint.red(who)}: ${lineOf(error)}${isShort && command !== undefined ? `, as in ${command.examples[0].line}` : ''}`);
  return 2;
}

function lineOf(error: unknown): string {
  if (error instanceof CommanderError) return oneLine(error.message.replace(/^error: /, ''));
  if (error instanceof UsageError || error instanceof RecordingError) return oneLine(error.message);
  if (isFileError(error)) return oneLine(fileErrorLine(error));
  return `internal error: ${oneLine(error instanceof Error ? error.message : String(error))}: please report it with the command line`;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim();
}
