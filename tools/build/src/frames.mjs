// The frames form: tasks whose state can be seen. What the explore form left of a source goes through the TypeScript
// compiler's lowering of generators, and each lowered generator is made a frame (frame-runtime.mjs): its local variables
// can be copied out and in, so that an explorer compares and copies threads by value instead of running them again.
//
// A function of the file's own scope, or a method, is split in two: one makes the frame, the other runs it, and the variables
// are elements of an array that the frame holds, so that nothing but the frame and the array is made per call. Elsewhere, and
// where a function is made inside of the task, variables are captured as they were; the body then copies them out and in.
//
// All edits stay on their lines: the compiler's source map holds.
import { createRequire } from 'node:module';
import { parseSync, visitorKeys } from 'oxc-parser';
import MagicString from 'magic-string';
import { relative } from 'node:path';
import { liveAt } from './liveness.mjs';
import { ROOT } from './workspace.mjs';

/** @typedef {import('./straighten.mjs').Node} Node */

/** The module that rewritten sources import; whoever bundles them resolves it to frame-runtime.mjs. */
export const RUNTIME = 'mmun:frames';
export const RUNTIME_FILE = new URL('frame-runtime.mjs', import.meta.url);

/** @type {typeof import('typescript') | undefined} */
let loaded;

function compiler() {
  loaded ??= /** @type {typeof import('typescript')} */ (createRequire(import.meta.url)('typescript'));
  return loaded;
}

/**
 * @param {string} code TypeScript, its points decided in place
 * @param {string} id its path
 * @returns {{ code: string, map: any } | null} JavaScript; null where there is no generator
 */
export function toFrames(code, id) {
  if (!/\byield\b|\bfunction\s*\*/.test(code)) return null;
  const ts = compiler();
  const lowered = ts.transpileModule(code, {
    fileName: id,
    compilerOptions: {
      target: ts.ScriptTarget.ES5, module: ts.ModuleKind.ESNext, downlevelIteration: true, verbatimModuleSyntax: true,
      sourceMap: true, inlineSources: true, removeComments: false, ignoreDeprecations: '6.0',
    },
  });
  const text = lowered.outputText.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
  if (!text.includes('__generator(this')) return null;
  const map = JSON.parse(lowered.sourceMapText ?? '{}');
  return { code: new Rewriter(text, id, map).rewrite(), map: { ...map, sources: [id] } };
}

class Rewriter {
  /** @param {string} code @param {string} id @param {{ mappings?: string }} map */
  constructor(code, id, map) {
    this.code = code;
    this.id = id;
    this.out = new MagicString(code);
    this.lines = originalLines(map.mappings ?? '');
    this.starts = [0];
    for (let at = code.indexOf('\n'); at >= 0; at = code.indexOf('\n', at + 1)) this.starts.push(at + 1);
    /** @type {string[]} */
    this.infos = [];
    /** Functions around that may run more than once: what is declared in them is made more than once. */
    this.nested = 0;
    /** Of the function that is being rewritten: where a label does nothing but go on elsewhere. @type {ReadonlyMap<number, number>} */
    this.jumps = new Map();
    /** The label whose block is being rewritten. */
    this.label = 0;
  }

  /** @returns {string} */
  rewrite() {
    const { program, errors } = parseSync(`${this.id}.js`, this.code, { sourceType: 'module', lang: 'js' });
    if (errors[0]) throw new Error(`${this.id}: lowered: ${errors[0].message}`);
    this.visit(/** @type {any} */ (program), false);
    const file = JSON.stringify(relative(ROOT, this.id).replaceAll('\\', '/'));
    this.out.prepend(`import { Frame as $Frame, split as $split, parked as $parked, values as $values, closure as $closure } from '${RUNTIME}'; var $file = ${file}; ${this.infos.join(' ')} `);
    return this.out.toString();
  }

