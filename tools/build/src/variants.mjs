// The linked variants. One row is one image: a subpath of @mmun/image, a file of its dist.
//
// A new variant is a new row here (and its subpath in packages/image/package.json, which `npm run sync` writes).

/**
 * @typedef {object} Variant
 * @property {string} name subpath of the image package, and name of the jest project
 * @property {'generic' | 'x86' | 's390' | 's390-256' | 'toy'} arch
 * @property {'v5' | 'range' | 'off'} design of the notifier
 * @property {'checked' | 'fast'} build
 * @property {boolean} isQuick built by `npm run prepare` and `npm test`: what the command and the specs load. The others come with
 *   `npm run build`
 * @property {Specs} specs which run against it in `npm test`; MMUN_SPECS=all runs the whole suite on every image that is no toy,
 *   MMUN_SPECS=rest (.ci/run) the part of that which `npm test` leaves out, and an arch other than x86 the whole under v5 alone
 */

/**
 * `all`: the whole suite. `variant`: what an arch or a design can change, which is the specs of the archs and the
 * `*.variant.spec.ts` of all packages. `arch`: the specs of the archs alone. `toy`: the specs of the archs and `*.toy.spec.ts`, which explore whole machines and
 * run on no other image. `none`.
 * @typedef {'all' | 'variant' | 'arch' | 'toy' | 'none'} Specs
 */

/** @type {readonly Variant[]} */
export const VARIANTS = [
  { name: 'x86', arch: 'x86', design: 'v5', build: 'checked', isQuick: true, specs: 'all' },
  { name: 'x86-off', arch: 'x86', design: 'off', build: 'checked', isQuick: true, specs: 'all' },
  { name: 'x86-range', arch: 'x86', design: 'range', build: 'checked', isQuick: true, specs: 'variant' },
  { name: 'x86-fast', arch: 'x86', design: 'v5', build: 'fast', isQuick: true, specs: 'all' },
  { name: 'x86-off-fast', arch: 'x86', design: 'off', build: 'fast', isQuick: true, specs: 'none' },
  { name: 'x86-range-fast', arch: 'x86', design: 'range', build: 'fast', isQuick: true, specs: 'none' },
  { name: 'generic', arch: 'generic', design: 'v5', build: 'checked', isQuick: true, specs: 'none' },
  { name: 'generic-off', arch: 'generic', design: 'off', build: 'checked', isQuick: false, specs: 'none' },
  { name: 'generic-range', arch: 'generic', design: 'range', build: 'checked', isQuick: false, specs: 'none' },
  { name: 'generic-fast', arch: 'generic', design: 'v5', build: 'fast', isQuick: false, specs: 'none' },
  { name: 'generic-off-fast', arch: 'generic', design: 'off', build: 'fast', isQuick: false, specs: 'none' },
  { name: 'generic-range-fast', arch: 'generic', design: 'range', build: 'fast', isQuick: false, specs: 'none' },
  { name: 's390', arch: 's390', design: 'v5', build: 'checked', isQuick: true, specs: 'arch' },
  { name: 's390-off', arch: 's390', design: 'off', build: 'checked', isQuick: true, specs: 'none' },
  { name: 's390-range', arch: 's390', design: 'range', build: 'checked', isQuick: true, specs: 'none' },
  { name: 's390-fast', arch: 's390', design: 'v5', build: 'fast', isQuick: false, specs: 'none' },
  { name: 's390-off-fast', arch: 's390', design: 'off', build: 'fast', isQuick: false, specs: 'none' },
  { name: 's390-range-fast', arch: 's390', design: 'range', build: 'fast', isQuick: false, specs: 'none' },
  { name: 's390-256', arch: 's390-256', design: 'v5', build: 'checked', isQuick: false, specs: 'none' },
  { name: 's390-256-off', arch: 's390-256', design: 'off', build: 'checked', isQuick: false, specs: 'none' },
  { name: 's390-256-range', arch: 's390-256', design: 'range', build: 'checked', isQuick: false, specs: 'none' },
  { name: 's390-256-fast', arch: 's390-256', design: 'v5', build: 'fast', isQuick: false, specs: 'none' },
  { name: 's390-256-off-fast', arch: 's390-256', design: 'off', build: 'fast', isQuick: false, specs: 'none' },
  { name: 's390-256-range-fast', arch: 's390-256', design: 'range', build: 'fast', isQuick: false, specs: 'none' },
  { name: 'toy', arch: 'toy', design: 'v5', build: 'checked', isQuick: true, specs: 'toy' },
  { name: 'toy-off', arch: 'toy', design: 'off', build: 'checked', isQuick: true, specs: 'toy' },
  { name: 'toy-range', arch: 'toy', design: 'range', build: 'checked', isQuick: true, specs: 'toy' },
  { name: 'toy-fast', arch: 'toy', design: 'v5', build: 'fast', isQuick: false, specs: 'none' },
  { name: 'toy-off-fast', arch: 'toy', design: 'off', build: 'fast', isQuick: false, specs: 'none' },
  { name: 'toy-range-fast', arch: 'toy', design: 'range', build: 'fast', isQuick: false, specs: 'none' },
];

/** The image that specs of image-independent packages run under. */
export const FIRST = 'x86';

/** @type {Partial<Record<Variant['arch'], readonly string[]>>} where it is not the one condition that has the arch's name */
const ARCH_CONDITIONS = { generic: [], 's390-256': ['@mmun/arch-s390', '@mmun/s390-pgtable-256'] };

/**
 * The package conditions that choose a variant. Defaults (generic, v5, untransformed) have no condition.
 * @param {Variant} variant
 * @returns {string[]}
 */
export function conditionsOf({ arch, design, build }) {
  return [
    ...(ARCH_CONDITIONS[arch] ?? [`@mmun/arch-${arch}`]),
    ...(design === 'v5' ? [] : [`@mmun/notifier-${design}`]),
    build === 'fast' ? '@mmun/fast' : '@mmun/explore',
  ];
}

/** @param {Variant} variant @returns {import('./straighten.mjs').Form} */
export function formOf({ build }) {
  return build === 'fast' ? 'fast' : 'explore';
}

/** What an image must say of itself. @param {Variant} variant */
export function configOf({ arch, design, build }) {
  return { arch, design, build };
}

/**
 * The names that `gate()` knows, and whether each is open.
 * @param {Variant} variant
 * @returns {Record<string, boolean>}
 */
export function gatesOf({ arch, design, build }) {
  return {
    MMU_NOTIFIER: design !== 'off',
    NOTIFIER_V5: design === 'v5',
    NOTIFIER_RANGE: design === 'range',
    CHECKED: build === 'checked',
    FAST: build === 'fast',
    ARCH_GENERIC: arch === 'generic',
    ARCH_X86: arch === 'x86',
    ARCH_S390: arch.startsWith('s390'),
    HUGE_PAGES: !arch.startsWith('s390'), // of 2.6.24
    S390_PGTABLE_256: arch === 's390-256',
    ARCH_TOY: arch === 'toy',
  };
}
