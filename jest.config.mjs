// One project per tested image (tools/build/src/variants.mjs): the same suite, linked by that image's conditions.
//
//   *.spec.ts, *.prop.spec.ts      every image
//   *.race.spec.ts                 checked images only: the fast build has no scheduling points
//   *.type.spec.ts, *.kit.spec.ts (which brings its own images), *.linux.spec.ts, and packages tagged `image:independent`: once, under the first image
//   *.variant.spec.ts              every image but toys: what an arch or a design can change
//   *.toy.spec.ts                  images of arch toy, of all packages
//
// Beside x86, x86-off and x86-fast an image runs the specs of the archs and *.variant.spec.ts only, or nothing. With
// MMUN_SPECS=all every image runs the whole suite. With MMUN_SPECS=rest (.ci/run, after `npm cit`) every arch does so under v5, and x86
// under every design, the other images *.variant.spec.ts; of that, what a run without it leaves out, and once more each spec that looks
// further there: one that calls `later()`, or, where MMUN_EFFORT=full is set too, `effort()`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { conditionsOf, configOf, FIRST, formOf, gatesOf, VARIANTS } from './tools/build/src/variants.mjs';
import { filesUnder, ROOT, workspace } from './tools/build/src/workspace.mjs';

const packages = workspace();
const esmOnly = ['magic-string', 'oxc-parser', '@jridgewell/sourcemap-codec'];

/** @typedef {import('./tools/build/src/variants.mjs').Variant} Variant */
/** @typedef {import('./tools/build/src/variants.mjs').Specs} Specs */

const asked = process.env.MMUN_SPECS ?? '';
if (!['', 'all', 'rest'].includes(asked)) throw new Error(`MMUN_SPECS=${asked}: expected all, rest, or nothing`);

/** @param {Variant} variant @returns {Specs} */
function specsOf({ arch, design, specs }) {
  if (asked === '' || arch === 'toy') return specs;
  // s390-256 is s390 but for its tables, which the design does not know
  return design !== 'v5' && (arch === 's390-256' || (arch !== 'x86' && asked === 'rest')) ? 'variant' : 'all';
}

/** @param {Variant} variant @param {Specs} specs */
function selection(variant, specs) {
  const isFirst = variant.name === FIRST;
  return {
    folders: packages
      .filter((p) => isFirst || !p.tags.includes('image:independent'))
      .filter((p) => specs === 'all' || p.tags.includes('layer:arch'))
      .map((p) => `${p.folder}/test/`),
    /** Beside the folders: specs of all packages whose names end so. */
    ending: specs === 'arch' || isFirst || (specs === 'all' && asked === '') ? '' : specs === 'all' ? '.variant.spec.ts' : `.${specs}.spec.ts`,
    not: [...(isFirst ? [] : ['type', 'kit', 'linux']), ...(variant.build === 'checked' ? [] : ['race']), ...(specs === 'toy' ? [] : ['toy'])].map((kind) => `.${kind}.spec.ts`),
  };
}

/** @param {Variant} variant @returns {string[]} the specs that a run without MMUN_SPECS has run as deep as they go */
function hadBefore(variant) {
  if (asked !== 'rest' || variant.specs === 'none') return [];
  const { folders, ending, not } = selection(variant, variant.specs);
  return ['packages', 'tools'].flatMap((family) => filesUnder(join(ROOT, family), /\.spec\.ts$/))
    .map((path) => path.slice(ROOT.length))
    .filter((path) => folders.some((folder) => path.startsWith(folder)) || (ending !== '' && path.startsWith('packages/') && path.endsWith(ending)))
    .filter((path) => !not.some((end) => path.endsWith(end)) && !looksDeeper(path));
}

/** @param {string} path @returns {boolean} run now, the spec does more than it did */
function looksDeeper(path) {
  return (process.env.MMUN_EFFORT === 'full' ? /\b(effort|later)\(/ : /\blater\(/).test(readFileSync(join(ROOT, path), 'utf8'));
}

/** @param {Variant} variant */
function project(variant) {
  const { folders, ending, not } = selection(variant, specsOf(variant));
  return {
    displayName: variant.name,
    rootDir: import.meta.dirname,
    roots: ['<rootDir>/packages', '<rootDir>/tools'],
    testEnvironment: '<rootDir>/tools/build/src/jest-environment.mjs',
    testMatch: [...folders.map((folder) => `<rootDir>/${folder}**/*.spec.ts`), ...(ending === '' ? [] : [`<rootDir>/packages/*/test/**/*${ending}`])],
    testPathIgnorePatterns: ['/node_modules/', '/dist/', '/fixtures/', ...[...not, ...hadBefore(variant)].map((end) => `${end.replaceAll('.', '\\.')}$`)],
    modulePathIgnorePatterns: ['/\\.nx/', '/tools/check/test/fixtures/'],
    testEnvironmentOptions: { customExportConditions: [...conditionsOf(variant), '@mmun/source', 'node', 'node-addons'] },
    globals: { MMUN_IMAGE: { name: variant.name, ...configOf(variant), gates: gatesOf(variant) } },
    transform: { '\\.(ts|mjs|js)$': ['<rootDir>/tools/build/src/jest-transform.mjs', { form: formOf(variant), image: variant.name }] },
    transformIgnorePatterns: [`/node_modules/(?!(${esmOnly.join('|')})/)`],
    moduleFileExtensions: ['ts', 'mjs', 'js', 'cjs', 'json', 'node'],
    moduleNameMapper: {
      '^(\\.{1,2}/.*)\\.js$': '$1',
      '^@mmun/image/(.+)$': '<rootDir>/packages/image/dist/$1.js',
      '^@mmun/(plugin-[a-z]+)/fast$': '<rootDir>/packages/$1/dist/fast/index.js',
    },
  };
}

// jest takes its configuration from the default export only
export default {
  testTimeout: { full: 600_000, night: 3_600_000 }[process.env.MMUN_EFFORT ?? ''] ?? 120_000, // for a machine that does other work too; no test is about time
  maxWorkers: 2, // jest itself leaves one of two cores idle
  testSequencer: '<rootDir>/tools/build/src/jest-sequencer.mjs',
  projects: VARIANTS.filter((variant) => specsOf(variant) !== 'none').map(project),
  reporters: ['default', '<rootDir>/tools/build/src/jest-reporter.mjs'],
};
