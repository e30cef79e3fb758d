// KVM's fault protocols against every call under both designs, and lines of KVM that matter, taken away or moved.
import { join } from 'node:path';
import * as image from '@mmun/image';
import { kvm } from '@mmun/plugin-kvm';
import { later } from '@mmun/test-support';
import { checkPluginRace, explorePlugin, isAsked } from '@mmun/test-support/plugin-races';
import { january2008, protocols, wrong } from './kvm-races.js';

const module = join(__dirname, 'kvm-races.ts');

it('knows the designs that have notifiers, and is refused by the one that has none', () => {
  expect(image.secondaryMmuRefusal(kvm)).toBe(image.config.design === 'off' ? 'plugin `kvm` does not know notifier design `off`: it has ops for v5, range' : '');
});

explorePlugin({
  module, right: protocols, wrong,
  // `pt-lock` under v5 and `retry` under range are those of the catalogue
  quick: later(
    /^range-pinned-munmap-read$/,
    /^v5-retry-(dontneed-read|exit-read|mremap-read)$|^range-pt-lock-(mprotect-write|fork-read)$|^range-pinned-(munmap-read|exit-write)$/,
  ),
  quickWrong: later(/^range-no-flush/, /no-flush/),
});

const pinned = january2008.filter((race) => isAsked(race, later(/^$/, /-dontneed-read$/))).map(({ id }) => id);
if (pinned.length > 0) {
  it.each(pinned)('%s: KVM of January 2008 reaches no page of someone else, and not always the one of its process', async (id) => {
    const { findings } = await checkPluginRace(module, id, 'fixed', { findsAll: true });
    for (const { message } of findings) expect(message).not.toMatch(/is free/);
    const isCoherent = /-(mprotect-read|exit-read|exit-write)$/.test(id);
    expect([id, findings.map(({ code }) => code)]).toEqual([id, isCoherent ? [] : expect.arrayContaining([expect.stringMatching(/^(incoherent|stale-after-return|stale-translation|excess-permission)$/)])]);
  });
}
