// What a compiler at run time does only as far as its budget goes, done at link time, for the fast images.
//
// The kernel is written as small functions that each read a column or two. V8 takes a function into its caller as long as
// all that was taken in stays under a budget; past that every call costs, an address (a double) is boxed to be passed, and
// whatever was known about the columns of the machine is forgotten. So here, on the text of a linked image:
//
//   constants   `var PER_PAGE = 1 / PAGE` and all that is computed from constants is put in where it is used
//   functions   a function of the top level whose body is one expression, or can be written as one, is put in at its calls,
//               if it is small or called at one place only; what it declares becomes a variable of its caller
//   dead reads  an expression that only reads and whose value nobody wants goes, and so does a variable nobody reads
//
// Kernel code has no getters, so a read has no effect. Left alone: functions with loops, closures, `this`, `throw` or
// `arguments`, and calls inside closures.
import { parseSync } from 'oxc-parser';
import { Program } from './inline-program.mjs';
import { childrenOf, returns } from './inline-syntax.mjs';
import { Pieces } from './pieces.mjs';

/**
 * @typedef {import('./inline-program.mjs').Node} Node
 * @typedef {import('./inline-program.mjs').TopFunction} TopFunction
 * @typedef {import('./pieces.mjs').Piece} Piece
 * @typedef {object} Env what names mean where text is emitted
 * @property {TopFunction | null} host the function that is emitted; null outside of functions and in closures
 * @property {TopFunction | null} owner the function whose text is read
 * @property {ReadonlyMap<string, Piece[]>} names what the owner's parameters and variables are called in the host
 * @property {string[]} declared variables that the host declares for what was put in
 * @property {readonly TopFunction[]} stack owners on the way here
 */

/** Nodes of a function with all that was put into it. */
const HOST = 8000;

/** @param {string} code @param {string} map of the linked image @param {ReadonlySet<string>} [hot] functions that are put in whatever their size @returns {{ code: string, map: string }} */
export function inline(code, map, hot = new Set()) {
  const { program, errors } = parseSync('image.js', code, { sourceType: 'module', lang: 'js' });
  if (errors[0]) throw new Error(`a linked image does not parse: ${errors[0].message}`);
  const inliner = new Inliner(new Program(/** @type {any} */ (program), hot));
  return new Pieces(code, map).write(inliner.emit(/** @type {any} */ (program), { host: null, owner: null, names: new Map(), declared: [], stack: [] }));
}

class Inliner {
  /** @param {Program} program */
  constructor(program) {
    this.program = program;
    this.fresh = 0;
    /** @type {Map<TopFunction, number>} */
    this.grown = new Map();
  }

  /** @param {Node} node @param {Env} env @returns {Piece[]} */
  emit(node, env) {
    return this.special(node, env) ?? this.emitChildren(node, env);
  }

  /** @param {Node} node @param {Env} env @returns {Piece[] | null} null: as it stands, but for its children */
  special(node, env) {
    switch (node.type) {
      case 'Identifier':
        return this.name(node, env);
      case 'Property':
        return node.shorthand && node.value.type === 'Identifier' && node.kind === 'init' && !node.isPattern ? this.shorthand(node, env) : null;
      case 'FunctionDeclaration': {
        const top = this.program.functionOf(node);
        return top ? this.host(top) : this.closure(node, env);
      }
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
      case 'ClassDeclaration':
      case 'ClassExpression':
        return env.host === null ? null : this.closure(node, env);
      case 'CallExpression':
        return this.call(node, env);
      case 'ExpressionStatement':
        return this.program.isDropped(node) ? [';'] : null;
      case 'VariableDeclaration':
        return this.declaration(node, env);
      case 'SequenceExpression':
        return this.list(node.expressions, env);
      default:
        return null;
    }
  }

  /** What is called in a closure stays a call. @param {Node} node @param {Env} env */
  closure(node, env) {
    return this.emitChildren(node, { ...env, host: null });
  }

  /** @param {Node} node @param {Env} env @returns {Piece[]} */
  emitChildren(node, env) {
    /** @type {Piece[]} */
    const out = [];
    let at = node.start;
    for (const child of childrenOf(node)) {
      out.push([at, child.start], ...this.emit(child, env));
      at = child.end;
    }
    out.push([at, node.end]);
    return out;
  }

