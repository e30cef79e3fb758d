import { readFileSync } from 'node:fs';
import type { Command, ExitCode } from '../command.js';
import { newPlugin } from '../new/new-plugin.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

interface NewOptions {
  readonly dir?: string;
  readonly json?: boolean;
}

/** `new` is a word of the language. */
export const create: Command = {
  name: 'new',
  summary: 'write a new package: a secondary MMU that already passes the kit',
  args: '<kind> <name>',
  options: [
    { flags: '--dir <folder>', description: 'where it goes; left out: packages/plugin-NAME in a clone of mmun, else ./NAME' },
    { flags: '--json', description: 'print one JSON document, schema mmun.new/1' },
  ],
  examples: [
    { line: 'mmun new plugin my-device', shows: 'a driver for both designs, its tests, README and tsconfig' },
    { line: 'mmun new plugin my-device --dir .', shows: 'into the folder that you are in, which must be empty' },
  ],

  run([kind, name]: readonly [string, string], { dir, json = false }: NewOptions, terminal: Terminal): Promise<ExitCode> {
    if (kind !== 'plugin') throw new UsageError(`new ${kind}: expected plugin, as in mmun new plugin my-device`);
    const { folder, files, next } = newPlugin(name, dir, versions());
    if (json) terminal.out(JSON.stringify({ schema: 'mmun.new/1', kind, name, folder, files, next, ok: true }));
    else {
      terminal.out(`${terminal.paint.bold(folder)}: ${files.join(', ')}`);
      terminal.out(`next: ${next.join(' && ')}`);
    }
    return Promise.resolve(0);
  },
};

function versions(): Readonly<Record<string, string>> {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string; dependencies: Record<string, string> };
  return { ...manifest.dependencies, '@mmun/cli': manifest.version };
}
