// What the inliner knows of a linked image before it writes anything: functions, constants, and what nobody wants.
import { CLOSURES, areExpressible, declaredBy, isPlain, mark, targetsOf, usesOf, walk } from './inline-syntax.mjs';

/**
 * @typedef {import('./straighten.mjs').Node} Node
 * @typedef {object} TopFunction a function declared at the top level
 * @property {Node} node
 * @property {readonly string[]} params
 * @property {ReadonlySet<string>} locals all that is declared in it, parameters too
 * @property {ReadonlySet<string>} assigned locals that are set more than once
 * @property {ReadonlySet<string>} free other names that it uses
 * @property {ReadonlyMap<string, number>} uses how often a name is read or set
 * @property {number} size in nodes
 * @property {number} nrCalls Infinity where it is also used as a value
 * @property {boolean} isExpressible its body can be written as one expression
 * @property {boolean} isGuard it does nothing unless its first parameter holds: BUG_ON
 */

/** What a task that is put in elsewhere may not contain. */
const UNMOVABLE = new Set([
  'FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression', 'ClassDeclaration', 'ClassExpression', 'ThisExpression', 'Super', 'MetaProperty', 'AwaitExpression',
  'YieldExpression', 'ArrayPattern', 'RestElement', 'AssignmentPattern', 'ImportExpression',
]);

export class Program {
  /** @param {Node} program @param {ReadonlySet<string>} hot */
  constructor(program, hot) {
    this.hot = hot;
    /** @type {Map<string, TopFunction>} */
    this.functions = new Map();
    /** @type {Map<string, number | string | boolean>} */
    this.constants = new Map();
    /** @type {Set<Node>} */
    this.dropped = new Set();
    /** @type {Map<TopFunction, boolean>} */
    this.pure = new Map();
    /** @type {Map<TopFunction, number>} */
    this.sizes = new Map();
    mark(program);
    /** Names of the top level that are set again. @type {Set<string>} */
    this.unstable = new Set();
    walk(program, (node) => { for (const name of targetsOf(node)) this.unstable.add(name); });
    for (const node of program.body) if (node.type === 'FunctionDeclaration') this.functions.set(node.id.name, analyse(node));
    this.countCalls(program);
    this.foldConstants(program);
    for (const top of this.functions.values()) this.dropUnwanted(top);
  }

  /** @param {Node} node @returns {TopFunction | undefined} */
  functionOf(node) {
    const top = this.functions.get(node.id?.name);
    return top?.node === node ? top : undefined;
  }

  /** A name of the top level that means the same for ever. @param {string} name */
  isStable(name) {
    return (this.functions.has(name) || this.constants.has(name)) && !this.unstable.has(name);
  }

  /** @param {Node} node */
  isDropped(node) {
    return this.dropped.has(node);
  }

  /** Nodes of a function with what will be put into it; one that calls itself, however indirectly, stays a function. @param {TopFunction} top @returns {number} */
  fullSize(top) {
    const known = this.sizes.get(top);
    if (known !== undefined) return known;
    this.sizes.set(top, Infinity);
    let size = top.size;
    walk(top.node.body, (node) => {
      const callee = node.type === 'CallExpression' && node.callee.type === 'Identifier' && this.functions.get(node.callee.name);
      if (!callee || !callee.isExpressible) return;
      if (this.sizes.get(callee) === Infinity) callee.isExpressible = false;
      const inner = this.fullSize(callee);
      if (inner <= this.limit(callee)) size += inner;
    });
    this.sizes.set(top, size);
    return size;
  }

  /** @param {TopFunction} callee @returns {number} nodes that it may have to be put in */
  limit(callee) {
    if (this.hot.has(callee.node.id.name)) return HOT;
    return callee.nrCalls === 1 ? ONCE : SMALL;
  }

