// In which order jest runs the specs is its own business; that it asks is the moment when the specs of a run are known and
// none has begun. So this is where the images that they need are linked.
import { createRequire } from 'node:module';
import { linkImages } from './jest-link.mjs';

// its types are those of the CommonJS entry
const { default: Sequencer } = /** @type {typeof import('@jest/test-sequencer')} */ (createRequire(import.meta.url)('@jest/test-sequencer'));

class LinkingSequencer extends Sequencer {
  /** @override @param {Parameters<InstanceType<typeof Sequencer>['sort']>[0]} tests */
  async sort(tests) {
    await linkImages(new Set(tests.map(({ context }) => context.config.displayName?.name ?? '')));
    return super.sort(tests);
  }
}

// jest takes a sequencer from the default export only
export default LinkingSequencer;
