// The frames form: tasks whose state can be seen. What the explore form left of a source goes through the TypeScript
// compiler's lowering of generators, and each lowered generator is made a frame (frame-runtime.mjs): its local variables
// can be copied out and in, so that an explorer compares and copies threads by value instead of running them again.
//
// All edits stay on their lines: the compiler's source map holds.
import { createRequire } from 'node:module';
import { parseSync, visitorKeys } from 'oxc-parser';
import MagicString from 'magic-string';

/** @typedef {import('./straighten.mjs').Node} Node */

/** The module that rewritten sources import; whoever bundles them resolves it to frame-runtime.mjs. */
export const RUNTIME = 'mmun:frames';
export const RUNTIME_FILE = new URL('frame-runtime.mjs', import.meta.url);

/** @type {import('typescript') | undefined} */
let loaded;

function compiler() {
  loaded ??= /** @type {import('typescript')} */ (createRequire(import.meta.url)('typescript'));
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
  return { code: rewrite(text, id), map: { ...map, sources: [id] } };
}

/** @param {string} code @param {string} id */
function rewrite(code, id) {
  const { program, errors } = parseSync(`${id}.js`, code, { sourceType: 'module', lang: 'js' });
  if (errors[0]) throw new Error(`${id}: lowered: ${errors[0].message}`);
  const out = new MagicString(code);
  visit(/** @type {any} */ (program), null, out, false);
  out.prepend(`import { Frame as $Frame, values as $values, closure as $closure } from '${RUNTIME}'; `);
  return out.toString();
}

/**
 * @param {Node} node @param {Node | null} parent @param {MagicString} out
 * @param {boolean} isInBody whether the nearest function is a lowered generator's body
 */
function visit(node, parent, out, isInBody) {
  if (node.type === 'FunctionExpression' || node.type === 'FunctionDeclaration') {
    const body = loweredBody(node);
    if (isInBody && node.type === 'FunctionExpression') {
      out.appendLeft(node.start, '$closure(');
      out.appendRight(node.end, ')');
    }
    if (body) return frame(node, body, out);
    isInBody = false;
  }
  if (node.type === 'CallExpression' && node.callee.type === 'Identifier' && node.callee.name === '__values') out.overwrite(node.callee.start, node.callee.end, '$values');
  for (const child of children(node)) visit(child, node, out, isInBody);
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

/** @param {Node} fn @param {{ call: Node, body: Node }} lowered @param {MagicString} out */
function frame(fn, { call, body }, out) {
  const variables = [...fn.params.map(nameOf), ...fn.body.body.flatMap(declared)];
  const name = fn.id?.name ?? '$self';
  if (!fn.id) out.appendLeft(fn.params[0]?.start === undefined ? fn.body.start : out.original.lastIndexOf('(', fn.params[0].start), ' $self');
  const state = body.params[0].name;
  const text = out.original.slice(body.start, body.end);
  const hasTry = text.includes(`${state}.trys`);
  out.overwrite(call.start, body.start, `new $Frame(${name}, this, ${fn.params.length}, `);
  const save = `${state}.saved = [${variables.join(', ')}], 0`;
  const load = [...variables.map((v, i) => `${v} = ${state}.saved[${i}]`), '0'].join(', ');
  const first = body.body.body[0];
  const isSwitch = first?.type === 'SwitchStatement';
  out.appendLeft(first?.start ?? body.body.end - 1, `if (${state}.io !== 0) return ${state}.io === 1 ? (${save}) : (${load}); ${isSwitch ? '$run: for (;;) ' : ''}`);
  for (const statement of fn.body.body.slice(0, -1)) visit(statement, fn, out, false);
  instructions(body.body, state, isSwitch && !hasTry, out);
}

/** The returns of a body become small numbers. @param {Node} node @param {string} state @param {boolean} jumps @param {MagicString} out */
function instructions(node, state, jumps, out) {
  if (node.type === 'FunctionExpression' || node.type === 'FunctionDeclaration') return visit(node, null, out, true);
  if (node.type === 'CallExpression' && node.callee.type === 'Identifier' && node.callee.name === '__values') out.overwrite(node.callee.start, node.callee.end, '$values');
  if (node.type === 'ReturnStatement' && node.argument?.type === 'ArrayExpression') {
    const [op, arg] = node.argument.elements;
    instruction(node, op.value, arg, state, jumps, out);
    if (arg) instructions(arg.type === 'CallExpression' && arg.callee.name === '__values' && op.value === 5 ? arg.arguments[0] : arg, state, jumps, out);
    return;
  }
  for (const child of children(node)) instructions(child, state, jumps, out);
}

/** @param {Node} node @param {number} op @param {Node | undefined} arg @param {string} state @param {boolean} jumps @param {MagicString} out */
function instruction(node, op, arg, state, jumps, out) {
  const value = op === 5 && arg?.callee?.name === '__values' ? arg.arguments[0] : arg;
  if (op === 3 && jumps) return void out.overwrite(node.start, node.end, `{ ${state}.label = ${value.value}; continue $run; }`);
  if (op === 4 && (!value || value.type === 'Literal')) return void out.overwrite(node.start, node.end, 'return 4;');
  if (op === 7) return void out.overwrite(node.start, node.end, 'return 7;');
  if (!value) return void out.overwrite(node.start, node.end, `{ ${state}.arg = void 0; return ${op}; }`);
  out.overwrite(node.start, value.start, `{ ${state}.arg = `);
  out.overwrite(value.end, node.end, `; return ${op}; }`);
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
