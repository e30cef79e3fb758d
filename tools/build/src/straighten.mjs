// The task transform: one source, three forms.
//
//   none      the source as written: tasks are generators, a point is a task like any other
//   explore   points are decided in place: `yield* point(a);` becomes `{ if (point(a)) yield 'step'; }`,
//             `yield* pointUntil(a);` becomes `{ while (pointUntil(a)) yield 'step'; }`
//   fast      tasks become plain functions: no `*`, no `yield*`
//
// It works on TypeScript source, before types are stripped, and decides everything from the syntax: a generator annotated
// `Task` is a task, one annotated `Generator`, `Iterable`, ... is an iterator and is left alone, one without annotation is
// an error. What is removed runs from the `yield` token to its operand, newlines included, so that no statement is cut in
// two by automatic semicolon insertion.
import { parseSync, visitorKeys } from 'oxc-parser';
import MagicString from 'magic-string';

/**
 * @typedef {'explore' | 'fast'} Form
 * @typedef {object} StraightenOptions
 * @property {Form} form
 * @property {readonly string[]} [effectsModules] modules that `Task` is imported from
 * @property {readonly string[]} [taskNames]
 * @property {Readonly<Record<string, 'if' | 'while'>>} [points] functions decided in place in the explore form
 * @typedef {{ code: string, map: import('magic-string').SourceMap }} Straightened
 * @typedef {{ type: string, start: number, end: number, [key: string]: any }} Node
 * @typedef {'task' | 'iterator' | null} Mode what the nearest function is
 */

/** @type {Required<Omit<StraightenOptions, 'form'>>} */
export const DEFAULTS = {
  effectsModules: ['@mmun/include', './task.js'],
  taskNames: ['Task'],
  points: { point: 'if', pointUntil: 'while' },
};

/** A source that the transform refuses; the message starts with `file:line:column:`. */
export class StraightenError extends Error {}

/**
 * @param {string} code TypeScript source
 * @param {string} id its path, for messages and the source map
 * @param {StraightenOptions} options
 * @returns {Straightened | null} null where there is nothing to rewrite
 */
export function straighten(code, id, options) {
  if (!mayHoldGenerator(code)) return null;
  const { program, errors } = parseSync(id, code, { sourceType: 'module', lang: id.endsWith('.tsx') ? 'tsx' : 'ts' });
  const first = errors[0];
  if (first) throw new StraightenError(`${at(code, id, first.labels[0]?.start ?? 0)}: ${first.message}`);
  const settings = { ...DEFAULTS, ...options };
  const rewriter = new Rewriter(code, id, settings, taskNamesOf(/** @type {any} */ (program), settings));
  rewriter.visit(/** @type {any} */ (program), /** @type {any} */ (program), null);
  return rewriter.result();
}

/** A cheap test that spares most files the parser: no task does without all three of these. @param {string} code */
function mayHoldGenerator(code) {
  return /\byield\b|\bTask\b|\bfunction\s*\*/.test(code);
}

/** @param {string} code @param {string} id @param {number} offset */
function at(code, id, offset) {
  const lines = code.slice(0, offset).split('\n');
  return `${id}:${lines.length}:${(lines.at(-1) ?? '').length + 1}`;
}

/**
 * The local names under which a file knows the task type: imports, namespaces, and its own aliases of them.
 * @param {Node} program
 * @param {Required<StraightenOptions>} settings
 * @returns {(annotation: Node | undefined) => boolean}
 */