  /** Of a host: what is left of it. @param {Node} node @param {Env} env @returns {Piece[] | null} */
  declaration(node, env) {
    const { declarations } = node;
    if (!declarations.some((/** @type {Node} */ d) => this.program.isDropped(d))) return null;
    return declarations.every((/** @type {Node} */ d) => this.program.isDropped(d)) ? [';'] : [`${node.kind} `, ...(this.list(declarations, env) ?? []), [declarations.at(-1).end, node.end]];
  }

  /** @param {readonly Node[]} nodes @param {Env} env @returns {Piece[] | null} what is left of them, with commas between */
  list(nodes, env) {
    if (!nodes.some((node) => this.program.isDropped(node))) return null;
    return nodes.filter((node) => !this.program.isDropped(node)).flatMap((node, i) => [...(i === 0 ? [] : [', ']), ...this.emit(node, env)]);
  }

  /** @param {Node} node @param {Env} env @returns {Piece[] | null} */
  name(node, env) {
    if (node.isKey || node.isBinding || node.isExported) return null;
    const renamed = env.names.get(node.name);
    if (renamed) return renamed;
    const value = env.owner?.locals.has(node.name) === true ? undefined : this.program.constants.get(node.name);
    return value === undefined ? null : [textOf(value)];
  }

  /** @param {Node} node @param {Env} env @returns {Piece[] | null} */
  shorthand(node, env) {
    const value = this.name(node.value, env);
    return value && [`${node.key.name}: `, ...value];
  }

  /** @param {TopFunction} top @returns {Piece[]} */
  host(top) {
    /** @type {Env} */
    const env = { host: top, owner: top, names: new Map(), declared: [], stack: [top] };
    const { node } = top;
    this.grown.set(top, top.size);
    const body = this.emitChildren(node.body, env);
    const declares = env.declared.length === 0 ? [] : [`{\n  let ${env.declared.join(', ')};`];
    if (declares.length === 0) return [[node.start, node.body.start], ...body];
    const [first, ...rest] = body;
    const opening = /** @type {[number, number]} */ (first);
    return [[node.start, node.body.start], ...declares, [opening[0] + 1, opening[1]], ...rest];
  }

  /** @param {Node} node @param {Env} env @returns {Piece[] | null} */
  call(node, env) {
    const callee = this.calleeOf(node, env);
    if (!callee || !env.host) return this.guard(node, env);
    this.grown.set(env.host, (this.grown.get(env.host) ?? 0) + callee.size);
    /** @type {Map<string, Piece[]>} */
    const names = new Map();
    /** @type {Piece[]} */
    const out = ['('];
    callee.params.forEach((param, i) => {
      const argument = node.arguments[i];
      if (!argument) names.set(param, ['void 0']);
      else if (!callee.assigned.has(param) && this.isStable(argument, env)) names.set(param, this.operand(argument, env));
      else if (!callee.uses.has(param) && this.program.isPure(argument)) names.set(param, ['void 0']);
      else {
        const value = this.emit(argument, env);
        const variable = this.declare(param, env);
        names.set(param, [variable]);
        out.push(`${variable} = `, ...value, ', ');
      }
    });
    for (const extra of node.arguments.slice(callee.params.length)) if (!this.program.isPure(extra)) out.push(...this.emit(extra, env), ', ');
    for (const local of callee.locals) if (!names.has(local)) names.set(local, [this.declare(local, env)]);
    out.push(...this.body(callee.node.body.body, { ...env, owner: callee, names, stack: [...env.stack, callee] }), ')');
    return out;
  }

  /** A call that mostly does nothing is made only where it does something. @param {Node} node @param {Env} env @returns {Piece[] | null} */
  guard(node, env) {
    const callee = node.callee.type === 'Identifier' && !env.owner?.locals.has(node.callee.name) ? this.program.functions.get(node.callee.name) : undefined;
    const [condition, ...rest] = node.arguments;
    if (!callee?.isGuard || !env.host || node.optional || condition?.type === 'Literal' || !rest.every((/** @type {Node} */ a) => this.program.isPure(a))) return null;
    return ['((', ...this.emit(condition, env), `) ? ${node.callee.name}(true`, ...rest.flatMap((/** @type {Node} */ a) => [', ', ...this.emit(a, env)]), ') : void 0)'];
  }