  /**
   * @param {Node} node @param {boolean} isInBody whether the nearest function is a lowered generator's body
   * @param {Node | null} [parent]
   */
  visit(node, isInBody, parent = null) {
    const isFunction = node.type === 'FunctionExpression' || node.type === 'FunctionDeclaration';
    // a class, once lowered
    const isOnce = isFunction && parent?.type === 'CallExpression' && parent.callee === node;
    if (isFunction) {
      const lowered = loweredBody(node);
      if (isInBody && node.type === 'FunctionExpression') {
        this.out.appendLeft(node.start, '$closure(');
        this.out.appendRight(node.end, ')');
      }
      if (lowered) return this.frame(node, lowered);
      isInBody = false;
    }
    if (isFunction && !isOnce) this.nested++;
    this.renameValues(node);
    for (const child of children(node)) this.visit(child, isInBody, node.type === 'ParenthesizedExpression' ? parent : node);
    if (isFunction && !isOnce) this.nested--;
  }

  /** @param {Node} fn @param {{ call: Node, body: Node }} lowered */
  frame(fn, { call, body }) {
    const before = fn.body.body.slice(0, -1);
    // two blocks that each have a variable of one name share it once lowered
    const variables = [...new Set([...fn.params.map(nameOf), ...before.flatMap(declared)])];
    const state = body.params[0].name;
    const hasTry = this.code.slice(body.start, body.end).includes(`${state}.trys`);
    const isSplit = this.nested === 0 && find(body.body.body, isOwnScope) === null;
    const info = this.info(fn, body, variables, state, hasTry || before.some(isWork));
    const isSwitch = body.body.body[0]?.type === 'SwitchStatement';
    if (isSplit) this.split(fn, call, body, variables, info, isSwitch);
    else this.captured(fn, call, body, variables, info, isSwitch);
    this.nested++;
    for (const statement of before) this.visit(statement, false);
    this.jumps = jumpsOf(body, state);
    this.instructions(body.body, state, isSwitch && !hasTry, isSplit ? new Map(variables.map((name, i) => [name, `$v[${i + 1}]`])) : NO_NAMES);
    this.nested--;
  }

  /** Variables become elements of the frame's array. @param {Node} fn @param {Node} call @param {Node} body @param {readonly string[]} variables @param {string} info @param {boolean} isSwitch */
  split(fn, call, body, variables, info, isSwitch) {
    const { out } = this;
    const state = body.params[0].name;
    const isDeclared = fn.type === 'FunctionDeclaration';
    const runs = isDeclared ? `${fn.id.name}$body` : `${info}.body`;
    const begins = `(${state}) { var $v = ${state}.vars; ${isSwitch ? '$run: for (;;) ' : ''}`;
    out.overwrite(call.start, body.body.start + 1, `new $Frame(${info}, ${runs}, [${['this', ...variables].join(', ')}], null); }${isDeclared ? ` function ${runs}` : ', function '}${begins}`);
    out.remove(body.body.end - 1, call.end);
    if (isDeclared) return;
    out.prependLeft(fn.start, `$split(${info}, `);
    out.appendRight(fn.end, ')');
  }

  /** Variables stay in the scope that the body captures. @param {Node} fn @param {Node} call @param {Node} body @param {readonly string[]} variables @param {string} info @param {boolean} isSwitch */
  captured(fn, call, body, variables, info, isSwitch) {
    const { out } = this;
    const state = body.params[0].name;
    const name = fn.id?.name ?? '$self';
    if (!fn.id) out.appendLeft(fn.params[0]?.start === undefined ? this.code.indexOf('(', fn.start) : this.code.lastIndexOf('(', fn.params[0].start), ' $self');
    out.overwrite(call.start, body.start, `new $Frame(${info}, `);
    out.overwrite(body.end, call.end, `, [this], ${name})`);
    const save = `${state}.arg = [${variables.join(', ')}], 0`;
    const load = [...variables.map((v, i) => `${v} = ${state}.arg[${i}]`), '0'].join(', ');
    out.appendLeft(body.body.body[0]?.start ?? body.body.end - 1, `if (${state}.io !== 0) return ${state}.io === 1 ? (${save}) : (${load}); ${isSwitch ? '$run: for (;;) ' : ''}`);
  }

