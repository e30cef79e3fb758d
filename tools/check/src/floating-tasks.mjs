// A task that is called and not run does nothing, silently. Every call that makes one must be the operand of `yield*`, be
// returned, or be passed on as an argument. Specs, benches and the explorer drive tasks themselves: there a task may also
// be kept, and only one that is dropped is reported.
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { conditionsOf, VARIANTS } from '@mmun/build/variants';
import { filesUnder, ROOT } from '@mmun/build/workspace';
import ts from 'typescript';

const DRIVERS = /\/packages\/explorer\/|\/(test|bench)\//;
const FIXTURE = /.*\/fixtures\/[^/]+/;

/**
 * @typedef {{ place: string, text: string }} FloatingTask
 * @param {readonly string[]} files absolute paths
 * @param {string} [root] where tsconfig.base.json stands
 * @returns {{ calls: number, floating: FloatingTask[] }}
 */
export function floatingTasks(files, root = ROOT) {
  const program = ts.createProgram([...files], compilerOptions(root));
  const checker = program.getTypeChecker();
  const wanted = new Set(files.map((file) => file.replaceAll('\\', '/')));
  const result = { calls: 0, floating: /** @type {FloatingTask[]} */ ([]) };
  for (const source of program.getSourceFiles()) {
    if (!wanted.has(source.fileName)) continue;
    const isDriver = DRIVERS.test(`/${relative(root, source.fileName)}`.replace(FIXTURE, ''));
    /** @param {ts.Node} node */
    const visit = (node) => {
      if (ts.isCallExpression(node) && isTask(checker, checker.getTypeAtLocation(node))) {
        result.calls++;
        if (!(isDriver ? isKept(node) : isRun(node))) result.floating.push(describe(source, node, root));
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return result;
}

/** @param {string} root @returns {ts.CompilerOptions} */
function compilerOptions(root) {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} };
  const parsed = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.base.json'), {}, host);
  if (!parsed) throw new Error('tsconfig.base.json cannot be read');
  const variant = VARIANTS[0];
  const conditions = variant ? conditionsOf(variant).filter((condition) => condition !== '@mmun/explore') : [];
  return {
    ...parsed.options,
    customConditions: [...conditions, '@mmun/source'],
    types: ['node', 'jest'],
    noEmit: true,
    composite: false,
    declaration: false,
    declarationMap: false,
    emitDeclarationOnly: false,
    isolatedDeclarations: false,
  };
}

/** @param {ts.TypeChecker} checker @param {ts.Type} type @returns {boolean} */
function isTask(checker, type) {
  if (type.isUnion()) return type.types.some((member) => isTask(checker, member));
  if (type.symbol?.name !== 'Generator') return false;
  const [effect, , next] = checker.getTypeArguments(/** @type {ts.TypeReference} */ (type));
  return effect !== undefined && isEffect(effect) && next !== undefined && (next.flags & ts.TypeFlags.Void) !== 0;
}

/** @param {ts.Type} type @returns {boolean} */
function isEffect(type) {
  if (type.isUnion()) return type.types.every(isEffect);
  const effects = ts.TypeFlags.StringLiteral | ts.TypeFlags.TemplateLiteral | ts.TypeFlags.Never;
  if ((type.flags & ts.TypeFlags.TypeParameter) !== 0) return true; // effect-polymorphic: `Task<E>`
  return (type.flags & effects) !== 0;
}

/** The call as far as its value goes unchanged. @param {ts.Node} node @returns {ts.Node} */
function outermost(node) {
  const { parent } = node;
  const passes =
    ts.isParenthesizedExpression(parent) ||
    ts.isAsExpression(parent) ||
    ts.isNonNullExpression(parent) ||
    ts.isSatisfiesExpression(parent) ||
    (ts.isConditionalExpression(parent) && parent.condition !== node) ||
    (ts.isBinaryExpression(parent) && isChoice(parent.operatorToken.kind));
  return passes ? outermost(parent) : node;
}

/** @param {ts.SyntaxKind} kind */
function isChoice(kind) {
  return kind === ts.SyntaxKind.QuestionQuestionToken || kind === ts.SyntaxKind.BarBarToken || kind === ts.SyntaxKind.AmpersandAmpersandToken;
}

/** @param {ts.CallExpression} call */
function isRun(call) {
  const node = outermost(call);
  const { parent } = node;
  return (
    (ts.isYieldExpression(parent) && parent.asteriskToken !== undefined) ||
    ts.isReturnStatement(parent) ||
    (ts.isArrowFunction(parent) && parent.body === node) ||
    (ts.isCallExpression(parent) && parent.arguments.some((argument) => argument === node))
  );
}

/** @param {ts.CallExpression} call */
function isKept(call) {
  const { parent } = outermost(call);
  return !ts.isExpressionStatement(parent) && !ts.isVoidExpression(parent);
}

/** @param {ts.SourceFile} source @param {ts.Node} node @param {string} root @returns {FloatingTask} */
function describe(source, node, root) {
  const { line, character } = source.getLineAndCharacterOfPosition(node.getStart());
  return { place: `${relative(root, source.fileName)}:${line + 1}:${character + 1}`, text: node.getText().replace(/\s+/g, ' ').slice(0, 60) };
}

function main() {
  const files = ['packages', 'tools'].flatMap((family) => filesUnder(join(ROOT, family), /\.ts$/)).filter((file) => !/[\\/]fixtures[\\/]/.test(relative(ROOT, file)));
  const { calls, floating } = floatingTasks(files);
  for (const { place, text } of floating) console.log(`${place}: floating task: ${text} does nothing without yield*`);
  console.log(`${calls} task calls in ${files.length} files, ${floating.length} floating`);
  process.exitCode = floating.length > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