  /** Only reads. @param {Node} node @returns {boolean} */
  isPure(node) {
    switch (node.type) {
      case 'Identifier':
      case 'Literal':
        return true;
      case 'MemberExpression':
        return this.isPure(node.object) && (!node.computed || this.isPure(node.property));
      case 'UnaryExpression':
        return node.operator !== 'delete' && this.isPure(node.argument);
      case 'BinaryExpression':
      case 'LogicalExpression':
        return this.isPure(node.left) && this.isPure(node.right);
      case 'ConditionalExpression':
        return this.isPure(node.test) && this.isPure(node.consequent) && this.isPure(node.alternate);
      case 'SequenceExpression':
        return node.expressions.every((/** @type {Node} */ e) => this.isPure(e));
      case 'ParenthesizedExpression':
      case 'ChainExpression':
        return this.isPure(node.expression);
      case 'CallExpression': {
        const callee = node.callee.type === 'Identifier' ? this.functions.get(node.callee.name) : undefined;
        return callee !== undefined && this.isPureFunction(callee) && node.arguments.every((/** @type {Node} */ a) => this.isPure(a));
      }
      default:
        return false;
    }
  }

  /** @param {TopFunction} top @returns {boolean} */
  isPureFunction(top) {
    const known = this.pure.get(top);
    if (known !== undefined) return known;
    this.pure.set(top, false);
    const pure = top.isExpressible && this.isPureStatement(top.node.body);
    this.pure.set(top, pure);
    return pure;
  }

  /** @param {Node} node @returns {boolean} */
  isPureStatement(node) {
    switch (node.type) {
      case 'BlockStatement':
        return node.body.every((/** @type {Node} */ s) => this.isPureStatement(s));
      case 'ReturnStatement':
        return !node.argument || this.isPure(node.argument);
      case 'ExpressionStatement':
        return this.isPure(node.expression);
      case 'VariableDeclaration':
        return node.declarations.every((/** @type {Node} */ d) => !d.init || this.isPure(d.init));
      case 'IfStatement':
        return this.isPure(node.test) && this.isPureStatement(node.consequent) && (!node.alternate || this.isPureStatement(node.alternate));
      default:
        return node.type === 'EmptyStatement';
    }
  }

  /** @param {Node} program */
  countCalls(program) {
    const callees = new Set();
    walk(program, (node) => {
      if (node.type === 'CallExpression' && node.callee.type === 'Identifier') callees.add(node.callee);
      if (node.type !== 'Identifier' || node.isKey || node.isBinding) return;
      const top = this.functions.get(node.name);
      if (top) top.nrCalls += callees.has(node) ? 1 : Infinity;
    });
  }

  /** @param {Node} program */
  foldConstants(program) {
    for (const statement of program.body) {
      if (statement.type !== 'VariableDeclaration') continue;
      for (const { id, init } of statement.declarations) {
        if (id.type !== 'Identifier' || !init || this.unstable.has(id.name)) continue;
        const value = this.evaluate(init);
        if (value !== undefined) this.constants.set(id.name, value);
      }
    }
  }

  /** @param {Node} node @returns {number | string | boolean | undefined} */
  evaluate(node) {
    if (node.type === 'Literal') return ['number', 'string', 'boolean'].includes(typeof node.value) ? node.value : undefined;
    if (node.type === 'Identifier') return this.constants.get(node.name);
    if (node.type === 'ParenthesizedExpression') return this.evaluate(node.expression);
    if (node.type === 'UnaryExpression') {
      const value = this.evaluate(node.argument);
      return value === undefined ? undefined : UNARY[node.operator]?.(value);
    }
    if (node.type === 'BinaryExpression') {
      const [left, right] = [this.evaluate(node.left), this.evaluate(node.right)];
      return typeof left !== 'number' || typeof right !== 'number' ? undefined : BINARY[node.operator]?.(left, right);
    }
    if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression' && node.callee.object.name === 'Math' && !node.callee.computed) {
      const values = node.arguments.map((/** @type {Node} */ a) => this.evaluate(a));
      if (values.every((/** @type {unknown} */ v) => typeof v === 'number')) return MATH[node.callee.property.name]?.(...values);
    }
    return undefined;
  }

  /** Reads whose value nobody wants, and variables that nobody reads. @param {TopFunction} top */
  dropUnwanted(top) {
    walk(top.node.body, (node) => {
      if (node.type === 'ExpressionStatement' && this.isPure(node.expression)) this.dropped.add(node);
      if (node.type === 'SequenceExpression') for (const e of node.expressions.slice(0, -1)) if (this.isPure(e)) this.dropped.add(e);
    });
    for (let before = -1; before !== this.dropped.size;) {
      before = this.dropped.size;
      const uses = usesOf(top.node, this.dropped);
      walk(top.node.body, (node) => {
        if (node.type !== 'VariableDeclarator' || !node.init || this.dropped.has(node) || !this.isPure(node.init)) return;
        if (declaredBy(node.id).every((name) => !uses.has(name))) this.dropped.add(node);
      });
      top.uses = uses;
    }
  }
}