function taskNamesOf(program, { effectsModules, taskNames }) {
  const names = new Set();
  const spaces = new Set();
  for (const statement of program.body) {
    if (statement.type !== 'ImportDeclaration' || !effectsModules.includes(statement.source.value)) continue;
    for (const specifier of statement.specifiers) {
      if (specifier.type === 'ImportNamespaceSpecifier') spaces.add(specifier.local.name);
      else if (specifier.type === 'ImportSpecifier' && taskNames.includes(specifier.imported.name)) names.add(specifier.local.name);
    }
  }
  // the effects module itself declares the type
  for (const statement of program.body) {
    const declared = declaredAlias(statement);
    if (declared && taskNames.includes(declared.id.name) && declared.typeAnnotation.typeName?.name === 'Generator') names.add(declared.id.name);
  }
  /** @param {Node | undefined} t */
  const isTask = (t) =>
    t?.type === 'TSTypeReference' &&
    ((t.typeName.type === 'Identifier' && names.has(t.typeName.name)) ||
      (t.typeName.type === 'TSQualifiedName' && spaces.has(t.typeName.left.name) && taskNames.includes(t.typeName.right.name)));
  for (let before = -1; before !== names.size; ) {
    before = names.size;
    for (const statement of program.body) {
      const declared = declaredAlias(statement);
      if (declared && isTask(declared.typeAnnotation)) names.add(declared.id.name);
    }
  }
  return isTask;
}

/** @param {Node} statement @returns {Node | null} */
function declaredAlias(statement) {
  const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
  return declared?.type === 'TSTypeAliasDeclaration' ? declared : null;
}

const ITERATORS = new Set([
  'Generator', 'Iterator', 'Iterable', 'IterableIterator', 'IteratorObject',
  'AsyncGenerator', 'AsyncIterator', 'AsyncIterable', 'AsyncIterableIterator',
]);

class Rewriter {
  /**
   * @param {string} code
   * @param {string} id
   * @param {Required<StraightenOptions>} settings
   * @param {(annotation: Node | undefined) => boolean} isTask
   */
  constructor(code, id, settings, isTask) {
    this.code = code;
    this.id = id;
    this.settings = settings;
    this.isTask = isTask;
    this.out = new MagicString(code);
    this.touched = 0;
  }

  /** @returns {Straightened | null} */
  result() {
    if (this.touched === 0) return null;
    return { code: this.out.toString(), map: this.out.generateMap({ source: this.id, includeContent: true, hires: 'boundary' }) };
  }

  /** @param {Node} node @param {Node} parent @param {Mode} mode */
  visit(node, parent, mode) {
    switch (node.type) {
      case 'FunctionDeclaration':
      case 'FunctionExpression':
        mode = node.generator ? this.generator(node, parent) : null;
        break;
      case 'ArrowFunctionExpression':
      case 'PropertyDefinition':
      case 'StaticBlock':
        mode = null;
        break;
      case 'YieldExpression':
        if (mode === 'task' && this.yielded(node, parent)) return;
        break;
    }
    for (const key of visitorKeys[node.type] ?? []) {
      const child = node[key];
      if (Array.isArray(child)) for (const c of child.filter(Boolean)) this.visit(c, node, mode);
      else if (child) this.visit(child, node, mode);
    }
  }

  /** Classifies a generator and, in the fast form, drops its star. @param {Node} fn @param {Node} parent @returns {Mode} */
  generator(fn, parent) {
    const annotation = fn.returnType?.typeAnnotation;
    if (!this.isTask(annotation)) {
      if (annotation?.type === 'TSTypeReference' && ITERATORS.has(annotation.typeName.name)) return 'iterator';
      const names = this.settings.taskNames.join(' or ');
      this.fail(fn, `a generator must say what it is: annotate its return type with ${names} (a task, straightened) or with Generator/IterableIterator (left alone)`);
    }
    if (fn.async) this.fail(fn, 'a task cannot be async');
    if (this.settings.form === 'fast') this.dropStar(fn, parent);
    return 'task';
  }