  /**
   * What is known of a function beforehand, as a constant: which variables matter and which line it is at, by label.
   * @param {Node} fn @param {Node} body @param {readonly string[]} variables @param {string} state @param {boolean} keepsAll
   */
  info(fn, body, variables, state, keepsAll) {
    /** @type {number[]} */
    const calls = [];
    /** @type {number[]} */
    const blocks = [];
    for (const { test, consequent } of body.body.body[0]?.cases ?? []) {
      const point = find(consequent, (n) => n.type === 'CallExpression' && /^point(Until)?$/.test(n.callee.name ?? ''));
      const suspends = find(consequent, (n) => n.type === 'ReturnStatement' && [4, 5].includes(n.argument?.elements?.[0]?.value));
      if (suspends) calls[test.value + 1] = this.lineOf(suspends);
      blocks[test.value] = this.lineOf(point ?? suspends ?? consequent[0] ?? test);
    }
    const live = keepsAll ? null : liveAt(body, variables, state);
    const name = `$info${this.infos.length}`;
    this.infos.push(`var ${name} = { file: $file, name: ${JSON.stringify(fn.id?.name ?? '')}, nrParams: ${fn.params.length}, live: ${JSON.stringify(live)}, calls: ${list(calls)}, blocks: ${list(blocks)}, Frame: $Frame, body: null };`);
    return name;
  }

  /** Line of the source, 1 first. @param {Node} node */
  lineOf(node) {
    let low = 0;
    for (let high = this.starts.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if ((this.starts[middle] ?? Infinity) <= node.start) low = middle;
      else high = middle;
    }
    return (this.lines[low] ?? -1) + 1;
  }

  /**
   * The returns of a body become small numbers, and its variables what `names` has for them.
   * @param {Node} node @param {string} state @param {boolean} jumps @param {ReadonlyMap<string, string>} names
   */
  instructions(node, state, jumps, names) {
    const { out } = this;
    if (node.type === 'FunctionExpression' || node.type === 'FunctionDeclaration') return this.visit(node, true);
    if (node.type === 'SwitchCase' && typeof node.test?.value === 'number') this.label = node.test.value;
    if (node.type === 'ThisExpression') return void out.overwrite(node.start, node.end, `${state}.vars[0]`);
    if (node.type === 'Identifier') {
      const name = names.get(node.name);
      if (name !== undefined) out.overwrite(node.start, node.end, name);
      return;
    }
    this.renameValues(node);
    if (isSent(node, state)) return void out.overwrite(node.start, node.end, `${state}.sentValue`);
    if (node.type === 'ReturnStatement' && node.argument?.type === 'ArrayExpression') {
      const [op, arg] = node.argument.elements;
      const value = op.value === 5 && arg?.callee?.name === '__values' ? arg.arguments[0] : arg;
      this.instruction(node, op.value, value, state, jumps);
      if (value && !(op.value === 3 && jumps) && !(op.value === 4 && value.type === 'Literal')) this.instructions(value, state, jumps, names);
      return;
    }
    for (const child of references(node)) this.instructions(child, state, jumps, names);
  }

  /** @param {Node} node @param {number} op @param {Node | undefined} value @param {string} state @param {boolean} jumps */
  instruction(node, op, value, state, jumps) {
    const { out } = this;
    if (op === 3 && jumps) return void out.overwrite(node.start, node.end, `{ ${state}.label = ${value?.value}; continue $run; }`);
    if (op === 4 && value?.type === 'Literal' && value.value === 'turn') return void out.overwrite(node.start, node.end, 'return 9;');
    if (op === 4 && (!value || value.type === 'Literal')) {
      // a loop that does nothing but wait is gone on with at its head
      const next = this.jumps.get(this.label + 1);
      return void out.overwrite(node.start, node.end, next === undefined ? 'return 4;' : `{ ${state}.label = ${next - 1}; return 4; }`);
    }
    if (op === 7) return void out.overwrite(node.start, node.end, 'return 7;');
    if (!value) return void out.overwrite(node.start, node.end, `{ ${state}.arg = void 0; return ${op}; }`);
    out.overwrite(node.start, value.start, `{ ${state}.arg = `);
    out.overwrite(value.end, node.end, `; return ${op}; }`);
  }

  /** @param {Node} node */
  renameValues(node) {
    if (node.type === 'CallExpression' && node.callee.type === 'Identifier' && node.callee.name === '__values') this.out.overwrite(node.callee.start, node.callee.end, '$values');
  }
}

/** @type {ReadonlyMap<string, string>} */
const NO_NAMES = new Map();

