// In which order jest runs the specs is its own business; that it asks is the moment when the specs of a run are known and
// none has begun. So this is where the images that they need are linked.
import { createRequire } from 'node:module';
import { linkImages } from './jest-link.mjs';

// its types are those of the CommonJS entry
const { default: Sequencer } = /** @type {typeof import('@jest/test-sequencer')} */ (createRequire(import.meta.url)('@jest/test-sequencer'));

/** Where nothing is known of earlier runs: kinds that take long go first, lest one of them be left for the end. */
const LONG = /\.(race|prop|linux)\.spec\.ts$|[\\/]packages[\\/]cli[\\/]test[\\/]/;

class LinkingSequencer extends Sequencer {
  /** @override @param {Parameters<InstanceType<typeof Sequencer>['sort']>[0]} tests */
  async sort(tests) {
    await linkImages(new Set(tests.map(({ context }) => context.config.displayName?.name ?? '')));
    const sorted = await super.sort(tests);
    if (sorted.some(({ duration }) => duration !== undefined)) return sorted;
    return [...sorted.filter(({ path }) => LONG.test(path)), ...sorted.filter(({ path }) => !LONG.test(path))];
  }
}

// jest takes a sequencer from the default export only
export default LinkingSequencer;
