// House rules as a test of the tree: every rule in rules.mjs over every file that git knows or would know, then the rules
// that look at several files, then the medians.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, workspace } from '@mmun/build/workspace';
import * as rules from './rules.mjs';

/** @typedef {import('./rules.mjs').TreeFile} TreeFile */

const TEXT = /\.(ts|mjs|js|json|md|ya?ml|sh|html|css)$|(^|\/)(run|LICENSE|\.[a-z]+rc)$/;
const WARN_LINES = 300;

/** @param {string} root @returns {TreeFile[]} */
export function treeFiles(root) {
  return git(root, ['ls-files', '--cached', '--others', '--exclude-standard', '-z'])
    .split('\0')
    .filter((path) => TEXT.test(path) && !path.includes('/fixtures/') && existsSync(join(root, path)) && statSync(join(root, path)).size < 4e6)
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** @param {readonly TreeFile[]} files @param {readonly string[]} strangers @returns {string[]} */
export function complaints(files, strangers) {
  const each = [
    rules.accurateName, rules.kernelHeader, rules.namedReexports, rules.kernelIdiom, rules.readmeShape,
    rules.specKind, rules.lockfileWithoutUrls, rules.noMachine(strangers),
  ];
  const single = files.flatMap((file) => each.flatMap((rule) => rule(file).map((text) => `${file.path}${text.startsWith(':') ? '' : ': '}${text}`)));
  return [...single, ...repeatedCodes(files)];
}

/** A bug code names one line of the tree. @param {readonly TreeFile[]} files */
function repeatedCodes(files) {
  /** @type {Map<string, string>} */
  const first = new Map();
  return files.flatMap(rules.bugCodes).flatMap(({ code, place }) => {
    const before = first.get(code);
    if (before === undefined) first.set(code, place);
    return before === undefined ? [] : [`${place}bug code '${code}' already stands at ${before.replace(/: $/, '')}`];
  });
}

/** @param {readonly string[]} subjects @param {ReadonlySet<string>} scopes @returns {string[]} */
export function badSubjects(subjects, scopes) {
  return subjects.flatMap((subject) => {
    const match = /^([a-z0-9*-]+(?:, [a-z0-9*-]+)*): \S.*[^.]$/.exec(subject);
    const unknown = match?.[1]?.split(', ').find((scope) => !scopes.has(scope) && !scope.endsWith('-*'));
    if (!match) return [`commit "${subject}": write \`package: do something\`, without a full stop`];
    return unknown ? [`commit "${subject}": ${unknown} is no package, tool, or one of workspace, docs, ci, samples`] : [];
  });
}

/** What must not stand in any file: where this tree lies (anyone may name the folder of temporary files), and the registry that this machine uses. @param {string} root */
function strangersOf(root) {
  const registry = process.env['npm_config_registry'] ?? '';
  const host = URL.canParse(registry) ? new URL(registry).host : '';
  const parent = dirname(root.replace(/\/$/, ''));
  return [root.replace(/\/$/, ''), ...(['/', tmpdir()].includes(parent) ? [] : [`${parent}/`]), ...(host === '' || host === 'registry.npmjs.org' ? [] : [host])];
}

/** @param {string} root @returns {string[]} */
function recentSubjects(root) {
  try {
    return git(root, ['log', '--no-merges', '--format=%s', '-20']).split('\n').filter(Boolean);
  } catch {
    return []; // not a repository: an unpacked archive
  }
}

/** @param {string} root @param {string[]} args */
function git(root, args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1e8, stdio: ['ignore', 'pipe', 'ignore'] });
}

/** @param {readonly TreeFile[]} files @returns {string[]} */
export function sizes(files) {
  const sources = files.filter(({ path }) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path));
  const counts = sources.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1, code: rules.codeLines(text) }));
  const perPackage = groupBy(counts);
  const totals = [...perPackage.values()].map((list) => list.reduce((sum, { code }) => sum + code, 0));
  return [
    ...counts.filter(({ lines }) => lines > WARN_LINES).map(({ path, lines }) => `note: ${path} has ${lines} lines: is it still one idea?`),
    `${counts.length} source files: median ${median(counts.map(({ lines }) => lines))} lines, ${median(counts.map(({ code }) => code))} of them code; ` +
      `packages: median ${median(totals)} code lines`,
  ];
}

/** @param {{ path: string }} file */
function packageOf({ path }) {
  return path.split('/')[1] ?? '';
}

/** @template {{ path: string }} T @param {readonly T[]} items @returns {Map<string, T[]>} */
function groupBy(items) {
  const out = new Map();
  for (const item of items) out.set(packageOf(item), [...(out.get(packageOf(item)) ?? []), item]);
  return out;
}

/** @param {readonly number[]} numbers */
function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

function main() {
  const packages = workspace();
  const files = treeFiles(ROOT);
  const scopes = new Set([...packages.map(({ folder }) => folder.split('/')[1] ?? ''), 'workspace', 'docs', 'ci', 'samples']);
  const missing = packages
    .filter(({ folder, directory }) => folder.startsWith('packages/') && !existsSync(join(directory, 'README.md')))
    .map(({ folder }) => `${folder}/README.md: is missing`);
  const lines = [...complaints(files, strangersOf(ROOT)), ...missing, ...badSubjects(recentSubjects(ROOT), scopes)];
  for (const text of [...lines, ...sizes(files)]) console.log(text);
  console.log(`${files.length} files, ${lines.length} complaints`);
  process.exitCode = lines.length > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
