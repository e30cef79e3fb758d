// The shapes that the inliner looks for in a syntax tree: what is declared, set and used, and which statements make one expression.
import { visitorKeys } from 'oxc-parser';

/** @typedef {import('./straighten.mjs').Node} Node */

/** What calls in it are made later, if at all. */
export const CLOSURES = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/** @param {Node} node @returns {Node[]} in the order of the text */
export function childrenOf(node) {
  return (node.inOrder ??= inOrder(node));
}

/** @param {Node} node @returns {Node[]} */
function inOrder(node) {
  if (node.type === 'Property' && node.shorthand) return [node.value];
  if ((node.type === 'ExportSpecifier' || node.type === 'ImportSpecifier') && node.local.start === (node.exported ?? node.imported).start) return [node.local];
  const children = (visitorKeys[node.type] ?? []).flatMap((key) => node[key] ?? []).filter(Boolean);
  return children.sort((/** @type {Node} */ a, /** @type {Node} */ b) => a.start - b.start);
}

/** @param {readonly Node[]} statements @returns {boolean} */
export function areExpressible(statements) {
  return statements.every((node) => {
    switch (node.type) {
      case 'ReturnStatement':
      case 'ExpressionStatement':
      case 'EmptyStatement':
      case 'VariableDeclaration':
        return true;
      case 'BlockStatement':
        return areExpressible(node.body);
      case 'IfStatement':
        return [node.consequent, node.alternate].every((branch) => !branch || (areExpressible([branch]) && returns([branch]) !== 'sometimes'));
      default:
        return false;
    }
  });
}

/** Whether statements end in a return: on every way, on none, or on some. @param {readonly Node[]} statements @returns {'always' | 'never' | 'sometimes'} */
export function returns(statements) {
  /** @type {'never' | 'sometimes'} */
  let so = 'never';
  for (const node of statements) {
    const one = returnsOf(node);
    if (one === 'always') return 'always';
    if (one === 'sometimes') so = 'sometimes';
  }
  return so;
}

/** @param {Node} node @returns {'always' | 'never' | 'sometimes'} */
function returnsOf(node) {
  if (node.type === 'ReturnStatement') return 'always';
  if (node.type === 'BlockStatement') return returns(node.body);
  if (node.type !== 'IfStatement') return 'never';
  const then = returnsOf(node.consequent);
  const otherwise = node.alternate ? returnsOf(node.alternate) : 'never';
  return then === otherwise ? then : 'sometimes';
}

/** `{ a, b: c }` @param {Node} pattern */
export function isPlain(pattern) {
  return pattern.properties.every((/** @type {Node} */ p) => p.type === 'Property' && !p.computed && p.value.type === 'Identifier');
}

/** @param {Node} pattern @returns {string[]} */
export function declaredBy(pattern) {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern.name];
    case 'ObjectPattern':
      return pattern.properties.flatMap((/** @type {Node} */ p) => declaredBy(p.type === 'Property' ? p.value : p.argument));
    case 'ArrayPattern':
      return pattern.elements.filter(Boolean).flatMap(declaredBy);
    case 'AssignmentPattern':
      return declaredBy(pattern.left);
    case 'RestElement':
      return declaredBy(pattern.argument);
    default:
      return [];
  }
}

/** Names that a node sets, apart from declaring them. @param {Node} node @returns {string[]} */
export function targetsOf(node) {
  if (node.type === 'AssignmentExpression') return declaredBy(node.left);
  if (node.type === 'UpdateExpression') return declaredBy(node.argument);
  if (node.type === 'ForInStatement' || node.type === 'ForOfStatement') return declaredBy(node.left.type === 'VariableDeclaration' ? node.left.declarations[0].id : node.left);
  return [];
}

/** @param {Node} node @param {ReadonlySet<Node>} without @returns {Map<string, number>} names that are used below it, and how often */
export function usesOf(node, without) {
  /** @type {Map<string, number>} */
  const uses = new Map();
  walk(node, (inner) => {
    if (inner.type === 'Identifier' && !inner.isKey && !inner.isBinding) uses.set(inner.name, (uses.get(inner.name) ?? 0) + 1);
  }, without);
  return uses;
}

/** @param {Node} node @param {(node: Node) => void} visit @param {ReadonlySet<Node>} [without] */
export function walk(node, visit, without) {
  if (without?.has(node)) return;
  visit(node);
  for (const child of childrenOf(node)) walk(child, visit, without);
}

/** Says of each identifier whether it is a mere key, declares, or is exported. @param {Node} node */
export function mark(node) {
  switch (node.type) {
    case 'MemberExpression':
      if (!node.computed) node.property.isKey = true;
      break;
    case 'Property':
    case 'PropertyDefinition':
    case 'MethodDefinition':
      if (!node.computed && !node.shorthand) node.key.isKey = true;
      break;
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
      if (node.label) node.label.isKey = true;
      break;
    case 'ExportSpecifier':
      node.exported.isKey = true;
      node.local.isKey = false;
      node.local.isExported = true;
      break;
    case 'ObjectPattern':
      for (const property of node.properties) property.isPattern = true;
      break;
  }
  const bindings = node.type === 'VariableDeclarator' ? [node.id] : CLOSURES.has(node.type) ? [...(node.id ? [node.id] : []), ...node.params] : node.type.startsWith('Class') && node.id ? [node.id] : [];
  for (const pattern of bindings) markBinding(pattern);
  for (const child of childrenOf(node)) mark(child);
}

/** @param {Node} pattern */
function markBinding(pattern) {
  if (pattern.type === 'Identifier') pattern.isBinding = true;
  else if (pattern.type === 'ObjectPattern') for (const p of pattern.properties) markBinding(p.type === 'Property' ? p.value : p.argument);
  else if (pattern.type === 'ArrayPattern') for (const e of pattern.elements.filter(Boolean)) markBinding(e);
  else if (pattern.type === 'AssignmentPattern') markBinding(pattern.left);
  else if (pattern.type === 'RestElement') markBinding(pattern.argument);
}