  /** @param {Node} fn @param {Node} parent */
  dropStar(fn, parent) {
    const inClass = parent.type === 'MethodDefinition' && parent.value === fn;
    const isMethod = inClass || (parent.type === 'Property' && parent.method && parent.value === fn);
    const from = isMethod ? (parent.decorators?.at(-1)?.end ?? parent.start) : fn.start;
    const star = this.starAfter(from);
    if (inClass && /(^|[\s;{}])(get|set)\s*$/.test(this.code.slice(Math.max(0, star - 200), star))) {
      this.fail(parent, 'a field named get/set before *method needs a semicolon');
    }
    const next = this.code[star + 1] ?? '';
    this.out.overwrite(star, star + 1, isMethod || /\s/.test(next) || next === '(' ? '' : ' ');
    this.touched++;
  }

  /** Position of the generator star at or after `pos`, passing only modifiers and comments. @param {number} pos */
  starAfter(pos) {
    const space = /(?:\s|\/\*[\s\S]*?\*\/|\/\/[^\n]*\n)*/y;
    const word = /[\w$#]+/y;
    for (;;) {
      space.lastIndex = pos;
      space.exec(this.code);
      pos = space.lastIndex;
      if (this.code[pos] === '*') return pos;
      word.lastIndex = pos;
      if (!word.exec(this.code)) throw new StraightenError(`${at(this.code, this.id, pos)}: no generator star here`);
      pos = word.lastIndex;
    }
  }

  /** @param {Node} node a yield in a task @param {Node} parent @returns {boolean} whether nothing below needs a visit */
  yielded(node, parent) {
    const isStatement = parent.type === 'ExpressionStatement';
    const operand = node.argument;
    const keyword = node.delegate ? this.pointKeyword(operand) : undefined;
    if (keyword && !isStatement) this.fail(node, `a point must be a statement of its own: yield* ${operand.callee.name}(...);`);
    if (this.settings.form === 'explore') {
      if (keyword) this.decideInPlace(node, parent, keyword);
      return false;
    }
    this.touched++;
    if (!node.delegate) {
      if (!isStatement) this.fail(node, 'a bare yield in a task must be a statement');
      this.out.overwrite(node.start, node.end, 'void 0');
      return true;
    }
    if (!everyOutcomeIsACall(operand)) this.fail(node, 'yield* in a task must be applied to a call');
    // a statement without semicolon above it must not fuse with an operand that opens with one of these
    if (isStatement && '([`+-/'.includes(this.code[operand.start] ?? ' ')) this.out.overwrite(node.start, operand.start, 'void ');
    else this.out.remove(node.start, operand.start);
    return false;
  }

  /**
   * The braces keep an `else` with the `if` it was written for.
   * @param {Node} node @param {Node} statement @param {'if' | 'while'} keyword
   */
  decideInPlace(node, statement, keyword) {
    this.touched++;
    this.out.overwrite(node.start, node.argument.start, `{ ${keyword} (`);
    this.out.appendLeft(node.argument.end, `) yield 'step'`);
    this.out.appendLeft(statement.end, ' }');
  }

  /** @param {Node} operand @returns {'if' | 'while' | undefined} */
  pointKeyword(operand) {
    if (operand?.type !== 'CallExpression' || operand.callee.type !== 'Identifier') return undefined;
    const { points } = this.settings;
    return Object.hasOwn(points, operand.callee.name) ? points[operand.callee.name] : undefined;
  }

  /** @param {Node} node @param {string} message @returns {never} */
  fail(node, message) {
    throw new StraightenError(`${at(this.code, this.id, node.start)}: ${message}`);
  }
}

/** @param {Node} node @returns {boolean} */
function everyOutcomeIsACall(node) {
  switch (node.type) {
    case 'CallExpression':
      return true;
    case 'ParenthesizedExpression':
    case 'TSNonNullExpression':
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
    case 'ChainExpression':
      return everyOutcomeIsACall(node.expression);
    case 'ConditionalExpression':
      return everyOutcomeIsACall(node.consequent) && everyOutcomeIsACall(node.alternate);
    case 'SequenceExpression':
      return everyOutcomeIsACall(node.expressions.at(-1));
    default:
      return false;
  }
}
