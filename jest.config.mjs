// One project per tested image (tools/build/src/variants.mjs): the same suite, linked by that image's conditions.
//
//   *.spec.ts, *.prop.spec.ts      every image
//   *.race.spec.ts                 checked images only: the fast build has no scheduling points
//   *.type.spec.ts, *.linux.spec.ts, and packages tagged `image:independent`: once, under the first image
//   *.variant.spec.ts              every image but toys: what an arch or a design can change
//   *.toy.spec.ts                  images of arch toy, of all packages
//
// Beside x86, x86-off and x86-fast an image runs the specs of the archs and *.variant.spec.ts only, or nothing; with
// MMUN_SPECS=all (.ci/run) the whole suite.
import { conditionsOf, configOf, FIRST, formOf, gatesOf, VARIANTS } from './tools/build/src/variants.mjs';
import { workspace } from './tools/build/src/workspace.mjs';

const packages = workspace();
const esmOnly = ['magic-string', 'oxc-parser', '@jridgewell/sourcemap-codec'];

/** @param {import('./tools/build/src/variants.mjs').Variant} variant @returns {import('./tools/build/src/variants.mjs').Specs} */
function specsOf({ arch, specs }) {
  return process.env.MMUN_SPECS === 'all' && arch !== 'toy' ? 'all' : specs;
}

/** What the kernel answers on x86, address by address: beyond what s390 with three levels can map. */
const X86_ADDRESSES = ['packages/mm/test/vma\\.spec\\.ts$', 'packages/mm/test/kernel-answers\\.spec\\.ts$'];

/** @param {import('./tools/build/src/variants.mjs').Variant} variant */
function project(variant) {
  const isFirst = variant.name === FIRST;
  const specs = specsOf(variant);
  const own = packages
    .filter((p) => isFirst || !p.tags.includes('image:independent'))
    .filter((p) => specs === 'all' || p.tags.includes('layer:arch'))
    .map((p) => p.folder);
  const skipped = [...(isFirst ? [] : ['type', 'linux']), ...(variant.build === 'checked' ? [] : ['race']), ...(specs === 'toy' ? [] : ['toy'])];
  return {
    displayName: variant.name,
    rootDir: import.meta.dirname,
    roots: ['<rootDir>/packages', '<rootDir>/tools'],
    testEnvironment: 'node',
    testMatch: [...own.map((folder) => `<rootDir>/${folder}/test/**/*.spec.ts`), ...(specs === 'all' ? [] : [`<rootDir>/packages/*/test/**/*.${specs}.spec.ts`])],
    testPathIgnorePatterns: ['/node_modules/', '/dist/', '/fixtures/', ...skipped.map((kind) => `\\.${kind}\\.spec\\.ts$`), ...(variant.arch === 's390' ? X86_ADDRESSES : [])],
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
  testTimeout: process.env.MMUN_EFFORT === 'full' ? 600_000 : 120_000, // for a machine that does other work too; no test is about time
  maxWorkers: 2, // jest itself leaves one of two cores idle
  testSequencer: '<rootDir>/tools/build/src/jest-sequencer.mjs',
  projects: VARIANTS.filter((variant) => specsOf(variant) !== 'none').map(project),
  reporters: ['default', '<rootDir>/tools/build/src/jest-reporter.mjs'],
};
