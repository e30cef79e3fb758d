// Diagnostics of a source that must not compile: the compiler's messages are part of what we promise.
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** @typedef {typeof import('typescript')} Compiler */

/** Loaded when it is needed: it is large. @type {Compiler | undefined} */
let loaded;

function compiler() {
  loaded ??= /** @type {Compiler} */ (createRequire(import.meta.url)('typescript'));
  return loaded;
}

/**
 * Compiles one source as if it stood in a folder, and returns its errors.
 * @param {string} source TypeScript text
 * @param {string} folder where it pretends to stand, as in `import.meta.dirname`: imports and private `#` imports resolve from there
 * @param {readonly string[]} [conditions] package conditions besides `@mmun/source`, as in `['@mmun/notifier-off']`
 * @returns {readonly { line: number, column: number, code: number, message: string }[]}
 */
export function typeErrors(source, folder, conditions = []) {
  const ts = compiler();
  const file = join(folder, 'typed-on-the-fly.ts');
  const options = { ...strict(ts), types: [], noEmit: true, customConditions: [...conditions, '@mmun/source'] };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.readFile = (path) => (path === file ? source : readFile(path));
  host.getSourceFile = (path, version, ...rest) => {
    if (path === file) return ts.createSourceFile(path, source, version);
    if (!parsed.has(path)) parsed.set(path, getSourceFile.call(host, path, version, ...rest));
    return parsed.get(path);
  };
  const program = ts.createProgram([file], options, host);
  const own = program.getSourceFile(file);
  return [...program.getSyntacticDiagnostics(own), ...program.getSemanticDiagnostics(own)].map((diagnostic) => describe(diagnostic));
}

/** Sources of earlier calls: most of a call's time is the parsing of the standard library. @type {Map<string, import('typescript').SourceFile | undefined>} */
const parsed = new Map();

/** What tsconfig.base.json says and counts here. @param {Compiler} ts @returns {import('typescript').CompilerOptions} */
function strict({ ScriptTarget, ModuleKind, ModuleResolutionKind }) {
  return {
    target: ScriptTarget.ES2023, lib: ['lib.es2023.d.ts'], module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext, strict: true, isolatedModules: true,
    verbatimModuleSyntax: true, erasableSyntaxOnly: true, exactOptionalPropertyTypes: true, noImplicitOverride: true, noFallthroughCasesInSwitch: true, skipLibCheck: true,
  };
}

/** @param {import('typescript').Diagnostic} diagnostic */
function describe({ file, start, code, messageText }) {
  const { line, character } = file && start !== undefined ? file.getLineAndCharacterOfPosition(start) : { line: 0, character: 0 };
  return { line: line + 1, column: character + 1, code, message: compiler().flattenDiagnosticMessageText(messageText, '\n') };
}
