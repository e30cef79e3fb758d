/** What gru.toy.spec.ts explores: contexts against each call, and wrong drivers and wrong hardware, each a line away. */
import type { Design } from '@mmun/include';
import { gru, gruWith } from '@mmun/plugin-gru';
import { deviceRaces, lookupThenInstall } from '@mmun/races';
import type { Race, Variant } from '@mmun/races';

const DESIGNS: readonly Exclude<Design, 'off'>[] = ['v5', 'range'];
const imageOf = (design: string): NonNullable<Variant['image']> => (design === 'v5' ? 'toy' : 'toy-range');

/** v5 forgot fork, whoever asks. */
const calls: readonly Race[] = DESIGNS.flatMap((design) => [gru, gruWith({ mode: 'polling' })].flatMap((plugin) =>
  deviceRaces(`${design}-${plugin.name.replace(':', '-')}`, (call) => (call === 'fork' && design === 'v5' ? null : {
    buggy: { plugin: lookupThenInstall }, fixed: { plugin, image: imageOf(design) },
  }))));

export const races: readonly Race[] = [...calls];
