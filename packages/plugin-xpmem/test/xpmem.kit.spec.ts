// XPMEM on the toy machine of design range, in every interleaving: right where it is right, and each wrong one of history convicted by its name.
// Some spaces have hundreds of thousands of states: those are for MMUN_EFFORT=full, and what takes a minute for a night.
import { join } from 'node:path';
import type { CheckReport } from '@mmun/races';
import { effort, later } from '@mmun/test-support';
import { checkOwn } from '@mmun/test-support/linked-races';

const isFull = effort(0, 1) === 1;
jest.setTimeout(effort(120_000, 600_000, 3_600_000));

const check = (id: string, variant: 'buggy' | 'fixed'): Promise<CheckReport> => checkOwn(join(import.meta.dirname, 'xpmem-races.ts'), id, { variant, strategy: DPOR.test(id) ? 'dpor' : 'stateful' }, 'toy-range');

/** Where threads meet at locks alone, orderings are fewer than states. */
const DPOR = /exit-(read|write)|fork-read|detach-recall|unpin|ignores|inclusive|area-munmap|area-owner/;

const CLEAN = ['xpmem-munmap-read-kworker', 'xpmem-reclaim-read', 'xpmem-exit-read-kworker', 'warm-munmap', 'detach-access', 'remove-attached', 'area-munmap'];
const CALLS = ['munmap', 'mprotect', 'dontneed', 'cow', 'exit', 'fork', 'mremap', 'reclaim', 'truncate', 'unregister'];
/** With and without a worker thread: without one, who waits for an answer makes it. */
const MORE: readonly string[] = [
  ...CALLS.flatMap((call) => ['read', 'write', 'read-kworker', 'write-kworker'].map((how) => `xpmem-${call}-${how}`)),
  'two-recalls', 'two-partitions', 'detach-recall', 'close-recall', 'close-fault', 'remove-recall', 'exit-close', 'area-fault', 'area-detach', 'area-detach-read', 'area-owner-exits', 'area-other-exits', 'area-both-exit',
  'only-range-end', 'unpin-before-zap', 'other-mutex', 'ignores-others', 'inclusive-overlap', 'mutex-over-gup', 'forced-under-v5',
];

/** Many states: none of these is through in six seconds. */
const LONG = /^xpmem-(cow-write|unregister-(read|write))(-kworker)?$|^two-(recalls|partitions)$|^close-recall$|^exit-close$|^area-detach$|^only-range-end$/;
const isNight = effort(0, 0, 1) === 1;
const ALL = [...new Set([...CLEAN, ...MORE])].filter((id) => isNight || !LONG.test(id));
/** Without those that take longest and say what another one says. */
const QUICK = CLEAN.filter((id) => !/^xpmem-reclaim-read$|^remove-attached$/.test(id) && !later(/^xpmem-(munmap|exit)-read-kworker$/, /^$/).test(id));

it.each(isFull ? ALL : QUICK)('%s: clean in every interleaving', async (id) => {
  const { findings, exhaustive, notes } = await check(id, 'fixed');
  expect({ findings, exhaustive, notes: exhaustive ? [] : notes }).toEqual({ findings: [], exhaustive: true, notes: [] });
});

const CONVICTED = [
  ['unpin-before-zap', 'stale-translation'], ['other-mutex', 'stale-translation'], ['ignores-others', 'stale-after-return'], ['inclusive-overlap', 'broken-claim'],
  ['only-range-end', 'cow-leak'], ['mutex-over-gup', 'self-deadlock'],
] as const;

const convicted = CONVICTED.filter(([id]) => isFull || (!/^(only-range-end|other-mutex)$/.test(id) && !later(/^(ignores-others|mutex-over-gup)$/, /^$/).test(id)));

it.each(convicted)('%s is convicted: %s', async (id, code) => {
  const { findings: [finding] } = await check(id, 'buggy');
  expect(finding).toMatchObject({ code });
  expect(finding?.replay.length).toBeLessThanOrEqual(80);
});

// the image of v5 is one link more: beside it stands a test of the same on x86
if (isFull) {
  it('xpmem forced under v5 is convicted: it sleeps in atomic context', async () => {
    const { findings: [finding] } = await check('forced-under-v5', 'buggy');
    expect(finding).toMatchObject({ code: 'sleep-in-atomic' });
  });
}