  /** Where a call may be replaced by what it calls. @param {Node} node @param {Env} env @returns {TopFunction | undefined} */
  calleeOf(node, env) {
    if (!env.host || node.callee.type !== 'Identifier' || node.optional || env.names.has(node.callee.name) || env.owner?.locals.has(node.callee.name)) return undefined;
    const callee = this.program.functions.get(node.callee.name);
    if (!callee?.isExpressible || env.stack.includes(callee) || node.arguments.some((/** @type {Node} */ a) => a.type === 'SpreadElement')) return undefined;
    if ([...callee.free].some((name) => env.host?.locals.has(name))) return undefined;
    if ((this.grown.get(env.host) ?? 0) + callee.size > HOST) return undefined;
    return this.program.fullSize(callee) <= this.program.limit(callee) && callee.isExpressible ? callee : undefined;
  }

  /** Has the same value all through the callee: a constant, or a variable that is set once. @param {Node} node @param {Env} env */
  isStable(node, env) {
    if (node.type === 'Literal') return true;
    if (node.type === 'UnaryExpression') return node.argument.type === 'Literal';
    if (node.type !== 'Identifier') return false;
    if (env.owner?.locals.has(node.name)) return !env.owner.assigned.has(node.name);
    return this.program.isStable(node.name);
  }

  /** @param {Node} node @param {Env} env @returns {Piece[]} */
  operand(node, env) {
    const value = this.emit(node, env);
    return node.type === 'UnaryExpression' ? ['(', ...value, ')'] : value;
  }

  /** @param {string} name @param {Env} env */
  declare(name, env) {
    const variable = `${name.replace(/\$\d+$/, '')}$${++this.fresh}`;
    env.declared.push(variable);
    return variable;
  }

  /**
   * Statements as one expression, whose value is what they return.
   * @param {readonly Node[]} statements @param {Env} env @returns {Piece[]}
   */
  body(statements, env) {
    const [first, ...rest] = statements;
    if (!first) return ['void 0'];
    switch (first.type) {
      case 'ReturnStatement':
        return first.argument ? ['(', ...this.emit(first.argument, env), ')'] : ['void 0'];
      case 'EmptyStatement':
        return this.body(rest, env);
      case 'BlockStatement':
        return this.body([...first.body, ...rest], env);
      case 'ExpressionStatement':
        return this.program.isDropped(first) ? this.body(rest, env) : ['(', ...this.emit(first.expression, env), '), ', ...this.body(rest, env)];
      case 'VariableDeclaration':
        return [...first.declarations.flatMap((/** @type {Node} */ d) => this.declarator(d, env)), ...this.body(rest, env)];
      default: // an if: that is what expressible means
        return this.branch(first, rest, env);
    }
  }

  /** @param {Node} node @param {readonly Node[]} rest @param {Env} env @returns {Piece[]} */
  branch(node, rest, env) {
    const test = this.emit(node.test, env);
    const [then, otherwise] = [[node.consequent], node.alternate ? [node.alternate] : []];
    const [thenReturns, otherwiseReturns] = [then, otherwise].map(returns);
    if (thenReturns === 'never' && otherwiseReturns === 'never') {
      return ['((', ...test, ') ? (', ...this.body(then, env), ') : (', ...this.body(otherwise, env), ')), ', ...this.body(rest, env)];
    }
    return [
      '((', ...test, ') ? (', ...this.body(thenReturns === 'never' ? [...then, ...rest] : then, env), ') : (',
      ...this.body(otherwiseReturns === 'never' ? [...otherwise, ...rest] : otherwise, env), '))',
    ];
  }

  /** @param {Node} node @param {Env} env @returns {Piece[]} assignments, each with a comma behind */
  declarator(node, env) {
    if (this.program.isDropped(node)) return [];
    const { id, init } = node;
    const variable = (/** @type {string} */ name) => env.names.get(name) ?? [name];
    if (id.type === 'Identifier') return [...variable(id.name), ' = (', ...(init ? this.emit(init, env) : ['void 0']), '), '];
    /** @type {Piece[]} */
    const out = [];
    let from = this.emit(init, env);
    if (!this.isStable(init, env)) {
      const whole = this.declare('from', env);
      out.push(`${whole} = (`, ...from, '), ');
      from = [whole];
    }
    for (const { key, value } of id.properties) if (env.owner?.uses.has(value.name)) out.push(...variable(value.name), ' = ', ...from, `.${key.name}, `);
    return out;
  }
}

/** In brackets: a method may be called of it. @param {number | string | boolean} value */
function textOf(value) {
  return typeof value === 'string' ? JSON.stringify(value) : `(${Object.is(value, -0) ? '-0' : value})`;
}
