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
// A lock that one can only wait for needs no task even then, where the call is a statement of its own: the caller asks again.
// What stands before the point only checks, so it may run twice; the arguments are what they were at first.
//
//   function spinLock(m, lock, $here) { A; if (pointUntil(..)) return $here === true ? null : $parked(spinLock$rest(m, lock)); .. }
//
//   yield* spinLock(m, m.ptl);   { $a0 = m.ptl; while (spinLock(m, $a0, true) === null) yield 'step'; }
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync, visitorKeys } from 'oxc-parser';
import MagicString from 'magic-string';
import { PACKAGES } from './workspace.mjs';

/** @typedef {import('./straighten.mjs').Node} Node */

const LOCKING = '@mmun/locking';
const LOCKING_SOURCE = /packages[\\/]locking[\\/]src[\\/]/;
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
let waiting;

/** Functions of the locking package that a caller may ask again, with the number of their parameters. */
function waitingPrimitives() {
  if (waiting) return waiting;
  waiting = new Map();
  const folder = join(PACKAGES, 'locking/src');
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
    const { program } = parseSync(file, readFileSync(join(folder, file), 'utf8'), { sourceType: 'module', lang: 'ts' });
    for (const fn of functions(program)) if (canAskAgain(fn)) waiting.set(fn.id.name, fn.params.length);
  }
  return waiting;
}

/** Nothing but checks before the one point, which waits. @param {Node} fn */
function canAskAgain(fn) {
  const parts = partsOf(fn);
  return parts !== null && parts.point.callee.name === 'pointUntil' && parts.before.every(isCheck);
}

/** @param {Node} statement */
function isCheck({ type, expression }) {
  return type === 'ExpressionStatement' && expression.type === 'CallExpression' && /^(mightSleep|lockdep[A-Z]\w*)$/.test(expression.callee.name ?? '');
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
  if (waitingPrimitives().get(call.callee.name) !== args.length || args.some((/** @type {Node} */ arg) => arg.type === 'SpreadElement')) {
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
  out.overwrite(at, end, `${text}while (${call.callee.name}(${[...given, 'true'].join(', ')}) === null) yield 'step'; }`);
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
  const isAsked = canAskAgain(fn);
  if (isAsked) out.appendLeft(fn.params.at(-1).end, ', $here?: any');
  const star = code.indexOf('*', fn.start);
  out.remove(star, star + 1);
  out.overwrite(statement.start, statement.end, `if (${point}) return ${isAsked ? '$here === true ? null as any : ' : ''}$parked(${name}$rest(${given})) as any; return ${name}$post(${given}) as any; } function ${name}$post(${typed}): any {`);
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
