import type { Terminal } from './terminal.js';

/** 0 all well; 1 a finding, a difference or a failed expectation; 2 wrong usage or unreadable input. */
export type ExitCode = 0 | 1 | 2;

/** One option of a command; values are checked before the command runs. */
export interface OptionSpec {
  /** As commander reads it: `--arch <arch>`. */
  readonly flags: string;
  readonly description: string;
  /** What it may be; the first is the default. */
  readonly choices?: readonly string[];
  /** Turns the text into a value. @throws UsageError that says what was expected */
  readonly parse?: (text: string, previous: unknown) => unknown;
  readonly defaultValue?: string | number;
}

export interface Example {
  readonly line: string;
  readonly shows: string;
}

/** A command is one file of `commands/`: what it is called, what it takes, what it does. */
export interface Command {
  readonly name: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  /** As commander reads it: `<recording...>`; empty: none. */
  readonly args: string;
  readonly options: readonly OptionSpec[];
  readonly examples: readonly Example[];
  /** What stands after the first argument is a command line of another program. */
  readonly takesCommandLine?: boolean;
  /** `options` holds a value for every option that was given or has a default, under its name in camel case. */
  run(args: readonly string[], options: object, terminal: Terminal): Promise<ExitCode>;
}
