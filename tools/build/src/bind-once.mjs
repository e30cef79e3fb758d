// What a bundle declares at its top is bound once and for all, and says so.
//
// A bundler makes `var`s of constants and leaves functions as declarations, which anyone might assign to: V8 then loads
// each of them, and asks whether it is still the one it knows, wherever it is used. Of a `const` the optimizing compiler
// takes the value itself, so that calls of small functions, and numbers, cost nothing. An exported name is a cell of the
// module and not known either, so the module exports others than those it uses: a quarter to a third of the time of a
// system call.
import { parseSync, visitorKeys } from 'oxc-parser';
import MagicString from 'magic-string';

/** @typedef {import('./straighten.mjs').Node} Node */

/**
 * Lines stay where they are. What is used before its declaration has run fails when the bundle is loaded, not later.
 * @param {string} code a bundle: one module without imports @returns {string}
 */
export function bindOnce(code) {
  const { program } = parseSync('bundle.js', code, { sourceType: 'module', lang: 'js' });
  const assigned = new Set();
  collectAssigned(/** @type {any} */ (program), assigned);
  const out = new MagicString(code);
  for (const statement of /** @type {Node[]} */ (/** @type {any} */ (program.body))) {
    if (statement.type === 'FunctionDeclaration') functionToConst(statement, assigned, out);
    else if (statement.type === 'VariableDeclaration') variableToConst(statement, assigned, out);
    else if (statement.type === 'ExportNamedDeclaration' && statement.declaration === null) exportOthers(statement, assigned, out);
  }
  return out.toString();
}

/** @param {Node} fn @param {ReadonlySet<string>} assigned @param {MagicString} out */
function functionToConst(fn, assigned, out) {
  const { name } = fn.id;
  if (fn.async || fn.generator || assigned.has(name)) return;
  out.overwrite(fn.start, fn.id.end, `const ${name} = function`);
  out.appendLeft(fn.end, ';');
}

/** @param {Node} declaration @param {ReadonlySet<string>} assigned @param {MagicString} out */
function variableToConst(declaration, assigned, out) {
  const isBoundOnce = declaration.declarations.every((/** @type {Node} */ { id, init }) => id.type === 'Identifier' && init !== null && !assigned.has(id.name));
  if (declaration.kind === 'var' && isBoundOnce) out.overwrite(declaration.start, declaration.start + 'var'.length, 'const');
}

/** @param {Node} statement `export { a, b as c }` @param {ReadonlySet<string>} assigned @param {MagicString} out */
function exportOthers(statement, assigned, out) {
  if (statement.source !== null) return;
  const locals = new Set();
  for (const { local } of statement.specifiers) {
    if (assigned.has(local.name)) continue;
    locals.add(local.name);
    out.overwrite(local.start, local.end, `exported_${local.name}`);
  }
  // what was one name is two: `export { a }` is `export { exported_a as a }`
  for (const { local, exported } of statement.specifiers) if (local.start === exported.start && locals.has(local.name)) out.appendLeft(local.end, ` as ${exported.name}`);
  out.appendLeft(statement.start, [...locals].map((name) => `const exported_${name} = ${name}; `).join(''));
}

/** The names that something is assigned to after they were declared, wherever that is. @param {Node} node @param {Set<string>} assigned */
function collectAssigned(node, assigned) {
  const target = node.type === 'AssignmentExpression' || node.type === 'ForInStatement' || node.type === 'ForOfStatement' ? node.left : node.type === 'UpdateExpression' ? node.argument : null;
  if (target) collectNames(target, assigned);
  for (const key of visitorKeys[node.type] ?? []) {
    const child = node[key];
    for (const each of Array.isArray(child) ? child : [child]) if (each) collectAssigned(each, assigned);
  }
}

/** @param {Node} pattern @param {Set<string>} names every identifier of it, which may be more than it assigns to */
function collectNames(pattern, names) {
  if (pattern.type === 'Identifier') names.add(pattern.name);
  if (pattern.type === 'MemberExpression') return;
  for (const key of visitorKeys[pattern.type] ?? []) {
    const child = pattern[key];
    for (const each of Array.isArray(child) ? child : [child]) if (each) collectNames(each, names);
  }
}
