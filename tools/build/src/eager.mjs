// Locks are taken far more often than waited for. In the frames form a primitive of the locking package that has a single
// point runs at once, as a plain function, and becomes a task only where the scheduler wants to switch there:
//
//   function* spinLock(m, lock) { A; yield* pointUntil(m, K, lock, M, V); B }
//
//   function spinLock(m, lock) { A; if (pointUntil(m, K, lock, M, V)) return $parked(spinLock$rest(m, lock)); return spinLock$post(m, lock); }
//   function spinLock$post(m, lock) { B }
//   function* spinLock$rest(m, lock) { yield 'step'; while (pointUntil(m, K, lock, M, V)) yield 'step'; return spinLock$post(m, lock); }
//
// A parked task has come to its first yield already. Who calls it gets a task or the finished result, as in the fast form, and a call that is a statement of its own delegates
// only to a task: `yield* spinLock(m, lock);` becomes `{ $task = spinLock(m, lock); if (typeof $task === 'object') yield* $task; }`.
//
// Where the call is a statement of its own and what follows the point knows nothing but the parameters, no task is needed even
// then: the caller says by one more argument that it yields itself, and then, that its turn has come. That it will not ask again
// the scheduler sees from what was yielded.
//
//   function spinLock(m, lock, $here) { if ($here !== false) { A; if (pointUntil(..)) return $here === true ? null : $parked(..); } return spinLock$post(m, lock); }
//
//   yield* spinLock(m, m.ptl);   { $a0 = m.ptl; if (spinLock(m, $a0, true) === null) { yield 'turn'; spinLock(m, $a0, false); } }
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync, visitorKeys } from 'oxc-parser';
import MagicString from 'magic-string';
import { PACKAGES } from './workspace.mjs';

/** @typedef {import('./straighten.mjs').Node} Node */

const LOCKING = '@mmun/locking';
const LOCKING_SOURCE = /(?:@mmun|packages)[\\/]locking[\\/]src[\\/]/;
/** Results that cannot be taken for a task. */
const PLAIN_RESULTS = new Set(['TSBooleanKeyword', 'TSNumberKeyword', 'TSVoidKeyword']);

/** @param {string} code TypeScript as written @param {string} id its path @returns {string} the same lines */
export function eager(code, id) {
  const isLocking = LOCKING_SOURCE.test(id);
  if (!isLocking && !code.includes(LOCKING)) return code;
  const { program, errors } = parseSync(id, code, { sourceType: 'module', lang: 'ts' });
  if (errors.length > 0) return code;
  const out = new MagicString(code);
  if (isLocking) for (const fn of functions(program)) split(fn, code, out);
  else callSites(/** @type {any} */ (program), importsOf(program), out);
  return out.toString();
}

/** @param {any} program @returns {Node[]} generators at the top of the file */
function functions({ body }) {
  return body.map((/** @type {Node} */ s) => (s.type === 'ExportNamedDeclaration' ? s.declaration : s)).filter((/** @type {Node | null} */ s) => s?.type === 'FunctionDeclaration' && s.generator);
}

/** @param {any} program @returns {Set<string>} names that come from the locking package */
function importsOf({ body }) {
  const from = body.filter((/** @type {Node} */ s) => s.type === 'ImportDeclaration' && s.source.value === LOCKING);
  return new Set(from.flatMap((/** @type {Node} */ s) => s.specifiers.map((/** @type {Node} */ x) => x.local.name)));
}

/** @type {Map<string, number> | undefined} */
let inPlace;

/** Functions of the locking package for which the caller can yield, with the number of their parameters. */
function inPlacePrimitives() {
  if (inPlace) return inPlace;
  inPlace = new Map();
  const folder = join(PACKAGES, 'locking/src');
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
    const { program } = parseSync(file, readFileSync(join(folder, file), 'utf8'), { sourceType: 'module', lang: 'ts' });
    for (const fn of functions(program)) if (isInPlace(fn, partsOf(fn))) inPlace.set(fn.id.name, fn.params.length);
  }
  return inPlace;
}

/** What follows the one point knows the parameters alone. @param {Node} fn @param {ReturnType<typeof partsOf>} parts */
function isInPlace(fn, parts) {
  return parts !== null && parts.names.length === fn.params.length;
}

/** @param {Node} node @param {Set<string>} names @param {MagicString} out @returns {number} variables that the rewritten calls in this function need besides $task; -1: none was rewritten */
function callSites(node, names, out) {
  if (isStatementOf(node, names)) return callSite(node, out);
  let most = -1;
  for (const child of children(node)) most = Math.max(most, callSites(child, names, out));
  if (most < 0 || !/^(FunctionDeclaration|FunctionExpression)$/.test(node.type)) return most;
  out.appendRight(node.body.start + 1, ` let $task: any${Array.from({ length: most }, (_, i) => `, $a${i}: any`).join('')};`);
  return -1;
}

