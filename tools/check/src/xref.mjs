// docs/xref.md: every function of ours that has the name of one in Linux, with the kernel's file and version: those of the symbol itself, out of
// kernel-symbols.txt, as far as our file says that it models them.
//   npm run docs                  writes it, and docs/lock-order.md
//   node tools/check/src/xref.mjs says whether it is as it should be
// A name is turned into Linux's by rule (snake_case, or a macro's capitals); whether Linux has it, and where, are facts that no rule gives.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseSync } from 'oxc-parser';
import { filesUnder, ROOT, workspace } from '@mmun/build/workspace';
import { table, writeOrCompare } from './generated-page.mjs';

const SYMBOLS = 'tools/check/src/kernel-symbols.txt';
const MODELLED = /^packages\/(locking|lib|arch-[a-z0-9]+|mmu-notifier|mm|plugin-(?:kvm|gru|xpmem))$/;

/** @typedef {{ symbol: string, kernelFile: string, version: string, name: string, file: string, isModel: boolean }} Row */

/** @typedef {{ file: string, spans: readonly string[] }} Place where a symbol is defined, and in which versions (`2.6.24..4.12`) */

/** `__mmu_notifier_register` is `mmuNotifierRegisterLocked`, its caller holds the lock; `__pte_alloc` is `pteAllocSlow`, the body behind an inline test. @param {string} name @returns {string[]} what Linux may call it */
export function kernelNames(name) {
  const plain = name.replace(/[A-Z]/g, (letter, at) => (at === 0 ? letter.toLowerCase() : `_${letter.toLowerCase()}`));
  const bare = plain.replace(/_(locked|slow)$/, '');
  return bare === plain ? [plain, `__${plain}`, plain.toUpperCase()] : [plain, `__${bare}`];
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

/** @param {string} span @param {string} version of #v5: of the tree that it patches @returns {boolean} */
function isWithin(span, version) {
  if (span === version) return true;
  const order = (/** @type {string} */ text) => (text === 'v5' ? '2.6.24' : text).split('.').map((part) => part.padStart(4, '0')).join('.');
  const [first = '', last = first] = span.split('..');
  return /^\d/.test(span) && order(first) <= order(version) && order(version) <= order(last);
}

/**
 * Where the kernel has a symbol: in the file that ours names and in the versions that it names; else in another file of those versions; else where and when Linux had it at all.
 *
 * @param {readonly Place[]} known @param {{ files: string, version: string }} model what the comment of our file says @param {boolean} isS390
 * @returns {{ kernelFile: string, version: string }}
 */
export function placeOf(known, model, isS390) {
  const files = model.files.split(', ').filter((file) => file !== '');
  const kin = known.filter(({ file }) => file.includes('s390') === isS390);
  const named = known.filter(({ file }) => files.some((end) => `/${file}`.endsWith(`/${end}`)));
  const modelled = [named, kin, known].map((places) => places
    .map(({ file, spans }) => ({ file, versions: model.version.split(', ').filter((version) => version !== '' && spans.some((span) => isWithin(span, version))) }))
    .filter(({ versions }) => versions.length > 0)).find((places) => places.length > 0);
  const [fallback] = [named, kin, known].find((places) => places.length > 0) ?? [];
  const found = modelled ?? (fallback === undefined ? [] : [{ file: fallback.file, versions: fallback.spans }]);
  return { kernelFile: found.map(({ file }) => file).join(', '), version: [...new Set(found.flatMap(({ versions }) => versions))].join(', ') };
}

/** @param {ReadonlyMap<string, readonly Place[]>} symbols @returns {Row[]} where a twin models nothing (the fast build's, another design's empty one), the other alone */
function rows(symbols) {
  const all = allRows(symbols);
  const modelled = new Set(all.filter(({ isModel }) => isModel).map(({ symbol }) => symbol));
  return all.filter(({ symbol, isModel }) => isModel || !modelled.has(symbol));
}

/** @param {ReadonlyMap<string, readonly Place[]>} symbols @returns {Row[]} */
function allRows(symbols) {
  return workspace().filter(({ folder }) => MODELLED.test(folder)).flatMap(({ folder, directory }) => filesUnder(join(directory, 'src'), /\.ts$/).flatMap((path) => {
    const text = readFileSync(path, 'utf8');
    const model = modelOf(text);
    return namesIn(path, text).flatMap((name) => {
      const symbol = kernelNames(name).find((candidate) => symbols.has(candidate));
      if (symbol === undefined) return [];
      const place = placeOf(symbols.get(symbol) ?? [], model, folder.includes('s390'));
      return [{ symbol, ...place, name, file: `${folder.slice('packages/'.length)}/${path.slice(directory.length + 1 + 'src/'.length)}`, isModel: model.files !== '' }];
    });
  })).sort((a, b) => (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : a.file < b.file ? -1 : 1));
}

/** @returns {Map<string, readonly Place[]>} */
function knownSymbols() {
  return new Map(readFileSync(join(ROOT, SYMBOLS), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
    const [symbol, places] = /** @type {[string, string?]} */ (line.split(': '));
    if (!/^\S+\.[chS] \S/.test(places ?? '')) throw new Error(`${SYMBOLS}: \`${line}\` must be a symbol, a colon, and where Linux defines it: \`mm/mmap.c 2.6.24..6.0; mm/vma.c 6.18\``);
    return [symbol, (places ?? '').split('; ').map((place) => place.split(' ')).map(([file = '', ...spans]) => ({ file, spans }))];
  }));
}

/** @param {readonly Row[]} found @returns {string} */
function page(found) {
  const code = (/** @type {string} */ text) => `\`${text}\``;
  return [
    '# Cross reference', '',
    '<!-- Written by `npm run docs` (tools/check/src/xref.mjs). -->', '',
    'From the kernel to mmun. Names are made by rule: `zap_pte_range` is `zapPteRange`; `__mmu_notifier_register`, whose caller holds the lock, would be',
    '`mmuNotifierRegisterLocked`, and `__pte_alloc`, the body behind an inline test, `pteAllocSlow`. *Kernel file* and *version* say where Linux defines the symbol, in those versions',
    'that our file says in its first line it models. Where none of them has it, a span of versions says when Linux had it. What differs from there our file says under "Deviation:".', '',
    `${found.length} functions and structs.`, '',
    ...table(['kernel symbol', 'kernel file', 'version', 'our name', 'our file'], found.map(({ symbol, kernelFile, version, name, file }) => [code(symbol), kernelFile, version, code(name), file])), '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const symbols = knownSymbols();
  const found = rows(symbols);
  const used = new Set(found.map(({ symbol }) => symbol));
  const gone = [...symbols.keys()].filter((symbol) => !used.has(symbol));
  if (gone.length > 0) throw new Error(`${SYMBOLS}: no function has the name ${gone.join(', ')}`);
  writeOrCompare('docs/xref.md', page(found));
}
