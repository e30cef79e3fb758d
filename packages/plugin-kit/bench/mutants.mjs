// Wrong drivers made from right ones: one change of a line each, of the kinds that people make in drivers.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Mutant
 * @property {string} id `mmu.ts:31 drop`
 * @property {string} file path of the source
 * @property {string} kind
 * @property {string} was the line as it is
 * @property {string} text the whole source with the change in it
 */

/** A statement on a line of its own, which can be left out or change places. */
const STATEMENT = /^\s+(?!const |let |return\b|\/\/|\*|import |export |readonly |type |case )(?:yield\* [\w.]+\(.*\);|[\w.[\]]+ (?:[-+|&]?=) .*;|[\w.]+\(.*\);)\s*(?:\/\/.*)?$/;

/** @type {readonly { kind: string, change: (line: string, next: string) => string[] | null }[]} two lines in, the changed lines out */
const KINDS = [
  { kind: 'drop a statement', change: (line, next) => (STATEMENT.test(line) ? [next] : null) },
  { kind: 'swap two steps', change: (line, next) => (STATEMENT.test(line) && STATEMENT.test(next) && indent(line) === indent(next) ? [next, line] : null) },
  { kind: 'unlock early', change: (line, next) => (/\bspinUnlock\(|\bmutexUnlock\(|\bupRead\(|\bupWrite\(/.test(next) && STATEMENT.test(line) === false && /^\s+(?:const|let|if) .*;$/.test(line) ? [next, line] : null) },
  { kind: 'negate a condition', change: (line, next) => replaced(line, /\bif \((.*)\) (?=\{|return|yield|[\w.[\]]+ [-+|]?=|continue|break)/, 'if (!($1)) ', next) },
  { kind: 'half a condition', change: (line, next) => replaced(line, /\bif \(([^()]*(?:\([^()]*\)[^()]*)*) (?:\|\||&&) ([^()]*(?:\([^()]*\)[^()]*)*)\) /, 'if ($1) ', next) },
  { kind: 'narrow a range', change: (line, next) => replaced(line, /\b(address|hva|page|start) \+ PAGE_SIZE\b/, '$1', next) ?? replaced(line, /< end\b/, '< end - PAGE_SIZE', next) ?? replaced(line, /, start, end\b/, ', start, start + 1', next) },
  { kind: 'off by one', change: (line, next) => replaced(line, /([-+])= 1;/, '$1= 2;', next) ?? replaced(line, />= start\b/, '> start', next) },
  { kind: 'forget to try again', change: (line, next) => replaced(line, /\? -EAGAIN :/, '? 0 :', next) ?? replaced(line, /return -EAGAIN;/, 'return 0;', next) },
  { kind: 'what is not granted', change: (line, next) => replaced(line, /isWritable: isWrite\b/, 'isWritable: true', next) ?? replaced(line, /\(isWritable \? ([\w.]+) : 0\)/, '$1', next) },
  { kind: 'sleep in a callback', change: (line, next) => (/^\s+\* (?:invalidate|age|clearFlush)\w+\(.*\{$/.test(line) && /\b([kgx])\b/.test(next) ? [line, `    yield* ${/\b([kgx])\b/.exec(next)?.[1]}.s.flushWorkqueue() as never;`, next] : null) },
];

/** @param {string} line */
function indent(line) {
  return /^\s*/.exec(line)?.[0].length;
}

/** @param {string} line @param {RegExp} pattern @param {string} by @param {string} next @returns {string[] | null} */
function replaced(line, pattern, by, next) {
  return pattern.test(line) && !/^\s*(?:\*|\/\/|import)/.test(line) ? [line.replace(pattern, by), next] : null;
}

/** @param {string} folder sources of a driver @returns {Mutant[]} */
export function mutantsOf(folder) {
  return readdirSync(folder).filter((file) => file.endsWith('.ts')).flatMap((file) => {
    const path = join(folder, file);
    const rows = readFileSync(path, 'utf8').split('\n');
    return rows.slice(0, -1).flatMap((line, at) => KINDS.flatMap(({ kind, change }) => {
      const changed = change(line, rows[at + 1] ?? '');
      if (changed === null) return [];
      const text = [...rows.slice(0, at), ...changed, ...rows.slice(at + 2)].join('\n');
      return [{ id: `${file}:${at + 1} ${kind}`, file: path, kind, was: line.trim(), text }];
    }));
  });
}
