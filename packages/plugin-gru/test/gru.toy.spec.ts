// The GRU without a reference to any page: right against every call under both designs, by what its hardware promises and the order
// of its driver; and each line that matters, taken away.
import { join } from 'node:path';
import * as image from '@mmun/image';
import { gru } from '@mmun/plugin-gru';
import { later } from '@mmun/test-support';
import { explorePlugin } from '@mmun/test-support/plugin-races';
import { calls, together, wrong } from './gru-races.js';

it('knows the designs that have notifiers, and is refused by the one that has none', () => {
  expect(image.secondaryMmuRefusal(gru)).toBe(image.config.design === 'off' ? 'plugin `gru` does not know notifier design `off`: it has ops for v5, range' : '');
});

explorePlugin({
  module: join(__dirname, 'gru-races.ts'), right: [...calls, ...together], wrong,
  quick: later(/-close-beside-open$/, /^[a-z0-9]*-gru-(munmap-read|dontneed-read|exit-write|fork-read)$|-close-beside-open$/),
  quickWrong: later(/^v5-asid-changed/, /asid-changed/),
});
