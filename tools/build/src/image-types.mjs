// Declarations of the images. What mm declares names `#asm` and `#mmu-notifier`, and those are what a reader's own conditions
// choose: to him `@mmun/image/x86-range` would have the tables of v5. So each design gets a copy of what its images reach,
// with the names already looked up; archs and builds do not differ in types (a fast image has run what it declares as a task).
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { VARIANTS } from './variants.mjs';
import { ROOT } from './workspace.mjs';

/** @typedef {import('./variants.mjs').Variant} Variant */

/** Packages whose declarations depend on what is linked. Every arch has the machine of arch-generic. */
const LINKED = { '@mmun/mm': 'mm', '@mmun/arch-generic': 'arch-generic', '#asm': 'arch-generic' };

/** Relative, or of a package: `from './x.js'`, `import('@mmun/x')`. */
const SPECIFIER = /\b(from |import\()'([^']+)'/g;

/** What stands beside an image. @param {Variant} variant @returns {string} */
export function imageTypes({ arch, design, build }) {
  return [
    `export * from './types/${design}/mm/index.js';`,
    '/** What was linked. */',
    `export declare const config: { readonly arch: '${arch}'; readonly design: '${design}'; readonly build: '${build}' };`,
    '',
  ].join('\n');
}

/**
 * Writes the declarations that images reach, once for each design.
 * @param {string} [outdir] where `types/` goes @returns {Promise<string[]>} a line on what was written
 */
export async function buildImageTypes(outdir = join(ROOT, 'packages/image/dist')) {
  const types = join(outdir, 'types');
  await rm(types, { recursive: true, force: true });
  let nrFiles = 0;
  for (const design of new Set(VARIANTS.map((variant) => variant.design))) {
    const texts = closure(design);
    nrFiles += texts.size;
    for (const [path, text] of texts) {
      const file = join(types, design, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
  }
  return [`image types: ${nrFiles} files`];
}

/** @param {Variant['design']} design @returns {Map<string, string>} `mm/index.d.ts` and all that it leads to, rewritten */
function closure(design) {
  /** @type {Map<string, string>} */
  const texts = new Map();
  const open = ['mm/index.d.ts'];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (texts.has(path)) continue;
    const folder = dirname(path);
    const text = declarationsOf(path).replace(SPECIFIER, (_, before, name) => {
      if (name === '#mmu-notifier') return `${before}'@mmun/mmu-notifier${design === 'v5' ? '' : `/${design}`}'`;
      const linked = /** @type {Record<string, string | undefined>} */ (LINKED)[name];
      const target = linked !== undefined ? `${linked}/index.d.ts` : name.startsWith('.') ? join(folder, name.replace(/\.js$/, '.d.ts')) : undefined;
      if (target === undefined) return `${before}'${name}'`;
      open.push(target);
      const from = relative(folder, target.replace(/\.d\.ts$/, '.js'));
      return `${before}'${from.startsWith('.') ? from : `./${from}`}'`;
    });
    texts.set(path, text);
  }
  return texts;
}

/** A source says the type of all that it exports, so its declarations follow from it alone. @param {string} path `mm/index.d.ts` @returns {string} */
function declarationsOf(path) {
  const known = declared.get(path);
  if (known !== undefined) return known;
  const [name, ...rest] = path.split('/');
  const file = join(ROOT, 'packages', String(name), 'src', ...rest).replace(/\.d\.ts$/, '.ts');
  const { outputText } = ts.transpileDeclaration(readFileSync(file, 'utf8'), { fileName: file, compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.NodeNext, verbatimModuleSyntax: true } });
  declared.set(path, outputText);
  return outputText;
}

/** Designs share most. @type {Map<string, string>} */
const declared = new Map();
