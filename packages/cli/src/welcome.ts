import type { Command } from './command.js';
import { wrap } from './render/text-table.js';

/** What `mmun` alone says: what this is, what to type first, what else there is. */
export function welcome(commands: readonly Command[], columns: number): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    'mmun: Linux memory management with MMU notifiers, as a model that you can run.',
    '',
    'Start here:',
    '  mmun run samples/demo --plugin kvm   replay a recorded program with a virtual',
    '                                       machine over its memory, and compare',
    '                                       every answer with the kernel\'s',
    '',
    'Commands:',
    ...commands.flatMap(({ name, summary }) => wrap(summary, columns - width - 4).map((line, i) => `  ${(i === 0 ? name : '').padEnd(width)}  ${line}`)),
    '',
    '`mmun <command> --help` shows each by example.',
  ].join('\n');
}
