// npx nx build image [--only=s390-off,s390-off-fast]: links images, each into one file of packages/image/dist.
import { buildImages, ImageError } from './images.mjs';
import { VARIANTS } from './variants.mjs';

/** @param {readonly string[]} args @returns {readonly import('./variants.mjs').Variant[]} */
export function variantsOf(args) {
  const names = args.flatMap((arg) => arg.replace(/^--only=/, '').split(',')).filter((name) => name !== '' && name !== '--only');
  const unknown = names.find((name) => !VARIANTS.some((variant) => variant.name === name));
  if (unknown !== undefined) throw new ImageError(`no image \`${unknown}\`: there are ${VARIANTS.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? VARIANTS : VARIANTS.filter(({ name }) => names.includes(name));
}

async function main() {
  try {
    for (const line of await buildImages(variantsOf(process.argv.slice(2)))) console.log(line);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

if (process.argv[1]?.endsWith('build-image.mjs') === true) void main();
