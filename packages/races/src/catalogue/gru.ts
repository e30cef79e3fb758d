/**
 * The GRU: a TLB whose driver takes no reference to any page and holds no lock over a fill. What makes it right is its hardware,
 * which ignores a fill that an invalidate overtook, and the order in which its driver looks at things (history 4.2).
 */
import { MADV_DONTNEED } from '@mmun/include';
import { gru } from '@mmun/plugin-gru';
import { defineRace } from '../define.js';
import type { Race, SourceEdit } from '../define.js';
import { onePage, sharedPage } from '../set-ups.js';
import type { Page } from '../set-ups.js';

const FAULT = 'plugin-gru/src/grufault.ts';

/** Of a file: what is written to it must come out dirty. */
const FILLS_REGARDLESS: SourceEdit = {
  file: 'plugin-gru/src/gruhandles.ts', find: 'if (g.tfh.state[tfh] === TFH_READ && isMeant(', replace: 'if (g.tfh.state[tfh] < 0 && isMeant(',
};
const RANGES_FIRST: SourceEdit = {
  file: FAULT,
  find: '  const gts = yield* tfhRead(g, tfh);\n  if (gts === 0) return -EAGAIN; // the context was unloaded: its instruction will start over\n  if (yield* isRangeActive(g, gms)) return UPM_PFN;\n',
  replace: '  if (yield* isRangeActive(g, gms)) return UPM_PFN;\n  const gts = yield* tfhRead(g, tfh);\n  if (gts === 0) return -EAGAIN;\n',
};
const CLEAN_WILL_DO: SourceEdit = { file: FAULT, find: 'isWrite ? PTE_LOOKUP_WRITE | PTE_LOOKUP_DIRTY : 0', replace: 'isWrite ? PTE_LOOKUP_WRITE : 0' };

export const gruRaces: readonly Race[] = [
  defineRace<Page>({
    id: 'gru-fill', title: 'hardware that ignores a fill which an invalidate overtook, instead of a lock, a count or a pin', source: '20080422152600.GP30298@sgi.com',
    finds: ['stale-translation', 'stale-after-return', 'incoherent'],
    variants: {
      buggy: { plugin: gru, edit: FILLS_REGARDLESS }, fixed: { plugin: gru },
      'range-buggy': { plugin: gru, image: 'toy-range', edit: FILLS_REGARDLESS }, range: { plugin: gru, image: 'toy-range' },
    },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED), dev0: (t, { a }) => t.dev.read(a) },
  }) as Race,
  defineRace<Page>({
    id: 'gru-record-first', title: 'the fault record is read before the count of ranges, or a start falls between the two', source: '20080422152600.GP30298@sgi.com',
    finds: ['stale-translation', 'stale-after-return', 'incoherent'],
    variants: { buggy: { plugin: gru, image: 'toy-range', edit: RANGES_FIRST }, fixed: { plugin: gru, image: 'toy-range' } },
    setup: onePage,
    actors: { cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED), dev0: (t, { a }) => t.dev.read(a) },
  }) as Race,
  defineRace<Page>({
    id: 'gru-write-dirty', title: 'a TLB that keeps no dirty mark is filled for a write only from a dirty pte', source: 'v2.6.27 drivers/misc/sgi-gru/grufault.c',
    finds: ['lost-dirty'],
    variants: { buggy: { plugin: gru, edit: CLEAN_WILL_DO }, fixed: { plugin: gru }, range: { plugin: gru, image: 'toy-range' } },
    setup: sharedPage,
    actors: { cpu0: (t, { a }) => t.madvise(a, MADV_DONTNEED), dev0: (t, { a }) => t.dev.write(a) },
  }) as Race,
];