/** Labels behind which there is nothing but a jump. @param {Node} body @param {string} state @returns {ReadonlyMap<number, number>} */
function jumpsOf(body, state) {
  /** @type {Map<number, number>} */
  const jumps = new Map();
  for (const { test, consequent } of body.body.body[0]?.cases ?? []) {
    const [first, second] = consequent;
    const [op, to] = second?.argument?.elements ?? [];
    if (consequent.length === 2 && isSent(first.expression ?? first, state) && op?.value === 3) jumps.set(test.value, to.value);
  }
  return jumps;
}

/** What was yielded to or returned by a call. @param {Node} node @param {string} state */
function isSent(node, state) {
  return node.type === 'CallExpression' && node.callee.type === 'MemberExpression' && node.callee.object.name === state && node.callee.property.name === 'sent';
}

/** A name in it may mean something else than outside, or `this` may. @param {Node} node */
function isOwnScope(node) {
  return /Function|Class/.test(node.type) || node.type === 'VariableDeclaration' || (node.type === 'CatchClause' && node.param !== null) || (node.type === 'Identifier' && node.name === 'arguments');
}

/** Children, but for the names of properties and labels. @param {Node} node @returns {Node[]} */
function references(node) {
  if (node.type === 'MemberExpression' && !node.computed) return [node.object];
  if (node.type === 'Property' && !node.computed) return [node.value];
  if (node.type === 'LabeledStatement') return [node.body];
  if (node.type === 'BreakStatement' || node.type === 'ContinueStatement') return [];
  return children(node);
}

/** @param {readonly (number | undefined)[]} numbers */
function list(numbers) {
  return `[${Array.from(numbers, (n) => n ?? 0).join(', ')}]`;
}

/** @param {readonly Node[]} nodes @param {(node: Node) => boolean} test @returns {Node | null} the first, functions within left out */
function find(nodes, test) {
  for (const node of nodes) {
    if (test(node)) return node;
    if (/Function/.test(node.type)) continue;
    const inner = find(children(node), test);
    if (inner) return inner;
  }
  return null;
}

/** Something that runs before the body, and again when a frame is copied. @param {Node} statement */
function isWork(statement) {
  return statement.type !== 'VariableDeclaration' || statement.declarations.some((/** @type {Node} */ d) => d.init);
}

/** @param {Node} node @returns {Node[]} */
function children(node) {
  return (visitorKeys[node.type] ?? []).flatMap((key) => node[key] ?? []).filter(Boolean);
}

/** @param {Node} fn @returns {{ call: Node, body: Node } | null} */
function loweredBody(fn) {
  const last = fn.body.body.at(-1);
  const call = last?.type === 'ReturnStatement' ? last.argument : null;
  if (call?.type !== 'CallExpression' || call.callee.name !== '__generator') return null;
  return { call, body: call.arguments[1] };
}

/** @param {Node} param */
function nameOf(param) {
  if (param.type !== 'Identifier') throw new Error(`a lowered parameter is a ${param.type}`);
  return param.name;
}

/** @param {Node} statement @returns {string[]} */
function declared(statement) {
  if (statement.type === 'VariableDeclaration') return statement.declarations.map((/** @type {Node} */ d) => nameOf(d.id));
  if (statement.type === 'ForStatement' && statement.init?.type === 'VariableDeclaration') return declared(statement.init);
  return [];
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Line of the source by line of the output, both 0 first, from a source map's mappings. @param {string} mappings @returns {number[]} */
function originalLines(mappings) {
  let line = 0;
  return mappings.split(';').map((segments) => {
    let first = -1;
    for (const segment of segments.split(',')) {
      const fields = numbers(segment);
      if (fields.length < 4) continue;
      line += fields[2] ?? 0;
      if (first < 0) first = line;
    }
    return first;
  });
}

/** @param {string} segment in base 64 VLQ @returns {number[]} */
function numbers(segment) {
  const out = [];
  let value = 0;
  let shift = 0;
  for (const digit of segment) {
    const bits = BASE64.indexOf(digit);
    value |= (bits & 31) << shift;
    shift += 5;
    if ((bits & 32) !== 0) continue;
    out.push((value & 1) === 1 ? -(value >> 1) : value >> 1);
    value = shift = 0;
  }
  return out;
}
