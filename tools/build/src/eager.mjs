// Locks are taken far more often than waited for. In the frames form a primitive of the locking package that has a single
// point runs at once, as a plain function, and becomes a task only where the scheduler wants to switch there:
//
//   function* spinLock(m, lock) { A; yield* pointUntil(m, K, lock, M, V); B }
//
//   function spinLock(m, lock) { A; if (pointUntil(m, K, lock, M, V)) return spinLock$rest(m, lock); return spinLock$post(m, lock); }
//   function spinLock$post(m, lock) { B }
//   function* spinLock$rest(m, lock) { yield 'step'; while (pointUntil(m, K, lock, M, V)) yield 'step'; return spinLock$post(m, lock); }
//
// Who calls it gets a task or the finished result, as in the fast form, and a call that is a statement of its own delegates
// only to a task: `yield* spinLock(m, lock);` becomes `{ $task = spinLock(m, lock); if (typeof $task === 'object') yield* $task; }`.
import { parseSync, visitorKeys } from 'oxc-parser';
import MagicString from 'magic-string';

/** @typedef {import('./straighten.mjs').Node} Node */

const LOCKING = '@mmun/locking';
const LOCKING_SOURCE = /[\\/]locking[\\/]src[\\/]/;
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

/** @param {Node} node @param {Set<string>} names @param {MagicString} out @returns {boolean} whether a call of this function was rewritten */
function callSites(node, names, out) {
  if (isStatementOf(node, names)) {
    const { expression } = node;
    out.overwrite(node.start, expression.argument.start, '{ $task = ');
    out.overwrite(expression.argument.end, node.end, "; if (typeof $task === 'object') yield* $task; }");
    return true;
  }
  let any = false;
  for (const child of children(node)) any = callSites(child, names, out) || any;
  if (!any || !/^(FunctionDeclaration|FunctionExpression)$/.test(node.type)) return any;
  out.appendRight(node.body.start + 1, ' let $task: any;');
  return false;
}

/** @param {Node} node @param {Set<string>} names */
function isStatementOf(node, names) {
  return isDelegation(node) && names.has(node.expression.argument.callee.name) && !isPoint(node);
}

/** @param {Node} fn @param {string} code @param {MagicString} out */
function split(fn, code, out) {
  const [, result] = fn.returnType?.typeAnnotation?.typeArguments?.params ?? [];
  if (result && !PLAIN_RESULTS.has(result.type)) return;
  const statements = fn.body.body;
  const at = statements.findIndex(isPoint);
  if (at < 0 || count(fn.body, 'YieldExpression') !== 1 || count(fn.body, 'ThisExpression') > 0) return;
  const before = statements.slice(0, at);
  const names = [...fn.params, ...before.flatMap(declared)].map(nameOf);
  if (names.includes('') || before.some((/** @type {Node} */ s) => s.type === 'FunctionDeclaration')) return;
  const name = fn.id.name;
  const call = statements[at].expression.argument;
  const point = code.slice(call.start, call.end);
  const given = names.join(', ');
  const typed = names.map((n) => `${n}: any`).join(', ');
  const again = call.callee.name === 'pointUntil' ? ` while (${point}) yield 'step';` : '';
  const star = code.indexOf('*', fn.start);
  out.remove(star, star + 1);
  out.overwrite(statements[at].start, statements[at].end, `if (${point}) return ${name}$rest(${given}) as any; return ${name}$post(${given}) as any; } function ${name}$post(${typed}): any {`);
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
