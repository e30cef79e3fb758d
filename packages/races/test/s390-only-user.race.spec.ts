// mm_users decides twice on s390 of 2.6.24, before IPTE and before the flush, and it is not the number of threads. The kernel is as shipped; the right one has a line changed.
import { catalogue } from '@mmun/races';
import type { CheckReport } from '@mmun/races';
import { later } from '@mmun/test-support';
import { checkKnown } from '@mmun/test-support/linked-races';

function check(id: string, variant: string): Promise<CheckReport> {
  expect(catalogue.find((race) => race.id === id)?.variants.get(variant)?.image).toBe('s390');
  return checkKnown(id, { variant });
}

describe.each(['s390-flush-beside-proc', 's390-fork-beside-proc'].slice(0, later(1, 2)))('%s', (id) => {
  it('takes one switch, between the change of the pte and the flush', async () => {
    const { findings: [finding] } = await check(id, 'buggy');
    expect(catalogue.find((race) => race.id === id)?.finds).toContain(finding?.code);
    expect(finding?.replay.match(/:proc/g)).toHaveLength(1);
  });

  it('is clean in every interleaving where the flush does not ask again', async () => {
    const { findings, exhaustive } = await check(id, 'fixed');
    expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
  });
});
