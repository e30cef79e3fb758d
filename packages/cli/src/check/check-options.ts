/** What `mmun check` takes besides the race. */
import type { OptionSpec } from '../command.js';
import { JOBS_OPTION } from '../jobs.js';
import { UsageError } from '../usage-error.js';

/** Most orderings that a search may be told to stop at. */
const MAX_COUNT = 1e12;

export const CHECK_OPTIONS: readonly OptionSpec[] = [
  { flags: '--variant <variant>', description: 'the wrong program, buggy, or the right one, fixed; a race may have more', defaultValue: 'buggy' },
  { flags: '--set <name=value>', description: 'a parameter of the race; may be repeated', parse: (text, previous) => addSetting(text, previous as Settings | undefined) },
  { flags: '--strategy <strategy>', description: 'how to search', choices: ['auto', 'dpor', 'stateful', 'bounded', 'pct', 'random'] },
  { flags: '--preemptions <number>', description: 'only executions with so many preemptions at most: strategy bounded', parse: (text) => count('--preemptions', text) },
  { flags: '--max-executions <number>', description: 'stop after so many; the result is then not exhaustive', parse: (text) => count('--max-executions', text, 1) },
  { flags: '--replay <string>', description: 'repeat the one execution that a finding names' },
  { flags: '--seed <number>', description: 'what random choices are made from', defaultValue: 1, parse: (text) => count('--seed', text) },
  { ...JOBS_OPTION, description: 'of pct and random: threads that draw schedules (default: one for each core); the answer does not depend on it' },
  { flags: '--report <file>', description: 'write the counterexample as one HTML page' },
  { flags: '--scenario <name>', description: 'of a plugin: only what has this in its name' },
  { flags: '--effort <effort>', description: 'of a plugin: how far to look', choices: ['quick', 'full'] },
  { flags: '--json', description: 'print one JSON document, schema mmun.check/1' },
];

/** What is given and has no effect would be believed to have one. */
export interface Given {
  readonly variant: string;
  readonly set: Settings;
  readonly strategy: string;
  readonly preemptions?: number;
  readonly maxExecutions?: number;
  readonly report?: string;
  readonly scenario?: string;
  readonly effort: string;
}

/** @throws UsageError where an option is one of a race, and this is a plugin */
export function refuseForPlugin(name: string, { variant, set, strategy, preemptions, maxExecutions, report }: Given): void {
  refuse(`${name} is a plugin: this is an option of races`, [
    ['--variant', variant !== 'buggy'], ['--set', Object.keys(set).length > 0], ['--strategy', strategy !== 'auto'], ['--preemptions', preemptions !== undefined],
    ['--max-executions', maxExecutions !== undefined], ['--report', report !== undefined],
  ]);
}

/** @throws UsageError where an option is one of a plugin, or does nothing beside another one */
export function refuseForRace(name: string, { scenario, effort, strategy, preemptions }: Given): void {
  refuse(`${name} is a race: this is an option of plugins`, [['--scenario', scenario !== undefined], ['--effort', effort !== 'quick']]);
  if (preemptions !== undefined && strategy !== 'auto' && strategy !== 'bounded') throw new UsageError(`--preemptions ${preemptions}: --strategy ${strategy} does not count them: expected bounded`);
}

function refuse(why: string, options: readonly (readonly [string, boolean])[]): void {
  const [given] = options.find(([, isGiven]) => isGiven) ?? [];
  if (given !== undefined) throw new UsageError(`${given}: ${why}`);
}

export type Settings = Readonly<Record<string, string | number>>;

/** `pages=2`, `protocol=A`: digits are a number. @throws UsageError where it is no NAME=VALUE, or the name was set before */
export function addSetting(text: string, previous: Settings = {}): Settings {
  const [, name, value] = /^([A-Za-z][\w-]*)=(.+)$/.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`--set ${text}: expected NAME=VALUE, as in --set pages=2`);
  if (Object.hasOwn(previous, name)) throw new UsageError(`--set ${text}: ${name} was set to ${previous[name]} before`);
  return { ...previous, [name]: /^\d+$/.test(value) ? Number(value) : value };
}

function count(flag: string, text: string, least = 0): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > MAX_COUNT) throw new UsageError(`${flag} ${text}: expected a whole number${least > 0 ? ` from ${least} on` : ''}`);
  return value;
}
