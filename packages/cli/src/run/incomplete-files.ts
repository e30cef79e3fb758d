/**
 * Files that a recording should hold and does not, or not to their end. The replay does without them; a reader of the
 * report has to know. What can be told from one file alone, the recording package tells.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Recording, Skipped } from '@mmun/recording';

const EXPECTED = ['events.perf', 'environment', 'files', 'elf'];

const END_FILES: readonly (readonly [string, (pid: number) => string])[] = [
  ['maps', (pid) => `process ${pid} was read, and its maps cannot be compared`],
  ['smaps', (pid) => `process ${pid} was read, and its rows cannot be compared`],
  ['stat', (pid) => `process ${pid} was read, and where its heap and arguments begin is guessed`],
];

/** Empty for a strace log alone, which has no other files. */
export function incompleteFiles(source: string, recording: Recording): Skipped[] {
  if (!statSync(source).isDirectory()) return [];
  const names = new Set(readdirSync(source));
  const of = (name: string, line: number, reason: string): Skipped => ({ file: `${recording.name}/${name}`, line, reason });
  const absent = EXPECTED.filter((name) => !names.has(name)).map((name) => of(name, 0, reasonOf(name, recording)));
  const ends = [...recording.environment.readTimes.keys()].flatMap((pid) =>
    END_FILES.filter(([kind]) => !names.has(`${kind}.${pid}.end`)).map(([kind, reason]) => of(`${kind}.${pid}.end`, 0, `missing: ${reason(pid)}`)));
  const cut = [...names].filter((name) => /^s?maps\.\d+\.end$/.test(name)).flatMap((name) => {
    const line = cutLine(join(source, name));
    return line === 0 ? [] : [of(name, line, 'cut line: expected the rest of the row')];
  });
  return [...absent, ...ends, ...cut];
}

/** In the words of the recording package, which knows what a missing file means for the replay. */
function reasonOf(name: string, { missing }: Recording): string {
  const known = missing.find((text) => text.startsWith(`${name}: `));
  return `missing: ${known === undefined ? 'no such file' : known.slice(name.length + 2)}`;
}

/** The kernel ends every row with a newline. @returns the number of a last line that lacks it, else 0 */
function cutLine(path: string): number {
  try {
    const text = readFileSync(path, 'latin1');
    return text === '' || text.endsWith('\n') ? 0 : text.split('\n').length;
  } catch {
    return 0; // the recording package says that it cannot be read
  }
}
