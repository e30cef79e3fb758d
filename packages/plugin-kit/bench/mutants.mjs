// Wrong drivers made from right ones: one change of a line or two each, of the kinds that people make in drivers.
//
// Left out are lines that only count (`stat`) and the marks `step(..)`: the first are nobody's business, the second tell the explorer what the next
// line touches and are no part of a driver's protocol. Headers and tables have nothing that could go wrong at run time without not linking at all. Calls for the kit (`*calls.ts`) are its part of the test.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Mutant
 * @property {string} id `mmu.ts:31 drop a statement`
 * @property {string} file path of the source
 * @property {string} kind
 * @property {string} was the line as it is
 * @property {string} text the whole source with the change in it
 */

/** A statement on a line of its own, which can be left out or change places. */
const STATEMENT = /^\s+(?!const |let |return\b|\/\/|\*|import |export |readonly |type |case )(?:yield\* [\w.]+\(.*\);|[\w.[\]]+ (?:[-+|&]?=) .*;|[\w.]+\(.*\);)\s*(?:\/\/.*)?$/;
const DECLARATION = /^\s+(?:const|let) \w+ = .*;$/;
const NEUTRAL = /\bstat\.\w+\[|\bs\.step\(|^\s*(?:\*|\/\/|import)|lockdepAssertHeld|bugOn\(/;
const LOCK = /\b(?:spinLock|mutexLock|downRead|downWrite|mmapReadLock)\(/;
const UNLOCK = /\b(?:spinUnlock|mutexUnlock|upRead|upWrite|mmapReadUnlock)\(/;
const GIVES = /^\s+(?:yield\* )?[\w.]+\.(?:putPage|unpinUserPage|mmput|mmdrop)\(.*\);$|^\s+poolFree\(.*\);$/;

/** @type {readonly { kind: string, change: (line: string, next: string, rows: readonly string[], at: number) => string[] | null }[]} two lines in, the changed lines out */
const KINDS = [
  { kind: 'drop a statement', change: (line, next) => (STATEMENT.test(line) ? [next] : null) },
  { kind: 'swap two steps', change: (line, next) => (STATEMENT.test(line) && STATEMENT.test(next) && indent(line) === indent(next) ? [next, line] : null) },
  { kind: 'unlock early', change: (line, next) => (UNLOCK.test(next) && STATEMENT.test(line) === false && /^\s+(?:const|let|if) .*;$/.test(line) ? [next, line] : null) },
  { kind: 'look before the lock', change: (line, next) => (LOCK.test(line) && DECLARATION.test(next) ? [next, line] : null) },
  { kind: 'without the lock', change: (line, next, rows, at) => (LOCK.test(line) && STATEMENT.test(line) ? unlocked(next, rows, at) : null) },
  { kind: 'give back twice', change: (line, next) => (GIVES.test(line) ? [line, line, next] : null) },
  { kind: 'negate a condition', change: (line, next) => replaced(line, /\bif \((.*)\) (?=\{|return|yield|[\w.[\]]+ [-+|]?=|continue|break)/, 'if (!($1)) ', next) },
  { kind: 'half a condition', change: (line, next) => replaced(line, /\bif \(([^()]*(?:\([^()]*\)[^()]*)*) (?:\|\||&&) ([^()]*(?:\([^()]*\)[^()]*)*)\) /, 'if ($1) ', next) },
  { kind: 'narrow a range', change: (line, next) => replaced(line, /\b(address|hva|page|start) \+ PAGE_SIZE\b/, '$1', next) ?? replaced(line, /< end\b/, '< end - PAGE_SIZE', next) ?? replaced(line, /, start, end\b/, ', start, start + 1', next) },
  { kind: 'off by one', change: (line, next) => replaced(line, /([-+])= 1;/, '$1= 2;', next) ?? replaced(line, />= start\b/, '> start', next) ?? replaced(line, / < (\w+(?:\.\w+)*);/, ' < $1 - 1;', next) },
  { kind: 'forget to try again', change: (line, next) => replaced(line, /\? -EAGAIN :/, '? 0 :', next) ?? replaced(line, /return -EAGAIN;/, 'return 0;', next) },
  { kind: 'never try again', change: (line, next) => replaced(line, /\btries < MAX_TRIES\b|\bturn < MAX_TURNS\b/, (found) => found.replace(/MAX_\w+/, '1'), next) },
  { kind: 'take the other answer', change: (line, next) => replaced(line, /\breturn (0|1|true|false);/, (_all, value) => `return ${OTHER[value]};`, next) },
  { kind: 'a mark the wrong way', change: (line, next) => replaced(line, /^(\s+[\w.]+\[[\w.[\]]+\] =) ([01]);/, (_all, left, value) => `${left} ${OTHER[value]};`, next) },
  { kind: 'what is not granted', change: (line, next) => replaced(line, /isWritable: isWrite\b/, 'isWritable: true', next) ?? replaced(line, /\((isWritable|isWrite) \? ([\w.]+) : 0\)/, '$2', next) ?? replaced(line, /= (?:isWritable|isWrite) \? ([\w.]+) : 0/, '= $1', next) },
  { kind: 'sleep in a callback', change: (line, next) => (/^\s+\* (?:invalidate|age|clearFlush)\w+\(.*\{$/.test(line) && /\b([kgx])\b/.test(next) ? [line, `    yield* ${/\b([kgx])\b/.exec(next)?.[1]}.s.flushWorkqueue();`, next] : null) },
];

const OTHER = /** @type {Record<string, string>} */ ({ 0: '1', 1: '0', true: 'false', false: 'true' });

/** The rest of a function from line `at` on without this lock, or null where it is not given back in it. @param {string} next @param {readonly string[]} rows @param {number} at @returns {string[] | null} */
function unlocked(next, rows, at) {
  const [, lock] = /\((.*)\)/.exec(rows[at] ?? '') ?? [];
  const end = rows.findIndex((row, i) => i > at && /^\}|^ {4}\},$/.test(row));
  const body = rows.slice(at + 2, end);
  const kept = [next, ...body].filter((row) => !(UNLOCK.test(row) && row.includes(`(${lock})`)));
  return kept.length === body.length + 1 ? null : [...kept, `\u0000${end}`];
}

/** @param {string} line */
function indent(line) {
  return /^\s*/.exec(line)?.[0].length;
}

/** @param {string} line @param {RegExp} pattern @param {string | ((...found: string[]) => string)} by @param {string} next @returns {string[] | null} */
function replaced(line, pattern, by, next) {
  return pattern.test(line) ? [line.replace(pattern, /** @type {string} */ (by)), next] : null;
}

/** @param {string} folder sources of a driver @returns {Mutant[]} */
export function mutantsOf(folder) {
  return readdirSync(folder).filter((file) => file.endsWith('.ts') && !file.endsWith('calls.ts')).sort().flatMap((file) => {
    const path = join(folder, file);
    const rows = readFileSync(path, 'utf8').split('\n');
    return rows.slice(0, -1).flatMap((line, at) => KINDS.flatMap(({ kind, change }) => {
      const next = rows[at + 1] ?? '';
      if ((kind !== 'sleep in a callback' && NEUTRAL.test(line)) || (kind === 'swap two steps' && NEUTRAL.test(next))) return [];
      const changed = change(line, next, rows, at);
      if (changed === null) return [];
      const last = changed.at(-1) ?? '';
      const after = last.startsWith('\u0000') ? Number(last.slice(1)) : at + 2;
      const text = [...rows.slice(0, at), ...(last.startsWith('\u0000') ? changed.slice(0, -1) : changed), ...rows.slice(after)].join('\n');
      return [{ id: `${file}:${at + 1} ${kind}`, file: path, kind, was: line.trim(), text }];
    }));
  });
}

/**
 * `count` of them: one of each kind in turn, so that the rare kinds are all there and the common ones share the rest. The seed decides which.
 * @param {readonly Mutant[]} mutants @param {number} count @param {number} seed @returns {Mutant[]}
 */
export function sampled(mutants, count, seed) {
  if (count >= mutants.length) return [...mutants];
  let state = seed >>> 0;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const kinds = [...new Set(mutants.map(({ kind }) => kind))].map((kind) => mutants.filter((mutant) => mutant.kind === kind));
  /** @type {Mutant[]} */
  const drawn = [];
  while (drawn.length < count) {
    for (const rest of kinds) if (rest.length > 0 && drawn.length < count) drawn.push(...rest.splice(Math.floor(random() * rest.length), 1));
  }
  return drawn;
}
