// npm run build: declarations, per-package output, images, the command.
//   --quick   only what running and the tests need: no declarations, and of the images those that are marked so; `prepare` and
//             `npm test` do this
//   --clean   remove every dist first
// Where nothing has changed since the last, there is nothing to do.
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildCli, buildPackages, buildViewer, clean, copyLicences } from './dist.mjs';
import { buildImages, ImageError } from './images.mjs';
import { buildImageTypes } from './image-types.mjs';
import { isBuilt, setBuilt, sourcesHash } from './stamp.mjs';
import { VARIANTS } from './variants.mjs';
import { compiler } from './compiler.mjs';
import { ROOT } from './workspace.mjs';

/** Declarations of all packages, by the root project references. */
function declarations() {
  const { status } = spawnSync(process.execPath, [compiler(), '-b', join(ROOT, 'tsconfig.json')], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new ImageError('declarations: the compiler found errors (above)');
}

/** In a process of its own, on another core. @returns {Promise<string[]>} a line; what cannot be linked is said to whoever asks for it */
async function warmRaces() {
  const script = fileURLToPath(new URL('warm-races.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], { encoding: 'utf8' }).catch(() => ({ stdout: 'races: not linked\n' }));
  return [stdout.trim()];
}

async function main() {
  const options = new Set(process.argv.slice(2));
  const started = performance.now();
  const isQuick = options.has('--quick');
  const sources = sourcesHash();
  if (options.has('--clean')) await clean();
  else if (isBuilt(sources, isQuick)) return console.log('built: nothing has changed');
  if (!isQuick) {
    declarations();
    await copyLicences();
  }
  const images = existsSync(join(ROOT, 'packages/image/src/linked.ts')) ? buildImages(isQuick ? VARIANTS.filter((variant) => variant.isQuick) : VARIANTS) : Promise.resolve([]);
  const types = isQuick ? Promise.resolve([]) : buildImageTypes();
  const lines = (await Promise.all([buildPackages(), images, types, buildCli(), buildViewer(), warmRaces()])).flat();
  setBuilt(sources, isQuick);
  for (const line of lines) console.log(line);
  console.log(`built in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

main().catch((error) => {
  console.error(error instanceof ImageError ? error.message : error);
  process.exitCode = 1;
});
