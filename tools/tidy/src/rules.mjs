// The house rules that can be read off one file, each a function from a file to the places where it is broken.
import { parseSync, visitorKeys } from 'oxc-parser';

/**
 * @typedef {object} TreeFile
 * @property {string} path from the root, with slashes
 * @property {string} text
 * @typedef {(file: TreeFile) => string[]} Rule each line says what to edit, without the path
 * @typedef {{ type: string, start: number, end: number, [key: string]: any }} Node
 */

const BANNED_NAMES = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'types']);

/** no-utils: a name says what the thing is. @type {Rule} */
export function accurateName({ path }) {
  const bad = path.split('/').map((part) => part.replace(/\..*$/, '')).find((part) => BANNED_NAMES.has(part));
  return bad ? [`nothing is named ${bad}: name the thing`] : [];
}

const MODELS_KERNEL = /^packages\/(mm|mmu-notifier|arch-[a-z0-9]+)\/src\/(?!index\.ts$).*\.ts$/;

/** A second entry point: nothing but re-exports. */
const REEXPORTS = /^(?:export (?:type )?\{[^}]*\} from '[^']+';\s*)+$/;

/** file-is-the-c-file: the first line names the kernel file and version. @type {Rule} */
export function kernelHeader({ path, text }) {
  if (!MODELS_KERNEL.test(path) || REEXPORTS.test(text)) return [];
  const first = text.split('\n', 1)[0] ?? '';
  const isModel = /^\/\/ Models .*\.[chS]\b.*(\bv?\d\.\d+|#v5)/.test(first);
  return isModel || /^\/\/ No kernel (?:original|file): \S/.test(first)
    ? []
    : ['the first line says what is modelled: `// Models mm/mprotect.c (6.18).`, or `// No kernel original: why`'];
}

/** What a linker script is to a kernel: it exports whatever was linked. */
const LINKED = 'packages/image/src/linked.ts';

/** index-reexports, and no `export *` in any other source. @type {Rule} */
export function namedReexports({ path, text }) {
  if (!/^packages\/[^/]+\/src\/.*\.ts$/.test(path) || path === LINKED) return [];
  const isIndex = path.endsWith('/src/index.ts');
  if (!isIndex && !text.includes('export *')) return [];
  return parse(path, text).body.flatMap((/** @type {Node} */ statement) => {
    if (statement.type === 'ExportAllDeclaration') return [`${line(text, statement)}name what is exported instead of export *`];
    const isReexport = statement.type === 'ExportNamedDeclaration' && statement.source !== null;
    return isIndex && !isReexport ? [`${line(text, statement)}index.ts holds named re-exports only`] : [];
  });
}

const CORE = /^packages\/(include|lib|locking|arch-[a-z0-9]+|mmu-notifier|mm)\/src\//;
const THROWLESS = /^packages\/(arch-[a-z0-9]+|mmu-notifier|mm)\/src\//;

/** no-classes-in-core, and no throw where the kernel returns an errno. @type {Rule} */
export function kernelIdiom({ path, text }) {
  if (!CORE.test(path) || !/\b(class|throw)\b/.test(text)) return [];
  /** @type {string[]} */
  const out = [];
  walk(parse(path, text), (node) => {
    const isClass = node.type === 'ClassDeclaration' || node.type === 'ClassExpression';
    if (isClass && node.superClass?.name !== 'Error') out.push(`${line(text, node)}no classes in the core: functions over indices`);
    const isBug = node.type === 'ThrowStatement' && node.argument.type === 'NewExpression' && node.argument.callee.name === 'KernelBug';
    if (node.type === 'ThrowStatement' && !isBug && THROWLESS.test(path)) out.push(`${line(text, node)}no throw: return a negative errno, or bugOn() or a KernelBug`);
  });
  return out;
}

/** What a reader looks for who decides whether to depend on it. @type {readonly (readonly [RegExp, string])[]} */
const README_SECTIONS = [[/^## What it does not\b/, '## What it does not model'], [/^## Stability$/, '## Stability']];

/** README of a package: a heading with its name, one sentence, not long. @type {Rule} */
export function readmeShape({ path, text }) {
  const name = /^packages\/([^/]+)\/README\.md$/.exec(path)?.[1];
  if (!name) return [];
  const lines = text.trimEnd().split('\n');
  const out = [];
  if (lines[0] !== `# @mmun/${name}`) out.push(`:1: the heading is \`# @mmun/${name}\``);
  const sentence = lines.slice(1).find((l) => l.trim() !== '') ?? '';
  if (!/^\S.*[.:]?$/.test(sentence) || sentence.startsWith('#')) out.push(':3: the heading is followed by one sentence on what the package is');
  if (lines.length > 120) out.push(`:121: ${lines.length} lines, 120 at most`);
  for (const [heading, wanted] of README_SECTIONS) if (!lines.some((l) => heading.test(l))) out.push(`: has no section \`${wanted}\``);
  if (!lines.some((l) => /^```(ts|js|sh)?$/.test(l))) out.push(': has no example');
  return out;
}

const SPEC = /^(packages|tools)\/[^/]+\/test\/(?!fixtures\/).*\.spec\.ts$/;

/** kind-in-name. @type {Rule} */
export function specKind({ path }) {
  if (!SPEC.test(path)) return [];
  const kind = /\.([a-z]+)\.spec\.ts$/.exec(path)?.[1];
  return kind === undefined || ['race', 'prop', 'variant', 'toy', 'type', 'kit', 'linux'].includes(kind) ? [] : [`unknown kind of spec \`${kind}\`: race, prop, variant, toy, type, kit, linux, or none`];
}

/** @param {readonly string[]} strangers paths and hosts of the machine that runs the check @returns {Rule} */
export function noMachine(strangers) {
  const patterns = [...strangers.filter((s) => s.length > 3), /(?<![\w.])\/(?:home|Users)\/(?!user\b)[a-z][\w-]+/];
  return ({ path, text }) => {
    if (/\.(strace|perf|end|png)$|(^|\/)samples\//.test(path)) return [];
    return text.split('\n').flatMap((l, index) => {
      const found = patterns.map((p) => (typeof p === 'string' ? (l.includes(p) ? p : null) : (p.exec(l)?.[0] ?? null))).find((f) => f !== null);
      return found ? [`:${index + 1}: names a machine or a registry: ${found}`] : [];
    });
  };
}

/** A lockfile that names no registry works with every registry. @type {Rule} */
export function lockfileWithoutUrls({ path, text }) {
  return path === 'package-lock.json' && /"resolved": "http/.test(text) ? ['holds registry URLs: npm i --omit-lockfile-registry-resolved'] : [];
}

/** Where bugOn codes stand. @param {TreeFile} file @returns {{ code: string, place: string }[]} */
export function bugCodes({ path, text }) {
  if (!/^packages\/[^/]+\/src\/.*\.ts$/.test(path) || !/\b(bugOn|vmBugOn|KernelBug)\(/.test(text)) return [];
  /** @type {{ code: string, place: string }[]} */
  const out = [];
  walk(parse(path, text), (node) => {
    const name = node.type === 'CallExpression' || node.type === 'NewExpression' ? node.callee.name : undefined;
    const argument = name === 'KernelBug' ? node.arguments[0] : name === 'bugOn' || name === 'vmBugOn' ? node.arguments[1] : undefined;
    if (argument?.type === 'Literal' && typeof argument.value === 'string') out.push({ code: argument.value, place: `${path}${line(text, node)}` });
  });
  return out;
}

/** Code lines: neither empty nor comment only. @param {string} text */
export function codeLines(text) {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .split('\n')
    .filter((l) => l.trim() !== '' && !l.trim().startsWith('//')).length;
}

/** @param {string} path @param {string} text @returns {any} */
function parse(path, text) {
  return parseSync(path, text, { sourceType: 'module' }).program;
}

/** @param {string} text @param {Node} node */
function line(text, node) {
  return `:${text.slice(0, node.start).split('\n').length}: `;
}

/** @param {Node} node @param {(node: Node) => void} visit */
function walk(node, visit) {
  visit(node);
  for (const key of visitorKeys[node.type] ?? []) {
    for (const child of [node[key]].flat()) if (child) walk(child, visit);
  }
}
