// docs/xref.md: every function of ours that has the name of one in Linux, with the file and the version that its own file says it models.
//   npm run docs                  writes it, and docs/lock-order.md
//   node tools/check/src/xref.mjs says whether it is as it should be
// A name is turned into Linux's by rule (snake_case); whether Linux has it is a fact that no rule gives: kernel-symbols.txt lists those that it has.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseSync } from 'oxc-parser';
import { filesUnder, ROOT, workspace } from '@mmun/build/workspace';
import { table, writeOrCompare } from './generated-page.mjs';

const SYMBOLS = 'tools/check/src/kernel-symbols.txt';
const MODELLED = /^packages\/(locking|lib|arch-[a-z0-9]+|mmu-notifier|mm|plugin-(?:kvm|gru|xpmem))$/;

/** @typedef {{ symbol: string, kernelFile: string, version: string, name: string, file: string }} Row */

/** `__mmu_notifier_register` is `mmuNotifierRegisterLocked`, its caller holds the lock; `__pte_alloc` is `pteAllocSlow`, the body behind an inline test. @param {string} name @returns {string[]} what Linux may call it */
export function kernelNames(name) {
  const plain = name.replace(/[A-Z]/g, (letter, at) => (at === 0 ? letter.toLowerCase() : `_${letter.toLowerCase()}`));
  const bare = plain.replace(/_(locked|slow)$/, '');
  return bare === plain ? [plain, `__${plain}`] : [plain, `__${bare}`];
}

/** Functions and types at the top of a source. @param {string} file @param {string} text @returns {string[]} */
function namesIn(file, text) {
  const { program } = parseSync(file, text, { sourceType: 'module', lang: 'ts' });
  return program.body.flatMap((statement) => {
    const declaration = /** @type {any} */ (statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement);
    return /^(FunctionDeclaration|TSInterfaceDeclaration)$/.test(declaration?.type ?? '') ? [String(declaration.id.name)] : [];
  });
}

const FILE = /[\w./-]+\.[chS]\b|drivers\/misc\/sgi-gru/g;

/** What the comment that a source begins with says. @param {string} text @returns {{ files: string, version: string }} */
export function modelOf(text) {
  const [head = ''] = /^(?:\/\/ .*|\/\*\*[^]*?\*\/)/.exec(text) ?? [];
  const files = [...new Set(head.match(FILE) ?? [])].join(', ');
  const versions = [...new Set(head.match(/\b\d\.\d+(?:\.\d+)?\b|#v5|\b242eaa1\b/g) ?? [])].map((version) => (version === '#v5' ? 'v5' : version));
  return { files, version: versions.join(', ') };
}

/** @param {ReadonlySet<string>} symbols @returns {Row[]} where a twin models nothing (the fast build's, another design's empty one), the other alone */
function rows(symbols) {
  const all = allRows(symbols);
  const modelled = new Set(all.filter(({ kernelFile }) => kernelFile !== '').map(({ symbol }) => symbol));
  return all.filter(({ symbol, kernelFile }) => kernelFile !== '' || !modelled.has(symbol));
}

/** @param {ReadonlySet<string>} symbols @returns {Row[]} */
function allRows(symbols) {
  return workspace().filter(({ folder }) => MODELLED.test(folder)).flatMap(({ folder, directory }) => filesUnder(join(directory, 'src'), /\.ts$/).flatMap((path) => {
    const text = readFileSync(path, 'utf8');
    const { files, version } = modelOf(text);
    return namesIn(path, text).flatMap((name) => {
      const found = kernelNames(name).filter((candidate) => symbols.has(candidate));
      const [symbol] = found;
      return symbol === undefined ? [] : [{ symbol, kernelFile: files, version, name, file: `${folder.slice('packages/'.length)}/${path.slice(directory.length + 1 + 'src/'.length)}`}];
    });
  })).sort((a, b) => (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : a.file < b.file ? -1 : 1));
}

/** @returns {Set<string>} */
function knownSymbols() {
  return new Set(readFileSync(join(ROOT, SYMBOLS), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#')));
}

/** @param {readonly Row[]} found @returns {string} */
function page(found) {
  const code = (/** @type {string} */ text) => `\`${text}\``;
  return [
    '# Cross reference', '',
    '<!-- Written by `npm run docs` (tools/check/src/xref.mjs). -->', '',
    'From the kernel to mmun. Names are made by rule: `zap_pte_range` is `zapPteRange`; `__mmu_notifier_register`, whose caller holds the lock, would be',
    '`mmuNotifierRegisterLocked`, and `__pte_alloc`, the body behind an inline test, `pteAllocSlow`. *Kernel file* and *version* are what our file says in its first line that it models;',
    'what differs from there it says under "Deviation:".', '',
    `${found.length} functions and structs.`, '',
    ...table(['kernel symbol', 'kernel file', 'version', 'our name', 'our file'], found.map(({ symbol, kernelFile, version, name, file }) => [code(symbol), kernelFile, version, code(name), file])), '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const symbols = knownSymbols();
  const found = rows(symbols);
  const used = new Set(found.flatMap(({ name }) => kernelNames(name)));
  const gone = [...symbols].filter((symbol) => !used.has(symbol));
  if (gone.length > 0) throw new Error(`${SYMBOLS}: no function has the name ${gone.join(', ')}`);
  writeOrCompare('docs/xref.md', page(found));
}