/** @param {Node} statement @param {MagicString} out @returns {number} variables that it needs besides $task */
function callSite({ start, end, expression: { argument: call } }, out) {
  const args = call.arguments;
  if (inPlacePrimitives().get(call.callee.name) !== args.length || args.some((/** @type {Node} */ arg) => arg.type === 'SpreadElement')) {
    out.overwrite(start, call.start, '{ $task = ');
    out.overwrite(call.end, end, "; if (typeof $task === 'object') yield* $task; }");
    return 0;
  }
  let n = 0;
  let at = start;
  let text = '{ ';
  const given = args.map((/** @type {Node} */ arg) => {
    if (arg.type === 'Identifier') return arg.name;
    out.overwrite(at, arg.start, `${text}$a${n} = `);
    at = arg.end;
    text = '; ';
    return `$a${n++}`;
  });
  const ask = (/** @type {boolean} */ isAsking) => `${call.callee.name}(${[...given, isAsking].join(', ')})`;
  out.overwrite(at, end, `${text}if (${ask(true)} === null) { yield 'turn'; ${ask(false)}; } }`);
  return n;
}

/** @param {Node} node @param {Set<string>} names */
function isStatementOf(node, names) {
  return isDelegation(node) && names.has(node.expression.argument.callee.name) && !isPoint(node);
}

/**
 * The one point of a primitive, what stands before it, and the names that both know; null where it has another form.
 * @param {Node} fn @returns {{ before: Node[], point: Node, statement: Node, names: string[] } | null}
 */
function partsOf(fn) {
  const [, result] = fn.returnType?.typeAnnotation?.typeArguments?.params ?? [];
  if (result && !PLAIN_RESULTS.has(result.type)) return null;
  const statements = fn.body.body;
  const at = statements.findIndex(isPoint);
  if (at < 0 || count(fn.body, 'YieldExpression') !== 1 || count(fn.body, 'ThisExpression') > 0) return null;
  const before = statements.slice(0, at);
  const names = [...fn.params, ...before.flatMap(declared)].map(nameOf);
  if (names.includes('') || before.some((/** @type {Node} */ s) => s.type === 'FunctionDeclaration')) return null;
  return { before, point: statements[at].expression.argument, statement: statements[at], names };
}

/** @param {Node} fn @param {string} code @param {MagicString} out */
function split(fn, code, out) {
  const parts = partsOf(fn);
  if (parts === null) return;
  const { point: call, statement, names } = parts;
  const name = fn.id.name;
  const point = code.slice(call.start, call.end);
  const given = names.join(', ');
  const typed = names.map((n) => `${n}: any`).join(', ');
  const again = call.callee.name === 'pointUntil' ? ` while (${point}) yield 'step';` : '';
  const star = code.indexOf('*', fn.start);
  out.remove(star, star + 1);
  const rest = `$parked(${name}$rest(${given})) as any`;
  const after = `return ${name}$post(${given}) as any; } function ${name}$post(${typed}): any {`;
  if (isInPlace(fn, parts)) {
    out.appendLeft(fn.params.at(-1).end, ', $here?: any');
    out.appendRight(fn.body.start + 1, ' if ($here !== false) {');
    out.overwrite(statement.start, statement.end, `if (${point}) return $here === true ? null as any : ${rest}; } ${after}`);
  } else out.overwrite(statement.start, statement.end, `if (${point}) return ${rest}; ${after}`);
  out.appendLeft(fn.end, ` function* ${name}$rest(${typed}): Task<any, any> { yield 'step';${again} return ${name}$post(${given}); }`);
}

/** @param {Node} node `yield* f(..);` */
function isDelegation({ type, expression }) {
  return type === 'ExpressionStatement' && expression.type === 'YieldExpression' && expression.delegate
    && expression.argument.type === 'CallExpression' && expression.argument.callee.type === 'Identifier';
}

/** @param {Node} node */
function isPoint(node) {
  return isDelegation(node) && /^point(Until)?$/.test(node.expression.argument.callee.name);
}

/** @param {Node} statement @returns {Node[]} */
function declared(statement) {
  if (statement.type !== 'VariableDeclaration') return [];
  return statement.declarations.flatMap((/** @type {Node} */ { id }) => (id.type === 'ObjectPattern' ? id.properties.map((/** @type {Node} */ p) => p.value ?? p) : [id]));
}

/** @param {Node} pattern @returns {string} empty where it is no plain name */
function nameOf({ type, name }) {
  return type === 'Identifier' ? name : '';
}

/** @param {Node} node @param {string} type @returns {number} */
function count(node, type) {
  return children(node).reduce((n, child) => n + count(child, type), node.type === type ? 1 : 0);
}

/** @param {Node} node @returns {Node[]} */
function children(node) {
  return (visitorKeys[node.type] ?? []).flatMap((key) => node[key] ?? []).filter(Boolean);
}