/** Nodes of a function that is put in wherever it is called, of one that is called at one place, and of a hot one. */
const SMALL = 90, ONCE = 1500, HOT = 6000;

/** @type {Record<string, (a: any) => number | string | boolean>} */
const UNARY = { '-': (a) => -a, '!': (a) => !a, '~': (a) => ~a, '+': (a) => +a };
/** @type {Record<string, (a: number, b: number) => number | boolean>} */
const BINARY = {
  '+': (a, b) => a + b, '-': (a, b) => a - b, '*': (a, b) => a * b, '/': (a, b) => a / b, '%': (a, b) => a % b, '**': (a, b) => a ** b, '<<': (a, b) => a << b, '>>': (a, b) => a >> b,
  '>>>': (a, b) => a >>> b, '&': (a, b) => a & b, '|': (a, b) => a | b, '^': (a, b) => a ^ b, '===': (a, b) => a === b, '!==': (a, b) => a !== b, '<': (a, b) => a < b, '>': (a, b) => a > b,
  '<=': (a, b) => a <= b, '>=': (a, b) => a >= b,
};
/** @type {Record<string, (...values: number[]) => number>} */
const MATH = { min: Math.min, max: Math.max, ceil: Math.ceil, floor: Math.floor, log2: Math.log2, round: Math.round };

/** @param {Node} node @returns {TopFunction} */
function analyse(node) {
  /** @type {string[]} */
  const declared = node.params.flatMap(declaredBy);
  /** @type {Set<string>} */
  const assigned = new Set();
  let size = 0;
  let isMovable = !node.async && !node.generator && node.params.every((/** @type {Node} */ p) => p.type === 'Identifier');
  walk(node.body, (inner) => {
    size++;
    if (UNMOVABLE.has(inner.type) || (inner.type === 'Identifier' && inner.name === 'arguments' && !inner.isKey)) isMovable = false;
    if (inner.type === 'VariableDeclarator') {
      declared.push(...declaredBy(inner.id));
      // without a value it is set later
      if (!inner.init) assigned.add(inner.id.name);
      if (inner.id.type === 'ObjectPattern' && !isPlain(inner.id)) isMovable = false;
    }
    if (inner.type === 'AssignmentExpression' && inner.left.type === 'ObjectPattern') isMovable = false;
    if (CLOSURES.has(inner.type)) {
      declared.push(...inner.params.flatMap(declaredBy));
      if (inner.id) declared.push(inner.id.name);
    }
    for (const name of targetsOf(inner)) assigned.add(name);
  });
  const locals = new Set(declared);
  const uses = usesOf(node, new Set());
  const free = new Set([...uses.keys()].filter((name) => !locals.has(name)));
  const isExpressible = isMovable && locals.size === declared.length && areExpressible(node.body.body);
  return { node, params: node.params.map((/** @type {Node} */ p) => p.name), locals, assigned, free, uses, size, nrCalls: 0, isExpressible, isGuard: isGuard(node) };
}

/** @param {Node} node `function f(condition, ..) { if (condition) ..; }` */
function isGuard({ params, body }) {
  const [only, ...rest] = body.body;
  return only?.type === 'IfStatement' && rest.length === 0 && only.alternate === null && only.test.type === 'Identifier' && only.test.name === params[0]?.name;
}
